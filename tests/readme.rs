//! The README says what is true: its examples run, its tables match.

mod common;

use std::process::Command;

use common::PROGRAM;
use common::Server;
use common::shared;
use serde_json::Value;

const README: &str = include_str!("../README.md");

/// Fenced blocks of the README: language and text.
fn blocks() -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut current: Option<(String, String)> = None;
    for line in README.lines() {
        match (&mut current, line.strip_prefix("```")) {
            (None, Some(language)) => current = Some((language.to_owned(), String::new())),
            (Some(_), Some(_)) => blocks.extend(current.take()),
            (Some((_, text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

/// Whether `actual` has everything that `expected` has; "…" stands for anything.
fn matches(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::String(expected), _) if expected == "…" => true,
        (Value::String(expected), Value::String(actual)) => match expected.split_once('…') {
            Some((start, end)) => actual.starts_with(start) && actual.ends_with(end),
            None => expected == actual,
        },
        (Value::Object(expected), Value::Object(actual)) => expected
            .iter()
            .all(|(key, value)| actual.get(key).is_some_and(|actual| matches(value, actual))),
        (Value::Array(expected), Value::Array(actual)) => {
            let mut pairs = expected.iter().zip(actual);
            expected.len() == actual.len()
                && pairs.all(|(expected, actual)| matches(expected, actual))
        }
        // A number in an example is a sample; its type is what counts, but for small codes.
        (Value::Number(expected), Value::Number(actual)) => {
            expected.is_f64() == actual.is_f64()
                && (expected.as_i64() > Some(1) || expected == actual)
        }
        _ => expected == actual,
    }
}

#[test]
fn every_curl_example_answers_what_the_readme_says() {
    let server: &Server = shared();
    let blocks = blocks();
    let mut examples = 0;
    for pair in blocks.windows(2) {
        let [(language, command), (kind, expected)] = pair else {
            continue;
        };
        if language != "sh" || !command.starts_with("curl") {
            continue;
        }
        examples += 1;
        let command = command.replace("localhost:8000", &server.address);
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        let actual: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
            panic!(
                "{error}: {command}: {}",
                String::from_utf8_lossy(&output.stdout)
            )
        });
        assert_eq!(kind, "json", "the answer to this is missing: {command}");
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert!(
            matches(&expected, &actual),
            "{command}\n{expected:#}\n{actual:#}"
        );
    }
    assert!(examples >= 3, "{examples}");
}

/// Text of all sources.
fn sources(folder: &std::path::Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text.push_str(&sources(&path));
        } else if let Ok(source) = std::fs::read_to_string(&path) {
            text.push_str(&source);
        }
    }
    text
}

/// Pieces of the sources in code quotes, of which the first column of a row consists.
#[test]
fn what_troubleshooting_quotes_is_said_by_the_program() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = sources(&root.join("src")) + &sources(&root.join("js"));
    // As the compiler joins a text that goes on in the next line.
    let mut joined = String::new();
    for piece in sources.split("\\\n") {
        joined.push_str(if joined.is_empty() {
            piece
        } else {
            piece.trim_start()
        });
    }
    let (_, rest) = README.split_once("## Troubleshooting").unwrap();
    let (section, _) = rest.split_once("\n## ").unwrap();
    let mut quotes = 0;
    for row in section
        .lines()
        .filter(|line| line.starts_with("| "))
        .skip(1)
    {
        let column = row.split(" | ").next().unwrap();
        for quote in column.split('`').skip(1).step_by(2) {
            for piece in quote
                .split('…')
                .map(str::trim)
                .filter(|piece| piece.len() > 8)
            {
                quotes += 1;
                assert!(joined.contains(piece), "nothing says «{piece}»");
            }
        }
    }
    assert!(quotes > 25, "{quotes}");
}

/// The table of settings, as the program's own help gives them.
fn settings_table() -> String {
    let help = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    let mut table = "| setting | default | what it is |\n|---|---|---|\n".to_owned();
    for entry in help.split("\n      --").skip(1) {
        let Some((text, after)) = entry.split_once("[env: ") else {
            continue;
        };
        let name = after.split(['=', ']']).next().unwrap();
        let default = after.split("\n          [default: ").nth(1);
        let default = default.map_or("", |rest| rest.split(']').next().unwrap());
        let text = text.split_once('\n').unwrap().1.split_whitespace();
        let text = text.collect::<Vec<_>>().join(" ");
        table.push_str(&format!("| `{name}` | {default} | {text} |\n"));
    }
    table
}

/// Run with UPDATE_README=1 to write the table instead.
#[test]
fn the_settings_table_is_that_of_the_program() {
    const BEGIN: &str = "<!-- settings: written by tests/readme.rs -->\n";
    const END: &str = "<!-- end of settings -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap();
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let expected = settings_table();
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
    } else {
        assert_eq!(table, expected, "write it anew with UPDATE_README=1");
    }
}

/// Modules of the standard library that do not import, as the README lists them.
#[test]
fn the_standard_library_is_as_the_table_says() {
    let code = r#"
import contextlib, importlib, io, sys
def imports(name):
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            importlib.import_module(name)
        return True
    except BaseException:
        return False
names = sorted(name for name in sys.stdlib_module_names if not name.startswith("_"))
missing = [name for name in names if not imports(name)]
{"all": len(names), "missing": missing}"#;
    let answer = shared().python(code);
    let result: Value = serde_json::from_str(answer.ret_val()).unwrap();
    let missing: Vec<&str> = result["missing"]
        .as_array()
        .unwrap()
        .iter()
        .map(|name| name.as_str().unwrap())
        .collect();
    let listed = README
        .lines()
        .find_map(|line| line.strip_prefix("| not there | "))
        .expect("no row «not there»");
    let expected: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    assert_eq!(listed.trim_end_matches(" |"), expected.join(" "));
    let working = result["all"].as_u64().unwrap() - missing.len() as u64;
    assert!(
        README.contains(&format!("{working} of {}", result["all"])),
        "{working} of {}",
        result["all"]
    );
}

/// Those that import but cannot do their work here, as the README lists them.
#[test]
fn what_imports_but_cannot_work_fails_with_a_python_exception() {
    for (module, code) in [
        (
            "threading",
            "import threading\nthreading.Thread(target=print).start()",
        ),
        (
            "multiprocessing",
            "import multiprocessing\nmultiprocessing.Process(target=print).start()",
        ),
        ("subprocess", "import subprocess\nsubprocess.run(['ls'])"),
        (
            "socket",
            "import socket\nsocket.create_connection(('127.0.0.1', 9))",
        ),
    ] {
        let answer = shared().python(code);
        assert_eq!(answer.outcome(), "error", "{module}");
        assert!(
            answer.stderr().contains("Error"),
            "{module}: {}",
            answer.stderr()
        );
        let row = README
            .lines()
            .find(|line| line.starts_with("| imports, cannot work |"));
        assert!(row.unwrap().contains(&format!("`{module}`")), "{module}");
    }
}
