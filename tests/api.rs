//! The HTTP API: what is accepted, what is refused and how.

mod common;

use serde_json::Value;
use serde_json::json;

use common::Server;
use common::pinned;
use common::shared;

#[test]
fn a_program_is_answered_in_the_shape_that_callers_decode() {
    let answer = shared().python("print('Hello from Python!')");
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body["output"]["stdout"], "Hello from Python!\n");
    assert_eq!(answer.body["output"]["stderr"], "");
    assert_eq!(answer.body["output"]["ret_val"], "");
    assert!(answer.body["workload_info"]["id"].is_string());
    assert_eq!(answer.body["workload_info"]["status"], "Used");
    let metadata = &answer.body["metadata"];
    assert!(metadata["task_id"].as_str().unwrap().starts_with("task-"));
    assert!(
        metadata["instance_id"]
            .as_str()
            .unwrap()
            .starts_with("sandbox-")
    );
    assert_eq!(metadata["language"], "python");
    assert_eq!(metadata["runtime"], "pyodide-webassembly");
    assert_eq!(metadata["status"], "success");
    assert_eq!(metadata["exit_code"], 0);
    assert_eq!(metadata["timed_out"], false);
    assert_eq!(metadata["truncated"], false);
    for integer in [
        &metadata["duration"],
        &metadata["pool_stats"]["totalInstances"],
        &metadata["pool_stats"]["idleInstances"],
        &metadata["pool_stats"]["activeInstances"],
        &metadata["usage"]["wall_ms"],
        &metadata["usage"]["cpu_ms"],
        &metadata["usage"]["peak_memory_bytes"],
    ] {
        assert!(integer.is_u64(), "{metadata}");
    }
    assert!(metadata["pool_stats"]["activeInstances"].as_u64() >= Some(1));
}

#[test]
fn the_types_of_an_answer_stay_the_same_when_a_program_fails() {
    for code in [
        "1/0",
        "syntax error",
        "import sys; sys.exit(7)",
        "while True: pass",
    ] {
        let answer = shared().run(json!({ "code": code, "timeout": 300 }));
        assert_eq!(answer.status, 200, "{code}");
        assert!(answer.body["output"]["ret_val"].is_string(), "{code}");
        assert!(answer.body["metadata"]["duration"].is_u64(), "{code}");
        assert!(answer.exit_code() != 0, "{code}");
    }
}

#[test]
fn python_is_the_language_by_either_name_in_any_case_and_by_default() {
    for language in [json!("python"), json!("py"), json!("Python"), Value::Null] {
        let answer = shared().run(json!({ "code": "1+1", "language": language }));
        assert_eq!(answer.ret_val(), "2");
    }
}

#[test]
fn unknown_fields_and_a_missing_content_type_are_accepted() {
    let body = r#"{"code": "print(1)", "workload_id": "x", "nested": {"a": [1]}}"#;
    assert_eq!(shared().post("/run_code", body).stdout(), "1\n");
}

#[test]
fn input_arrives_as_input_data_without_hiding_the_builtin() {
    let input = json!({ "items": [1, 2.5, null, "é"], "deep": { "a": true } });
    let code = "print(input_data['items'], input_data['deep']['a'], input.__name__)";
    let answer = shared().run(json!({ "code": code, "input": input }));
    assert_eq!(answer.stdout(), "[1, 2.5, None, 'é'] True input\n");
    assert_eq!(shared().python("print(input_data)").stdout(), "None\n");
}

#[test]
fn invalid_requests_are_400_and_say_what_is_wrong() {
    let cases: &[(&str, &str)] = &[
        ("", "Invalid JSON format"),
        ("{", "Invalid JSON format"),
        ("[]", "Invalid JSON format"),
        ("\"code\"", "Invalid JSON format"),
        (r#"{"code": "1", "code": "2"}"#, "Invalid JSON format"),
        ("{}", "Missing required parameter: code"),
        (r#"{"code": null}"#, "Missing required parameter: code"),
        (r#"{"code": ""}"#, "Missing required parameter: code"),
        (r#"{"code": 1}"#, "Parameter 'code' must be a string"),
        (
            r#"{"code": ["print(1)"]}"#,
            "Parameter 'code' must be a string",
        ),
        (
            r#"{"code": "1", "language": "ruby"}"#,
            "Unsupported language: ruby",
        ),
        (
            r#"{"code": "1", "language": 3}"#,
            "Unsupported language: not a string",
        ),
        (
            r#"{"code": "1", "timeout": 0}"#,
            "Parameter 'timeout' must be a positive integer",
        ),
        (
            r#"{"code": "1", "timeout": -5}"#,
            "Parameter 'timeout' must be a positive integer",
        ),
        (
            r#"{"code": "1", "timeout": 0.5}"#,
            "Parameter 'timeout' must be a positive integer",
        ),
        (
            r#"{"code": "1", "timeout": 1e300}"#,
            "Parameter 'timeout' must be a positive integer",
        ),
        (
            r#"{"code": "1", "timeout": "soon"}"#,
            "Parameter 'timeout' must be a positive integer",
        ),
        (
            r#"{"code": "1", "ext": {"a": 1}}"#,
            "Parameter 'ext' must be an object of strings",
        ),
        (
            r#"{"code": "1", "ext": []}"#,
            "Parameter 'ext' must be an object of strings",
        ),
    ];
    for (body, error) in cases {
        let answer = shared().post("/run_code", body);
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.error(), *error, "{body}");
        assert!(
            !answer.body["details"].as_str().unwrap().is_empty(),
            "{body}"
        );
    }
}

#[test]
fn bytes_that_are_not_utf8_are_invalid_json() {
    let answer = shared().post("/run_code", b"{\"code\": \"\xff\xfe\"}");
    assert_eq!(
        (answer.status, answer.error()),
        (400, "Invalid JSON format")
    );
}

#[test]
fn an_unsupported_language_names_those_supported() {
    let answer = shared().run(json!({ "code": "1", "language": "ruby" }));
    assert!(answer.body["details"].as_str().unwrap().contains("python"));
}

#[test]
fn unknown_paths_and_methods_are_answered_in_json() {
    assert_eq!(shared().get("/nothing").status, 404);
    assert!(shared().get("/nothing").body["error"].is_string());
    let answer = shared().get("/run_code");
    assert_eq!((answer.status, answer.error()), (405, "Method not allowed"));
    assert_eq!(answer.headers["allow"], "POST");
    assert_eq!(shared().method("DELETE", "/health").status, 405);
}

#[test]
fn a_body_or_a_program_over_its_limit_is_413() {
    let server = Server::start_javascript(&[
        ("FAAS_MAX_BODY_BYTES", "2000"),
        ("FAAS_MAX_CODE_BYTES", "1000"),
    ]);
    let program = |length: usize| json!({ "code": format!("//{}", "x".repeat(length - 2)) });
    assert_eq!(server.run(program(1000)).status, 200);
    let answer = server.run(program(1001));
    assert_eq!(
        (answer.status, answer.error()),
        (413, "Parameter 'code' is too long")
    );
    let answer = server.run(program(2000));
    assert_eq!(
        (answer.status, answer.error()),
        (413, "Request body too large")
    );
}

#[test]
fn a_timeout_over_the_maximum_is_cut_to_it() {
    let server = Server::start_javascript(&[("FAAS_MAX_EXECUTION_TIME", "400")]);
    let answer = server.run(json!({ "code": "for (;;);", "timeout": 60_000 }));
    assert_eq!(answer.outcome(), "timeout");
    assert!(
        answer.last_stderr_line().contains("400 ms"),
        "{}",
        answer.stderr()
    );
}

#[test]
fn health_shows_versions_pool_scheduler_and_lockdown_layers() {
    shared().python("1");
    let answer = shared().get("/health");
    assert_eq!(answer.status, 200);
    let body = &answer.body;
    assert_eq!(body["status"], "healthy");
    assert!(body["timestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(
        body["version"],
        concat!("faas-v", env!("CARGO_PKG_VERSION"), "-pyodide")
    );
    assert_eq!(body["python_version"], pinned::python());
    assert!(body["execution_count"].as_u64() >= Some(1));
    assert_eq!(body["pyodide"]["initialized"], true);
    assert_eq!(body["pyodide"]["available"], true);
    assert_eq!(body["pyodide"]["version"], pinned::pyodide());
    for name in ["totalInstances", "idleInstances", "activeInstances"] {
        assert!(body["pool"][name].is_u64(), "{name}");
        assert!(body["pool_status"][name].is_u64(), "{name}");
    }
    assert!(body["pool_status"]["pendingRequests"].is_u64());
    for name in ["totalTasks", "completedTasks", "failedTasks", "queuedTasks"] {
        assert!(body["scheduler"][name].is_u64(), "{name}");
    }
    assert!(body["scheduler"]["averageExecutionTime"].is_number());
    let layers = body["security"]["layers"].as_array().unwrap();
    for layer in ["no_new_privs", "rlimits", "seccomp"] {
        assert!(layers.contains(&json!(layer)), "{layers:?}");
    }
}

#[test]
fn timings_are_returned_on_request_and_add_up() {
    let code = "import time\ntime.sleep(0.3)";
    let answer = shared().run(json!({ "code": code, "timings": true }));
    let timings = answer.body["metadata"]["timings"].as_object().unwrap();
    let mut names: Vec<_> = timings.keys().map(String::as_str).collect();
    names.sort_unstable();
    let expected = [
        "collect", "compile", "dispatch", "prepare", "queue", "run", "sandbox",
    ];
    assert_eq!(names, expected);
    let micros = |name: &str| timings[name].as_u64().unwrap();
    assert!(micros("run") >= 300_000, "{timings:?}");
    let inside = ["dispatch", "prepare", "compile", "run", "collect"].map(micros);
    let wall_ms = answer.body["metadata"]["usage"]["wall_ms"]
        .as_u64()
        .unwrap();
    assert_eq!(inside.iter().sum::<u64>() / 1000, wall_ms);
    let answer = shared().run(json!({ "code": code }));
    assert!(answer.body["metadata"]["timings"].is_null());
    let answer = shared().run(json!({ "code": "1", "timings": "yes" }));
    assert_eq!(
        (answer.status, answer.error()),
        (400, "Parameter 'timings' must be true or false")
    );
}

/// As callers of the replaced services send them.
#[test]
fn timeouts_and_priorities_count_as_they_did_in_the_replaced_services() {
    for timeout in [
        json!("5000"),
        json!(" 5000.0 "),
        json!("5e3"),
        json!(5000.9),
        json!(1500.5),
    ] {
        let answer = shared().run(json!({ "language": "js", "code": "1", "timeout": timeout }));
        assert_eq!(answer.status, 200, "{timeout}: {}", answer.body);
    }
    for (timeout, milliseconds) in [(json!("300"), 300), (json!(300.9), 300)] {
        let request = json!({ "language": "js", "code": "for (;;);", "timeout": timeout });
        let answer = shared().run(request);
        let limit = format!("Execution stopped: time limit of {milliseconds} ms reached");
        assert_eq!(answer.last_stderr_line(), limit);
    }
    for timeout in [
        json!(""),
        json!("soon"),
        json!("-1"),
        json!("NaN"),
        json!("inf"),
        json!([5]),
    ] {
        let answer = shared().run(json!({ "code": "1", "timeout": timeout }));
        assert_eq!(answer.status, 400, "{timeout}");
    }
    for (priority, counts_as) in [
        (json!("urgent"), "urgent"),
        (json!("high"), "high"),
        (json!("low"), "low"),
        (json!(null), "normal"),
        (json!("HIGH"), "normal"),
        (json!("whatever"), "normal"),
        (json!(""), "normal"),
        (json!(1), "normal"),
        (json!({}), "normal"),
    ] {
        let answer = shared().run(json!({ "language": "js", "code": "1", "priority": priority }));
        assert_eq!(answer.status, 200, "{priority}: {}", answer.body);
        let task_id = answer.body["metadata"]["task_id"].as_str().unwrap();
        let entry = shared().get(&format!("/executions/{task_id}")).body;
        assert_eq!(entry["priority"], counts_as, "{priority}");
    }
}
