//! `/jobs`: programs and batches that run without anybody waiting for them, whatever becomes of the server.

mod common;

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::io::BufRead;
use std::io::BufReader;
use std::io::Read;
use std::io::Write;
use std::net::TcpListener;
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use hmac::Hmac;
use hmac::KeyInit;
use hmac::Mac;
use serde_json::Value;
use serde_json::json;
use sha2::Sha256;
use tempfile::TempDir;

use common::Answer;
use common::PROGRAM;
use common::Server;
use common::batches::Answered;
use common::eventually;
use common::named_tokens::table;
use common::scratch::Scratch;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A server, and where it keeps jobs.
struct Working {
    server: Server,
    workspace: TempDir,
}

impl Working {
    fn start(environment: &[(&str, &str)]) -> Self {
        let workspace = tempfile::tempdir().unwrap();
        let server = start_in(&workspace, environment);
        Self { server, workspace }
    }

    /// Ends it in order, and starts it again.
    fn restart(mut self, environment: &[(&str, &str)]) -> Self {
        self.server.signal(libc::SIGTERM);
        self.server.wait();
        let Self { server, workspace } = self;
        drop(server);
        let server = start_in(&workspace, environment);
        Self { server, workspace }
    }

    fn file(&self) -> PathBuf {
        self.workspace.path().join("jobs.sqlite3")
    }
}

fn start_in(workspace: &TempDir, environment: &[(&str, &str)]) -> Server {
    let workspace = [("FAAS_WORKSPACE", workspace.path().to_str().unwrap())];
    Server::start_javascript(&[&workspace, environment].concat())
}

/// Sends a job, which is taken in, and returns its id.
fn submit(server: &Server, job: &Value) -> String {
    let answer = server.post("/jobs", job.to_string());
    assert_eq!(answer.status, 202, "{}", answer.body);
    id_of(&answer)
}

fn id_of(answer: &Answer) -> String {
    answer.body["id"].as_str().unwrap().to_owned()
}

fn job(server: &Server, id: &str) -> Value {
    let answer = server.get(&format!("/jobs/{id}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Waits until a job has this status.
fn until(server: &Server, id: &str, status: &str) -> Value {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let job = job(server, id);
        if job["status"] == status {
            return job;
        }
        assert!(
            Instant::now() < deadline,
            "not {status}: {job}; {}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn results(server: &Server, id: &str, from: usize) -> Vec<Value> {
    let answer = server.get(&format!("/jobs/{id}/results?from={from}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    // One line is JSON as a whole.
    match answer.body {
        Value::String(text) => lines(&text),
        line => vec![line],
    }
}

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn delete(server: &Server, id: &str) -> Answer {
    server.method("DELETE", &format!("/jobs/{id}"))
}

/// Most that runs at once.
fn active(server: &Server) -> u64 {
    let health = server.get("/health").body;
    health["pool_status"]["activeInstances"].as_u64().unwrap()
}

const ENDLESS: &str = "while (true) {}";

#[test]
fn a_program_is_run_later_and_its_result_is_kept() {
    let working = Working::start(&[]);
    let server = &working.server;
    let request =
        json!({ "code": "console.log('hi'); return_val(input.n * 2)", "input": { "n": 21 } });
    let headers = [("x-request-id", "of-the-job")];
    let answer = server.send("POST", "/jobs", &headers, request.to_string());
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = id_of(&answer);
    assert_eq!(answer.headers["location"], format!("/jobs/{id}"));
    assert_eq!(answer.body["status"], "queued");
    assert_eq!(answer.body["progress"], json!({ "done": 0, "rows": 1 }));
    let job = until(server, &id, "done");
    assert_eq!(job["kind"], "run");
    assert_eq!(job["progress"], json!({ "done": 1, "rows": 1 }));
    assert!(
        job["ended_at"].is_string() && job["started_at"].is_string(),
        "{job}"
    );
    let results = results(server, &id, 0);
    let [result] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(
        (&result["position"], &result["index"]),
        (&json!(0), &json!(0))
    );
    assert_eq!(result["output"]["stdout"], "hi\n");
    assert_eq!(result["output"]["ret_val"], "42");
    let history = server.get("/executions?request_id=of-the-job").body;
    assert_eq!(history["executions"][0]["priority"], "low", "{history}");
    assert_eq!(history["count"], 1);
}

#[test]
fn a_program_that_fails_is_a_result_and_one_that_cannot_run_is_refused_at_once() {
    let working = Working::start(&[]);
    let server = &working.server;
    let id = submit(server, &json!({ "code": "throw new Error('no')" }));
    until(server, &id, "done");
    assert_eq!(results(server, &id, 0)[0]["metadata"]["status"], "error");
    for (request, error) in [
        (json!({}), "Missing required parameter: code"),
        (json!({ "code": "1", "tools": [] }), "A job has no tools"),
        (
            json!({ "code": "1", "session": "sess-1" }),
            "A job has no session",
        ),
        (
            json!({ "code": "1", "keep": true }),
            "What a job leaves is not kept",
        ),
        (
            json!({ "code": "1", "from": "snap-1" }),
            "A job starts from no snapshot",
        ),
        (
            json!({ "code": "1", "programs": [] }),
            "A job is one program or a batch",
        ),
        (json!({ "program": "1" }), "A batch needs its programs"),
        (
            json!({ "code": "1", "job": { "webhook": "https://a.example/" } }),
            "There are no webhooks here",
        ),
        (
            json!({ "code": "1", "job": { "webhook": "file:///etc/passwd" } }),
            "Parameter 'webhook' must be an address",
        ),
    ] {
        let answer = server.post("/jobs", request.to_string());
        assert_eq!((answer.status, answer.error()), (400, error), "{request}");
    }
    let list = server.get("/jobs").body;
    assert_eq!(list["count"], 1, "{list}");
}

#[test]
fn a_batch_is_run_later_and_results_go_on_from_any_place() {
    let working = Working::start(&[]);
    let server = &working.server;
    let id = submit(
        server,
        &json!({
            "setup": "globalThis.double = n => 2 * n;",
            "program": "return_val(double(input))",
            "inputs": (0..600).collect::<Vec<_>>(),
        }),
    );
    let job = until(server, &id, "done");
    assert_eq!(job["kind"], "batch");
    assert_eq!(job["progress"], json!({ "done": 600, "rows": 600 }));
    assert_eq!(job["setup"]["metadata"]["status"], "success", "{job}");
    let all = results(server, &id, 0);
    let positions: Vec<_> = all
        .iter()
        .map(|line| line["position"].as_u64().unwrap())
        .collect();
    assert_eq!(positions, (0..600).collect::<Vec<_>>());
    for line in &all {
        let double = line["index"].as_u64().unwrap() * 2;
        assert_eq!(line["output"]["ret_val"], double.to_string(), "{line}");
    }
    let indices: BTreeSet<_> = all
        .iter()
        .map(|line| line["index"].as_u64().unwrap())
        .collect();
    assert_eq!(indices.len(), 600);
    assert_eq!(results(server, &id, 597), all[597..]);
    assert_eq!(results(server, &id, 600), [] as [Value; 0]);
    for wrong in ["from=-1", "from=x", "follow=maybe", "form=1"] {
        let answer = server.get(&format!("/jobs/{id}/results?{wrong}"));
        assert_eq!(answer.status, 400, "{wrong}");
    }
}

#[test]
fn rows_of_a_job_may_be_lines_and_share_a_process() {
    let working = Working::start(&[]);
    let server = &working.server;
    let head = json!({ "program": "return_val(input + 1)", "isolation": "shared" });
    let rows: String = (0..3000).map(|row| format!("{row}\n")).collect();
    let ndjson = [("content-type", "application/x-ndjson")];
    let answer = server.send("POST", "/jobs", &ndjson, format!("{head}\n{rows}"));
    assert_eq!(answer.status, 202, "{}", answer.body);
    let id = id_of(&answer);
    until(server, &id, "done");
    let all = results(server, &id, 0);
    assert_eq!(all.len(), 3000);
    for line in &all {
        let value = line["index"].as_u64().unwrap() + 1;
        assert_eq!(line["output"]["ret_val"], value.to_string());
    }
    let wrong = server.send("POST", "/jobs", &ndjson, format!("{head}\n1\n{{"));
    assert_eq!(wrong.status, 400);
    let details = wrong.body["details"].as_str().unwrap();
    assert!(details.starts_with("Row 1: "), "{details}");
}

#[test]
fn results_can_be_followed_until_the_end() {
    let working = Working::start(&[("FAAS_WORKER_COUNT", "1")]);
    let server = &working.server;
    let id = submit(
        server,
        &json!({ "programs": ["return_val(1)", "return_val(2)", ENDLESS], "timeout": 3000 }),
    );
    let url = format!("http://{}/jobs/{id}/results?follow=true", server.address);
    let response = ureq::get(url).call().unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    let mut answered = Answered {
        lines: Box::new(BufReader::new(response.into_body().into_reader())),
    };
    for value in ["1", "2"] {
        assert_eq!(answered.next().unwrap()["output"]["ret_val"], value);
    }
    assert_eq!(job(server, &id)["status"], "running");
    assert_eq!(answered.next().unwrap()["metadata"]["status"], "timeout");
    assert!(answered.next().is_none());
    assert_eq!(job(server, &id)["status"], "done");
}

#[test]
fn a_job_that_runs_is_cancelled_and_one_that_ended_is_forgotten() {
    let working = Working::start(&[("FAAS_WORKER_COUNT", "1")]);
    let server = &working.server;
    let endless = json!({ "programs": ["return_val(1)", ENDLESS], "timeout": 60_000 });
    let id = submit(server, &endless);
    let waiting = submit(server, &json!({ "code": "1", "timeout": 60_000 }));
    eventually("it does not run", || {
        job(server, &id)["progress"]["done"] == 1 && active(server) == 1
    });
    let cancelled = delete(server, &id);
    assert_eq!(
        (cancelled.status, &cancelled.body["status"]),
        (200, &json!("cancelled"))
    );
    until(server, &waiting, "done");
    eventually("its program runs on", || active(server) == 0);
    assert_eq!(results(server, &id, 0).len(), 1);
    assert_eq!(delete(server, &id).status, 204);
    for path in [format!("/jobs/{id}"), format!("/jobs/{id}/results")] {
        let gone = server.get(&path);
        assert_eq!((gone.status, gone.error()), (410, "The job is gone"));
    }
    assert_eq!(delete(server, &id).status, 410);
    for unknown in ["job-1", "job-00000000000000000000000000000000"] {
        let answer = server.get(&format!("/jobs/{unknown}"));
        assert_eq!((answer.status, answer.error()), (404, "No such job"));
    }
}

#[test]
fn a_job_whose_time_is_over_is_ended_and_then_forgotten() {
    let working = Working::start(&[]);
    let server = &working.server;
    let options = json!({ "expires_after": 2500 });
    let id = submit(
        server,
        &json!({ "code": ENDLESS, "timeout": 60_000, "job": options }),
    );
    until(server, &id, "expired");
    eventually("its program runs on", || active(server) == 0);
    eventually("it is not forgotten", || {
        server.get(&format!("/jobs/{id}")).status == 410
    });
    assert_eq!(server.get("/jobs").body["count"], 0);
}

#[test]
fn a_batch_whose_set_up_fails_ends_as_failed_and_says_why() {
    let working = Working::start(&[]);
    let server = &working.server;
    let broken = json!({ "setup": "throw new Error('broken')", "program": "1", "inputs": [1, 2] });
    let id = submit(server, &broken);
    let job = until(server, &id, "failed");
    assert_eq!(job["problem"]["error"], "The set-up did not succeed");
    let stderr = job["setup"]["output"]["stderr"].as_str().unwrap();
    assert!(stderr.contains("broken"), "{stderr}");
    let stops = json!({
        "programs": ["throw 1", ENDLESS], "stop_on": "error", "concurrency": 1, "timeout": 60_000,
    });
    let id = submit(server, &stops);
    let job = until(server, &id, "failed");
    assert_eq!(job["progress"], json!({ "done": 1, "rows": 2 }));
    assert_eq!(job["problem"]["error"], "A row ended the batch");
}

#[test]
fn a_job_that_is_sent_again_with_its_key_is_the_same_job_also_after_a_start() {
    let working = Working::start(&[]);
    let random = json!({ "code": "return_val(Math.random())" }).to_string();
    let key = [("idempotency-key", "8e03978e-40d5")];
    let first = working.server.send("POST", "/jobs", &key, &random);
    let id = id_of(&first);
    until(&working.server, &id, "done");
    let result = results(&working.server, &id, 0);
    let working = working.restart(&[]);
    let server = &working.server;
    let again = server.send("POST", "/jobs", &key, &random);
    assert_eq!((again.status, id_of(&again)), (202, id.clone()));
    assert_eq!(again.body["status"], "done");
    assert_eq!(results(server, &id, 0), result);
    let other = server.send("POST", "/jobs", &key, "{\"code\": \"1\"}");
    assert_eq!(
        (other.status, other.error()),
        (422, "Idempotency-Key was used before")
    );
    assert_eq!(server.get("/jobs").body["count"], 1);
}

#[test]
fn jobs_are_listed_newest_first_in_pages_and_only_to_their_owner() {
    let tokens = Scratch::new("tokens-of-jobs");
    let file = tokens.file(
        "tokens.toml",
        &(table("ann", "a-token-of-ann") + &table("bob", "a-token-of-bob")),
    );
    let working = Working::start(&[("FAAS_API_TOKENS_FILE", &file)]);
    let server = &working.server;
    let (ann, bob) = ("a-token-of-ann", "a-token-of-bob");
    let ids: Vec<String> = (0..5)
        .map(|_| id_of(&server.send_as(ann, "POST", "/jobs", &json!({ "code": "1" }))))
        .collect();
    let mut listed = Vec::new();
    let mut path = "/jobs?limit=2".to_owned();
    loop {
        let page = server.send_as(ann, "GET", &path, &Value::Null).body;
        let jobs = page["jobs"].as_array().unwrap();
        assert!(jobs.len() <= 2 && page["count"] == jobs.len(), "{page}");
        listed.extend(
            jobs.iter()
                .map(|job| job["id"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/jobs?limit=2&before={next}"),
            None => break,
        }
    }
    listed.reverse();
    assert_eq!(listed, ids);
    assert_eq!(
        server.send_as(bob, "GET", "/jobs", &Value::Null).body["count"],
        0
    );
    for (method, path) in [
        ("GET", format!("/jobs/{}", ids[0])),
        ("GET", format!("/jobs/{}/results", ids[0])),
        ("GET", format!("/jobs?before={}", ids[0])),
        ("DELETE", format!("/jobs/{}", ids[0])),
    ] {
        let answer = server.send_as(bob, method, &path, &Value::Null);
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    let still = server.send_as(ann, "GET", &format!("/jobs/{}", ids[0]), &Value::Null);
    assert_eq!(still.status, 200);
}

#[test]
fn jobs_have_bounds_and_the_answer_says_which() {
    let working = Working::start(&[("FAAS_JOBS", "2"), ("FAAS_JOBS_BYTES", "3000")]);
    let server = &working.server;
    let large = json!({ "code": "1", "stdin": "x".repeat(4000) });
    let full = server.post("/jobs", large.to_string());
    assert_eq!((full.status, full.error()), (507, "Insufficient storage"));
    assert!(
        full.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_JOBS_BYTES")
    );
    assert!(full.headers.contains_key("retry-after"));
    let verbose = submit(server, &json!({ "code": "console.log('x'.repeat(5000))" }));
    let failed = until(server, &verbose, "failed");
    assert!(
        failed["problem"]["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_JOBS_BYTES"),
        "{failed}"
    );
    submit(server, &json!({ "code": "1" }));
    let many = server.post("/jobs", "{\"code\": \"1\"}");
    assert_eq!(many.status, 429, "{}", many.body);
    assert!(
        many.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_JOBS)"),
        "{}",
        many.body
    );
    assert!(many.headers.contains_key("retry-after"));
    assert_eq!(delete(server, &verbose).status, 204);
    submit(server, &json!({ "code": "1" }));
    let none = Working::start(&[("FAAS_JOBS", "0")]);
    let answer = none.server.post("/jobs", "{\"code\": \"1\"}");
    assert_eq!(
        (answer.status, answer.error()),
        (404, "There are no jobs here")
    );
}

#[test]
fn single_programs_of_the_same_caller_go_before_a_job() {
    let working = Working::start(&[("FAAS_WORKER_COUNT", "1")]);
    let server = &working.server;
    let busy = "const end = Date.now() + 100; while (Date.now() < end) {}";
    let rows = vec![busy; 200];
    let id = submit(server, &json!({ "programs": rows }));
    eventually("it does not run", || {
        job(server, &id)["progress"]["done"].as_u64() > Some(0)
    });
    for _ in 0..3 {
        assert_eq!(server.run(json!({ "code": "1" })).outcome(), "success");
    }
    assert_eq!(job(server, &id)["status"], "running");
}

#[test]
fn a_stop_has_jobs_go_on_later_without_counting_an_attempt() {
    let environment = [("FAAS_SHUTDOWN_GRACE", "50"), ("FAAS_WORKER_COUNT", "1")];
    let mut working = Working::start(&environment);
    let slow = "const end = Date.now() + 4000; while (Date.now() < end) {}\nreturn_val(7)";
    let id = submit(
        &working.server,
        &json!({ "programs": ["return_val(1)", slow] }),
    );
    // More often than a row may be begun.
    for _ in 0..6 {
        let server = &working.server;
        eventually("it does not run", || {
            job(server, &id)["progress"]["done"] == 1 && active(server) == 1
        });
        working = working.restart(&environment);
    }
    let server = &working.server;
    until(server, &id, "done");
    let values = results(server, &id, 0);
    let values: Vec<_> = values
        .iter()
        .map(|line| &line["output"]["ret_val"])
        .collect();
    assert_eq!(values, ["1", "7"]);
}

#[test]
fn a_row_that_always_runs_when_the_server_is_killed_is_given_up() {
    let environment = [("FAAS_WORKER_COUNT", "1")];
    let workspace = tempfile::tempdir().unwrap();
    let mut server = start_in(&workspace, &environment);
    let id = submit(
        &server,
        &json!({ "programs": [ENDLESS, "return_val(2)"], "timeout": 60_000 }),
    );
    for _ in 0..5 {
        eventually("it does not run", || active(&server) == 1);
        // What began is written behind what runs.
        std::thread::sleep(Duration::from_millis(300));
        server.signal(libc::SIGKILL);
        server.wait();
        server = start_in(&workspace, &environment);
    }
    until(&server, &id, "done");
    let results = results(&server, &id, 0);
    let [given_up, other] = &results[..] else {
        panic!("{results:?}")
    };
    assert_eq!(given_up["index"], 0);
    let details = given_up["details"].as_str().unwrap();
    assert!(details.contains("5 times"), "{details}");
    assert_eq!(other["output"]["ret_val"], "2");
}

/// Headers, in small letters, and body of a request.
type Message = (BTreeMap<String, String>, String);

/// A receiver of webhooks that answers with these, in turn, and then with 204. 0 stands for hanging up.
struct Receiver {
    address: String,
    received: Arc<Mutex<Vec<Message>>>,
}

impl Receiver {
    fn start(answers: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let received: Arc<Mutex<Vec<_>>> = Arc::default();
        let all = received.clone();
        std::thread::spawn(move || {
            let mut answers = answers.iter();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(request) = read_request(&mut stream) else {
                    continue;
                };
                all.lock().unwrap().push(request);
                let answer = answers.next().unwrap_or(&204);
                if *answer > 0 {
                    let head = format!(
                        "HTTP/1.1 {answer} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    );
                    let _ = stream.write_all(head.as_bytes());
                }
            }
        });
        Self { address, received }
    }

    fn count(&self) -> usize {
        self.received.lock().unwrap().len()
    }
}

fn read_request(stream: &mut TcpStream) -> Option<Message> {
    let mut reader = BufReader::new(stream);
    let mut headers = BTreeMap::new();
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some((name, value)) = line.trim_end().split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        line.clear();
    }
    let length = headers.get("content-length")?.parse().ok()?;
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((headers, String::from_utf8(body).ok()?))
}

/// Checks a message as a receiver does.
fn verify(headers: &BTreeMap<String, String>, body: &str) {
    let (id, timestamp) = (&headers["webhook-id"], &headers["webhook-timestamp"]);
    let key = BASE64
        .decode(SECRET.strip_prefix("whsec_").unwrap())
        .unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    let expected = format!("v1,{}", BASE64.encode(mac.finalize().into_bytes()));
    assert_eq!(headers["webhook-signature"], expected);
}

#[test]
fn the_end_of_a_job_is_told_until_its_receiver_has_it_also_after_a_start() {
    let receiver = Receiver::start(&[500, 0]);
    let environment = [
        ("FAAS_WEBHOOK_HOSTS", receiver.address.as_str()),
        ("FAAS_WEBHOOK_SECRET", SECRET),
    ];
    let working = Working::start(&environment);
    let url = format!("http://{}/hook", receiver.address);
    let webhook = json!({ "webhook": url });
    let id = submit(&working.server, &json!({ "code": "1", "job": webhook }));
    eventually("it is not tried", || {
        job(&working.server, &id)["webhook"]["last_error"] == "the receiver answered with 500"
    });
    let working = working.restart(&environment);
    let server = &working.server;
    let deadline = Instant::now() + Duration::from_secs(90);
    while job(server, &id)["webhook"]["status"] != "delivered" {
        assert!(
            Instant::now() < deadline,
            "{}; {}",
            job(server, &id),
            server.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(job(server, &id)["webhook"]["attempts"], 3);
    let received = receiver.received.lock().unwrap().clone();
    assert_eq!(received.len(), 3);
    let ids: BTreeSet<_> = received
        .iter()
        .map(|(headers, _)| &headers["webhook-id"])
        .collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    for (headers, body) in &received {
        verify(headers, body);
        let message: Value = serde_json::from_str(body).unwrap();
        assert_eq!(message["type"], "job.done");
        assert_eq!(message["data"]["id"], id.as_str());
        assert_eq!(message["data"]["progress"]["done"], 1);
    }
    assert_eq!(
        server.metric(r#"faas_job_webhooks_total{outcome="delivered"}"#),
        1.0
    );
    // To nowhere else.
    for other in [
        "http://127.0.0.1:1/",
        "http://169.254.169.254/",
        "https://other.example/",
    ] {
        let request = json!({ "code": "1", "job": { "webhook": other } });
        let refused = server.post("/jobs", request.to_string());
        assert_eq!(
            (refused.status, refused.error()),
            (400, "The webhook's host is not allowed")
        );
    }
}

#[test]
fn a_job_that_is_cancelled_is_told_and_a_receiver_that_wants_no_more_gets_no_more() {
    let receiver = Receiver::start(&[410]);
    let working = Working::start(&[
        ("FAAS_WEBHOOK_HOSTS", &receiver.address),
        ("FAAS_WEBHOOK_SECRET", SECRET),
    ]);
    let server = &working.server;
    let webhook = json!({ "webhook": format!("http://{}/", receiver.address) });
    let id = submit(
        server,
        &json!({ "code": ENDLESS, "timeout": 60_000, "job": webhook }),
    );
    assert_eq!(delete(server, &id).status, 200);
    eventually("it is not given up", || {
        job(server, &id)["webhook"]["status"] == "failed"
    });
    let body = receiver.received.lock().unwrap()[0].1.clone();
    let message: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(message["type"], "job.cancelled");
    assert_eq!(receiver.count(), 1);
}

#[test]
fn a_damaged_file_gets_a_clear_answer_and_is_left_as_it_is() {
    let mut working = Working::start(&[]);
    submit(&working.server, &json!({ "code": "1" }));
    working.server.signal(libc::SIGTERM);
    working.server.wait();
    let damaged = b"not a database, however one reads it".repeat(300);
    std::fs::write(working.file(), &damaged).unwrap();
    let _ = std::fs::remove_file(working.file().with_extension("sqlite3-wal"));
    working.server = start_in(&working.workspace, &[]);
    let server = &working.server;
    for answer in [
        server.post("/jobs", "{\"code\": \"1\"}"),
        server.get("/jobs"),
    ] {
        assert_eq!(answer.status, 503, "{}", answer.body);
        let details = answer.body["details"].as_str().unwrap();
        assert!(details.contains("damaged"), "{details}");
    }
    assert_eq!(std::fs::read(working.file()).unwrap(), damaged);
    let failure = server.get("/health").body["jobs"]["failure"].clone();
    assert!(failure.as_str().unwrap().contains("damaged"), "{failure}");
    assert_eq!(server.run(json!({ "code": "1" })).outcome(), "success");
    std::fs::remove_file(working.file()).unwrap();
    let id = submit(server, &json!({ "code": "1" }));
    until(server, &id, "done");
}

#[test]
fn a_second_server_of_a_workspace_has_no_jobs_until_the_first_is_gone() {
    let first = Working::start(&[]);
    let id = submit(&first.server, &json!({ "code": "return_val(5)" }));
    until(&first.server, &id, "done");
    let second = start_in(&first.workspace, &[]);
    let answer = second.get("/jobs");
    assert_eq!(answer.status, 503);
    let details = answer.body["details"].as_str().unwrap();
    assert!(details.starts_with("Another server"), "{details}");
    let Working { server, workspace } = first;
    server.signal(libc::SIGTERM);
    eventually("the second does not take over", || {
        second.get("/jobs").status == 200
    });
    assert_eq!(results(&second, &id, 0)[0]["output"]["ret_val"], "5");
    drop((server, workspace));
}

/// A server whose workspace is a disk of 16 MiB, and the path of that disk for others.
fn with_small_disk(workspace: &TempDir) -> (Server, PathBuf) {
    let path = workspace.path().to_str().unwrap();
    let mut command = Command::new("unshare");
    // SAFETY: it reads a number of the process.
    if unsafe { libc::geteuid() } != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    let script =
        format!("mount -t tmpfs -o size=16m,mode=0700 tmpfs {path} && exec {PROGRAM} \"$@\"");
    command.args(["--mount", "sh", "-c", &script, "sh"]);
    command.envs([
        ("FAAS_WORKSPACE", path),
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_HISTORY", "off"),
    ]);
    let server = Server::start_command(command).until_ready();
    let seen = PathBuf::from(format!("/proc/{}/root{path}", server.pid()));
    (server, seen)
}

#[test]
fn a_full_disk_is_507_and_results_wait_until_it_has_room() {
    let workspace = tempfile::tempdir().unwrap();
    let (server, disk) = with_small_disk(&workspace);
    let first = submit(&server, &json!({ "code": "return_val(1)" }));
    until(&server, &first, "done");
    let slow = "const end = Date.now() + 1000; while (Date.now() < end) {}\n\
                console.log('x'.repeat(1000000))";
    let id = submit(&server, &json!({ "code": slow }));
    eventually("it does not run", || active(&server) == 1);
    std::thread::sleep(Duration::from_millis(200));
    let ballast = disk.join("ballast");
    // As much as there is room for.
    let _ = std::fs::write(&ballast, vec![0; 32 << 20]);
    let large = json!({ "code": "1", "stdin": "y".repeat(1_000_000) });
    let full = server.post("/jobs", large.to_string());
    assert_eq!((full.status, full.error()), (507, "Insufficient storage"));
    assert!(
        full.body["details"].as_str().unwrap().contains("disk"),
        "{}",
        full.body
    );
    assert!(full.headers.contains_key("retry-after"));
    eventually("its result could be written", || {
        server.metric("faas_job_write_failures_total") > 0.0
    });
    assert_eq!(job(&server, &id)["status"], "running");
    assert_eq!(job(&server, &first)["status"], "done");
    assert_eq!(results(&server, &first, 0)[0]["output"]["ret_val"], "1");
    std::fs::remove_file(&ballast).unwrap();
    until(&server, &id, "done");
    let result = &results(&server, &id, 0)[0];
    assert_eq!(
        result["output"]["stdout"].as_str().unwrap().len(),
        1_000_001
    );
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % most
    }
}

/// A job of the test that kills the server.
struct Watched {
    key: String,
    rows: usize,
    /// Known once it was answered.
    id: Option<String>,
    /// The results that were read so far.
    seen: Vec<String>,
}

/// Asks a server that may be killed at any moment.
fn ask(agent: &ureq::Agent, request: ureq::http::Request<String>) -> Option<(u16, String)> {
    let mut response = agent.run(request).ok()?;
    let text = response.body_mut().read_to_string().ok()?;
    Some((response.status().as_u16(), text))
}

impl Watched {
    fn submit(&mut self, agent: &ureq::Agent, address: &str) {
        let inputs: Vec<usize> = (0..self.rows).collect();
        // So that no machine is so fast that a kill finds nothing to do.
        let program =
            "await new Promise((done) => setTimeout(done, 25)); return_val([input, Math.random()])";
        let batch = json!({ "program": program, "inputs": inputs });
        let request = ureq::http::Request::post(format!("http://{address}/jobs"))
            .header("idempotency-key", &self.key)
            .body(batch.to_string())
            .unwrap();
        if let Some((202, text)) = ask(agent, request) {
            let job: Value = serde_json::from_str(&text).unwrap();
            let id = job["id"].as_str().unwrap().to_owned();
            assert!(self.id.is_none() || self.id.as_ref() == Some(&id), "{text}");
            self.id = Some(id);
        }
    }

    /// Reads on from what was read.
    fn read(&mut self, agent: &ureq::Agent, address: &str) {
        let Some(id) = &self.id else { return };
        let url = format!(
            "http://{address}/jobs/{id}/results?from={}",
            self.seen.len()
        );
        let request = ureq::http::Request::get(url).body(String::new()).unwrap();
        if let Some((status, text)) = ask(agent, request) {
            assert_eq!(status, 200, "{text}");
            self.seen.extend(text.lines().map(str::to_owned));
        }
    }
}

#[test]
fn a_server_that_is_killed_fifty_times_loses_no_row_and_changes_no_result() {
    const KILLS: usize = 50;
    let seed = std::time::SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap()
        .as_millis() as u64;
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let workspace = tempfile::tempdir().unwrap();
    let environment = [
        ("FAAS_WORKSPACE", workspace.path().to_str().unwrap()),
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_WORKER_COUNT", "4"),
        ("FAAS_HISTORY", "off"),
    ];
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(20)))
        .build()
        .into();
    let mut jobs: Vec<Watched> = Vec::new();
    let mut kills_with_work_left = 0;
    for round in 0..KILLS {
        let mut server = Server::start_unready(&environment).until_listening();
        let pid = server.pid();
        let pause = Duration::from_millis(dice.below(400));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(pause);
            // SAFETY: kill takes two numbers; the process is not reaped before this thread is joined.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        });
        jobs.push(Watched {
            key: format!("job-{round}"),
            rows: 20 + dice.below(40) as usize,
            id: None,
            seen: Vec::new(),
        });
        for job in jobs.iter_mut().filter(|job| job.id.is_none()) {
            job.submit(&agent, &server.address);
        }
        while !killer.is_finished() {
            for job in jobs.iter_mut().filter(|job| job.seen.len() < job.rows) {
                job.read(&agent, &server.address);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        killer.join().unwrap();
        server.wait();
        let is_left = |job: &Watched| job.id.is_some() && job.seen.len() < job.rows;
        kills_with_work_left += usize::from(jobs.iter().any(is_left));
    }
    let server = Server::start(&environment);
    let (mut rows, mut given_up) = (0, 0);
    for job in &mut jobs {
        job.submit(&agent, &server.address);
        let id = job.id.clone().unwrap();
        until(&server, &id, "done");
        let url = format!("http://{}/jobs/{id}/results", server.address);
        let text = agent
            .get(url)
            .call()
            .unwrap()
            .body_mut()
            .read_to_string()
            .unwrap();
        let all: Vec<&str> = text.lines().collect();
        assert_eq!(all.len(), job.rows);
        // Whatever was read before a kill is there after it, to the letter.
        assert_eq!(all[..job.seen.len()], job.seen[..]);
        let mut indices = BTreeSet::new();
        for (position, line) in all.iter().enumerate() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["position"], position, "{line}");
            let succeeded = line["metadata"]["status"] == "success";
            // The same few rows begin after each start: some may run at five kills.
            let details = line["details"].as_str().unwrap_or_default();
            assert!(succeeded || details.contains("5 times"), "{line}");
            given_up += usize::from(!succeeded);
            assert!(indices.insert(line["index"].as_u64().unwrap()), "{line}");
        }
        assert_eq!(indices.last(), Some(&(job.rows as u64 - 1)));
        rows += job.rows;
    }
    let list = server.get("/jobs?limit=1000").body;
    assert_eq!(list["count"], KILLS, "{list}");
    println!("{rows} rows, {given_up} given up, {kills_with_work_left} kills with work left");
    assert!(given_up * 10 < rows, "{given_up} of {rows}");
    assert!(kills_with_work_left > KILLS / 2, "{kills_with_work_left}");
}
