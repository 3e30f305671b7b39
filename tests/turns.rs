//! Whose turn it is when all workers are busy: no caller's flood keeps others waiting, weights hold, and who would
//! wait for too long is told at once.

mod common;

use std::net::TcpStream;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::eventually;
use common::named_tokens::table;
use common::scratch::Scratch;

const FLOOD: &str = "0123456789-of-the-flood";
const OTHER: &str = "0123456789-of-the-other";
const PLAIN: &str = "0123456789-plain-secret";

/// A server with one worker and two callers of these weights.
struct Guarded {
    server: Server,
    _scratch: Scratch,
}

impl Guarded {
    fn start(name: &str, weights: [u32; 2], environment: &[(&str, &str)]) -> Self {
        let scratch = Scratch::new(name);
        let tables = [("flood", FLOOD), ("other", OTHER)].iter().zip(weights);
        let tables = tables
            .map(|((name, token), weight)| format!("{}weight = {weight}\n", table(name, token)));
        let file = scratch.file("tokens.toml", &tables.collect::<String>());
        let own = [
            ("FAAS_API_TOKENS_FILE", file.as_str()),
            ("FAAS_API_TOKEN", PLAIN),
            ("FAAS_WORKER_COUNT", "1"),
        ];
        let server = Server::start_javascript(&[&own, environment].concat());
        Self {
            server: server.with_token(PLAIN),
            _scratch: scratch,
        }
    }

    fn begin(&self, token: &str, request: &Value) -> TcpStream {
        let header = format!("Authorization: Bearer {token}\r\n");
        self.server.begin(&header, request)
    }

    fn run(&self, token: &str, request: &Value) -> Answer {
        self.server.send_as(token, "POST", "/run_code", request)
    }
}

/// Says when it began, and sleeps for so many ms.
fn sleeping(ms: u32) -> Value {
    let code =
        format!("console.log(Date.now())\nawait new Promise((done) => setTimeout(done, {ms}))");
    json!({ "code": code })
}

fn waiting(server: &Server) -> u64 {
    let health = server.get("/health").body;
    health["pool_status"]["pendingRequests"].as_u64().unwrap()
}

fn is_running(server: &Server) -> bool {
    server.get("/health").body["pool"]["activeInstances"] == 1
}

#[test]
fn a_flood_of_one_token_does_not_keep_another_waiting() {
    let guarded = Guarded::start("flood", [1, 1], &[]);
    let server = &guarded.server;
    let flood: Vec<_> = (0..200)
        .map(|_| guarded.begin(FLOOD, &sleeping(50)))
        .collect();
    eventually("they do not wait", || waiting(server) > 150);
    let answer = guarded.run(OTHER, &sleeping(1));
    assert_eq!((answer.status, answer.outcome()), (200, "success"));
    let left = waiting(server);
    assert!(left > 120, "only {left} of the flood still wait");
    drop(flood);
}

#[test]
fn weights_of_three_to_one_give_three_times_as_many_turns() {
    let guarded = Guarded::start("weights", [3, 1], &[]);
    let begun = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let first = guarded.begin(PLAIN, &sleeping(30_000));
        eventually("the first does not run", || is_running(&guarded.server));
        for token in [OTHER, FLOOD] {
            for _ in 0..60 {
                let (guarded, begun) = (&guarded, &begun);
                scope.spawn(move || {
                    let answer = guarded.run(token, &sleeping(20));
                    let at: u64 = answer.stdout().trim().parse().unwrap();
                    begun.lock().unwrap().push((at, token));
                });
            }
        }
        eventually("they do not wait", || waiting(&guarded.server) == 120);
        drop(first);
    });
    let mut begun = begun.into_inner().unwrap();
    begun.sort_unstable();
    let heavy = begun[..40].iter().filter(|(_, token)| *token == FLOOD);
    let heavy = heavy.count();
    assert!((26..=34).contains(&heavy), "{heavy} of 40, for weights 3:1");
}

#[test]
fn in_a_queue_that_one_token_filled_another_finds_a_place() {
    let guarded = Guarded::start("full", [1, 1], &[("FAAS_QUEUE_SIZE", "4")]);
    let server = &guarded.server;
    std::thread::scope(|scope| {
        let running = guarded.begin(FLOOD, &sleeping(30_000));
        eventually("it does not run", || is_running(server));
        let flood: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| guarded.run(FLOOD, &sleeping(1)).status))
            .collect();
        eventually("they do not wait", || waiting(server) == 4);
        assert_eq!(guarded.run(FLOOD, &sleeping(1)).status, 429);
        let other = scope.spawn(|| guarded.run(OTHER, &sleeping(1)).status);
        eventually("nobody makes room", || {
            flood.iter().filter(|thread| thread.is_finished()).count() == 1
        });
        drop(running);
        assert_eq!(other.join().unwrap(), 200);
        let mut statuses: Vec<_> = flood
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 429]);
    });
}

#[test]
fn priorities_count_between_programs_of_one_token_only() {
    let guarded = Guarded::start("own-priorities", [1, 1], &[]);
    let begun = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        let first = guarded.begin(PLAIN, &sleeping(30_000));
        eventually("the first does not run", || is_running(&guarded.server));
        let requests = [
            (FLOOD, "urgent", "flood 2"),
            (FLOOD, "urgent", "flood 3"),
            (FLOOD, "urgent", "flood 4"),
            (OTHER, "low", "other low"),
            (OTHER, "high", "other high"),
        ];
        for (count, (token, priority, name)) in (1..).zip(requests) {
            let begun = &begun;
            let guarded = &guarded;
            scope.spawn(move || {
                let mut request = sleeping(50);
                request["priority"] = json!(priority);
                let answer = guarded.run(token, &request);
                let at: u64 = answer.stdout().trim().parse().unwrap();
                begun.lock().unwrap().push((at, name));
            });
            eventually("it does not wait", || waiting(&guarded.server) == count);
        }
        drop(first);
    });
    let mut begun = begun.into_inner().unwrap();
    begun.sort_unstable();
    let names: Vec<_> = begun.into_iter().map(|(_, name)| name).collect();
    let at = |name| names.iter().position(|other| *other == name).unwrap();
    assert!(at("other high") < at("other low"), "{names:?}");
    assert!(at("other high") < at("flood 3"), "{names:?}");
    assert!(at("other low") < at("flood 4"), "{names:?}");
}

#[test]
fn who_would_wait_longer_than_the_queue_allows_is_told_when_to_come_back() {
    let server =
        Server::start_javascript(&[("FAAS_WORKER_COUNT", "1"), ("FAAS_QUEUE_TIMEOUT", "1500")]);
    let refused = || {
        let answer = server.run(json!({ "code": "1" }));
        assert_eq!(answer.status, 429, "{}", answer.body);
        let retry_after = answer.headers["retry-after"].to_str().unwrap();
        let retry_after: u64 = retry_after.parse().unwrap();
        (answer.body["details"].to_string(), retry_after)
    };
    // Nothing was measured yet: it waits, in vain.
    let running = server.begin("", &sleeping(30_000));
    eventually("it does not run", || is_running(&server));
    let (details, _) = refused();
    assert!(details.contains("within the 1500 ms"), "{details}");
    drop(running);
    eventually("it does not end", || !is_running(&server));
    // The last turn took more than 1.5 s: the next one is expected to, too.
    let running = server.begin("", &sleeping(30_000));
    eventually("it does not run", || is_running(&server));
    let (details, retry_after) = refused();
    assert!(details.contains("is expected to be free in"), "{details}");
    assert!(retry_after >= 2, "{retry_after}");
    drop(running);
    eventually("it does not end", || !is_running(&server));
    assert_eq!(server.run(json!({ "code": "1" })).status, 200);
    let metrics = server.get("/metrics").body;
    let metrics = metrics.as_str().unwrap();
    let counted = "faas_limits_hit_total{limit=\"queue_time\"} 2";
    assert!(metrics.contains(counted), "{metrics}");
}

#[test]
fn waiting_for_a_turn_does_not_count_for_the_time_limit() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "1")]);
    std::thread::scope(|scope| {
        let running = server.begin("", &sleeping(30_000));
        eventually("it does not run", || is_running(&server));
        let request = json!({ "code": "console.log(1)", "timeout": 300, "timings": true });
        let waits = scope.spawn(|| server.run(request));
        eventually("it does not wait", || waiting(&server) == 1);
        // Longer than its time limit.
        std::thread::sleep(Duration::from_millis(400));
        drop(running);
        let answer = waits.join().unwrap();
        assert_eq!(answer.outcome(), "success");
        let queue = &answer.body["metadata"]["timings"]["queue"];
        assert!(queue.as_u64().unwrap() > 300_000, "{queue}");
    });
}
