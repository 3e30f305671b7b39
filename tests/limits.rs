//! Limits: each has a name, a value, and keeps what was written before.

mod common;

use common::Server;
use common::shared;
use serde_json::json;

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
fn a_request_may_not_raise_them() {
    let server = Server::start(&[("FAAS_MAX_OUTPUT_BYTES", "10"), ("FAAS_LANGUAGE", "python")]);
    let answer =
        server.run(json!({ "code": "print('x' * 100)", "limits": { "output_bytes": 1000 } }));
    assert_eq!(answer.stdout(), "xxxxxxxxxx");
}

#[test]
fn limits_that_make_no_sense_are_refused() {
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
