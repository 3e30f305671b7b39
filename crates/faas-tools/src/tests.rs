use proptest::prelude::*;

use super::identifier::identifier_of;
use super::*;

fn set(tools: Value) -> Result<ToolSet, Invalid> {
    ToolSet::new(serde_json::from_value(tools).unwrap())
}

fn one(input: Value) -> Result<ToolSet, Invalid> {
    set(json!([{"name": "t", "input_schema": input}]))
}

fn search() -> Value {
    json!([{
        "name": "web-search",
        "description": "Finds pages.",
        "input_schema": {
            "type": "object",
            "properties": {
                "limit": {"type": "integer", "minimum": 1, "default": 10},
                "q": {"type": "string", "description": "what to look for"},
                "kind": {"enum": ["news", "all"]},
                "from": {"type": "string"},
            },
            "required": ["q"],
            "additionalProperties": false,
        },
        "output_schema": {
            "type": "array",
            "items": {"$ref": "#/$defs/page"},
            "$defs": {"page": {
                "type": "object",
                "properties": {"title": {"type": "string"}, "score": {"type": ["number", "null"]}},
                "required": ["title"],
            }},
        },
    }])
}

#[test]
fn an_input_fits_its_schema_or_the_reason_names_its_place() {
    let tools = set(search()).unwrap();
    let check = |input| tools.check_input("web-search", input).unwrap();
    check(r#"{"q": "x"}"#).unwrap();
    check(r#"{"q": "x", "limit": 3, "kind": "news", "from": "y"}"#).unwrap();
    for (wrong, reason) in [
        (r"{}", "\"q\" is a required property"),
        (r#"{"q": 1}"#, "q: 1 is not of type \"string\""),
        (
            r#"{"q": "", "limit": 0}"#,
            "limit: 0 is less than the minimum of 1",
        ),
        (r#"{"q": "", "x": 0}"#, "'x' was unexpected"),
        ("[]", "is not of type \"object\""),
        ("{", "it is not JSON"),
    ] {
        let error = check(wrong).unwrap_err().to_string();
        assert!(error.contains(reason), "{wrong}: {error}");
    }
    assert!(tools.check_input("other", "{}").is_none());
}

#[test]
fn a_result_fits_its_schema_behind_references() {
    let tools = set(search()).unwrap();
    let check = |output| tools.check_output("web-search", output);
    check(r#"[{"title": "a", "score": null}]"#).unwrap();
    let error = check(r#"[{"title": "a"}, {"score": 1}]"#).unwrap_err();
    assert_eq!(error.to_string(), "1: \"title\" is a required property");
}

#[test]
fn signatures_read_as_their_languages_write_them() {
    let tools = set(search()).unwrap();
    let python = tools.python();
    for line in [
        "class WebSearchResult(TypedDict):\n    title: str\n    score: NotRequired[float | None]\n",
        "def web_search(q: str, limit: int = 10, kind: Literal[\"news\", \"all\"] = ..., **others: Any) -> \
         list[WebSearchResult]:\n    \"\"\"Finds pages.\n    \n    q: what to look for\"\"\"",
    ] {
        assert!(python.contains(line), "{python}");
    }
    let typescript = tools.typescript();
    for line in [
        "   * @param input.q what to look for\n",
        "  web_search(input: { limit?: number; q: string; kind?: \"news\" | \"all\"; from?: string }): \
         Promise<{ title: string; score?: number | null }[]>;",
    ] {
        assert!(typescript.contains(line), "{typescript}");
    }
}

#[test]
fn a_name_is_one_that_programs_can_write() {
    for (name, identifier) in [
        ("search", "search"),
        ("web-search.v2", "web_search_v2"),
        ("2nd", "_2nd"),
        ("import", "import_"),
        ("__name__", "__name___"),
        ("ToolError", "ToolError_"),
    ] {
        assert_eq!(identifier_of(name), identifier);
    }
    let long = "x".repeat(MAX_NAME_BYTES + 1);
    for wrong in ["", "a b", "é", "a/b", "a\"b", &long] {
        let refused = set(json!([{ "name": wrong }])).unwrap_err();
        assert!(matches!(refused, Invalid::Name(_)), "{refused}");
    }
    let twice = set(json!([{"name": "a-b"}, {"name": "a.b"}])).unwrap_err();
    assert_eq!(twice, Invalid::SameName("a-b".to_owned(), "a.b".to_owned()));
}

#[test]
fn a_schema_that_refers_to_itself_is_checked_once() {
    let node = json!({
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
        "additionalProperties": false,
    });
    let schema = json!({"$ref": "#/$defs/node", "$defs": {"node": node}});
    let tools = one(schema).unwrap();
    let check = |input| tools.check_input("t", input).unwrap();
    check(r#"{"children": [{"children": []}]}"#).unwrap();
    check(r#"{"x": 1}"#).unwrap_err();
    // Nothing but itself.
    one(json!({"$ref": "#"})).unwrap();
    one(json!({"allOf": [{"$ref": "#"}], "type": "object"})).unwrap();
}

#[test]
fn a_schema_that_would_grow_without_bound_is_refused() {
    let mut definitions = serde_json::Map::new();
    definitions.insert("d0".to_owned(), json!({}));
    for level in 1..40 {
        let below = json!({"$ref": format!("#/$defs/d{}", level - 1)});
        definitions.insert(format!("d{level}"), json!({"allOf": [below, below]}));
    }
    let schema = json!({"$ref": "#/$defs/d39", "$defs": definitions});
    let refused = one(schema).unwrap_err().to_string();
    assert!(refused.contains("more than 10000 values"), "{refused}");
    let mut deep = json!({});
    for _ in 0..110 {
        deep = json!({"properties": {"a": deep}});
    }
    let refused = one(deep).unwrap_err().to_string();
    assert!(refused.contains("nested too deeply"), "{refused}");
}

#[test]
fn a_schema_from_elsewhere_and_one_that_is_none_are_refused() {
    for (schema, reason) in [
        (
            json!({"$ref": "http://localhost/x"}),
            "a part of the same schema",
        ),
        (
            json!({"$ref": "other.json#/a"}),
            "a part of the same schema",
        ),
        (
            json!({"$ref": "#/$defs/missing"}),
            "there is no \"#/$defs/missing\"",
        ),
        (json!({"$dynamicRef": "#a"}), "is not supported"),
        (json!({"type": "strnig"}), "strnig"),
        (json!({"properties": {"a": {"pattern": "("}}}), "regex"),
        (json!({"properties": {"a": {"pattern": "(?=a)"}}}), "regex"),
        (json!("object"), "it is not an object"),
        (json!({"type": "string"}), "is not that of an object"),
    ] {
        let refused = one(schema.clone()).unwrap_err().to_string();
        assert!(refused.contains(reason), "{schema}: {refused}");
    }
}

#[test]
fn a_value_that_takes_too_long_to_check_is_refused() {
    let many: Vec<Value> = (0..4_000)
        .map(|number| json!({ "const": number }))
        .collect();
    let tools = one(json!({"properties": {"a": {"items": {"anyOf": many}}}})).unwrap();
    let input = format!("{{\"a\": [{}0]}}", "5000,".repeat(20_000));
    let refused = tools.check_input("t", &input).unwrap().unwrap_err();
    assert!(
        refused.to_string().contains("too much to be checked"),
        "{refused}"
    );
}

#[test]
fn names_in_stubs_are_each_of_one_thing() {
    let of = |name: &str| {
        json!({
            "name": name, "description": "Says \"hi\"",
            "input_schema": {"type": "object", "additionalProperties": true,
                "properties": {"others": {"type": "object", "properties": {"x": {"type": "null"}}}}},
        })
    };
    let python = set(json!([of("a_b"), of("a.B")])).unwrap().python();
    for part in [
        "class ABOthers(",
        "class AB_Others(",
        "others: ABOthers = ..., **others_: Any)",
        "Says \"hi\\\"\"\"\"\n",
    ] {
        assert!(python.contains(part), "{part} is not in {python}");
    }
}

#[test]
fn a_text_from_a_caller_does_not_end_a_comment_or_a_string() {
    let tools = set(json!([{
        "name": "t",
        "description": "a */ b \"\"\" c \\",
        "input_schema": {"properties": {"x y": {"type": "string", "description": "d */"}}},
    }]))
    .unwrap();
    assert!(
        !tools.typescript().contains("a */ b"),
        "{}",
        tools.typescript()
    );
    assert!(
        tools.typescript().contains("\"x y\"?: string"),
        "{}",
        tools.typescript()
    );
    assert!(!tools.python().contains("b \"\"\" c"), "{}", tools.python());
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        prop_oneof![
            "[a-z$#/]{0,6}",
            Just("object".to_owned()),
            Just("#/$defs/a".to_owned())
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let keyword = prop_oneof![
            Just("type"),
            Just("properties"),
            Just("items"),
            Just("$ref"),
            Just("$defs"),
            Just("a"),
            Just("anyOf"),
            Just("enum"),
            Just("required"),
            Just("default"),
            Just("allOf"),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((keyword, inner), 0..5).prop_map(|members| {
                members
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect()
            }),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_is_sent_as_a_schema_is_taken_or_refused(schema in any_json(), input in any_json()) {
        if let Ok(tools) = one(schema) {
            let _ = tools.check_input("t", &input.to_string());
            let _ = (tools.python(), tools.typescript(), tools.for_runner());
        }
    }
}
