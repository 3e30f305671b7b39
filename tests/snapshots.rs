//! Snapshots: what a program left is there for others to start from, and for nobody else.

mod common;

use std::sync::LazyLock;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::Server;
use common::eventually;
use common::is_alive;
use common::memory_group::memory_group;
use common::named_tokens::table;
use common::public_copy::unprivileged_server;
use common::scratch::Scratch;

static SERVER: LazyLock<Server> = LazyLock::new(|| unprivileged_server("snapshots", &[]));

/// Runs a program and adds these fields to the request.
fn run(server: &Server, code: &str, fields: Value) -> Answer {
    server.run_with(json!({ "language": "python", "code": code }), &fields)
}

/// Runs a program whose leavings are kept; returns the snapshot's id.
fn keep(server: &Server, code: &str, fields: Value) -> String {
    let mut fields = fields;
    fields["keep"] = json!(true);
    let answer = run(server, code, fields);
    let id = &answer.body["metadata"]["snapshot"]["id"];
    id.as_str()
        .unwrap_or_else(|| panic!("{}", answer.body))
        .to_owned()
}

fn from(server: &Server, snapshot: &str, code: &str) -> Answer {
    run(server, code, json!({ "from": snapshot }))
}

fn not_kept(answer: &Answer) -> &str {
    assert!(
        answer.body["metadata"]["snapshot"].is_null(),
        "{}",
        answer.body
    );
    answer.body["metadata"]["not_kept"].as_str().unwrap()
}

fn path_of(snapshot: &str) -> String {
    format!("/snapshots/{snapshot}")
}

#[test]
fn a_python_program_finds_what_the_one_before_it_left() {
    let first = keep(
        &SERVER,
        "import json\nfrom collections import Counter\nlines = ['a', 'b']\ndef count(): return Counter(lines)\n\
         open('notes.txt', 'w').write('kept')\nclass Point:\n    x = 1",
        json!({}),
    );
    let second = from(
        &SERVER,
        &first,
        "lines.append('a')\nprint(json.dumps(count()), open('notes.txt').read(), Point.x, __name__)",
    );
    assert_eq!(
        second.stdout(),
        "{\"a\": 2, \"b\": 1} kept 1 __main__\n",
        "{}",
        second.body
    );
    assert_eq!(second.outcome(), "success");
}

#[test]
fn programs_that_start_from_one_snapshot_do_not_see_each_other() {
    let first = keep(&SERVER, "seen = []", json!({}));
    std::thread::scope(|scope| {
        for number in 0..8 {
            let first = &first;
            scope.spawn(move || {
                let code = format!("seen.append({number}); open('x', 'a').write('x'); print(seen, len(open('x').read()))");
                assert_eq!(from(&SERVER, first, &code).stdout(), format!("[{number}] 1\n"));
            });
        }
    });
    assert_eq!(from(&SERVER, &first, "print(seen)").stdout(), "[]\n");
}

#[test]
fn a_snapshot_of_a_snapshot_has_what_both_programs_left() {
    let mut last = keep(&SERVER, "steps = [0]", json!({}));
    for step in 1..=20 {
        let next = keep(
            &SERVER,
            &format!("steps.append({step})"),
            json!({ "from": last }),
        );
        // The one before is not needed any more.
        assert_eq!(SERVER.method("DELETE", &path_of(&last)).status, 204);
        last = next;
    }
    let sum = from(&SERVER, &last, "print(sum(steps), len(steps))");
    assert_eq!(sum.stdout(), "210 21\n", "{}", sum.body);
}

#[test]
fn a_traceback_shows_the_lines_of_the_program_that_they_are_of() {
    let first = keep(
        &SERVER,
        "def divide(a, b):\n    return a / b  # of the first",
        json!({}),
    );
    let second = keep(
        &SERVER,
        "def half(a):\n    return divide(a, 0)  # of the second",
        json!({ "from": first }),
    );
    let third = from(&SERVER, &second, "half(1)");
    for line in [
        "File \"<code 3>\", line 1, in <module>\n    half(1)",
        "File \"<code 2>\", line 2, in half\n    return divide(a, 0)  # of the second",
        "File \"<code>\", line 2, in divide\n    return a / b  # of the first",
    ] {
        assert!(third.stderr().contains(line), "{}", third.stderr());
    }
}

#[test]
fn what_a_program_left_that_ended_in_an_exception_or_an_exit_is_kept() {
    for end in ["1 / 0", "raise SystemExit(3)", "import sys; sys.exit('no')"] {
        let answer = run(&SERVER, &format!("x = 5\n{end}"), json!({ "keep": true }));
        assert_eq!(answer.outcome(), "error");
        let id = answer.body["metadata"]["snapshot"]["id"].as_str().unwrap();
        assert_eq!(from(&SERVER, id, "print(x)").stdout(), "5\n", "{end}");
    }
}

#[test]
fn a_program_that_was_stopped_or_broke_the_interpreter_is_not_kept_and_the_answer_says_so() {
    for (code, fields) in [
        ("while True: pass", json!({ "timeout": 300 })),
        ("import time; time.sleep(60)", json!({ "timeout": 300 })),
        ("import os; os._exit(0)", json!({})),
        ("while True: pass", json!({ "limits": { "cpu_ms": 200 } })),
        ("x = [bytearray(10**8) for _ in range(100)]", json!({})),
        (
            "open('x', 'wb').write(bytes(10**6))",
            json!({ "limits": { "storage_bytes": 1000 } }),
        ),
    ] {
        let mut fields = fields;
        fields["keep"] = json!(true);
        let answer = run(&SERVER, code, fields);
        assert!(not_kept(&answer).contains("did not end in order"), "{code}");
    }
}

#[test]
fn a_failing_program_leaves_the_snapshot_that_it_started_from_as_it_was() {
    let first = keep(&SERVER, "x = [1]", json!({}));
    for code in [
        "x.append(2); import os; os._exit(1)",
        "x.append(2)\nwhile True: pass",
    ] {
        let answer = run(
            &SERVER,
            code,
            json!({ "from": first, "keep": true, "timeout": 300 }),
        );
        assert!(!not_kept(&answer).is_empty());
        assert_eq!(from(&SERVER, &first, "print(x)").stdout(), "[1]\n");
    }
}

#[test]
fn nothing_of_the_last_program_acts_on_the_next() {
    // Its return value, its arguments, its input, an alarm that was still to come, its random numbers'
    // limits: all of them are state of the process.
    let first = keep(
        &SERVER,
        "import signal, sys, time\nsignal.signal(signal.SIGALRM, lambda *_: print('alarm'))\nsignal.alarm(1)\n\
         return_val(7)\nprint(input(), sys.argv[1:], input_data)",
        json!({ "stdin": "a line\nanother", "args": ["one"], "input": { "a": 1 }, "limits": { "cpu_ms": 5000 } }),
    );
    let second = from(
        &SERVER,
        &first,
        "time.sleep(1.5)\nprint(sys.argv[1:], input_data)\ntry: input()\nexcept EOFError as e: print('end of input')",
    );
    assert_eq!(
        second.stdout(),
        "[] None\nend of input\n",
        "{}",
        second.body
    );
    assert_eq!(second.ret_val(), "");
    // A stop of one program is none of the next: three in a line, of which the first handles its own.
    let first = keep(
        &SERVER,
        "import time\nx = 1\ndef spin():\n    while True: pass",
        json!({ "limits": { "cpu_ms": 300 } }),
    );
    for _ in 0..2 {
        let stopped = run(&SERVER, "spin()", json!({ "from": first, "timeout": 200 }));
        assert_eq!(stopped.outcome(), "timeout", "{}", stopped.body);
        let stopped = run(
            &SERVER,
            "spin()",
            json!({ "from": first, "limits": { "cpu_ms": 200 } }),
        );
        assert_eq!(stopped.outcome(), "cpu_limit", "{}", stopped.body);
        let next = keep(&SERVER, "time.sleep(0.3); x += 1", json!({ "from": first }));
        assert_eq!(
            from(&SERVER, &next, "time.sleep(0.2); print(x)").stdout(),
            "2\n"
        );
    }
}

#[test]
fn random_numbers_go_on_where_the_snapshot_was_unless_fresh_ones_are_wanted_and_secrets_always_are()
{
    let first = keep(
        &SERVER,
        "import os, random, secrets, uuid\ndef draw(): print(random.random())\n\
         def secret(): print(os.urandom(8).hex(), secrets.token_hex(8), uuid.uuid4())",
        json!({}),
    );
    let draw = |random: &str, code: &str| {
        let fields = json!({ "from": first, "random": random });
        run(&SERVER, code, fields).stdout().to_owned()
    };
    let drawn = draw("continue", "draw()");
    assert!(drawn.starts_with("0."), "{drawn}");
    assert_eq!(drawn, draw("continue", "draw()"));
    let fresh = [draw("fresh", "draw()"), draw("fresh", "draw()")];
    assert!(fresh[0] != fresh[1] && !fresh.contains(&drawn), "{fresh:?}");
    assert_ne!(draw("continue", "secret()"), draw("continue", "secret()"));
}

#[test]
fn what_a_program_printed_and_displayed_is_not_in_the_answer_of_the_one_that_goes_on() {
    let first = keep(&SERVER, "print('first'); display('shown')", json!({}));
    let second = from(&SERVER, &first, "print('second')");
    assert_eq!(second.stdout(), "second\n");
    assert_eq!(second.body["output"]["results"], json!([]));
}

#[test]
fn a_snapshot_is_listed_told_of_and_deleted() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let first = keep(&server, "x = bytearray(8 * 2**20)", json!({}));
    let second = keep(&server, "y = 1", json!({}));
    let list = server.get("/snapshots");
    assert_eq!(list.body["count"], 2);
    let ids: Vec<_> = list.body["snapshots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["id"].clone())
        .collect();
    assert_eq!(ids, [json!(first), json!(second)]);
    from(&server, &first, "pass");
    let told = server.get(&path_of(&first));
    assert_eq!(
        (&told.body["forks"], &told.body["language"]),
        (&json!(1), &json!("python"))
    );
    assert!(
        told.body["memory_bytes"].as_u64().unwrap() > 8 << 20,
        "{}",
        told.body
    );
    assert_eq!(server.metric("faas_snapshots "), 2.0);
    assert!(server.metric("faas_snapshots_bytes ") > f64::from(8 << 20));
    assert_eq!(server.method("DELETE", &path_of(&first)).status, 204);
    for answer in [
        server.get(&path_of(&first)),
        server.method("DELETE", &path_of(&first)),
        from(&server, &first, "pass"),
    ] {
        assert_eq!(
            (answer.status, answer.error()),
            (410, "The snapshot is gone")
        );
        assert!(
            answer.body["details"]
                .as_str()
                .unwrap()
                .contains("it was deleted")
        );
    }
    assert_eq!(
        server.metric("faas_snapshots_gone_total{reason=\"deleted\"}"),
        1.0
    );
    assert_eq!(server.metric("faas_snapshot_forks_total "), 1.0);
    assert_eq!(server.get("/snapshots").body["count"], 1);
}

#[test]
fn a_snapshot_is_its_callers_and_unknown_to_all_others() {
    let folder = Scratch::new("snapshots-of-callers");
    let (one, other) = ("one-0123456789abcdef", "other-0123456789abcdef");
    let tokens = folder.file("tokens.toml", &(table("one", one) + &table("other", other)));
    let server =
        Server::start_python(&[("FAAS_POOL_SIZE", "1"), ("FAAS_API_TOKENS_FILE", &tokens)]);
    let ask = |token: &str, method: &str, path: &str, body: Value| {
        server.send_as(token, method, path, &body)
    };
    let program = |from: &str| json!({ "language": "python", "code": "print(x)", "from": from });
    let kept = ask(
        one,
        "POST",
        "/run_code",
        json!({ "language": "python", "code": "x = 'secret'", "keep": true }),
    );
    let id = kept.body["metadata"]["snapshot"]["id"].as_str().unwrap();
    assert_eq!(
        ask(one, "POST", "/run_code", program(id)).stdout(),
        "secret\n"
    );
    for (method, path, body) in [
        ("GET", path_of(id), Value::Null),
        ("DELETE", path_of(id), Value::Null),
        ("POST", "/run_code".to_owned(), program(id)),
    ] {
        let answer = ask(other, method, &path, body);
        assert_eq!(
            (answer.status, answer.error()),
            (404, "No such snapshot"),
            "{method} {path}"
        );
    }
    assert_eq!(
        ask(other, "GET", "/snapshots", Value::Null).body["count"],
        0
    );
    assert_eq!(ask(one, "DELETE", &path_of(id), Value::Null).status, 204);
    assert_eq!(
        ask(other, "GET", &path_of(id), Value::Null).status,
        404,
        "nor that it was there"
    );
    assert_eq!(ask(one, "GET", &path_of(id), Value::Null).status, 410);
}

#[test]
fn a_snapshot_that_nobody_uses_expires_and_the_error_says_so() {
    let server =
        Server::start_python(&[("FAAS_POOL_SIZE", "1"), ("FAAS_SNAPSHOT_TIMEOUT", "1000")]);
    let first = keep(&server, "x = 1", json!({}));
    eventually("it does not expire", || {
        server.get("/snapshots").body["count"] == 0
    });
    let answer = from(&server, &first, "pass");
    assert_eq!(answer.status, 410);
    assert!(
        answer.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_SNAPSHOT_TIMEOUT")
    );
}

#[test]
fn the_snapshot_that_was_not_used_for_longest_makes_room_for_a_new_one() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1"), ("FAAS_SNAPSHOTS", "2")]);
    let first = keep(&server, "x = 1", json!({}));
    let second = keep(&server, "x = 2", json!({}));
    from(&server, &first, "pass");
    let third = keep(&server, "x = 3", json!({}));
    assert_eq!(from(&server, &first, "print(x)").stdout(), "1\n");
    assert_eq!(from(&server, &third, "print(x)").stdout(), "3\n");
    let gone = from(&server, &second, "print(x)");
    assert_eq!(gone.status, 410);
    assert!(
        gone.body["details"].as_str().unwrap().contains("made room"),
        "{}",
        gone.body
    );
    assert_eq!(
        server.metric("faas_snapshots_gone_total{reason=\"made_room\"}"),
        1.0
    );
}

#[test]
fn snapshots_give_way_when_the_memory_of_the_container_is_short() {
    let Some(group) = memory_group("snapshots", 700 << 20) else {
        return;
    };
    let server = group.server(&[
        ("FAAS_LANGUAGE", "python"),
        ("FAAS_POOL_SIZE", "1"),
        ("FAAS_SNAPSHOTS_MEMORY", "4096"),
    ]);
    // More than the container has, in all.
    let kept: Vec<String> = (0..12)
        .map(|number| {
            let code = format!("x = b'x' * (60 * 2**20)\nname = {number}");
            let id = keep(&server, &code, json!({}));
            // Snapshots are looked at each second.
            std::thread::sleep(Duration::from_millis(1200));
            id
        })
        .collect();
    let gone = from(&server, &kept[0], "print(name)");
    assert_eq!(gone.status, 410, "{}", gone.body);
    let details = gone.body["details"].as_str().unwrap();
    assert!(
        details.contains("memory of the machine or of the container was short"),
        "{details}"
    );
    let last = from(&server, &kept[11], "print(name)");
    assert_eq!(last.stdout(), "11\n", "{}", last.body);
    let restarts = "faas_zygote_restarts_total{runtime=\"python\"}";
    assert_eq!(server.metric(restarts), 0.0, "the kernel ended nothing");
}

#[test]
fn snapshots_hold_no_more_memory_together_than_they_may() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1"), ("FAAS_SNAPSHOTS_MEMORY", "64")]);
    let first = keep(&server, "x = bytearray(30 * 2**20)", json!({}));
    let second = keep(&server, "x = bytearray(40 * 2**20)", json!({}));
    assert_eq!(from(&server, &first, "pass").status, 410);
    assert_eq!(
        from(&server, &second, "print(len(x))").stdout(),
        format!("{}\n", 40 << 20)
    );
    let third = run(
        &server,
        "x = bytearray(80 * 2**20)",
        json!({ "keep": true }),
    );
    assert!(not_kept(&third).contains("FAAS_SNAPSHOTS_MEMORY"));
    assert_eq!(third.outcome(), "success");
    assert_eq!(
        from(&server, &second, "print(len(x))").stdout(),
        format!("{}\n", 40 << 20)
    );
}

#[test]
fn a_line_of_living_snapshots_has_an_end() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let mut last = keep(&server, "x = [0]", json!({}));
    for _ in 0..15 {
        last = keep(&server, "x.append(0)", json!({ "from": last }));
    }
    let further = run(
        &server,
        "x.append(0)",
        json!({ "from": last, "keep": true }),
    );
    assert!(
        not_kept(&further).contains("delete some"),
        "{}",
        further.body
    );
    assert_eq!(from(&server, &last, "print(len(x))").stdout(), "16\n");
}

#[test]
fn a_killed_snapshot_is_gone_and_its_zygotes_end_is_none_of_it() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let first = keep(&server, "x = 1", json!({}));
    let second = keep(&server, "x = 2", json!({}));
    let zygote = server.zygote();
    // SAFETY: it only sends a signal, to a process of the test's own server.
    unsafe { libc::kill(zygote, libc::SIGKILL) };
    eventually("no new zygote", || {
        server.zygotes().first().is_some_and(|pid| *pid != zygote)
    });
    assert_eq!(from(&server, &first, "print(x)").stdout(), "1\n");
    let zygotes = server.zygotes();
    for pid in server.children() {
        if zygotes.contains(&pid) {
            continue;
        }
        // SAFETY: as above.
        unsafe { libc::kill(pid, libc::SIGKILL) };
    }
    for id in [first, second] {
        eventually("it is not gone", || {
            let gone = server.get(&path_of(&id));
            gone.status == 410
                && gone.body["details"]
                    .as_str()
                    .unwrap()
                    .contains("its process ended")
        });
    }
    assert_eq!(server.python("print('next')").stdout(), "next\n");
}

#[test]
fn the_audit_log_names_what_a_program_started_from_and_what_it_left() {
    let folder = Scratch::new("audit-of-snapshots");
    let path = format!("{}/audit.jsonl", folder.path());
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1"), ("FAAS_AUDIT_LOG", &path)]);
    let first = keep(&server, "x = 1", json!({}));
    let second = keep(&server, "x += 1", json!({ "from": first }));
    from(&server, &second, "print(x)");
    from(&server, &format!("snap-{}", "0".repeat(32)), "1");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap_or_default()
    };
    eventually("lines are missing", || lines().len() == 4);
    let lines = lines();
    let of = |index: usize| (&lines[index]["from"], &lines[index]["snapshot"]);
    assert_eq!(of(0), (&Value::Null, &json!(first)));
    assert_eq!(of(1), (&json!(first), &json!(second)));
    assert_eq!(of(2), (&json!(second), &Value::Null));
    assert_eq!(lines[3]["reason"], "no_snapshot");
}

#[test]
fn many_programs_that_are_kept_at_once_each_find_a_place_in_a_full_service() {
    let server = Server::start_python(&[("FAAS_SNAPSHOTS", "4")]);
    std::thread::scope(|scope| {
        for client in 0..16 {
            let server = &server;
            scope.spawn(move || {
                for number in 0..4 {
                    keep(server, &format!("x = {client} * {number}"), json!({}));
                }
            });
        }
    });
    assert_eq!(server.get("/snapshots").body["count"], 4);
}

#[test]
fn a_program_that_is_kept_may_take_the_place_of_what_it_started_from() {
    let server = Server::start_python(&[("FAAS_SNAPSHOTS", "1")]);
    let mut last = keep(&server, "x = 0", json!({}));
    for _ in 0..5 {
        last = keep(&server, "x += 1", json!({ "from": last }));
    }
    assert_eq!(from(&server, &last, "print(x)").stdout(), "5\n");
}

#[test]
fn a_snapshot_is_there_after_1600_programs_that_started_from_it() {
    let first = keep(&SERVER, "x = 1", json!({}));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            let first = &first;
            scope.spawn(move || {
                for _ in 0..200 {
                    assert_eq!(from(&SERVER, first, "print(x)").stdout(), "1\n");
                }
            });
        }
    });
    // What is of no use is found within a second.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        assert_eq!(from(&SERVER, &first, "print(x)").stdout(), "1\n");
    }
}

#[test]
fn a_caller_with_much_memory_in_snapshots_makes_room_for_its_own() {
    let folder = Scratch::new("greedy-caller");
    let (small, greedy) = ("small-0123456789abcdef", "greedy-0123456789abcdef");
    let tokens = table("small", small) + &table("greedy", greedy);
    let tokens = folder.file("tokens.toml", &tokens);
    let server = Server::start_python(&[
        ("FAAS_API_TOKENS_FILE", &tokens),
        ("FAAS_SNAPSHOTS_MEMORY", "128"),
    ]);
    let kept = |token: &str, code: &str| {
        let body = json!({ "language": "python", "code": code, "keep": true });
        server.send_as(token, "POST", "/run_code", &body)
    };
    for number in 0..3 {
        kept(small, &format!("x = {number}"));
    }
    for _ in 0..2 {
        let answer = kept(greedy, "x = bytearray(90 * 2**20)");
        assert!(
            answer.body["metadata"]["snapshot"].is_object(),
            "{}",
            answer.body
        );
    }
    let list = server.send_as(small, "GET", "/snapshots", &Value::Null);
    assert_eq!(list.body["count"], 3);
}

#[test]
fn kept_processes_end_with_the_service() {
    for signal in [libc::SIGTERM, libc::SIGKILL] {
        let mut server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
        let first = keep(&server, "x = 1", json!({}));
        keep(&server, "x = 2", json!({ "from": first }));
        let children = server.children();
        assert!(children.len() >= 3, "{children:?}");
        server.signal(signal);
        server.wait();
        eventually("some are left", || {
            !children.iter().any(|pid| is_alive(*pid))
        });
    }
}

#[test]
fn a_request_that_asks_for_a_snapshot_wrongly_is_told_what_to_send() {
    let first = keep(&SERVER, "x = 1", json!({}));
    let unknown = format!("snap-{}", "0".repeat(32));
    for (fields, status, error) in [
        (
            json!({ "keep": "yes" }),
            400,
            "Parameter 'keep' must be true or false",
        ),
        (
            json!({ "from": 5 }),
            400,
            "Parameter 'from' must be the id of a snapshot",
        ),
        (
            json!({ "from": "snap-1" }),
            400,
            "Parameter 'from' must be the id of a snapshot",
        ),
        (
            json!({ "random": "yes" }),
            400,
            "Parameter 'random' must be continue or fresh",
        ),
        (
            json!({ "from": first, "packages": ["numpy"] }),
            400,
            "Parameters 'from' and 'packages' exclude each other",
        ),
        (
            json!({ "from": first, "language": "javascript" }),
            400,
            "The snapshot is of another language",
        ),
        (json!({ "from": unknown }), 404, "No such snapshot"),
    ] {
        let answer = run(&SERVER, "1", fields.clone());
        assert_eq!((answer.status, answer.error()), (status, error), "{fields}");
    }
    assert_eq!(SERVER.get("/snapshots/snap-1").status, 404);
}

#[test]
fn a_service_without_snapshots_says_so() {
    let server = Server::start_javascript(&[("FAAS_SNAPSHOTS", "0")]);
    let request = json!({ "language": "javascript", "code": "1", "keep": true });
    let answer = server.run(request);
    assert_eq!(
        (answer.status, answer.error()),
        (501, "Programs cannot be kept here")
    );
    assert!(
        answer.body["details"]
            .as_str()
            .unwrap()
            .contains("FAAS_SNAPSHOTS is 0")
    );
}

#[test]
fn two_hundred_programs_start_from_one_snapshot_eight_at_once_and_no_fork_is_refused() {
    let first = keep(&SERVER, "x = list(range(1000))", json!({}));
    std::thread::scope(|scope| {
        for worker in 0..8 {
            let first = &first;
            scope.spawn(move || {
                for number in 0..25 {
                    let number = worker * 25 + number;
                    let answer = from(
                        &SERVER,
                        first,
                        &format!("x.append({number}); print(sum(x))"),
                    );
                    assert_eq!(answer.stdout(), format!("{}\n", 499_500 + number));
                }
            });
        }
    });
    assert_eq!(SERVER.metric("faas_forks_refused_total "), 0.0);
}

#[test]
fn a_soak_of_snapshots_brings_no_wrong_value_and_leaves_nothing() {
    let size = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let (executions, snapshots) = (size("FAAS_SNAPSHOT_SOAK", 600), 40);
    let most = snapshots.to_string();
    let server = Server::start_python(&[
        ("FAAS_POOL_SIZE", "4"),
        ("FAAS_SNAPSHOTS", &most),
        ("FAAS_SNAPSHOTS_MEMORY", "4096"),
        ("FAAS_SNAPSHOT_TIMEOUT", "5000"),
    ]);
    // A zygote, and the sandboxes that wait.
    let is_at_rest = || server.children().len() == 5;
    eventually("the pool does not fill", is_at_rest);
    let done = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for client in 0..16usize {
            let (server, done) = (&server, &done);
            scope.spawn(move || {
                // The value that each snapshot must have, however it ended.
                let mut kept: Vec<(String, usize)> = Vec::new();
                let mut step = client;
                while done.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < executions {
                    step = step.wrapping_mul(31).wrapping_add(17);
                    if kept.len() < 3 {
                        let code = format!("x = {step}");
                        let answer = run(server, &code, json!({ "keep": true }));
                        if let Some(id) = answer.body["metadata"]["snapshot"]["id"].as_str() {
                            kept.push((id.to_owned(), step));
                        }
                        continue;
                    }
                    let chosen = step % kept.len();
                    let (id, value) = kept[chosen].clone();
                    let (code, fields) = match step % 7 {
                        0 => ("import os; os._exit(3)", json!({ "from": id })),
                        1 => ("while True: pass", json!({ "from": id, "timeout": 50 })),
                        2 => ("x += 1\nprint(x)", json!({ "from": id, "keep": true })),
                        _ => ("x += 1\nprint(x)", json!({ "from": id })),
                    };
                    let answer = run(server, code, fields);
                    if answer.status == 410 {
                        kept.swap_remove(chosen);
                        continue;
                    }
                    assert_eq!(answer.status, 200, "{}", answer.body);
                    if step % 7 > 1 {
                        assert_eq!(answer.stdout(), format!("{}\n", value + 1));
                    }
                    if let Some(id) = answer.body["metadata"]["snapshot"]["id"].as_str() {
                        kept[chosen] = (id.to_owned(), value + 1);
                    }
                    if step % 11 == 0 {
                        server.method("DELETE", &path_of(&kept.swap_remove(0).0));
                    }
                }
            });
        }
    });
    let refused = server.metric("faas_forks_refused_total ");
    assert_eq!(refused, 0.0);
    assert!(server.metric("faas_snapshots ") <= 40.0);
    eventually("snapshots do not expire", || {
        server.get("/snapshots").body["count"] == 0
    });
    eventually("processes are left", is_at_rest);
}
