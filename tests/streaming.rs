//! `POST /run_code` with `Accept: text/event-stream`.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Server;
use common::eventually;
use common::index::Index;
use common::index::Trouble;
use common::scratch::Scratch;
use common::shared;

/// The events of one request, as they come.
struct Events(Box<dyn BufRead>);

impl Events {
    fn of(server: &Server, request: &Value) -> Self {
        let response = ureq::post(format!("http://{}/run_code", server.address))
            .header("Accept", "text/event-stream")
            .send(request.to_string())
            .unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self(Box::new(BufReader::new(response.into_body().into_reader())))
    }
}

impl Iterator for Events {
    type Item = (String, Value);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut name, mut data) = (String::new(), String::new());
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", value)) => name = value.to_owned(),
                Some(("data", value)) => data.push_str(value),
                _ if name.is_empty() => {}
                _ => return Some((name, serde_json::from_str(&data).unwrap())),
            }
        }
    }
}

fn text_of(events: &[(String, Value)], stream: &str) -> String {
    let pieces = events.iter().filter(|(name, _)| name == stream);
    pieces
        .map(|(_, data)| data["text"].as_str().unwrap())
        .collect()
}

#[test]
fn output_is_streamed_while_the_program_runs_and_the_answer_comes_last() {
    let code = "
import sys, time
print('first é', flush=True)
print('problem', file=sys.stderr, flush=True)
time.sleep(1.5)
print('second')
{'n': 1}";
    let mut events = Events::of(shared(), &json!({ "code": code }));
    let (name, data) = events.next().unwrap();
    let arrived = Instant::now();
    assert_eq!(
        (name.as_str(), &data),
        ("stdout", &json!({ "text": "first é\n" }))
    );
    let rest: Vec<_> = events.collect();
    assert!(
        arrived.elapsed() > Duration::from_secs(1),
        "it came with the rest"
    );
    assert_eq!(text_of(&rest, "stderr"), "problem\n");
    assert_eq!(text_of(&rest, "stdout"), "second\n");
    let (name, answer) = rest.last().unwrap();
    assert_eq!(name, "result");
    assert_eq!(answer["output"]["stdout"], "first é\nsecond\n");
    assert_eq!(answer["output"]["ret_val"], r#"{"n": 1}"#);
    assert_eq!(answer["metadata"]["status"], "success");
}

#[test]
fn a_program_stopped_by_a_limit_ends_its_stream_with_an_answer() {
    let request = json!({
        "language": "javascript",
        "code": "console.log('begin'); for (;;);",
        "timeout": 300,
    });
    let events: Vec<_> = Events::of(shared(), &request).collect();
    assert_eq!(text_of(&events, "stdout"), "begin\n");
    let (name, answer) = events.last().unwrap();
    assert_eq!(
        (name.as_str(), &answer["metadata"]["status"]),
        ("result", &json!("timeout"))
    );
}

#[test]
fn events_are_numbered_and_no_proxy_is_to_keep_them_back() {
    let request = json!({ "language": "js", "code": "console.log(1); console.error(2)" });
    let headers = [("accept", "text/event-stream")];
    let answer = shared().send("POST", "/run_code", &headers, request.to_string());
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    assert_eq!(answer.headers["cache-control"], "no-cache");
    let events = answer.body.as_str().unwrap();
    let numbers: Vec<&str> = events
        .lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .collect();
    assert_eq!(numbers, ["1", "2", "3"], "{events}");
}

#[test]
fn a_client_that_likes_json_better_gets_no_events() {
    let request = json!({ "language": "js", "code": "1" }).to_string();
    for (accept, content_type) in [
        ("text/event-stream", "text/event-stream"),
        ("application/json, text/event-stream", "text/event-stream"),
        (
            "application/json;q=0.2, text/event-stream;q=0.9",
            "text/event-stream",
        ),
        (
            "application/json, text/event-stream;q=0.1",
            "application/json",
        ),
        ("text/event-stream;q=0", "application/json"),
        ("text/event-stream; Q=0.000", "application/json"),
        ("text/event-stream;q=0.5, */*", "application/json"),
        ("*/*", "application/json"),
    ] {
        let answer = shared().send("POST", "/run_code", &[("accept", accept)], &request);
        assert_eq!(answer.status, 200, "{accept}");
        assert_eq!(answer.headers["content-type"], content_type, "{accept}");
    }
}

#[test]
fn a_stream_carries_no_more_output_than_the_limit() {
    let request = json!({ "code": "print('x' * 100_000)", "limits": { "output_bytes": 10 } });
    let events: Vec<_> = Events::of(shared(), &request).collect();
    assert_eq!(text_of(&events, "stdout"), "xxxxxxxxxx");
    assert_eq!(events.last().unwrap().1["metadata"]["truncated"], true);
}

#[test]
fn a_refused_streaming_request_is_answered_with_its_status() {
    let response = ureq::post(format!("http://{}/run_code", shared().address))
        .header("Accept", "text/event-stream")
        .config()
        .http_status_as_error(false)
        .build()
        .send(r#"{"language": "cobol", "code": "x"}"#)
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(response.headers()["content-type"], "application/json");
}

#[test]
fn a_client_that_stops_listening_frees_its_sandbox() {
    let server = Server::start_javascript(&[]);
    let active = || server.get("/health").body["pool"]["activeInstances"].clone();
    let code = "console.log('begin'); await new Promise((done) => setTimeout(done, 60_000))";
    let mut events = Events::of(&server, &json!({ "code": code, "timeout": 60_000 }));
    assert_eq!(events.next().unwrap().0, "stdout");
    assert_eq!(active(), 1);
    drop(events);
    eventually("its sandbox is not freed", || active() == 0);
}

#[test]
fn results_are_streamed_as_they_are_shown_behind_the_output_before_them() {
    for (language, code) in [
        (
            "python",
            "import time\nprint('before')\ndisplay(1)\nprint('after')\ntime.sleep(0.5)\n2",
        ),
        (
            "javascript",
            "console.log('before'); display(1); console.log('after');
            await new Promise((done) => setTimeout(done, 500)); return 2",
        ),
    ] {
        let started = Instant::now();
        let mut events = Events::of(shared(), &json!({ "language": language, "code": code }));
        let mut before = String::new();
        let shown = loop {
            let (name, data) = events.next().unwrap();
            if name == "display" {
                break data;
            }
            assert_eq!(name, "stdout");
            before.push_str(data["text"].as_str().unwrap());
        };
        let early = started.elapsed();
        assert_eq!(before, "before\n");
        let first = json!({ "is_main_result": false, "data": { "text/plain": "1" } });
        assert_eq!(shown, first);
        let rest: Vec<_> = events.collect();
        assert!(
            started.elapsed() - early > Duration::from_millis(400),
            "{early:?}"
        );
        assert_eq!(text_of(&rest, "stdout"), "after\n");
        let main = json!({ "is_main_result": true, "data": { "text/plain": "2" } });
        let displayed: Vec<_> = rest.iter().filter(|(name, _)| name == "display").collect();
        assert_eq!(displayed, [&("display".to_owned(), main.clone())]);
        let (name, answer) = rest.last().unwrap();
        assert_eq!(name, "result");
        assert_eq!(answer["output"]["results"], json!([first, main]));
    }
}

#[test]
fn a_program_that_waits_for_its_packages_says_how_far_they_are() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("progress"));
    let server = index.server(&workspace);
    let request = json!({ "code": "import rich\nprint('there')", "packages": ["rich"] });
    let events: Vec<_> = Events::of(&server, &request).collect();
    let names: Vec<&str> = events.iter().map(|(name, _)| name.as_str()).collect();
    let before = names.iter().take_while(|name| **name == "progress").count();
    assert!(before > 1, "{names:?}");
    assert_eq!(names[before..], ["stdout", "result"]);
    let mut got = 0;
    for (_, progress) in &events[..before] {
        assert_eq!(progress["packages"], json!(["rich"]));
        let stage = progress["stage"].as_str().unwrap();
        assert!(["waiting", "fetching", "installing", "ready"].contains(&stage));
        let files = progress["files"].as_u64().unwrap();
        assert!(files >= got, "{events:?}");
        got = files;
    }
    let (_, last) = &events[before - 1];
    assert_eq!(last["stage"], "ready");
    // rich, pygments, markdown-it-py, mdurl.
    assert_eq!(last["files"], 4, "{last}");
    assert!(last["bytes"].as_u64().unwrap() > 100_000, "{last}");
    assert!(last["file"].as_str().unwrap().ends_with(".whl"), "{last}");
    let again: Vec<_> = Events::of(&server, &request)
        .map(|(name, _)| name)
        .collect();
    assert_eq!(again, ["stdout", "result"], "they are there now");
}

#[test]
fn packages_that_cannot_be_had_end_a_stream_with_an_answer_that_says_why() {
    let (index, workspace) = (Index::start(Trouble::None), Scratch::new("progress-none"));
    let server = index.server(&workspace);
    let request = json!({ "code": "1", "packages": ["no-such-project-anywhere"] });
    let events: Vec<_> = Events::of(&server, &request).collect();
    let (name, answer) = events.last().unwrap();
    assert_eq!(name, "result");
    assert_eq!(answer["metadata"]["status"], "error");
    let stderr = answer["output"]["stderr"].as_str().unwrap();
    assert!(stderr.contains("could not be installed"), "{stderr}");
}
