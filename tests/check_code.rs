//! `POST /check_code`, and the gates that refuse complex programs.

mod common;

use serde_json::Value;
use serde_json::json;

use common::Server;
use common::shared;

fn check(language: &str, code: &str) -> Value {
    let request = json!({ "language": language, "code": code });
    let answer = shared().post("/check_code", request.to_string());
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

#[test]
fn a_syntax_fault_has_a_place_and_a_message() {
    for (language, code, line, column, message) in [
        ("python", "x = 1\nif x\n    pass", 2, 5, "expected ':'"),
        ("python", "return 1", 1, 1, "'return' outside function"),
        (
            "javascript",
            "let a = 1;\nlet b = ;",
            2,
            9,
            "Unexpected token ';'",
        ),
        ("typescript", "let a: = 1;", 1, 8, "type"),
        // It parses, and V8 refuses it.
        (
            "javascript",
            "let a = 1;\nlet a = 2;",
            2,
            5,
            "already been declared",
        ),
        (
            "typescript",
            "type T = 1;\nlet a: T = 1, a = 2;",
            2,
            15,
            "already been declared",
        ),
        ("javascript", "(", 1, 2, "Unexpected end"),
    ] {
        let found = check(language, code);
        assert_eq!(found["valid"], false, "{code}");
        let fault = &found["errors"][0];
        assert_eq!(
            (&fault["line"], &fault["column"]),
            (&json!(line), &json!(column)),
            "{found}"
        );
        assert!(
            fault["message"].as_str().unwrap().contains(message),
            "{found}"
        );
    }
}

#[test]
fn checking_a_program_does_not_run_it() {
    let found = check("python", "import sys\nsys.exit(3)\nwhile True: pass");
    assert_eq!(
        (&found["valid"], &found["language"]),
        (&json!(true), &json!("python"))
    );
    for code in [
        "for (;;) {}",
        "await 1; return 2",
        "import { a } from 'a';\nexport const b = a;",
        "#!/usr/bin/env node\nthrow 1",
    ] {
        assert_eq!(check("javascript", code)["valid"], true, "{code}");
    }
}

#[test]
fn check_code_lists_imports_and_whether_they_work() {
    let found = check(
        "python",
        "import json, os.path\nfrom nowhere.at import all\nimport json",
    );
    assert_eq!(
        found["imports"],
        json!([
            { "module": "json", "line": 1, "available": true, "package": null },
            { "module": "os.path", "line": 1, "available": true, "package": null },
            { "module": "nowhere.at", "line": 2, "available": false, "package": null },
        ])
    );
    let found = check(
        "typescript",
        "import type { A } from './a';\nimport fs from 'fs';\nawait import('x');",
    );
    let modules: Vec<_> = found["imports"]
        .as_array()
        .unwrap()
        .iter()
        .map(|import| &import["module"])
        .collect();
    assert_eq!(modules, ["fs", "x"]);
    assert_eq!(found["imports"][0]["available"], false);
}

#[test]
fn complexity_figures_match_those_counted_by_hand() {
    let found = check(
        "python",
        r#"
def classify(n):                    # 1
    if n < 0 and n != -1:           # + 2
        return "negative"
    elif n == 0:                    # + 1
        return "zero"
    for i in range(n):              # + 1
        while i:                    # + 1
            i -= 1
    return [x for x in range(n) if x]   # + 2

print(classify(3))
"#,
    );
    let complexity = &found["complexity"];
    assert_eq!(complexity["max_cyclomatic"], 8);
    assert_eq!(complexity["max_nesting"], 2);
    assert_eq!(complexity["statements"], 10);
    assert_eq!(
        complexity["loops"],
        json!({ "count": 3, "max_depth": 2, "estimate": "O(n^2)" })
    );
    let names: Vec<_> = complexity["functions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|function| &function["name"])
        .collect();
    assert_eq!(names, ["<module>", "classify"]);

    let found = check(
        "javascript",
        "const f = (n) => {\n  if (n && n > 1) return 1; else if (n === 0) return 2;\n  for (const x of [n]) { for (;;) break; }\n  return n ? 1 : 2;\n};",
    );
    let complexity = &found["complexity"];
    assert_eq!(complexity["max_cyclomatic"], 7, "{complexity}");
    assert_eq!(complexity["max_nesting"], 2);
    assert_eq!(complexity["loops"]["estimate"], "O(n^2)");
    assert_eq!(complexity["functions"][1]["name"], "f");
}

#[test]
fn a_program_nested_too_deeply_is_reported_as_a_fault() {
    for language in ["python", "javascript", "typescript"] {
        let code = format!("x = {}1{}", "(".repeat(100_000), ")".repeat(100_000));
        let request = json!({ "language": language, "code": code });
        let answer = shared().post("/check_code", request.to_string());
        match answer.status {
            200 => assert_eq!(answer.body["valid"], false, "{language}"),
            status => assert_eq!(
                (status, answer.error()),
                (500, "Execution failed"),
                "{language}"
            ),
        }
    }
    assert_eq!(check("python", "1")["valid"], true, "the service goes on");
}

#[test]
fn invalid_check_code_requests_are_400() {
    for body in [
        "",
        "{}",
        r#"{"code": 1}"#,
        r#"{"code": "1", "language": "cobol"}"#,
    ] {
        assert_eq!(shared().post("/check_code", body).status, 400, "{body}");
    }
}

#[test]
fn complexity_limits_refuse_only_programs_above_them() {
    let server =
        Server::start_javascript(&[("FAAS_MAX_COMPLEXITY", "3"), ("FAAS_MAX_NESTING", "2")]);
    let run = |code: &str| server.run(json!({ "language": "javascript", "code": code }));
    assert_eq!(
        run("if (1) { if (1) { console.log('fine') } }").stdout(),
        "fine\n"
    );
    let answer = run("if (1) { if (1) { if (1) { } } }");
    assert_eq!(
        (answer.status, answer.error()),
        (422, "Program too complex")
    );
    assert!(
        answer.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_MAX_COMPLEXITY")
    );
    let answer = run("try { try { try { } finally { } } finally { } } finally { }");
    assert!(
        answer.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_MAX_NESTING")
    );
    assert_eq!(
        run("if (").outcome(),
        "error",
        "a fault of syntax is reported as ever"
    );
}
