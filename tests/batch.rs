//! `POST /run_batch`: many programs in one request.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value;
use serde_json::json;

use common::Server;
use common::batches::Answered;
use common::batches::Upload;
use common::eventually;
use common::figures::peak_memory;
use common::shared;

fn begin(server: &Server, batch: &Value) -> Answered {
    let response = ureq::post(format!("http://{}/run_batch", server.address))
        .send(batch.to_string())
        .unwrap();
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    Answered {
        lines: Box::new(BufReader::new(response.into_body().into_reader())),
    }
}

/// What a batch was answered with.
#[derive(Debug)]
struct Batch {
    setup: Option<Value>,
    /// In the order in which they came.
    rows: Vec<Value>,
    summary: Value,
}

impl Batch {
    fn of(lines: impl IntoIterator<Item = Value>) -> Self {
        let mut lines: Vec<_> = lines.into_iter().collect();
        let last = lines.pop().expect("no line");
        let summary = last["summary"].clone();
        assert!(summary.is_object(), "{last}");
        let setup = match lines.first() {
            Some(first) if first["setup"].is_object() => Some(lines.remove(0)["setup"].clone()),
            _ => None,
        };
        Self {
            setup,
            rows: lines,
            summary,
        }
    }

    fn run(server: &Server, batch: &Value) -> Self {
        let mut answered = begin(server, batch);
        Self::of(std::iter::from_fn(|| answered.next()))
    }

    /// The row of that index.
    fn row(&self, index: u64) -> &Value {
        let row = self.rows.iter().find(|row| row["index"] == index);
        row.unwrap_or_else(|| panic!("no row {index}: {self:?}"))
    }

    fn status(&self, index: u64) -> &str {
        let row = self.row(index);
        let status = row["metadata"]["status"].as_str();
        status.unwrap_or_else(|| panic!("{row}"))
    }

    fn value(&self, index: u64) -> &str {
        let row = self.row(index);
        row["output"]["ret_val"]
            .as_str()
            .unwrap_or_else(|| panic!("{row}"))
    }

    /// The indices, smallest first.
    fn indices(&self) -> Vec<u64> {
        let mut indices: Vec<_> = self
            .rows
            .iter()
            .filter_map(|row| row["index"].as_u64())
            .collect();
        indices.sort_unstable();
        indices
    }
}

#[test]
fn one_program_is_run_over_many_inputs_and_each_row_has_its_index() {
    let batch = Batch::run(
        shared(),
        &json!({
            "program": "print('got', input_data['n'])\ninput_data['n'] ** 2",
            "inputs": (0..30).map(|n| json!({ "n": n })).collect::<Vec<_>>(),
        }),
    );
    assert_eq!(batch.indices(), (0..30).collect::<Vec<_>>());
    for n in 0..30 {
        assert_eq!(batch.value(n), (n * n).to_string());
        assert_eq!(batch.row(n)["output"]["stdout"], format!("got {n}\n"));
    }
    assert_eq!(batch.summary["rows"], 30);
    assert_eq!(batch.summary["succeeded"], 30);
    assert_eq!(batch.summary["by_status"], json!({ "success": 30 }));
    assert!(batch.summary["stopped"].is_null(), "{}", batch.summary);
}

#[test]
fn many_programs_are_run_with_inputs_of_their_own() {
    let batch = Batch::run(
        shared(),
        &json!({
            "language": "javascript",
            "programs": [
                "return_val(1 + 1)",
                { "code": "return_val(input_data.x)", "input": { "x": 5 } },
                { "code": "return_val(args.join('-'))", "args": ["a", "b"] },
                { "code": "throw new Error('no')" },
                7,
            ],
        }),
    );
    assert_eq!(
        [batch.value(0), batch.value(1), batch.value(2)],
        ["2", "5", "a-b"]
    );
    assert_eq!(batch.status(3), "error");
    assert_eq!(
        batch.row(4)["error"],
        "A program must be a string or an object"
    );
    assert_eq!(
        batch.summary["by_status"],
        json!({ "success": 3, "error": 1, "refused": 1 })
    );
}

#[test]
fn a_set_up_runs_once_and_each_row_starts_from_what_it_left() {
    let batch = Batch::run(
        shared(),
        &json!({
            "setup": "print('set up')\nseen = []\ntext = open('data.txt').read()",
            "files": [{ "name": "data.txt", "content": "of the file" }],
            "program": "seen.append(input_data)\n[seen, text]",
            "inputs": ["a", "b", "c"],
        }),
    );
    let setup = batch.setup.as_ref().unwrap();
    assert_eq!(setup["output"]["stdout"], "set up\n");
    for (index, text) in ["a", "b", "c"].into_iter().enumerate() {
        let seen = format!("[[\"{text}\"], \"of the file\"]");
        assert_eq!(batch.value(index as u64), seen);
    }
    eventually("the set-up's snapshot stays", || {
        shared().get("/snapshots").body["count"] == 0
    });
}

#[test]
fn rows_draw_their_own_random_numbers_unless_they_are_to_continue() {
    let mut request = json!({
        "setup": "import random", "program": "random.random()", "inputs": [1, 2],
    });
    let fresh = Batch::run(shared(), &request);
    assert_ne!(fresh.value(0), fresh.value(1));
    request["random"] = json!("continue");
    let same = Batch::run(shared(), &request);
    assert_eq!(same.value(0), same.value(1));
}

#[test]
fn after_a_set_up_that_fails_no_row_runs_and_the_answer_says_why() {
    let server = shared();
    let batch = Batch::run(
        server,
        &json!({ "setup": "1 / 0", "program": "print('ran')", "inputs": [1, 2] }),
    );
    let setup = batch.setup.as_ref().unwrap();
    assert!(
        setup["output"]["stderr"]
            .as_str()
            .unwrap()
            .contains("ZeroDivisionError")
    );
    assert_eq!(batch.rows, Vec::<Value>::new());
    assert_eq!(batch.summary["rows"], 0);
    assert_eq!(batch.summary["stopped"]["reason"], "setup");
    assert_eq!(server.get("/snapshots").body["count"], 0);
}

#[test]
fn a_fault_of_a_row_is_that_rows_answer() {
    let batch = Batch::run(
        shared(),
        &json!({
            "program": "exec(input_data)\n'reached'",
            "inputs": ["", "1 / 0", "while True: pass", "import os; os._exit(3)", "x = bytearray(10**9)", ""],
            "timeout": 500,
        }),
    );
    let statuses: Vec<_> = (0..6).map(|index| batch.status(index)).collect();
    assert_eq!(
        statuses,
        [
            "success",
            "error",
            "timeout",
            "error",
            "memory_limit",
            "success"
        ]
    );
    assert_eq!(batch.row(3)["metadata"]["exit_code"], 3);
}

#[test]
fn a_batch_stops_at_the_row_that_it_is_to_stop_on() {
    let inputs: Vec<u32> = (0..500).collect();
    let mut request = json!({
        "language": "javascript",
        "program": "if (input_data === 2) throw new Error('no'); if (input_data === 1) for (;;);",
        "inputs": inputs, "concurrency": 1, "timeout": 300,
    });
    for (stop_on, last) in [("failure", 1), ("error", 2)] {
        request["stop_on"] = json!(stop_on);
        let batch = Batch::run(shared(), &request);
        assert_eq!(batch.indices(), (0..=last).collect::<Vec<_>>(), "{stop_on}");
        assert_eq!(batch.summary["stopped"]["reason"], "stop_on");
    }
}

#[test]
fn a_batch_ends_when_its_time_is_over() {
    let batch = Batch::run(
        shared(),
        &json!({
            "program": "import time; time.sleep(input_data)",
            "inputs": [0, 60, 60], "timeout": 60_000, "total_timeout": 2_000,
        }),
    );
    assert_eq!(batch.indices(), [0]);
    assert_eq!(batch.summary["stopped"]["reason"], "total_timeout");
}

#[test]
fn no_more_rows_run_at_once_than_are_to() {
    let server = Server::start_javascript(&[("FAAS_BATCH_CONCURRENCY", "2")]);
    let most = AtomicUsize::new(0);
    let is_over = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while is_over.load(Ordering::Relaxed) == 0 {
                let active =
                    server.metric("faas_pool_sandboxes{runtime=\"javascript\",state=\"active\"}");
                most.fetch_max(active as usize, Ordering::Relaxed);
            }
        });
        let program = "const end = Date.now() + 30; while (Date.now() < end);";
        let inputs: Vec<u32> = (0..30).collect();
        let request = json!({
            "language": "javascript", "program": program, "inputs": inputs, "concurrency": 1000,
        });
        let batch = Batch::run(&server, &request);
        is_over.store(1, Ordering::Relaxed);
        assert_eq!(batch.summary["succeeded"], 30);
    });
    assert_eq!(most.into_inner(), 2);
}

#[test]
fn a_large_batch_does_not_keep_a_single_request_waiting() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "2")]);
    let inputs: Vec<u32> = (0..10_000).collect();
    let request =
        json!({ "language": "javascript", "program": "return_val(input_data)", "inputs": inputs });
    let mut answered = begin(&server, &request);
    answered.next().unwrap();
    let rows = AtomicUsize::new(0);
    let meanwhile = std::thread::scope(|scope| {
        let counting = scope.spawn(|| {
            while let Some(line) = answered.next() {
                if line["summary"].is_object() {
                    return line["summary"].clone();
                }
                rows.fetch_add(1, Ordering::Relaxed);
            }
            panic!("no summary");
        });
        let meanwhile: Vec<usize> = (0..5)
            .map(|_| {
                let before = rows.load(Ordering::Relaxed);
                let answer =
                    server.run(json!({ "language": "javascript", "code": "console.log(1)" }));
                assert_eq!(answer.stdout(), "1\n");
                rows.load(Ordering::Relaxed) - before
            })
            .collect();
        let summary = counting.join().unwrap();
        assert_eq!(summary["succeeded"], 10_000);
        meanwhile
    });
    let most = meanwhile.iter().max().unwrap();
    assert!(
        *most < 1_000,
        "rows that went before a single request: {meanwhile:?}"
    );
}

#[test]
fn a_caller_who_hangs_up_ends_its_batch() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "2")]);
    eventually("the shelf is not full", || {
        server.metric("faas_pool_sandboxes{runtime=\"python\",state=\"idle\"}") == 2.0
    });
    let idle = server.children().len();
    let inputs: Vec<u32> = (0..1_000).collect();
    let mut answered = begin(
        &server,
        &json!({
            "setup": "import time", "program": "time.sleep(0 if input_data < 2 else 3600)", "inputs": inputs,
            "timeout": 60_000,
        }),
    );
    for _ in 0..3 {
        answered.next().unwrap();
    }
    drop(answered);
    eventually("rows run on", || {
        server.metric("faas_pool_sandboxes{runtime=\"python\",state=\"active\"}") == 0.0
    });
    eventually("processes are left", || server.children().len() <= idle);
    assert_eq!(server.get("/snapshots").body["count"], 0);
    let executed = server.metric("faas_executions_total{language=\"python\",status=\"cancelled\"}");
    assert!(executed >= 1.0, "{executed}");
}

#[test]
fn the_rows_of_a_stream_are_answered_while_more_are_sent() {
    let mut upload = Upload::begin(&shared().address, &json!({ "program": "input_data + 1" }));
    let mut answered = upload.answered();
    for n in [1, 10, 100] {
        upload.send(&format!("{n}\n\n"));
        assert_eq!(
            answered.next().unwrap()["output"]["ret_val"],
            (n + 1).to_string()
        );
    }
    upload.send("not json\n");
    let refused = answered.next().unwrap();
    assert_eq!(
        (&refused["index"], &refused["error"]),
        (&json!(3), &json!("Invalid JSON format"))
    );
    upload.send("1000");
    upload.end();
    let batch = Batch::of(std::iter::from_fn(|| answered.next()));
    assert_eq!(batch.value(4), "1001");
    assert_eq!(batch.summary["rows"], 5);
}

#[test]
fn the_lines_of_a_stream_without_a_program_are_programs() {
    let mut upload = Upload::begin(&shared().address, &json!({ "language": "typescript" }));
    upload.send(
        "\"return_val(1 as number)\"\n{\"code\": \"return_val(input_data)\", \"input\": 2}\n",
    );
    upload.end();
    let mut answered = upload.answered();
    let batch = Batch::of(std::iter::from_fn(|| answered.next()));
    assert_eq!([batch.value(0), batch.value(1)], ["1", "2"]);
}

#[test]
fn a_stream_of_many_rows_takes_no_memory_that_grows_with_them() {
    const ROWS: u64 = 20_000;
    let server = Server::start_javascript(&[("FAAS_HISTORY", "0")]);
    let row = format!("\"{}\"\n", "x".repeat(1_000));
    let run = |rows: u64| {
        let mut upload = Upload::begin(
            &server.address,
            &json!({ "language": "javascript", "program": "return_val(input_data)" }),
        );
        let mut answered = upload.answered();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..rows {
                    upload.send(&row);
                }
                upload.end();
            });
            let mut count = 0;
            loop {
                let line = answered.next().unwrap();
                if line["summary"].is_object() {
                    assert_eq!(line["summary"]["succeeded"], rows);
                    break;
                }
                count += 1;
            }
            assert_eq!(count, rows);
        });
    };
    run(500);
    let before = peak_memory(server.pid());
    run(ROWS);
    let grown = peak_memory(server.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "the supervisor grew by {grown} bytes");
}

#[test]
fn of_a_stream_whose_answer_is_not_read_no_more_is_taken() {
    let server = Server::start_javascript(&[]);
    let mut upload = Upload::begin(
        &server.address,
        &json!({ "language": "javascript", "program": "return_val(input_data)" }),
    );
    upload
        .stream
        .set_write_timeout(Some(Duration::from_secs(3)))
        .unwrap();
    let row = format!("\"{}\"\n", "x".repeat(100_000));
    let sent = (0..2_000)
        .take_while(|_| upload.try_send(&row).is_ok())
        .count();
    assert!(sent < 2_000, "all of it was taken");
    let executed =
        || server.metric("faas_executions_total{language=\"javascript\",status=\"success\"}");
    let before = executed();
    assert!(before < sent as f64, "{before} of {sent}");
    assert!(peak_memory(server.pid()) < 200 << 20);
}

#[test]
fn what_is_no_batch_is_refused_with_what_to_do() {
    for (request, error) in [
        (json!({}), "A batch needs its programs"),
        (json!({ "program": "1" }), "A batch needs its programs"),
        (
            json!({ "program": "1", "programs": ["1"] }),
            "A batch needs its programs",
        ),
        (
            json!({ "program": "1", "inputs": 5 }),
            "Parameter 'inputs' must be an array",
        ),
        (
            json!({ "program": 1, "inputs": [] }),
            "Parameter 'code' must be a string",
        ),
        (
            json!({ "programs": [], "timeout": -1 }),
            "Parameter 'timeout' must be a positive integer",
        ),
        (
            json!({ "programs": [], "concurrency": 0 }),
            "Parameter 'concurrency' must be a positive integer",
        ),
        (
            json!({ "programs": [], "total_timeout": "x" }),
            "Parameter 'total_timeout' must be a positive integer",
        ),
        (
            json!({ "programs": [], "stop_on": "never" }),
            "Parameter 'stop_on' must be error or failure",
        ),
        (
            json!({ "programs": [], "isolation": "shared" }),
            "Programs cannot share a process",
        ),
        (
            json!({ "programs": [], "isolation": "none" }),
            "Parameter 'isolation' must be process or shared",
        ),
        (
            json!({ "programs": [], "setup": "1", "from": "snap-0123456789abcdef0123456789abcdef" }),
            "Parameters 'setup' and 'from' exclude each other",
        ),
        (
            json!({ "programs": [], "setup": 5 }),
            "Parameter 'code' must be a string",
        ),
        (
            json!({ "programs": [], "session": "sess-1" }),
            "A batch has no session",
        ),
        (json!({ "programs": [], "keep": true }), "Rows are not kept"),
    ] {
        let answer = shared().post("/run_batch", request.to_string());
        assert_eq!((answer.status, answer.error()), (400, error), "{request}");
    }
    let many = json!({ "programs": vec!["1"; 100_001] });
    let answer = shared().post("/run_batch", many.to_string());
    assert_eq!((answer.status, answer.error()), (413, "Too many rows"));
}

#[test]
fn a_batch_whose_snapshot_is_not_there_is_refused_as_a_program_is() {
    // Its own server: other tests count the snapshots of the shared one.
    let server = Server::start_javascript(&[]);
    let unknown = json!({ "programs": ["1"], "from": format!("snap-{}", "0".repeat(32)) });
    let answer = server.post("/run_batch", unknown.to_string());
    assert_eq!((answer.status, answer.error()), (404, "No such snapshot"));
    let kept = server.run(json!({ "code": "var x = 1", "language": "javascript", "keep": true }));
    let id = &kept.body["metadata"]["snapshot"]["id"];
    let other = json!({ "programs": ["1"], "from": id, "language": "python" });
    let answer = server.post("/run_batch", other.to_string());
    assert_eq!(answer.status, 400, "{}", answer.body);
}

#[test]
fn a_row_that_would_leave_something_is_refused_with_what_to_do() {
    let batch = json!({ "programs": [{ "code": "1", "keep": true }, { "code": "1", "session": "s" }, "1"] });
    let batch = Batch::run(shared(), &batch);
    assert_eq!(batch.row(0)["error"], "Rows are not kept");
    assert_eq!(batch.row(1)["error"], "A batch has no session");
    assert_eq!(batch.value(2), "1");
}

#[test]
fn a_stream_whose_head_does_not_come_or_is_too_long_is_refused_as_a_body_is() {
    let server = Server::start_javascript(&[
        ("FAAS_CLIENT_TIMEOUT", "600"),
        ("FAAS_MAX_BODY_BYTES", "2000"),
    ]);
    let status = |begin: &str| {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        let head = "POST /run_batch HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n\
                    Content-Length: 5000\r\nConnection: close\r\n\r\n";
        stream
            .write_all((head.to_owned() + begin).as_bytes())
            .unwrap();
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(status("{\"program\": "), "408");
    assert_eq!(status(&" ".repeat(4000)), "413");
}

#[test]
fn rows_that_share_a_process_hand_back_files_as_programs_of_their_own_do() {
    let batch = Batch::run(
        shared(),
        &json!({
            "program": "if input_data == 2: open('given.txt', 'w').write('changed')",
            "inputs": [1, 2, 3], "isolation": "shared", "concurrency": 1, "collect": ["*"],
            "files": [{ "name": "given.txt", "content": "given" }],
        }),
    );
    let names = |index: u64| {
        batch.row(index)["output"]["files"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!(names(0), 0, "{:?}", batch.row(0));
    assert_eq!(names(1), 1, "{:?}", batch.row(1));
}

#[test]
fn a_stream_that_is_waited_for_does_not_keep_a_service_from_shutting_down() {
    let mut server = Server::start_javascript(&[]);
    let head = json!({ "language": "javascript", "program": "return_val(input_data)" });
    let mut upload = Upload::begin(&server.address, &head);
    let mut answered = upload.answered();
    upload.send("1\n");
    answered.next().unwrap();
    server.signal(libc::SIGTERM);
    let summary = answered.next().unwrap();
    assert_eq!(
        summary["summary"]["stopped"]["reason"], "shutting_down",
        "{summary}"
    );
    assert!(server.wait().success());
}

#[test]
fn a_service_that_shuts_down_says_which_rows_it_leaves() {
    let mut server = Server::start_javascript(&[]);
    let inputs: Vec<u32> = (0..100_000).collect();
    let mut answered = begin(
        &server,
        &json!({ "language": "javascript", "program": "return_val(input_data)", "inputs": inputs }),
    );
    let first = answered.next().unwrap();
    server.signal(libc::SIGTERM);
    let batch = Batch::of(std::iter::once(first).chain(std::iter::from_fn(|| answered.next())));
    assert_eq!(batch.summary["stopped"]["reason"], "shutting_down");
    assert_eq!(batch.summary["succeeded"], batch.rows.len());
    assert!(server.wait().success());
}

/// The index and the sandbox of each row that ran.
fn sandboxes(batch: &Batch) -> Vec<(u64, String)> {
    let rows = batch.rows.iter();
    let mut sandboxes: Vec<_> = rows
        .map(|row| {
            let id = row["metadata"]["instance_id"].as_str().unwrap();
            (row["index"].as_u64().unwrap(), id.to_owned())
        })
        .collect();
    sandboxes.sort();
    sandboxes
}

#[test]
fn rows_that_share_a_process_run_one_after_the_other_in_it() {
    let batch = Batch::run(
        shared(),
        &json!({
            "setup": "seen = []",
            "program": "seen.append(input_data)\nprint('row', input_data)\n[len(seen), input_data]",
            "inputs": (0..100).collect::<Vec<_>>(), "isolation": "shared", "concurrency": 1,
        }),
    );
    assert_eq!(batch.summary["succeeded"], 100, "{}", batch.summary);
    let mut before: Option<(String, u64)> = None;
    for (index, sandbox) in sandboxes(&batch) {
        // The number of rows that its process has seen.
        let seen = match before {
            Some((same, seen)) if same == sandbox => seen + 1,
            _ => 1,
        };
        assert_eq!(batch.value(index), format!("[{seen}, {index}]"));
        assert_eq!(
            batch.row(index)["output"]["stdout"],
            format!("row {index}\n")
        );
        before = Some((sandbox, seen));
    }
    let processes: std::collections::BTreeSet<_> =
        sandboxes(&batch).into_iter().map(|(_, id)| id).collect();
    assert!(processes.len() < 50, "{}", processes.len());
}

#[test]
fn a_fault_of_a_row_that_shares_its_process_ends_only_that_row() {
    let faults = [
        ("1 / 0", "error"),
        ("import sys; sys.exit(3)", "error"),
        ("while True: pass", "timeout"),
        ("import time; time.sleep(60)", "timeout"),
        ("import os; os._exit(4)", "error"),
        ("x = bytearray(10**9)", "memory_limit"),
        ("print('y' * 10**6)", "success"),
    ];
    let mut inputs = Vec::new();
    for (code, _) in faults {
        inputs.extend(["", code, ""]);
    }
    let batch = Batch::run(
        shared(),
        &json!({
            "program": "exec(input_data)\n'reached'", "inputs": inputs, "isolation": "shared", "timeout": 500,
            "concurrency": 2,
        }),
    );
    for (index, (code, status)) in (0..).zip(faults) {
        assert_eq!(batch.status(3 * index + 1), status, "{code}");
        for neighbour in [3 * index, 3 * index + 2] {
            assert_eq!(batch.status(neighbour), "success", "beside {code}");
            assert_eq!(batch.value(neighbour), "reached");
        }
    }
    let exit = batch.row(4)["metadata"]["exit_code"].as_i64();
    assert_eq!(exit, Some(3));
}

#[test]
fn javascript_rows_share_a_process_too() {
    let batch = Batch::run(
        shared(),
        &json!({
            "language": "typescript",
            "setup": "const offset: number = 100; function add(x: number): number { return offset + x }",
            "program": "let y: number = add(input_data.x); if (y === 105) for (;;); if (y === 106) throw new Error('no'); \
                        console.log('got', y); return_val(y)",
            "inputs": (0..20).map(|x| json!({ "x": x })).collect::<Vec<_>>(),
            "isolation": "shared", "timeout": 300, "concurrency": 1,
        }),
    );
    for index in 0..20 {
        match index {
            5 => assert_eq!(batch.status(5), "timeout"),
            6 => assert_eq!(batch.status(6), "error"),
            _ => {
                assert_eq!(batch.value(index), (100 + index).to_string());
                assert_eq!(
                    batch.row(index)["output"]["stdout"],
                    format!("got {}\n", 100 + index)
                );
            }
        }
    }
    assert_eq!(batch.rows.len(), 20);
}

#[test]
fn rows_that_share_a_process_have_their_own_input_and_standard_input() {
    let batch = Batch::run(
        shared(),
        &json!({
            "program": "import sys; [input_data, sys.stdin.readline()]",
            "stdin": "first\nsecond\n", "inputs": [{ "a": 1 }, null, "x"],
            "isolation": "shared", "concurrency": 1,
        }),
    );
    let expected = [
        r#"[{"a": 1}, "first\n"]"#,
        r#"[null, "first\n"]"#,
        r#"["x", "first\n"]"#,
    ];
    assert_eq!([batch.value(0), batch.value(1), batch.value(2)], expected);
}

#[test]
fn of_rows_that_share_a_process_the_slow_ones_do_not_keep_a_worker() {
    let server = Server::start_python(&[("FAAS_WORKER_COUNT", "1")]);
    let request = json!({
        "program": "import time; time.sleep(0.15)", "inputs": (0..40).collect::<Vec<_>>(), "isolation": "shared",
    });
    let mut answered = begin(&server, &request);
    answered.next().unwrap();
    assert_eq!(server.python("print(1)").stdout(), "1\n");
    let rest = std::iter::from_fn(|| answered.next()).count();
    assert!(rest > 10, "the single request waited for the batch");
}

#[test]
fn a_deep_input_of_rows_that_share_a_process_is_refused_alone() {
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let body = format!(r#"{{"program": "1", "isolation": "shared", "inputs": [0, {deep}, 2]}}"#);
    let answer = shared().post("/run_batch", body);
    let lines = answer.body.as_str().unwrap().lines();
    let batch = Batch::of(lines.map(|line| serde_json::from_str(line).unwrap()));
    assert_eq!(
        batch.row(1)["error"],
        "Parameter 'input' is nested too deep"
    );
    assert_eq!([batch.value(0), batch.value(2)], ["1", "1"]);
}

#[test]
fn a_set_up_stays_as_long_as_its_batch() {
    let server =
        Server::start_python(&[("FAAS_SNAPSHOT_TIMEOUT", "1000"), ("FAAS_SNAPSHOTS", "3")]);
    let batch = json!({
        "setup": "x = 7", "program": "import time; time.sleep(1.5); x", "inputs": [1, 2, 3], "concurrency": 1
    });
    let mut answered = begin(&server, &batch);
    let setup = answered.next();
    // None of these takes its place.
    for number in 0..6 {
        server.run(json!({ "code": format!("x = {number}"), "keep": true }));
    }
    let rest = std::iter::from_fn(|| answered.next());
    let batch = Batch::of(setup.into_iter().chain(rest));
    assert_eq!(batch.summary["succeeded"], 3, "{:?}", batch.rows);
    eventually("the set-up is left", || {
        server.get("/snapshots").body["count"] == 0
    });
}

#[test]
fn rows_that_shared_a_process_but_had_not_begun_are_not_refused_when_the_service_ends() {
    let server = Server::start_python(&[("FAAS_SHUTDOWN_GRACE", "1000")]);
    let batch = json!({
        "program": "while True: pass", "inputs": (0..2000).collect::<Vec<_>>(), "isolation": "shared",
        "timeout": 60_000, "concurrency": 2
    });
    let mut answered = begin(&server, &batch);
    let runs = "faas_pool_sandboxes{runtime=\"python\",state=\"active\"} ";
    eventually("no row runs", || server.metric(runs) == 2.0);
    server.signal(libc::SIGTERM);
    let batch = Batch::of(std::iter::from_fn(|| answered.next()));
    assert!(batch.rows.len() <= 2, "{} rows", batch.rows.len());
    assert_eq!(
        batch.summary["stopped"]["reason"], "shutting_down",
        "{}",
        batch.summary
    );
}
