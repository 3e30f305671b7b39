//! Sessions: cells go on from each other in their order, whatever happens to one of them, and nobody else sees them.

mod common;

use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::eventually;
use common::made_wheel::make_wheel;
use common::memory_group::memory_group;
use common::named_tokens::table;
use common::public_copy::unprivileged_server;
use common::scratch::Scratch;

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    unprivileged_server(
        "sessions",
        &[("FAAS_SESSIONS", "200"), ("FAAS_SESSIONS_MEMORY", "2048")],
    )
});

/// Opens a session; returns its id.
fn open(server: &Server, request: Value) -> String {
    let answer = server.post("/sessions", request.to_string());
    assert_eq!(answer.status, 201, "{}", answer.body);
    answer.body["id"].as_str().unwrap().to_owned()
}

fn python() -> String {
    open(&SERVER, json!({ "language": "python" }))
}

fn javascript() -> String {
    open(&SERVER, json!({ "language": "javascript" }))
}

/// Runs a cell and adds these fields to the request.
fn run(server: &Server, session: &str, code: &str, fields: Value) -> Answer {
    server.run_with(json!({ "session": session, "code": code }), &fields)
}

fn cell(session: &str, code: &str) -> Answer {
    run(&SERVER, session, code, json!({}))
}

fn state_of(answer: &Answer) -> (&str, u64) {
    let session = &answer.body["metadata"]["session"];
    let state = session["state"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.body));
    (state, session["cell"].as_u64().unwrap())
}

fn reason(answer: &Answer) -> &str {
    answer.body["metadata"]["session"]["reason"]
        .as_str()
        .unwrap_or_else(|| panic!("{}", answer.body))
}

fn path(session: &str, rest: &str) -> String {
    format!("/sessions/{session}{rest}")
}

fn post(session: &str, what: &str, body: Value) -> Answer {
    SERVER.post(&path(session, what), body.to_string())
}

#[test]
fn a_cell_finds_what_those_before_it_left_and_its_answer_says_so() {
    let session = python();
    let first = cell(&session, "import json\nx = 20\ndef double(): return 2 * x");
    assert_eq!(state_of(&first), ("kept", 1), "{}", first.body);
    let second = cell(&session, "x += 1\njson.dumps(double())");
    assert_eq!((second.ret_val(), state_of(&second)), ("42", ("kept", 2)));
    let told = &second.body["metadata"]["session"];
    assert_eq!(told["id"], json!(session));
    assert!(
        told["expires_at"].is_string() && told["ends_at"].is_string(),
        "{told}"
    );
    assert!(told["reason"].is_null());
    let third = cell(&session, "await __import__('asyncio').sleep(0)\nx");
    assert_eq!((third.ret_val(), state_of(&third)), ("21", ("kept", 3)));
}

#[test]
fn javascript_cells_declare_names_again_and_await_at_the_top() {
    let session = javascript();
    cell(
        &session,
        "let a = 1; const b = 2; class C { n() { return a + b } }",
    );
    cell(
        &session,
        "let a = 10; const b = await Promise.resolve(20); class D extends C {}",
    );
    let third = cell(&session, "return new D().n()");
    assert_eq!(
        (third.ret_val(), state_of(&third)),
        ("30", ("kept", 3)),
        "{}",
        third.body
    );
    let typed = run(
        &SERVER,
        &session,
        "let c: number = a; return c",
        json!({ "language": "typescript" }),
    );
    assert_eq!(typed.ret_val(), "10", "{}", typed.body);
}

#[test]
fn an_ordinary_exception_keeps_its_effects() {
    let session = python();
    let failed = cell(&session, "x = 1\n1 / 0\nx = 2");
    assert_eq!(
        (failed.outcome(), state_of(&failed)),
        ("error", ("kept", 1))
    );
    let exit = cell(&session, "x += 1\nimport sys; sys.exit(3)");
    assert_eq!((exit.exit_code(), state_of(&exit)), (3, ("kept", 2)));
    assert_eq!(cell(&session, "x").ret_val(), "2");
    let session = javascript();
    let failed = cell(&session, "let x = 1; throw new Error('no')");
    assert_eq!(
        (failed.outcome(), state_of(&failed)),
        ("error", ("kept", 1))
    );
    assert_eq!(cell(&session, "return x").ret_val(), "1");
}

#[test]
fn a_cell_that_is_killed_leaves_the_session_as_it_was_before_and_the_answer_says_so() {
    let session = python();
    cell(&session, "x = [1]");
    for (code, fields, word) in [
        (
            "x.append(2)\nwhile True: pass",
            json!({ "timeout": 300 }),
            "time",
        ),
        (
            "x.append(2)\nimport time; time.sleep(60)",
            json!({ "timeout": 300 }),
            "time",
        ),
        (
            "x.append(2)\nwhile True: pass",
            json!({ "limits": { "cpu_ms": 200 } }),
            "cpu_time",
        ),
        (
            "x.append(2)\ny = [bytearray(10**8) for _ in range(100)]",
            json!({}),
            "memory",
        ),
        (
            "x.append(2)\nimport os; os._exit(0)",
            json!({}),
            "ended the interpreter",
        ),
        (
            "x.append(2)\nwhile True: print('x' * 10**6)",
            json!({}),
            "output",
        ),
    ] {
        let killed = run(&SERVER, &session, code, fields);
        assert_eq!(
            state_of(&killed),
            ("unchanged", 1),
            "{code}: {}",
            killed.body
        );
        assert!(
            reason(&killed).contains(word),
            "{code}: {}",
            reason(&killed)
        );
        assert!(reason(&killed).contains("as it was before"), "{code}");
        assert_eq!(cell_without_change(&session, "print(x)"), "[1]\n", "{code}");
    }
    let session = javascript();
    cell(&session, "let x = [1]");
    let killed = run(
        &SERVER,
        &session,
        "x.push(2); for (;;) {}",
        json!({ "timeout": 300 }),
    );
    assert_eq!(state_of(&killed), ("unchanged", 1));
    assert_eq!(cell(&session, "return x.length").ret_val(), "1");
}

/// Runs a cell and takes it back.
fn cell_without_change(session: &str, code: &str) -> String {
    let stdout = cell(session, code).stdout().to_owned();
    assert_eq!(post(session, "/undo", json!({})).status, 200);
    stdout
}

#[test]
fn a_cell_whose_caller_hangs_up_leaves_the_session_as_it_was() {
    let session = python();
    cell(&session, "x = 1");
    let request = json!({ "session": session, "code": "x = 2\nimport time; time.sleep(60)" });
    let connection = SERVER.begin("", &request);
    eventually("the cell does not run", || {
        SERVER.get(&path(&session, "")).body["running"] == true
    });
    drop(connection);
    assert_eq!(cell(&session, "x").ret_val(), "1");
}

#[test]
fn cells_that_come_at_once_run_one_after_the_other() {
    let session = python();
    cell(&session, "seen = []");
    std::thread::scope(|scope| {
        for number in 0..12 {
            let session = &session;
            scope.spawn(move || {
                let code = format!("n = len(seen)\nawait __import__('asyncio').sleep(0.01)\nassert n == len(seen)\nseen.append({number})");
                let answer = cell(session, &code);
                assert_eq!(answer.outcome(), "success", "{}", answer.body);
            });
        }
    });
    assert_eq!(
        cell(&session, "sorted(seen) == list(range(12))").ret_val(),
        "true"
    );
}

#[test]
fn cells_and_forks_find_a_place_where_idle_sandboxes_have_all_of_them() {
    // Both languages keep more sandboxes waiting than there may be.
    for instances in ["2", "4", "19"] {
        let settings = [("FAAS_MAX_INSTANCES", instances)];
        let server = Server::start(&settings);
        let session = open(&server, json!({ "language": "python" }));
        for number in 1..=4 {
            let answer = run(&server, &session, "1", json!({ "timeout": 5000 }));
            assert_eq!(state_of(&answer), ("kept", number), "{instances}");
        }
        let kept = json!({ "language": "python", "code": "x = 1", "keep": true });
        let kept = server.run(kept);
        let id = &kept.body["metadata"]["snapshot"]["id"];
        let forked =
            json!({ "language": "python", "code": "print(x)", "from": id, "timeout": 5000 });
        assert_eq!(server.run(forked).stdout(), "1\n", "{instances}");
    }
}

#[test]
fn a_cell_that_waits_for_its_turn_holds_no_worker() {
    let server = Server::start_python(&[
        ("FAAS_WORKER_COUNT", "2"),
        ("FAAS_MAX_INSTANCES", "4"),
        ("FAAS_POOL_SIZE", "1"),
    ]);
    let session = open(&server, json!({}));
    let slow = json!({ "session": session, "code": "import time; time.sleep(3)" });
    let _cells: Vec<_> = (0..3).map(|_| server.begin("", &slow)).collect();
    let waiting = || server.get(&path(&session, "")).body["waiting"].as_u64();
    eventually("they do not wait", || waiting() == Some(2));
    // The other worker is free.
    assert_eq!(server.python("print(1)").stdout(), "1\n");
    assert_eq!(server.get(&path(&session, "")).body["running"], true);
}

#[test]
fn a_cell_waits_for_its_turn_no_longer_than_a_request_may() {
    let server = Server::start_python(&[("FAAS_QUEUE_TIMEOUT", "200"), ("FAAS_POOL_SIZE", "1")]);
    let session = open(&server, json!({}));
    let slow = json!({ "session": session, "code": "import time; time.sleep(20)" });
    let running = server.begin("", &slow);
    eventually("it does not run", || {
        server.get(&path(&session, "")).body["running"] == true
    });
    let late = run(&server, &session, "1", json!({}));
    assert_eq!(late.status, 429, "{}", late.body);
    assert!(
        late.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_QUEUE_TIMEOUT"),
        "{}",
        late.body
    );
    assert!(late.headers.contains_key("retry-after"));
    drop(running);
}

#[test]
fn cells_can_be_streamed() {
    let session = python();
    let mut stream = SERVER.begin(
        "Accept: text/event-stream\r\nConnection: close\r\n",
        &json!({ "session": session, "code": "x = 5\nprint('streamed')" }),
    );
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("event: stdout") && text.contains("streamed"),
        "{text}"
    );
    assert!(text.contains("\"state\":\"kept\""), "{text}");
    assert_eq!(cell(&session, "x").ret_val(), "5");
}

#[test]
fn a_session_begins_with_files_or_a_snapshot_and_a_restart_goes_back_to_that() {
    let session = open(
        &SERVER,
        json!({ "files": [{ "name": "a/data.txt", "content": "given" }] }),
    );
    cell(
        &session,
        "text = open('a/data.txt').read(); open('a/data.txt', 'w').write('changed'); x = 1",
    );
    assert_eq!(
        cell(&session, "text + open('a/data.txt').read()").ret_val(),
        "givenchanged"
    );
    let restarted = post(&session, "/restart", json!({}));
    assert_eq!(
        (restarted.status, &restarted.body["cells"]),
        (200, &json!(0))
    );
    let after = cell(
        &session,
        "print(open('a/data.txt').read(), 'x' in globals())",
    );
    assert_eq!(
        (after.stdout(), state_of(&after)),
        ("given False\n", ("kept", 1))
    );

    let kept = SERVER.run(json!({ "code": "base = 40", "keep": true }));
    let snapshot = kept.body["metadata"]["snapshot"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let session = open(&SERVER, json!({ "from": snapshot }));
    assert_eq!(
        SERVER
            .method("DELETE", &format!("/snapshots/{snapshot}"))
            .status,
        204
    );
    assert_eq!(cell(&session, "base += 1; base").ret_val(), "41");
    post(&session, "/restart", json!({}));
    assert_eq!(cell(&session, "base").ret_val(), "40");
    let gone = SERVER.post("/sessions", json!({ "from": snapshot }).to_string());
    assert_eq!(gone.status, 410);
}

#[test]
fn an_undo_takes_back_the_last_cells_and_no_more_than_are_kept() {
    let session = python();
    for code in ["x = 1", "x = 2", "x = 3", "x = 4"] {
        cell(&session, code);
    }
    assert_eq!(SERVER.get(&path(&session, "")).body["undo_steps"], 2);
    let refused = post(&session, "/undo", json!({ "steps": 3 }));
    assert_eq!(refused.status, 409, "{}", refused.body);
    assert!(
        refused.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_SESSION_UNDO")
    );
    let undone = post(&session, "/undo", json!({ "steps": 2 }));
    assert_eq!((undone.status, &undone.body["cells"]), (200, &json!(2)));
    let answer = cell(&session, "x");
    assert_eq!((answer.ret_val(), state_of(&answer)), ("2", ("kept", 3)));
    for wrong in [
        json!({ "steps": 0 }),
        json!({ "steps": -1 }),
        json!({ "steps": "1" }),
        json!({ "steps": 1.5 }),
    ] {
        assert_eq!(post(&session, "/undo", wrong).status, 400);
    }
}

#[test]
fn forks_go_on_from_the_same_state_and_do_not_see_each_other() {
    let session = python();
    cell(&session, "x = [0]");
    let forks = post(&session, "/fork", json!({ "count": 3 }));
    assert_eq!(
        (forks.status, &forks.body["count"]),
        (201, &json!(3)),
        "{}",
        forks.body
    );
    let ids: Vec<String> = forks.body["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fork| fork["id"].as_str().unwrap().to_owned())
        .collect();
    for (number, fork) in ids.iter().enumerate() {
        let answer = cell(fork, &format!("x.append({number}); x"));
        assert_eq!(
            (answer.ret_val(), state_of(&answer)),
            (&*format!("[0, {number}]"), ("kept", 2))
        );
    }
    assert_eq!(cell(&session, "x").ret_val(), "[0]");
    assert_eq!(SERVER.method("DELETE", &path(&session, "")).status, 204);
    assert_eq!(
        cell(&ids[0], "x").ret_val(),
        "[0, 0]",
        "a fork outlives what it was forked from"
    );
    for wrong in [
        json!({ "count": 0 }),
        json!({ "count": 101 }),
        json!({ "count": "2" }),
    ] {
        assert_eq!(post(&ids[0], "/fork", wrong).status, 400);
    }
}

/// Interrupts a cell once it has printed that it `began`; returns its answer.
fn interrupted(session: &str, code: &str) -> Answer {
    let request = json!({ "session": session, "code": code });
    let mut stream = SERVER.begin(
        "Accept: text/event-stream\r\nConnection: close\r\n",
        &request,
    );
    let mut text = String::new();
    let mut piece = [0; 4096];
    loop {
        let read = stream.read(&mut piece).unwrap();
        text += str::from_utf8(&piece[..read]).unwrap();
        if read == 0 {
            break;
        }
        if text.contains("began") && !text.contains("event: result") {
            let told = post(session, "/interrupt", json!({}));
            assert_eq!(told.body["interrupted"], true, "{text}");
            stream.read_to_string(&mut text).unwrap();
            break;
        }
    }
    let result = text.split("event: result").nth(1);
    let result = result.and_then(|event| event.split_once("data: "));
    let (_, data) = result.unwrap_or_else(|| panic!("no result: {text}"));
    let mut values = serde_json::Deserializer::from_str(data).into_iter();
    Answer {
        status: 200,
        headers: ureq::http::HeaderMap::new(),
        body: values.next().unwrap().unwrap(),
    }
}

#[test]
fn an_interrupt_raises_keyboard_interrupt_where_the_cell_is_and_keeps_its_effects() {
    let session = python();
    for (code, left) in [
        ("x = 1\nprint('began')\nwhile True: pass", "1"),
        ("import time\nx = 2\nprint('began')\ntime.sleep(60)", "2"),
        (
            "import asyncio\nx = 3\nprint('began')\nawait asyncio.sleep(60)",
            "3",
        ),
        (
            "import time\ntry: print('began'); time.sleep(60)\nexcept KeyboardInterrupt: x = 4\ntime.sleep(0.1)",
            "4",
        ),
    ] {
        let answer = interrupted(&session, code);
        assert_eq!(state_of(&answer).0, "kept", "{code}: {}", answer.body);
        if !code.contains("except") {
            assert_eq!(
                (answer.outcome(), answer.exit_code()),
                ("error", 1),
                "{}",
                answer.body
            );
            assert_eq!(answer.last_stderr_line(), "KeyboardInterrupt", "{code}");
            assert!(
                answer.stderr().contains("File \"<cell "),
                "{}",
                answer.stderr()
            );
        } else {
            assert_eq!(answer.outcome(), "success", "{}", answer.body);
        }
        assert_eq!(cell(&session, "x").ret_val(), left, "{code}");
    }
    let idle = post(&session, "/interrupt", json!({}));
    assert_eq!(
        (idle.status, &idle.body["interrupted"]),
        (200, &json!(false))
    );
}

#[test]
fn an_interrupt_ends_a_javascript_cell_and_keeps_its_effects() {
    let session = javascript();
    for (code, left) in [
        ("var x = 1; console.log('began'); for (;;) {}", "1"),
        (
            "var x = 2; console.log('began'); await new Promise((done) => setTimeout(done, 60000)); x = 3",
            "2",
        ),
    ] {
        let answer = interrupted(&session, code);
        assert_eq!(
            (answer.outcome(), answer.exit_code()),
            ("error", 130),
            "{}",
            answer.body
        );
        assert!(
            answer.stderr().contains("interrupted"),
            "{}",
            answer.stderr()
        );
        assert_eq!(state_of(&answer).0, "kept", "{}", answer.body);
        assert_eq!(cell(&session, "return x").ret_val(), left);
    }
}

#[test]
fn a_session_is_listed_told_of_found_by_its_name_and_deleted() {
    let session = open(
        &SERVER,
        json!({ "name": "my notebook", "idle_timeout": 60_000, "lifetime": 120_000 }),
    );
    cell(&session, "x = 1");
    let told = SERVER.get(&path(&session, ""));
    for (field, value) in [
        ("name", json!("my notebook")),
        ("language", json!("python")),
        ("packages", json!([])),
        ("cells", json!(1)),
        ("running", json!(false)),
        ("waiting", json!(0)),
    ] {
        assert_eq!(told.body[field], value, "{}", told.body);
    }
    let found = SERVER.get("/sessions?name=my+notebook");
    assert_eq!(
        (&found.body["count"], &found.body["sessions"][0]["id"]),
        (&json!(1), &json!(session))
    );
    assert_eq!(SERVER.get("/sessions?name=none").body["count"], 0);
    assert_eq!(SERVER.get("/sessions?nam=x").status, 400);
    let taken = SERVER.post("/sessions", json!({ "name": "my notebook" }).to_string());
    assert_eq!(taken.status, 409);
    assert!(
        taken.body["details"].as_str().unwrap().contains(&session),
        "{}",
        taken.body
    );
    assert_eq!(SERVER.method("DELETE", &path(&session, "")).status, 204);
    for answer in [
        SERVER.get(&path(&session, "")),
        cell(&session, "1"),
        post(&session, "/undo", json!({})),
        post(&session, "/fork", json!({})),
        post(&session, "/restart", json!({})),
        post(&session, "/interrupt", json!({})),
        SERVER.get(&path(&session, "/variables")),
        SERVER.get(&path(&session, "/files")),
        SERVER.method("DELETE", &path(&session, "")),
    ] {
        assert_eq!(answer.status, 410, "{}", answer.body);
        assert!(
            answer.body["details"]
                .as_str()
                .unwrap()
                .contains("it was deleted")
        );
    }
    open(&SERVER, json!({ "name": "my notebook" }));
}

#[test]
fn a_delete_ends_the_cell_that_runs_and_those_that_wait() {
    let session = python();
    std::thread::scope(|scope| {
        let cells: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| cell(&session, "import time; time.sleep(60)")))
            .collect();
        eventually("they do not run", || {
            SERVER.get(&path(&session, "")).body["waiting"] == 1
        });
        assert_eq!(SERVER.method("DELETE", &path(&session, "")).status, 204);
        for cell in cells {
            assert_eq!(cell.join().unwrap().status, 410);
        }
    });
}

#[test]
fn fields_that_do_not_fit_a_cell_or_a_session_are_refused_with_what_to_do() {
    let session = python();
    for (fields, word) in [
        (
            json!({ "from": format!("snap-{:032x}", 1) }),
            "POST /sessions",
        ),
        (json!({ "packages": ["msgpack"] }), "%pip install"),
        (json!({ "language": "javascript" }), "python"),
        (json!({ "session": "sess-1" }), "POST /sessions"),
        (json!({ "session": 5 }), "POST /sessions"),
    ] {
        let refused = run(&SERVER, &session, "1", fields.clone());
        assert_eq!(refused.status, 400, "{fields}: {}", refused.body);
        assert!(
            refused.body["details"].as_str().unwrap().contains(word),
            "{}",
            refused.body
        );
    }
    let unknown = cell(&format!("sess-{:032x}", 1), "1");
    assert_eq!(unknown.status, 404);
    for wrong in [
        json!({ "name": "" }),
        json!({ "name": "a\nb" }),
        json!({ "name": 5 }),
        json!({ "idle_timeout": 0 }),
        json!({ "lifetime": "soon" }),
        json!({ "language": "cobol" }),
        json!({ "files": 5 }),
    ] {
        assert_eq!(
            SERVER.post("/sessions", wrong.to_string()).status,
            400,
            "{wrong}"
        );
    }
    assert_eq!(SERVER.post("/sessions", "[]").status, 400);
    let unset = SERVER.post("/sessions", "");
    assert_eq!(unset.status, 201, "{}", unset.body);
}

#[test]
fn a_cell_can_leave_a_snapshot_as_well() {
    let session = python();
    let answer = run(&SERVER, &session, "x = 1", json!({ "keep": true }));
    assert_eq!(state_of(&answer), ("kept", 1));
    let snapshot = answer.body["metadata"]["snapshot"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    cell(&session, "x = 2");
    let from = SERVER.run(json!({ "code": "x", "from": snapshot }));
    assert_eq!(from.ret_val(), "1");
    let killed = run(
        &SERVER,
        &session,
        "import os; os._exit(1)",
        json!({ "keep": true }),
    );
    assert!(
        killed.body["metadata"]["not_kept"].is_string(),
        "{}",
        killed.body
    );
}

#[test]
fn a_session_whose_process_ended_is_gone_and_says_so() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let session = open(&server, json!({}));
    run(&server, &session, "x = 1", json!({}));
    let zygotes = server.zygotes();
    for pid in server.children() {
        if !zygotes.contains(&pid) {
            // SAFETY: kill takes two numbers; the process is a child of a server of ours.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
    }
    let gone = run(&server, &session, "x", json!({}));
    assert_eq!(gone.status, 410, "{}", gone.body);
    let details = gone.body["details"].as_str().unwrap();
    assert!(details.contains("its process ended"), "{details}");
}

#[test]
fn a_session_that_nobody_uses_expires_and_one_ends_with_its_longest_life() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let idle = open(&server, json!({ "idle_timeout": 1 }));
    let old = open(&server, json!({ "lifetime": 1 }));
    for (session, word) in [(&idle, "nobody used it"), (&old, "as long as it may")] {
        let gone = || server.get(&path(session, ""));
        eventually("it does not end", || gone().status == 410);
        assert!(
            gone().body["details"].as_str().unwrap().contains(word),
            "{}",
            gone().body
        );
    }
    // Cells put it off.
    let session = open(&server, json!({ "idle_timeout": 2500 }));
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(4) {
        assert_eq!(run(&server, &session, "1", json!({})).status, 200);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(
        server.metric("faas_sessions_ended_total{reason=\"expired\"} "),
        1.0
    );
    assert_eq!(
        server.metric("faas_sessions_ended_total{reason=\"too_old\"} "),
        1.0
    );
    eventually("its processes stay", || {
        server.metric("faas_session_processes ") <= 3.0
    });
}

#[test]
fn a_session_belongs_to_its_token_and_another_who_has_fewer_finds_room() {
    let scratch = Scratch::new("session-tokens");
    let [one, other] = ["one-token-0123456789", "other-token-0123456789"];
    let tokens = scratch.file("tokens.toml", &(table("one", one) + &table("other", other)));
    let server = Server::start_python(&[
        ("FAAS_API_TOKENS_FILE", &tokens),
        ("FAAS_SESSIONS", "3"),
        ("FAAS_POOL_SIZE", "1"),
    ]);
    let send = |token: &str, method: &str, path: &str, body: Value| {
        server.send_as(token, method, path, &body)
    };
    let opened = |token| {
        let answer = send(token, "POST", "/sessions", json!({}));
        answer.body["id"]
            .as_str()
            .map(str::to_owned)
            .ok_or((answer.status, answer.body))
    };
    let first = opened(one).unwrap();
    for (method, rest) in [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/fork"),
        ("POST", "/interrupt"),
        ("GET", "/files"),
    ] {
        assert_eq!(
            send(other, method, &path(&first, rest), json!({})).status,
            404,
            "{rest}"
        );
    }
    let cell = send(
        other,
        "POST",
        "/run_code",
        json!({ "session": first, "code": "1" }),
    );
    assert_eq!(cell.status, 404);
    opened(one).unwrap();
    opened(one).unwrap();
    let (status, body) = opened(one).unwrap_err();
    assert_eq!(status, 429, "{body}: nobody's own sessions make room");
    assert!(
        body["details"].as_str().unwrap().contains("FAAS_SESSIONS"),
        "{body}"
    );
    opened(other).unwrap();
    let gone = send(one, "GET", &path(&first, ""), json!({}));
    assert_eq!(
        gone.status, 410,
        "the one that was not used for longest made room"
    );
    assert!(
        gone.body["details"].as_str().unwrap().contains("made room"),
        "{}",
        gone.body
    );
}

#[test]
fn memory_of_sessions_is_bounded_and_earlier_states_go_before_a_cell_is_refused() {
    let server = Server::start_python(&[("FAAS_SESSIONS_MEMORY", "64"), ("FAAS_POOL_SIZE", "1")]);
    let session = open(&server, json!({}));
    for number in 0..6 {
        let code =
            format!("x = bytearray(15 * 2**20)\nfor i in range(0, len(x), 4096): x[i] = {number}");
        let answer = run(&server, &session, &code, json!({}));
        assert_eq!(state_of(&answer), ("kept", number + 1), "{}", answer.body);
    }
    let large = run(
        &server,
        &session,
        "y = bytearray(b'1') * (100 * 2**20)",
        json!({}),
    );
    assert_eq!(state_of(&large), ("unchanged", 6), "{}", large.body);
    assert!(
        reason(&large).contains("FAAS_SESSIONS_MEMORY"),
        "{}",
        reason(&large)
    );
    assert_eq!(
        run(&server, &session, "x[0], 'y' in globals()", json!({})).ret_val(),
        "(5, False)"
    );
    let held = server.metric("faas_sessions_bytes ");
    assert!(held <= f64::from(64 << 20), "{held}");
}

#[test]
fn variables_are_told_and_a_hostile_repr_harms_nothing() {
    let session = python();
    cell(
        &session,
        "import math\nn = 5\ntext = 'x' * 10**6\nclass Bad:\n    def __repr__(self): raise BaseException('no')\n\
         class Changer:\n    def __repr__(self):\n        global n\n        n = 6\n        return 'changed'\n\
         bad, changer = Bad(), Changer()",
    );
    let answer = SERVER.get(&path(&session, "/variables"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let variables = answer.body["variables"].as_array().unwrap();
    let find = |name: &str| {
        variables
            .iter()
            .find(|one| one["name"] == name)
            .unwrap_or_else(|| panic!("{name}"))
    };
    assert_eq!(
        (&find("n")["type"], &find("n")["repr"]),
        (&json!("int"), &json!("5"))
    );
    assert!(find("text")["size"].as_u64().unwrap() >= 1_000_000);
    assert!(find("text")["repr"].as_str().unwrap().len() <= 200);
    assert_eq!(find("math")["type"], "module");
    assert_eq!(find("bad")["repr"], "(its repr failed)");
    assert_eq!(find("changer")["repr"], "changed");
    assert_eq!(cell(&session, "n").ret_val(), "5", "the look left nothing");
    let session = javascript();
    cell(
        &session,
        "let a = [1, 2]; const name = 'é'; let bytes = new Uint8Array(10)",
    );
    let answer = SERVER.get(&path(&session, "/variables"));
    let told: Vec<_> = answer.body["variables"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["name"].clone(),
                one["type"].clone(),
                one["size"].clone(),
                one["repr"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!("a"), json!("Array"), json!(null), json!("[ 1, 2 ]")),
            (json!("name"), json!("string"), json!(2), json!("'é'")),
            (
                json!("bytes"),
                json!("Uint8Array"),
                json!(10),
                told[2].3.clone()
            ),
        ],
        "{}",
        answer.body
    );
}

#[test]
fn a_look_that_never_ends_is_ended_and_the_session_goes_on() {
    let server = Server::start_python(&[("FAAS_TIMEOUT", "500"), ("FAAS_POOL_SIZE", "1")]);
    let session = open(&server, json!({}));
    run(
        &server,
        &session,
        "class Spin:\n    def __repr__(self):\n        while True: pass\nspin = Spin()",
        json!({}),
    );
    let refused = server.get(&path(&session, "/variables"));
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(
        refused.body["details"]
            .as_str()
            .unwrap()
            .contains("timeout"),
        "{}",
        refused.body
    );
    assert_eq!(run(&server, &session, "1 + 1", json!({})).ret_val(), "2");
}

#[test]
fn files_are_put_listed_read_and_deleted_and_a_change_can_be_undone() {
    for (session, read) in [
        (python(), "open('dir/a.bin', 'rb').read()[0]"),
        (javascript(), "return files.read('dir/a.bin')[0]"),
    ] {
        let file = path(&session, "/files/dir/a.bin");
        assert_eq!(SERVER.get(&file).status, 404);
        let put = SERVER.send("PUT", &file, &[], [7, 0, 127]);
        assert_eq!(put.status, 200, "{}", put.body);
        let list = SERVER.get(&path(&session, "/files"));
        assert_eq!(
            list.body["files"],
            json!([{ "name": "dir/a.bin", "size": 3 }])
        );
        let answer = cell(&session, read);
        assert_eq!((answer.ret_val(), state_of(&answer)), ("7", ("kept", 1)));
        let got = SERVER.send("GET", &file, &[], "");
        assert_eq!(got.status, 200);
        assert_eq!(got.headers["content-type"], "application/octet-stream");
        assert_eq!(SERVER.method("DELETE", &file).status, 200);
        assert_eq!(SERVER.get(&file).status, 404);
        assert_eq!(SERVER.method("DELETE", &file).status, 404);
        assert_eq!(post(&session, "/undo", json!({})).status, 200);
        assert_eq!(
            SERVER.get(&path(&session, "/files")).body["files"]
                .as_array()
                .unwrap()
                .len(),
            1
        );
        for wrong in ["/files/..%2fx", "/files/a//b", "/files/%0a"] {
            assert_eq!(
                SERVER.send("PUT", &path(&session, wrong), &[], "x").status,
                400,
                "{wrong}"
            );
        }
    }
    let session = python();
    cell(&session, "open('made.txt', 'w').write('by a cell')");
    assert_eq!(
        SERVER.get(&path(&session, "/files/made.txt")).body,
        "by a cell"
    );
    cell(
        &session,
        "for i in range(1100): open(f'{i}.txt', 'w').close()",
    );
    let many = SERVER.get(&path(&session, "/files")).body;
    let listed = many["files"].as_array().unwrap().len();
    assert_eq!((listed, &many["more"]), (1000, &json!(101)));
    let health = &SERVER.get("/health").body["sessions"];
    assert_eq!(health["enabled"], true);
    assert!(health["count"].as_u64() >= Some(1) && health["processes"].as_u64() >= Some(1));
    let puts = "faas_http_requests_total{route=\"/sessions/{id}/files/{path}\",method=\"PUT\",code=\"200\"} ";
    assert!(SERVER.metric(puts) >= 2.0);
}

#[test]
fn tracebacks_and_getsource_show_the_lines_of_the_cell_that_they_are_of() {
    let session = python();
    cell(&session, "pass");
    cell(
        &session,
        "def divide(a, b):\n    return a / b  # of the second",
    );
    let failed = cell(&session, "divide(1, 0)");
    for line in [
        "File \"<cell 3>\", line 1, in <module>\n    divide(1, 0)",
        "File \"<cell 2>\", line 2, in divide\n    return a / b  # of the second",
    ] {
        assert!(failed.stderr().contains(line), "{}", failed.stderr());
    }
    let source = cell(&session, "import inspect\nprint(inspect.getsource(divide))");
    assert!(
        source.stdout().contains("return a / b  # of the second"),
        "{}",
        source.body
    );
    let classes =
        "import dataclasses\n@dataclasses.dataclass\nclass Point:\n    x: int  # of the class\n";
    cell(&session, classes);
    cell(
        &session,
        "class WithMethod:\n    def f(self): return 1  # of the method",
    );
    cell(
        &session,
        "old = WithMethod\nclass WithMethod:\n    y = 2  # of the newer one",
    );
    for (name, line) in [
        ("Point", "x: int  # of the class"),
        ("old", "return 1  # of the method"),
        ("WithMethod", "y = 2  # of the newer one"),
    ] {
        let source = cell(&session, &format!("print(inspect.getsource({name}))"));
        assert!(source.stdout().contains(line), "{}", source.body);
    }
    let session = javascript();
    cell(&session, "function fail() { throw new Error('no') }");
    let failed = cell(&session, "fail()");
    assert!(
        failed.stderr().contains("<cell 1>:1"),
        "{}",
        failed.stderr()
    );
}

#[test]
fn magics_install_packages_or_say_what_is_there_instead() {
    let session = python();
    let harmless = cell(&session, "%matplotlib inline\nx = 10\nx % 3");
    assert_eq!(harmless.ret_val(), "1", "{}", harmless.body);
    for (code, word) in [
        ("!ls -l", "os.listdir"),
        ("!rm -rf /", "no shell"),
        ("y = 1\n%timeit y", "timeit.timeit"),
        ("%%time\ny = 1", "metadata.usage"),
        ("if True:\n    %load_ext x", "%pip install"),
    ] {
        let refused = cell(&session, code);
        assert_eq!(refused.outcome(), "error", "{code}");
        assert!(
            refused.last_stderr_line().contains(word),
            "{code}: {}",
            refused.stderr()
        );
        assert!(
            refused.stderr().contains("SyntaxError"),
            "{code}: {}",
            refused.stderr()
        );
    }
    assert_eq!(
        cell(&session, "'y' in globals()").ret_val(),
        "false",
        "nothing of such a cell ran"
    );
    let most = format!("{}len('all')", "%matplotlib inline\n".repeat(100));
    assert_eq!(cell(&session, &most).ret_val(), "3");
    let too_many = cell(&session, &format!("%matplotlib inline\n{most}"));
    assert!(too_many.last_stderr_line().contains("at most 100 commands"));
    let none = cell(&session, "!pip install");
    assert!(
        none.last_stderr_line().contains("name of a package"),
        "{}",
        none.stderr()
    );
    let text = cell(&session, "s = '''\n%pip install x\n!ls\n'''\nlen(s)");
    assert_eq!(text.ret_val(), "20", "text is no command: {}", text.body);
    // In programs of their own, they are what they are in Python.
    let alone = SERVER.python("%pip install x");
    assert!(
        alone.stderr().contains("invalid syntax"),
        "{}",
        alone.stderr()
    );
}

#[test]
fn packages_come_with_the_session_by_an_import_or_by_pip_and_stay() {
    let wheels = Scratch::new("session-wheels");
    for name in ["given", "found", "asked", "listed"] {
        make_wheel(
            Path::new(wheels.path()),
            name,
            &format!("value = '{name}'"),
            0,
        );
    }
    let server =
        Server::start_python(&[("FAAS_WHEELHOUSE", wheels.path()), ("FAAS_POOL_SIZE", "1")]);
    let session = open(&server, json!({ "packages": ["given"] }));
    assert_eq!(
        server.get(&path(&session, "")).body["packages"],
        json!(["given"])
    );
    for (code, value) in [
        ("import given\ngiven.value", "given"),
        ("import found\nfound.value", "found"),
        (
            "!pip install -q asked==1.0\nimport asked\nasked.value",
            "asked",
        ),
        (
            "open('requirements.txt', 'w').write('# some\\nlisted\\n')\n%pip install -r requirements.txt",
            "",
        ),
        (
            "import listed\nlisted.value + asked.value + found.value",
            "listedaskedfound",
        ),
    ] {
        let answer = run(&server, &session, code, json!({}));
        assert_eq!(answer.ret_val(), value, "{code}: {}", answer.body);
    }
    let missing = run(&server, &session, "import nothing_like_this", json!({}));
    assert!(
        missing.last_stderr_line().contains("No module named"),
        "{}",
        missing.stderr()
    );
    let unknown = run(
        &server,
        &session,
        "%pip install nothing-like-this",
        json!({}),
    );
    assert_eq!((unknown.outcome(), state_of(&unknown).0), ("error", "kept"));
    // A cell that says itself what it imports is run where it is, and once.
    let liar = "import _faas_host\n_faas_host.imports('listed')\n5";
    assert_eq!(run(&server, &session, liar, json!({})).ret_val(), "5");
    // In a session without packages, the first cell runs where its imports are.
    let session = open(&server, json!({}));
    assert_eq!(
        run(&server, &session, "import found\nfound.value", json!({})).ret_val(),
        "found"
    );
    assert_eq!(
        server.get(&path(&session, "")).body["packages"],
        json!(["found"])
    );
    let refused = server.post(
        "/sessions",
        json!({ "packages": ["nothing-like-this"] }).to_string(),
    );
    assert_eq!(refused.status, 422, "{}", refused.body);
    let details = refused.body["details"].as_str().unwrap();
    assert!(details.contains("nothing-like-this"), "{details}");
}

#[test]
fn tasks_and_timers_that_a_cell_leaves_end_with_it() {
    let session = python();
    cell(
        &session,
        "import asyncio, js\nfrom pyodide.ffi import create_once_callable\n\
         async def late():\n    try: await asyncio.sleep(0.01)\n    finally: print('cancelled')\n    print('late')\n\
         task = asyncio.ensure_future(late())\nawait asyncio.sleep(0)\n\
         loop = asyncio.get_event_loop()\nloop.call_later(0.01, print, 'called later')\nloop.call_soon(print, 'soon')\n\
         js.setTimeout(create_once_callable(lambda: print('timer')), 10)",
    );
    let next = cell(
        &session,
        "await asyncio.sleep(0.1)\nprint(task.cancelled())",
    );
    assert_eq!(next.stdout(), "True\n", "{}", next.body);
    let session = javascript();
    cell(
        &session,
        "setInterval(() => console.log('tick'), 1).unref(); var n = 1",
    );
    let next = cell(
        &session,
        "await new Promise((done) => setTimeout(done, 50)); return n",
    );
    assert_eq!((next.stdout(), next.ret_val()), ("", "1"));
}

#[test]
fn results_are_shown_as_in_a_notebook() {
    let session = python();
    let answer = cell(&session, "display('shown')\n5");
    let results = answer.body["output"]["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    assert_eq!(
        (
            &results[1]["is_main_result"],
            &results[1]["data"]["text/plain"]
        ),
        (&json!(true), &json!("5"))
    );
    assert_eq!(cell(&session, "6;").ret_val(), "");
}

#[test]
fn metrics_count_cells_and_the_log_says_at_the_end_how_many_sessions_were_lost() {
    let mut server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let session = open(&server, json!({}));
    run(&server, &session, "1", json!({}));
    run(&server, &session, "import os; os._exit(1)", json!({}));
    open(&server, json!({}));
    for (line, value) in [
        ("faas_sessions ", 2.0),
        ("faas_session_processes ", 1.0),
        ("faas_sessions_opened_total ", 2.0),
        ("faas_session_cells_total{state=\"kept\"} ", 1.0),
        ("faas_session_cells_total{state=\"unchanged\"} ", 1.0),
    ] {
        assert_eq!(server.metric(line), value, "{line}");
    }
    server.signal(libc::SIGTERM);
    assert!(server.wait().success());
    let lost = server.lines_with("sessions were lost: the service ends");
    assert_eq!(lost[0]["fields"]["sessions"], 2, "{}", server.log());
}

#[test]
fn history_and_audit_log_name_the_session_of_a_cell() {
    let scratch = Scratch::new("session-records");
    let audit = format!("{}/audit.jsonl", scratch.path());
    let server = Server::start_javascript(&[
        ("FAAS_AUDIT_LOG", &audit),
        ("FAAS_WORKSPACE", &format!("{}/workspace", scratch.path())),
    ]);
    let session = open(&server, json!({}));
    let answer = run(&server, &session, "let x = 1", json!({}));
    let task = answer.body["metadata"]["task_id"].as_str().unwrap();
    let kept = || server.get(&format!("/executions/{task}"));
    eventually("it is not in the history", || kept().status == 200);
    assert_eq!(kept().body["session"], json!(session));
    let line = || std::fs::read_to_string(&audit).unwrap_or_default();
    eventually("it is not in the audit log", || line().contains(task));
    let line: Value = serde_json::from_str(line().lines().last().unwrap()).unwrap();
    assert_eq!(line["session"], json!(session), "{line}");
    let alone = server.run(json!({ "language": "javascript", "code": "1" }));
    let task = alone.body["metadata"]["task_id"].as_str().unwrap();
    let kept = || server.get(&format!("/executions/{task}"));
    eventually("it is not in the history", || kept().status == 200);
    assert!(kept().body["session"].is_null());
}

#[test]
fn the_history_names_what_a_program_started_from_and_what_it_left() {
    let server = Server::start_javascript(&[]);
    let kept = server.run(json!({ "code": "var x = 1", "keep": true }));
    let snapshot = &kept.body["metadata"]["snapshot"]["id"];
    let started = server.run(json!({ "code": "x", "from": snapshot }));
    let past = |answer: &Answer| {
        let task = answer.body["metadata"]["task_id"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/executions/{task}");
        eventually("it is not in the history", || {
            server.get(&path).status == 200
        });
        server.get(&path).body
    };
    assert_eq!(&past(&kept)["snapshot"], snapshot);
    assert_eq!(&past(&started)["started_from"], snapshot);
    assert!(past(&started)["snapshot"].is_null());
}

#[test]
fn sessions_give_way_when_the_memory_of_the_container_is_short() {
    let Some(group) = memory_group("sessions", 700 << 20) else {
        return;
    };
    let server = group.server(&[
        ("FAAS_LANGUAGE", "python"),
        ("FAAS_POOL_SIZE", "1"),
        ("FAAS_SESSIONS_MEMORY", "4096"),
    ]);
    // More than the container has, in all.
    let sizes = [180, 180, 50, 50, 50, 50];
    let sessions = sizes.map(|size| {
        let session = open(&server, json!({}));
        let code = format!("x = b'x' * ({size} * 2**20)");
        let filled = run(&server, &session, &code, json!({}));
        assert_eq!(state_of(&filled).0, "kept", "{}", filled.body);
        // Memory that is short is seen within a second; snapshots would have another one for going first.
        std::thread::sleep(Duration::from_millis(2400));
        session
    });
    let gone = run(&server, &sessions[0], "len(x)", json!({}));
    assert_eq!(gone.status, 410, "{}", gone.body);
    let details = gone.body["details"].as_str().unwrap();
    assert!(
        details.contains("memory of the machine or of the container was short"),
        "{details}"
    );
    let last = run(&server, &sessions[5], "len(x) >> 20", json!({}));
    assert_eq!(last.ret_val(), "50", "{}", last.body);
    let restarts = "faas_zygote_restarts_total{runtime=\"python\"}";
    assert_eq!(server.metric(restarts), 0.0, "the kernel ended nothing");
}

#[test]
fn with_no_sessions_allowed_none_is_opened() {
    let server = Server::start_python(&[("FAAS_SESSIONS", "0"), ("FAAS_POOL_SIZE", "1")]);
    let refused = server.post("/sessions", "{}");
    assert_eq!(refused.status, 501, "{}", refused.body);
    assert!(
        refused.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_SESSIONS")
    );
}

#[test]
fn a_soak_of_cells_undos_forks_kills_and_expiries_brings_no_wrong_value_and_leaves_no_process() {
    const CLIENTS: usize = 16;
    let cells = std::env::var("FAAS_SESSION_SOAK").map_or(480, |size| size.parse().unwrap());
    let server = unprivileged_server(
        "sessions-soak",
        &[
            ("FAAS_SESSIONS", "1000"),
            ("FAAS_SESSIONS_MEMORY", "8192"),
            ("FAAS_SESSION_UNDO", "2"),
        ],
    );
    let of_client = cells / CLIENTS;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || soak(server, client as u64, of_client));
        }
    });
    let list = server.get("/sessions");
    for session in list.body["sessions"].as_array().unwrap() {
        let id = session["id"].as_str().unwrap();
        // Those with a short life may end meanwhile.
        assert!([204, 410].contains(&server.method("DELETE", &path(id, "")).status));
    }
    eventually("processes stay", || {
        server.metric("faas_session_processes ") == 0.0 && server.children().len() <= 2 + 20
    });
}

/// Does what a client does, in some sessions of its own, and checks each value.
fn soak(server: &Server, client: u64, cells: usize) {
    /// A session and its values, the newest last: as many as can be had again.
    struct Mine {
        id: String,
        values: Vec<u64>,
        cells: u64,
    }
    let mut random = client.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut draw = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let begin = |language: &str, value: u64| {
        let id = open(
            server,
            json!({ "language": language, "lifetime": 3_600_000 }),
        );
        let code = match language {
            "python" => format!("x = [{value}]"),
            _ => format!("let x = [{value}]"),
        };
        assert_eq!(state_of(&run(server, &id, &code, json!({}))), ("kept", 1));
        Mine {
            id,
            values: vec![value],
            cells: 1,
        }
    };
    let mut mine: Vec<(&str, Mine)> = Vec::new();
    for number in 0..cells {
        // As many cells a session as in 200 sessions of 50.
        if mine.len() < 2 || (mine.len() < 13 && number % 4 == 0) {
            let language = if draw(4) == 0 { "javascript" } else { "python" };
            mine.push((language, begin(language, number as u64)));
            continue;
        }
        let at = draw(mine.len());
        let (language, session) = &mut mine[at];
        let last = *session.values.last().unwrap();
        let read = if *language == "python" {
            "x[0]"
        } else {
            "return x[0]"
        };
        match draw(20) {
            0..=9 => {
                let code = match *language {
                    "python" => format!("x = [x[0] + {number}]; x[0]"),
                    _ => format!("x = [x[0] + {number}]; return x[0]"),
                };
                let answer = run(server, &session.id, &code, json!({}));
                let value = last + number as u64;
                session.cells += 1;
                assert_eq!(answer.ret_val(), value.to_string(), "{}", answer.body);
                assert_eq!(state_of(&answer), ("kept", session.cells));
                session.values.push(value);
            }
            10..=12 => {
                let code = match *language {
                    "python" => "x[0] = 10**9\nwhile True: pass",
                    _ => "x[0] = 10**9; for (;;) {}",
                };
                let answer = run(server, &session.id, code, json!({ "timeout": 20 }));
                assert_eq!(
                    state_of(&answer),
                    ("unchanged", session.cells),
                    "{}",
                    answer.body
                );
            }
            13 => {
                let code = match *language {
                    "python" => "x[0] = 10**9\nwhile True: pass",
                    _ => "x[0] = 10**9; for (;;) {}",
                };
                let hangs_up = server.begin("", &json!({ "session": session.id, "code": code }));
                let running = || server.get(&path(&session.id, "")).body["running"] == true;
                eventually("the cell does not run", running);
                drop(hangs_up);
                // Until then, it could be interrupted, and would be kept.
                eventually("the cell is not given up", || !running());
            }
            14 | 15 if session.values.len() > 1 => {
                let undone = server.post(&path(&session.id, "/undo"), "{}");
                assert_eq!(undone.status, 200, "{}", undone.body);
                session.values.pop();
                session.cells -= 1;
            }
            14 | 15 => {
                let refused = server.post(&path(&session.id, "/undo"), r#"{"steps": 9}"#);
                assert_eq!(refused.status, 409, "{}", refused.body);
            }
            16 | 17 => {
                let forks = server.post(&path(&session.id, "/fork"), "{}");
                assert_eq!(forks.status, 201, "{}", forks.body);
                let id = forks.body["sessions"][0]["id"].as_str().unwrap().to_owned();
                let answer = run(server, &id, read, json!({}));
                assert_eq!(answer.ret_val(), last.to_string(), "{}", answer.body);
                assert_eq!(server.method("DELETE", &path(&id, "")).status, 204);
            }
            18 => {
                let code = if *language == "python" {
                    "while True: pass"
                } else {
                    "for (;;) {}"
                };
                let answer = std::thread::scope(|scope| {
                    let cell = scope
                        .spawn(|| run(server, &session.id, code, json!({ "timeout": 20_000 })));
                    while !cell.is_finished() {
                        server.post(&path(&session.id, "/interrupt"), "");
                        std::thread::sleep(Duration::from_millis(20));
                    }
                    cell.join().unwrap()
                });
                assert_eq!(answer.outcome(), "error", "{}", answer.body);
                // One that was interrupted before it began left nothing.
                if state_of(&answer).0 == "kept" {
                    session.cells += 1;
                    session.values.push(last);
                }
            }
            _ => {
                let id = open(server, json!({ "language": *language, "idle_timeout": 1 }));
                run(server, &id, "1", json!({}));
            }
        }
        // Undos go two steps back.
        let surplus = session.values.len().saturating_sub(3);
        session.values.drain(..surplus);
    }
    for (language, session) in &mine {
        let read = if *language == "python" {
            "x[0]"
        } else {
            "return x[0]"
        };
        let answer = run(server, &session.id, read, json!({}));
        assert_eq!(
            answer.ret_val(),
            session.values.last().unwrap().to_string(),
            "{}",
            answer.body
        );
    }
}
