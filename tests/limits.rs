//! Limits: each has a name, a value, and keeps what was written before.

mod common;

use serde_json::json;

use common::Server;
use common::shared;

#[test]
fn spinning_runs_into_the_cpu_limit_and_sleeping_does_not() {
    let limits = json!({ "cpu_ms": 300 });
    let spin = "print('begin')\nwhile True: pass";
    let answer = shared().run(json!({ "code": spin, "limits": limits, "timeout": 20_000 }));
    assert_eq!((answer.outcome(), answer.exit_code()), ("cpu_limit", 152));
    assert_eq!(answer.stdout(), "begin\n");
    assert_eq!(
        answer.last_stderr_line(),
        "Execution stopped: CPU time limit of 300 ms reached"
    );
    let sleep = "import time\ntime.sleep(0.8)\nprint('slept')";
    let answer = shared().run(json!({ "code": sleep, "limits": limits }));
    assert_eq!((answer.outcome(), answer.stdout()), ("success", "slept\n"));
}

#[test]
fn a_request_may_lower_limits() {
    let code = "print('x' * 100)";
    let answer = shared().run(json!({ "code": code, "limits": { "output_bytes": 10 } }));
    assert_eq!(
        (answer.stdout(), &answer.body["metadata"]["truncated"]),
        ("xxxxxxxxxx", &json!(true))
    );
    let answer = shared().run(json!({ "code": "'x' * 100", "limits": { "return_bytes": 10 } }));
    assert_eq!((answer.outcome(), answer.ret_val()), ("return_limit", ""));
    let code = "bytearray(60 << 20)";
    let answer = shared().run(json!({ "code": code, "limits": { "memory_bytes": 32 << 20 } }));
    assert_eq!(answer.outcome(), "memory_limit");
    assert_eq!(
        answer.last_stderr_line(),
        "Execution stopped: memory limit of 32 MiB reached"
    );
}

#[test]
fn a_request_may_not_raise_limits() {
    let server = Server::start_javascript(&[("FAAS_MAX_OUTPUT_BYTES", "10")]);
    let code = "console.log('x'.repeat(100))";
    let answer = server.run(json!({ "code": code, "limits": { "output_bytes": 1000 } }));
    assert_eq!(answer.stdout(), "xxxxxxxxxx");
}

#[test]
fn peak_memory_is_reported_even_for_very_short_programs() {
    let peak = |language: &str, mebibytes: u64| {
        let code = match language {
            "python" => format!("x = bytearray({mebibytes} << 20)"),
            _ => format!("const x = new Uint8Array({mebibytes} << 20).fill(1)"),
        };
        let answer = shared().run(json!({ "language": language, "code": code }));
        let peak = &answer.body["metadata"]["usage"]["peak_memory_bytes"];
        peak.as_u64().unwrap()
    };
    // Python's zygote has some MiB free, other ones at each boot, that a program takes first.
    for (language, free) in [("python", 4), ("javascript", 1)] {
        for _ in 0..10 {
            let (less, more) = (peak(language, 40), peak(language, 80));
            assert!(
                ((40 - free) << 20..80 << 20).contains(&less),
                "{language}: {less}"
            );
            // What is free is the same each time. The kernel counts resident pages per CPU and adds them up some
            // dozens at a time.
            let difference = more - less;
            assert!(
                (39 << 20..41 << 20).contains(&difference),
                "{language}: {less}, {more}"
            );
        }
    }
}

#[test]
fn files_beyond_the_storage_limit_raise_an_error_that_can_be_caught() {
    let limits = json!({ "storage_bytes": 1 << 20 });
    let code = r#"
print("begin")
try:
    with open("big", "wb") as file:
        file.write(bytes(2 << 20))
except OSError as error:
    print(error.strerror)
with open("small", "wb") as file:
    file.write(bytes(500_000))
print("written")
"#;
    let answer = shared().run(json!({ "code": code, "limits": limits }));
    assert_eq!(answer.outcome(), "success", "{}", answer.stderr());
    assert_eq!(answer.stdout(), "begin\nNo space left on device\nwritten\n");
    let code = r#"
print("begin")
for number in range(100):
    with open(f"/tmp/{number}", "wb") as file:
        file.write(bytes(100_000))
"#;
    let answer = shared().run(json!({ "code": code, "limits": limits }));
    assert_eq!(
        (answer.outcome(), answer.exit_code(), answer.stdout()),
        ("storage_limit", 1, "begin\n")
    );
    assert!(answer.stderr().contains("No space left on device"));
    assert_eq!(
        answer.last_stderr_line(),
        "Execution stopped: storage limit of 1048576 bytes reached"
    );
}

#[test]
fn files_that_do_not_fit_into_memory_end_in_the_memory_limit() {
    let limits = json!({ "memory_bytes": 16 << 20 });
    for write in [
        "file.write(bytes(1 << 20))",
        "file.truncate((number + 1) << 20)",
    ] {
        let code = format!(
            "print('begin')\nwith open('big', 'wb') as file:\n    \
             for number in range(60):\n        {write}"
        );
        let answer = shared().run(json!({ "code": code, "limits": limits }));
        let got = (answer.outcome(), answer.stdout());
        assert_eq!(got, ("memory_limit", "begin\n"), "{}", answer.stderr());
    }
}

#[test]
fn javascript_below_python_runs_into_the_memory_limit() {
    let limits = json!({ "memory_bytes": 16 << 20 });
    // Objects, and the machine code of regular expressions, which V8 keeps in a range of its own.
    for script in [
        "const kept = []; for (;;) kept.push({ some: [1, 2, 3] });",
        "const kept = []; for (let i = 0; ; i++) { const one = new RegExp(`(a|b)+[x-z]{1,50}q${i}`); \
         one.test(`aabb${i}`); one.test('zz'); kept.push(one); }",
    ] {
        let code = format!("from pyodide.code import run_js\nrun_js({script:?})");
        let answer = shared().run(json!({ "code": code, "limits": limits, "timeout": 60_000 }));
        assert_eq!(answer.outcome(), "memory_limit", "{}", answer.stderr());
        let peak = answer.body["metadata"]["usage"]["peak_memory_bytes"].as_u64();
        assert!(peak.unwrap() < 64 << 20, "{script}: {peak:?}");
    }
}

#[test]
fn deleted_files_no_longer_count_towards_the_storage_limit() {
    let code = r#"
import os
for number in range(40):
    with open("file", "wb") as file:
        file.write(bytes(400_000))
    os.remove("file")
with open("file", "wb") as file:
    for number in range(40):
        file.write(bytes(400_000))
        file.truncate(0)
        file.seek(0)
print("done")
"#;
    let limits = json!({ "storage_bytes": 1 << 20 });
    let answer = shared().run(json!({ "code": code, "limits": limits }));
    assert_eq!(answer.stdout(), "done\n", "{}", answer.stderr());
}

/// Programs that check for no signal, or swallow the exception that it raises, and the line where
/// they are.
const DEAF: [(&str, &str); 5] = [
    ("sum(range(10**12))", "sum(range(10**12))"),
    ("x = 10**7\nx **= x", "x **= x"),
    (
        "import itertools\ndef spin():\n    any(itertools.repeat(0))\nspin()",
        "any(itertools.repeat(0))",
    ),
    (
        "while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass",
        "while True: pass",
    ),
    (
        "from pyodide.code import run_js\nrun_js('while (true) {}')",
        "run_js('while (true) {}')",
    ),
];

#[test]
fn a_program_that_ignores_signals_still_reports_where_it_was() {
    for (code, place) in DEAF {
        let code = format!("print('partial', end='')\n{code}");
        let answer = shared().run(json!({ "code": code, "timeout": 500 }));
        assert_eq!((answer.outcome(), answer.exit_code()), ("timeout", 124));
        assert_eq!(answer.stdout(), "partial", "{code}: {}", answer.stderr());
        assert!(
            answer.stderr().contains(place),
            "{code}: {}",
            answer.stderr()
        );
        assert_eq!(
            answer.last_stderr_line(),
            "Execution stopped: time limit of 500 ms reached"
        );
    }
}

#[test]
fn a_program_that_ignores_signals_is_stopped_by_its_cpu_limit() {
    let code = "print('partial', end='')\nsum(range(10**12))";
    let limits = json!({ "cpu_ms": 300 });
    let answer = shared().run(json!({ "code": code, "limits": limits, "timeout": 20_000 }));
    assert_eq!(
        (answer.outcome(), answer.stdout()),
        ("cpu_limit", "partial"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn an_error_whose_message_never_ends_is_stopped() {
    let code = r#"
class Endless(Exception):
    def __str__(self):
        while True:
            pass
print("begin", end="")
raise Endless
"#;
    let answer = shared().run(json!({ "code": code, "timeout": 500 }));
    assert_eq!((answer.outcome(), answer.stdout()), ("timeout", "begin"));
    let code = "console.log('begin'); const error = new Error('x'); Object.defineProperty(error, 'stack', { get() { for (;;); } }); throw error";
    let answer = shared().run(json!({ "language": "javascript", "code": code, "timeout": 500 }));
    assert_eq!((answer.outcome(), answer.stdout()), ("timeout", "begin\n"));
}

#[test]
fn invalid_limits_are_refused() {
    for limits in [
        json!({ "cpu_ms": 0 }),
        json!({ "cpu_ms": -1 }),
        json!({ "speed": 1 }),
        json!([]),
    ] {
        let answer = shared().run(json!({ "code": "1", "limits": limits }));
        assert_eq!(answer.status, 400, "{limits}");
        assert_eq!(
            answer.error(),
            "Parameter 'limits' must be an object of limits"
        );
    }
}
