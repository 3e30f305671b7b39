//! Results as a notebook shows them: what programs display, and the values that they end with.

mod common;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::shared;

fn results(answer: &Answer) -> &Value {
    &answer.body["output"]["results"]
}

fn javascript(code: &str) -> Answer {
    shared().run(json!({ "language": "js", "code": code }))
}

#[test]
fn the_last_expression_of_a_program_is_its_main_result() {
    let answer = shared().python("'a'");
    let shown = json!([{ "is_main_result": true, "data": { "text/plain": "'a'" } }]);
    assert_eq!(results(&answer), &shown);
    assert_eq!(answer.ret_val(), "a");
    assert_eq!(results(&javascript("return 'a'")), &shown);
    for quiet in ["'a';", "None", "x = 1", "print('a')"] {
        assert_eq!(results(&shared().python(quiet)), &json!([]), "{quiet}");
    }
    for quiet in ["1", "return undefined", "console.log(1)"] {
        assert_eq!(results(&javascript(quiet)), &json!([]), "{quiet}");
    }
    let answer = shared().python("return_val(1)\n2");
    assert_eq!(results(&answer)[0]["data"]["text/plain"], "2");
    assert_eq!(answer.ret_val(), "1");
}

#[test]
fn an_object_is_shown_by_its_methods_as_in_notebooks() {
    let code = "
class Shown:
    def __repr__(self): return 'shown'
    def _repr_html_(self): return '<b>é</b>'
    def _repr_markdown_(self): return None
    def _repr_svg_(self): return '<svg/>'
    def _repr_png_(self): return b'\\x89PNG'
    def _repr_jpeg_(self): return '/9j/'
    def _repr_latex_(self): return '$x$', {'metadata': 1}
    def _repr_json_(self): return {'a': [1, None, 'é']}
    def _repr_javascript_(self): return 'alert(1)'
    def _repr_mimebundle_(self, include=None, exclude=None):
        return {'text/html': '<i>first</i>', 'application/vnd.x+json': [1]}, {'metadata': 1}
display(Shown(), 1)
Shown()";
    let answer = shared().python(code);
    let shown = json!({
        "text/plain": "shown", "text/html": "<i>first</i>", "application/vnd.x+json": [1],
        "image/svg+xml": "<svg/>", "image/png": "iVBORw==", "image/jpeg": "/9j/", "text/latex": "$x$",
        "application/json": { "a": [1, null, "é"] }, "application/javascript": "alert(1)",
    });
    let expected = json!([
        { "is_main_result": false, "data": &shown },
        { "is_main_result": false, "data": { "text/plain": "1" } },
        { "is_main_result": true, "data": &shown },
    ]);
    assert_eq!(results(&answer), &expected, "{}", answer.stderr());
}

#[test]
fn classes_and_objects_that_answer_to_every_name_are_shown_as_text() {
    let code = "
from unittest.mock import MagicMock
class Shown:
    def _repr_html_(self): return '<b></b>'
class Everything:
    def __repr__(self): return 'everything'
    def __getattr__(self, name): return lambda *a, **k: 1 / 0
display(Shown, Everything(), MagicMock(name='m'))";
    let answer = shared().python(code);
    assert_eq!(answer.stderr(), "");
    let types = results(&answer).as_array().unwrap().iter();
    let types: Vec<Vec<&String>> = types
        .map(|one| one["data"].as_object().unwrap().keys().collect())
        .collect();
    assert_eq!(types, [["text/plain"]; 3]);
}

#[test]
fn a_method_that_fails_is_reported_and_spoils_nothing_else() {
    let code = "
class Broken:
    def __repr__(self): return 'broken'
    def _repr_html_(self): raise ValueError('no html')
    def _repr_latex_(self): return '$x$'
display(Broken())
'done'";
    let answer = shared().python(code);
    assert_eq!(answer.outcome(), "success");
    assert_eq!(answer.last_stderr_line(), "ValueError: no html");
    assert!(answer.stderr().contains("line 4, in _repr_html_"));
    let shown = json!({ "text/plain": "broken", "text/latex": "$x$" });
    assert_eq!(results(&answer)[0]["data"], shown);
    assert_eq!(answer.ret_val(), "done");
}

#[test]
fn what_is_displayed_comes_back_from_programs_that_fail_later() {
    let answer = shared().python("display(1)\n1/0");
    assert_eq!(answer.outcome(), "error");
    assert_eq!(results(&answer)[0]["data"]["text/plain"], "1");
    let answer = javascript("display(1); throw new Error('x')");
    assert_eq!(answer.outcome(), "error");
    assert_eq!(results(&answer)[0]["data"]["text/plain"], "1");
}

#[test]
fn javascript_displays_a_value_with_further_representations() {
    let answer = javascript(
        "display({ a: 1 }, { 'text/html': '<b>é</b>', 'application/json': { a: [1] },
            'image/png': new Uint8Array([0x89, 0x50]), 'text/latex': undefined });
        class Shown { [Symbol.for('Jupyter.display')]() { return { 'text/markdown': '*a*' } } }
        return new Shown();",
    );
    let expected = json!([
        { "is_main_result": false, "data": {
            "text/plain": "{ a: 1 }", "text/html": "<b>é</b>", "application/json": { "a": [1] },
            "image/png": "iVA=",
        } },
        { "is_main_result": true, "data": { "text/plain": "Shown {}", "text/markdown": "*a*" } },
    ]);
    assert_eq!(results(&answer), &expected, "{}", answer.stderr());
    let answer = javascript("display(1, 'text')");
    assert!(
        answer
            .stderr()
            .contains("TypeError: display takes representations by media type")
    );
}

#[test]
fn a_javascript_program_cannot_change_how_results_are_sent() {
    let answer = javascript(
        "Object.keys = () => ['text/html'];
        JSON.stringify = () => '{';
        Array.prototype[Symbol.iterator] = function* () { yield 'x' };
        Object.prototype['text/html'] = '<b>not mine</b>';
        display(1, { 'application/json': { a: 1 } });",
    );
    let shown = json!({ "text/plain": "1", "application/json": { "a": 1 } });
    assert_eq!(results(&answer)[0]["data"], shown, "{}", answer.stderr());
}

#[test]
fn dictionaries_of_representations_are_displayed_raw() {
    let code = "display({'text/html': '<b>1</b>', 'application/json': [1.5], 'image/png': memoryview(b'\\x89P')}, raw=True)";
    let shown = json!({ "text/html": "<b>1</b>", "application/json": [1.5], "image/png": "iVA=" });
    assert_eq!(results(&shared().python(code))[0]["data"], shown);
}

#[test]
fn what_cannot_be_shown_is_left_out_and_said_so() {
    let code = "
deep = []
for _ in range(200): deep = [deep]
display({'text/plain': 'kept', 'text/html': 'x' * 9_000_000, 'no type': 'x', 'text/a;b=c': 'x',
    'application/json': deep, 'application/a+json': [float('nan')], 'application/b+json': object()}, raw=True)
display({'no type either': 'x'}, raw=True)";
    let answer = shared().python(code);
    let expected = json!([{ "is_main_result": false, "data": { "text/plain": "kept" } }]);
    assert_eq!(results(&answer), &expected);
    let said: Vec<&str> = answer.stderr().lines().collect();
    let parts = [
        ["text/html", "FAAS_MAX_FILES_BYTES"],
        ["no type", "\"no type\" is not a media type"],
        ["text/a;b=c", "not a media type"],
        ["application/json", "at most 100 arrays"],
        ["application/a+json", "not JSON compliant"],
        ["application/b+json", "not JSON serializable"],
        ["no type either", "not a media type"],
    ];
    assert_eq!(said.len(), parts.len(), "{said:?}");
    for (line, [media_type, reason]) in said.iter().zip(parts) {
        assert!(
            line.starts_with(&format!("Not shown as {media_type}: ")),
            "{line}"
        );
        assert!(line.contains(reason), "{line}");
    }
    let answer = javascript("display(1, { 'no type': '', 'application/json': 1n })");
    assert_eq!(answer.outcome(), "success");
    let shown = json!({ "text/plain": "1" });
    assert_eq!(results(&answer)[0]["data"], shown);
    assert_eq!(
        answer.stderr().matches("Not shown as ").count(),
        2,
        "{}",
        answer.stderr()
    );
}

#[test]
fn results_are_limited_in_number_and_with_the_files_in_size() {
    let answer = shared().python("for i in range(102): display(i)");
    assert_eq!(results(&answer).as_array().unwrap().len(), 100);
    assert_eq!(answer.stderr().matches("at most 100 results").count(), 2);
    let many = "display({f'text/x{i}': '' for i in range(20)}, raw=True)\ndisplay(1)";
    let answer = shared().python(many);
    assert_eq!(results(&answer)[0]["data"].as_object().unwrap().len(), 16);
    assert_eq!(results(&answer)[1]["data"]["text/plain"], "1");
    let code =
        "open('output/a', 'w').write('x' * 600)\ndisplay({'text/plain': 'y' * 600}, raw=True)";
    let answer = shared().run(json!({ "code": code, "limits": { "files_bytes": 1000 } }));
    assert_eq!(results(&answer).as_array().unwrap().len(), 1);
    assert_eq!(answer.body["output"]["files"], json!([]));
    assert!(
        answer.stderr().contains("FAAS_MAX_FILES_BYTES"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn a_long_text_of_a_value_is_cut() {
    let answer = shared().python("'x' * 200_000");
    let text = results(&answer)[0]["data"]["text/plain"].as_str().unwrap();
    assert_eq!(text.chars().count(), 100_001);
    assert!(text.ends_with('…'));
    assert_eq!(answer.ret_val().len(), 200_000);
}

#[test]
fn results_of_one_program_are_not_shown_by_the_next() {
    let server = Server::start_python(&[("FAAS_WORKERS", "1")]);
    for number in 0..5 {
        let answer = server.python(&format!("display({number})\n1/0"));
        let expected = json!([
            { "is_main_result": false, "data": { "text/plain": number.to_string() } },
        ]);
        assert_eq!(results(&answer), &expected);
    }
}
