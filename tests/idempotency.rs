//! `Idempotency-Key`: a request that is sent again has the same answer, and its program does not run again.

mod common;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::eventually;
use common::named_tokens::table;
use common::scratch::Scratch;

const KEY: &str = "8e03978e-40d5-43e8-bc93-6894a57f9324";

fn send(server: &Server, headers: &[(&str, &str)], request: &Value) -> Answer {
    server.send("POST", "/run_code", headers, request.to_string())
}

fn with_key(server: &Server, key: &str, request: &Value) -> Answer {
    send(server, &[("idempotency-key", key)], request)
}

fn executions(server: &Server) -> u64 {
    let health = server.get("/health").body;
    health["execution_count"].as_u64().unwrap()
}

#[test]
fn a_request_that_is_sent_again_has_the_answer_of_the_first_and_does_not_run_again() {
    let server = Server::start_javascript(&[]);
    let random = json!({ "code": "console.log(Math.random())" });
    let first = with_key(&server, KEY, &random);
    assert_eq!(first.status, 200);
    // As the draft wants it, with quotes.
    for key in [KEY, &format!("\"{KEY}\"")] {
        let again = with_key(&server, key, &random);
        assert_eq!((again.status, &again.body), (200, &first.body), "{key}");
        assert_eq!(again.headers["content-type"], first.headers["content-type"]);
    }
    assert_eq!(executions(&server), 1);
    let other = with_key(&server, "another-key", &random);
    assert_ne!(other.body, first.body);
    // A program that fails has run, too.
    let fails = json!({ "code": "throw new Error(String(Math.random()))" });
    let failed = with_key(&server, "of-a-failure", &fails);
    assert_eq!(failed.outcome(), "error");
    assert_eq!(with_key(&server, "of-a-failure", &fails).body, failed.body);
    assert_eq!(executions(&server), 3);
}

#[test]
fn a_key_that_came_with_another_body_is_422_and_one_that_is_none_400() {
    let server = Server::start_javascript(&[]);
    assert_eq!(with_key(&server, KEY, &json!({ "code": "1" })).status, 200);
    let other = with_key(&server, KEY, &json!({ "code": "2" }));
    assert_eq!(other.status, 422, "{}", other.body);
    assert!(
        other.body["details"]
            .as_str()
            .unwrap()
            .contains("send a new key")
    );
    let long = "x".repeat(256);
    for key in ["\"\"", long.as_str()] {
        assert_eq!(
            with_key(&server, key, &json!({ "code": "1" })).status,
            400,
            "{key}"
        );
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "b")];
    assert_eq!(send(&server, &two, &json!({ "code": "1" })).status, 400);
    let stream = [("idempotency-key", "a"), ("accept", "text/event-stream")];
    let refused = send(&server, &stream, &json!({ "code": "1" }));
    assert_eq!(refused.status, 400);
    assert!(refused.error().contains("stream"), "{}", refused.body);
}

#[test]
fn while_its_program_runs_a_key_is_409_and_free_again_if_the_caller_hangs_up() {
    let server = Server::start_javascript(&[]);
    let forever = json!({ "code": "for (;;);" });
    let header = format!("Idempotency-Key: {KEY}\r\n");
    let running = server.begin(&header, &forever);
    eventually("it does not run", || {
        server.get("/health").body["pool"]["activeInstances"] == 1
    });
    let refused = with_key(&server, KEY, &forever);
    assert_eq!(refused.status, 409, "{}", refused.body);
    drop(running);
    let short = json!({ "code": "console.log(1)" });
    eventually("the key is not free", || {
        with_key(&server, KEY, &short).status == 200
    });
}

#[test]
fn a_request_that_was_not_executed_leaves_its_key_free() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "1"), ("FAAS_QUEUE_SIZE", "0")]);
    let request = json!({ "code": "console.log(1)" });
    let running = server.begin("", &json!({ "code": "for (;;);" }));
    eventually("it does not run", || {
        server.get("/health").body["pool"]["activeInstances"] == 1
    });
    assert_eq!(with_key(&server, KEY, &request).status, 429);
    drop(running);
    eventually("it is not executed", || {
        with_key(&server, KEY, &request).status == 200
    });
    let wrong = json!({ "code": "1", "timeout": -1 });
    assert_eq!(with_key(&server, "of-a-mistake", &wrong).status, 400);
    assert_eq!(with_key(&server, "of-a-mistake", &request).status, 200);
}

#[test]
fn a_key_of_one_token_is_no_key_of_another() {
    let scratch = Scratch::new("keys-of-tokens");
    let evaluator = table("evaluator", "the-token-of-the-evaluator");
    let file = scratch.file("tokens.toml", &evaluator);
    let server = Server::start_javascript(&[
        ("FAAS_API_TOKENS_FILE", &file),
        ("FAAS_API_TOKEN", "0123456789-plain-secret"),
    ]);
    let run = |token: &str, code: &str| {
        let authorization = format!("Bearer {token}");
        let headers = [
            ("authorization", authorization.as_str()),
            ("idempotency-key", KEY),
        ];
        send(&server, &headers, &json!({ "code": code }))
    };
    let first = run("the-token-of-the-evaluator", "console.log('secret')");
    assert_eq!(first.stdout(), "secret\n");
    let other = run("0123456789-plain-secret", "console.log('secret')");
    assert_ne!(
        other.body["metadata"]["task_id"],
        first.body["metadata"]["task_id"]
    );
    let again = run("the-token-of-the-evaluator", "console.log('secret')");
    assert_eq!(again.body, first.body);
}
