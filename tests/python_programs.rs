//! Python programs whose output is known: what CPython prints for the same file, or what is right for it.

mod common;

use std::path::Path;
use std::process::Command;

use serde_json::json;

use common::shared_python;

/// What this machine's Python prints.
fn python(arguments: &[&str]) -> String {
    let output = Command::new("python3").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn python_programs_print_what_cpython_prints() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/python");
    let mut count = 0;
    let is_same_version = python(&["--version"]).starts_with("Python 3.11.");
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "py") {
            continue;
        }
        count += 1;
        let code = std::fs::read_to_string(&path).unwrap();
        let expected = std::fs::read_to_string(path.with_extension("out")).unwrap();
        let answer = shared_python().run(json!({ "code": code, "timeout": 30_000 }));
        let name = path.file_name().unwrap().display();
        if is_same_version && !code.starts_with("# not for CPython") {
            assert_eq!(
                python(&[path.to_str().unwrap()]),
                expected,
                "{name} elsewhere"
            );
        }
        assert_eq!(answer.stdout(), expected, "{name}: {}", answer.stderr());
    }
    assert!(count >= 10, "{count} programs");
}

#[test]
fn the_solutions_of_humaneval_pass_their_tests() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/test-programs/HumanEval.jsonl"
    );
    let problems = std::fs::read_to_string(path).expect("run scripts/fetch-test-programs first");
    let mut failed = Vec::new();
    let mut count = 0;
    for line in problems.lines() {
        count += 1;
        let problem: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |field: &str| problem[field].as_str().unwrap();
        let code = format!(
            "{}{}\n{}\ncheck({})\nprint('passed')",
            text("prompt"),
            text("canonical_solution"),
            text("test"),
            text("entry_point")
        );
        let answer = shared_python().run(json!({ "code": code, "timeout": 60_000 }));
        if (answer.stdout(), answer.stderr()) != ("passed\n", "") {
            failed.push(format!("{}: {}", text("task_id"), answer.body["output"]));
        }
    }
    assert_eq!(count, 164);
    assert!(failed.is_empty(), "{failed:#?}");
}
