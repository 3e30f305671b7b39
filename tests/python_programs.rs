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

/// What programs of their own say at their end, when their globals go.
const FINALIZED: [(&str, &str); 10] = [
    (
        "class A:\n    def __del__(self): print('gone')\na = A(); a.me = a",
        "gone\n",
    ),
    (
        "import time\nclass A:\n    def __del__(self): print(time.sleep(0), __name__, A.__name__)\na = A()",
        "None __main__ A\n",
    ),
    (
        "def log(text): print(text, rows)\nclass A:\n    def __del__(self): log('gone')\na = A()\nrows = [1]",
        "gone [1]\n",
    ),
    (
        "class A:\n    count = 1\n    def __del__(self): A.count -= 1; print(A.count)\na = A()",
        "0\n",
    ),
    (
        "class A:\n    def __init__(self): self.callback = self.close\n    def close(self): print('closed')\n    \
         def __del__(self): self.close()\na = A()",
        "closed\n",
    ),
    (
        "class A:\n    def __init__(self): self.child = B(self)\n    def __del__(self): print('parent', json.dumps(1))\n\
         class B:\n    def __init__(self, parent): self.parent = parent\nimport json\na = A()",
        "parent 1\n",
    ),
    (
        "def numbers():\n    try:\n        yield 1\n    finally:\n        print('closed', rows)\nrows = [2]\n\
         knot = [numbers()]; knot.append(knot); next(knot[0])",
        "closed [2]\n",
    ),
    (
        "class A:\n    def __del__(self): print(rows)\nrows = [4]\ndef fail(a): raise ValueError\n\
         try:\n    fail(A())\nexcept ValueError as error:\n    kept = error",
        "[4]\n",
    ),
    (
        "import asyncio\nclass A:\n    def __del__(self): print('gone', asyncio.__name__)\nasync def main():\n    \
         global a\n    a = A(); a.me = a\n    await asyncio.sleep(0)\nasyncio.run(main())",
        "gone asyncio\n",
    ),
    (
        "import atexit, sys\nclass A:\n    def __del__(self): print('gone')\na = A()\n\
         atexit.register(lambda: print(sys.modules['__main__'].a is a))",
        "True\ngone\n",
    ),
];

#[test]
fn finalizers_of_globals_run_and_find_every_name_as_it_was() {
    for (code, expected) in FINALIZED {
        assert_eq!(python(&["-c", code]), expected, "elsewhere: {code}");
        let answer = shared_python().python(code);
        assert_eq!(answer.stdout(), expected, "{code}: {}", answer.stderr());
        assert!(!answer.stderr().contains("ignored"), "{}", answer.stderr());
    }
}

#[test]
fn a_program_that_replaces_or_closes_its_streams_ends_with_its_own_exit_code() {
    let tee = "import sys\nclass Tee:\n    def write(self, text): original.write(text)\n    def flush(self): original.flush()\n\
               original = sys.stdout\nsys.stdout = Tee()\nprint(1)";
    for code in [
        tee,
        "import sys\nsys.stdout = None",
        "import sys\nsys.stdout.close()",
    ] {
        let elsewhere = Command::new("python3").args(["-c", code]).status().unwrap();
        assert_eq!(elsewhere.code(), Some(0), "elsewhere: {code}");
        let answer = shared_python().python(code);
        assert_eq!(answer.exit_code(), 0, "{code}: {}", answer.stderr());
    }
}

#[test]
fn what_a_hook_of_the_system_or_an_own_module_holds_is_finalized_too() {
    let holds = "import builtins\nclass A:\n    def __del__(self): print('gone')\na = A()\nbuiltins.kept = lambda: a";
    let answer = shared_python().python(holds);
    assert_eq!(answer.stdout(), "gone\n", "{}", answer.stderr());
    let hook = "import sys\nclass A:\n    def __del__(self): print(rows)\na = A(); rows = [3]\n\
                sys.excepthook = lambda *_: print('hook', rows)\n1 / 0";
    let answer = shared_python().python(hook);
    assert_eq!(answer.stdout(), "hook [3]\n[3]\n", "{}", answer.stderr());
    let own = "import json\nclass A:\n    def __del__(self): print(json.dumps(rows))\nrows = [1]\na = A(); a.me = a";
    let answer = shared_python().run(json!({
        "code": "import helper",
        "files": [{ "name": "helper.py", "content": own }],
    }));
    assert_eq!(answer.stdout(), "[1]\n", "{}", answer.stderr());
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
