//! Request ids, and what the log says about requests.

mod common;

use std::io::Read;
use std::io::Write;
use std::sync::LazyLock;

use serde_json::Value;
use serde_json::json;

use common::Server;

fn server() -> &'static Server {
    static SERVER: LazyLock<Server> =
        LazyLock::new(|| Server::start_javascript(&[("FAAS_LOG", "debug")]));
    &SERVER
}

/// Log lines whose span has this request id.
fn lines_of(server: &Server, id: &str) -> Vec<Value> {
    let mut lines = server.log_lines();
    lines.retain(|line| line["spans"][0]["request_id"] == id);
    lines
}

#[test]
fn the_request_id_comes_back_in_every_answer() {
    for (method, path, body, status) in [
        ("POST", "/run_code", r#"{"code": "1"}"#, 200),
        ("POST", "/run_code", "{", 400),
        ("GET", "/health", "", 200),
        ("GET", "/metrics", "", 200),
        ("GET", "/nowhere", "", 404),
        ("GET", "/", "", 200),
        ("DELETE", "/run_code", "", 405),
    ] {
        let id = "7f3c/a=b:\"~";
        let answer = server().send(method, path, &[("x-request-id", id)], body);
        assert_eq!(answer.status, status, "{method} {path}");
        assert_eq!(answer.headers["x-request-id"], id, "{method} {path}");
    }
    let refusing = Server::start_javascript(&[("FAAS_API_TOKEN", "right")]);
    let answer = refusing.send("GET", "/metrics", &[("x-request-id", "a")], "");
    assert_eq!(
        (answer.status, &answer.headers["x-request-id"]),
        (401, &"a".parse().unwrap())
    );
}

#[test]
fn a_request_without_a_valid_request_id_gets_one() {
    let mut seen = std::collections::BTreeSet::new();
    let long = "x".repeat(129);
    for headers in [
        &[][..],
        &[("x-request-id", "")],
        &[("x-request-id", "two words")],
        &[("x-request-id", long.as_str())],
    ] {
        let answer = server().send("GET", "/health", headers, "");
        let id = answer.headers["x-request-id"].to_str().unwrap().to_owned();
        assert_eq!((id.len(), id.matches('-').count()), (36, 4), "{id}");
        assert!(seen.insert(id));
    }
}

#[test]
fn every_request_has_a_log_line_with_its_id_status_and_duration() {
    let ask = |method, path, id, body: &str| {
        server().send(method, path, &[("x-request-id", id)], body);
        let mut lines = Vec::new();
        common::eventually("no line", || {
            lines = lines_of(server(), id);
            lines
                .iter()
                .any(|line| line["fields"]["message"] == "answered")
        });
        lines.pop().unwrap()
    };
    let line = ask("POST", "/run_code", "line-1", r#"{"code": "1"}"#);
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["fields"]["status"], 200);
    assert!(line["fields"]["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(line["spans"][0]["method"], "POST");
    assert_eq!(line["spans"][0]["route"], "/run_code");
    let line = ask("GET", "/nowhere?a=b", "line-2", "");
    assert_eq!(
        (&line["fields"]["status"], &line["spans"][0]["route"]),
        (&json!(404), &json!("other"))
    );
    // Routes that are called every few seconds would drown the rest.
    for (id, path) in [("line-3", "/health"), ("line-4", "/metrics")] {
        assert_eq!(ask("GET", path, id, "")["level"], "DEBUG");
    }
}

#[test]
fn log_lines_during_an_execution_have_its_request_id() {
    let server = Server::start_javascript(&[
        ("FAAS_POOL_SIZE", "1"),
        ("FAAS_LOG", "warn,faas_server::commands::serve=info"),
    ]);
    common::eventually("no sandbox waits", || {
        server.get("/health").body["pool"]["idleInstances"] == 1
    });
    let zygote = server.zygote();
    let mut sandboxes = server.children();
    sandboxes.retain(|pid| *pid != zygote);
    let signal_all = |signal| {
        for &pid in &sandboxes {
            // SAFETY: kill takes two numbers; the process is a child of our own child.
            unsafe { libc::kill(pid, signal) };
        }
    };
    // One that stands still gets the request's job; one that ended before would not.
    signal_all(libc::SIGSTOP);
    let request = json!({ "code": "console.log(1)" }).to_string();
    let answer = std::thread::scope(|scope| {
        let answer = scope
            .spawn(|| server.send("POST", "/run_code", &[("x-request-id", "broken")], request));
        common::eventually("no sandbox has the job", || {
            server.get("/health").body["pool"]["activeInstances"] == 1
        });
        signal_all(libc::SIGKILL);
        answer.join().unwrap()
    });
    assert_eq!(answer.stdout(), "1\n");
    let lines = lines_of(&server, "broken");
    assert!(
        lines.iter().any(|line| line["level"] == "WARN"),
        "{}",
        server.log()
    );
}

#[test]
fn the_duration_of_a_streamed_request_ends_with_its_last_event() {
    let request =
        json!({ "code": "await new Promise(done => setTimeout(done, 400)); console.log(1)" });
    let headers = [
        ("accept", "text/event-stream"),
        ("x-request-id", "streamed"),
    ];
    let answer = server().send("POST", "/run_code", &headers, request.to_string());
    assert_eq!(answer.headers["x-request-id"], "streamed");
    let events = answer.body.as_str().unwrap();
    let result = events.split("event: result\ndata: ").nth(1).unwrap();
    let result: Value = serde_json::from_str(result.trim()).unwrap();
    let task_id = result["metadata"]["task_id"].as_str().unwrap();
    let entry = server().get(&format!("/executions/{task_id}")).body;
    assert_eq!(entry["request_id"], "streamed");
    common::eventually("no line", || {
        let lines = lines_of(server(), "streamed");
        let end = lines
            .iter()
            .find(|line| line["fields"]["message"] == "answered");
        end.is_some_and(|line| line["fields"]["duration_ms"].as_f64() >= Some(400.0))
    });
}

#[test]
fn human_log_lines_have_the_request_id() {
    let server = Server::start_unready(&[
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_LOG_FORMAT", "human"),
    ])
    .until_listening();
    server.send("GET", "/nowhere", &[("x-request-id", "for-people")], "");
    common::eventually("no line", || {
        let log = common::without_colours(&server.log());
        log.lines().any(|line| {
            line.contains(" INFO request{request_id=\"for-people\" method=\"GET\" route=\"other\"}")
                && line.contains("answered status=404 duration_ms=")
        })
    });
}

#[test]
fn code_and_output_never_appear_in_the_log() {
    let server = Server::start_javascript(&[("FAAS_LOG", "trace")]);
    for code in [
        "console.log('sec' + 'ret-output'); // secret-code",
        "console.error('sec' + 'ret-output'); throw new Error('secret-code')",
        "return_val('sec' + 'ret-output'); // secret-code",
        "for (;;) console.log('sec' + 'ret-output'); // secret-code",
        "syntax error secret-code",
    ] {
        let request = json!({ "code": code, "timeout": 300, "input": "secret-input",
            "files": [{ "name": "a", "content": "secret-file" }] });
        assert_eq!(server.run(request).status, 200);
    }
    server.post("/run_code", "secret-body");
    server.get("/secret-path?secret-query");
    server.send("GET", "/health", &[("cookie", "secret-cookie")], "");
    common::eventually("no lines", || server.lines_with("answered").len() >= 8);
    assert!(!server.log().contains("secret"), "{}", server.log());
}

#[test]
fn a_request_id_cannot_forge_log_lines() {
    let mut stream = std::net::TcpStream::connect(&server().address).unwrap();
    let request = b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-Id: a\x1b[31m\x0bb\r\nConnection: close\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(!answer.contains('\u{1b}'), "{answer}");
    // A zygote colours its own lines, so not every escape in the log is the caller's.
    assert!(!server().log().contains("a\u{1b}[31m"));
}
