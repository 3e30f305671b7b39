//! The history of executions: what it shows, and what may happen to its file.

mod common;

use std::path::PathBuf;

use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

use common::Answer;
use common::Server;
use common::eventually;

struct Remembering {
    server: Server,
    workspace: TempDir,
}

impl Remembering {
    fn start(environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), environment)
    }

    fn start_in(workspace: TempDir, environment: &[(&str, &str)]) -> Self {
        let server = start(&workspace, environment);
        Self { server, workspace }
    }

    fn run(&self, code: &str) -> Answer {
        self.server.run(json!({ "code": code }))
    }

    fn path(&self) -> PathBuf {
        self.workspace.path().join("history.sqlite3")
    }
}

fn start(workspace: &TempDir, environment: &[(&str, &str)]) -> Server {
    let workspace = [("FAAS_WORKSPACE", workspace.path().to_str().unwrap())];
    Server::start_javascript(&[&workspace, environment].concat())
}

fn task_id(answer: &Answer) -> &str {
    answer.body["metadata"]["task_id"].as_str().unwrap()
}

/// Task ids that a query returns, in order.
fn listed(server: &Server, query: &str) -> Vec<String> {
    let answer = server.get(&format!("/executions{query}"));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let executions = answer.body["executions"].as_array().unwrap();
    assert_eq!(answer.body["count"], executions.len());
    let ids = executions
        .iter()
        .map(|entry| entry["task_id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[test]
fn an_execution_is_in_the_history_as_soon_as_it_is_answered() {
    let remembering = Remembering::start(&[]);
    let server = &remembering.server;
    let request = json!({ "language": "ts", "code": "console.log('secret')", "priority": "low" });
    let answer = server.send(
        "POST",
        "/run_code",
        &[("x-request-id", "mine")],
        request.to_string(),
    );
    let entry = server.get(&format!("/executions/{}", task_id(&answer)));
    assert_eq!(entry.status, 200);
    let entry = &entry.body;
    let metadata = &answer.body["metadata"];
    for field in [
        "task_id",
        "language",
        "status",
        "exit_code",
        "usage",
        "truncated",
        "duration",
    ] {
        assert_eq!(entry[field], metadata[field], "{field}");
    }
    assert_eq!(
        (&entry["request_id"], &entry["priority"]),
        (&json!("mine"), &json!("low"))
    );
    assert_eq!(entry["code_sha256"].as_str().unwrap().len(), 64);
    assert!(
        entry["time"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .is_ok()
    );
    // Neither the program nor its output, unless that is asked for.
    assert!(!entry.to_string().contains("secret"), "{entry}");
    let everything = std::fs::read(remembering.path()).unwrap();
    assert!(!everything.windows(6).any(|bytes| bytes == b"secret"));
    let unknown = server.get("/executions/task-0");
    assert_eq!(
        (unknown.status, unknown.error()),
        (404, "No such execution")
    );
}

#[test]
fn the_execution_list_is_newest_first_and_can_be_filtered() {
    let remembering = Remembering::start(&[]);
    let server = &remembering.server;
    let first = task_id(&remembering.run("1")).to_owned();
    let second = task_id(&remembering.run("throw 1")).to_owned();
    std::thread::sleep(std::time::Duration::from_millis(5));
    let now = jiff::Timestamp::now().to_string();
    let typescript = server.run(json!({ "language": "ts", "code": "1" }));
    let third = task_id(&typescript).to_owned();
    let all = [third.clone(), second.clone(), first.clone()];
    assert_eq!(listed(server, ""), all);
    assert_eq!(listed(server, "?limit=2"), all[..2]);
    assert_eq!(listed(server, "?status=error"), [second]);
    assert_eq!(
        listed(server, "?language=javascript&status=success"),
        [first]
    );
    for name in ["ts", "TypeScript"] {
        assert_eq!(listed(server, &format!("?language={name}")), all[..1]);
    }
    assert_eq!(listed(server, "?language=JS"), all[1..]);
    assert_eq!(listed(server, &format!("?since={now}")), [third]);
    // In UTC, without the zone, and the day that it is there.
    let without_zone = now.trim_end_matches('Z');
    assert_eq!(listed(server, &format!("?since={without_zone}")), all[..1]);
    assert_eq!(listed(server, &format!("?since={}", &now[..10])), all);
    assert!(listed(server, "?since=2999-01-01").is_empty());
    assert_eq!(listed(server, "?since=1000"), all);
    assert!(listed(server, "?since=2999-01-01T00:00:00Z").is_empty());
    let request = json!({ "code": "1" }).to_string();
    let mine = server.send("POST", "/run_code", &[("x-request-id", "mine")], request);
    let mine = task_id(&mine).to_owned();
    assert_eq!(listed(server, "?request_id=mine"), [mine]);
    assert!(listed(server, "?request_id=nobodys").is_empty());
    for (query, allowed) in [
        ("?status=nonsense", "success, error, violation, timeout"),
        ("?language=python", "javascript, js, typescript, ts"),
        ("?since=yesterday", "2026-01-31T12:00:00Z"),
        ("?limit=0", "between 1 and 1000"),
        ("?limit=1001", "between 1 and 1000"),
        ("?limit=-1", "between 1 and 1000"),
        ("?since=2026-02-30", "a date such as 2026-01-31"),
        ("?order=desc", "since, request_id, before and limit"),
    ] {
        let answer = server.get(&format!("/executions{query}"));
        assert_eq!(answer.status, 400, "{query}");
        let details = answer.body["details"].as_str().unwrap();
        assert!(details.contains(allowed), "{query}: {details}");
    }
}

/// Task ids of all pages, and how long each page was.
fn pages(server: &Server, query: &str) -> (Vec<String>, Vec<usize>) {
    let (mut ids, mut lengths) = (Vec::new(), Vec::new());
    let mut before = String::new();
    loop {
        let page = server.get(&format!("/executions?{query}{before}")).body;
        let entries = page["executions"].as_array().unwrap();
        ids.extend(
            entries
                .iter()
                .map(|entry| entry["task_id"].as_str().unwrap().to_owned()),
        );
        lengths.push(entries.len());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return (ids, lengths),
        }
    }
}

#[test]
fn all_executions_of_the_history_are_reached_page_by_page() {
    let remembering = Remembering::start(&[]);
    let server = &remembering.server;
    let run = |code: &str| task_id(&remembering.run(code)).to_owned();
    let mut ids: Vec<String> = (0..5).map(|_| run("1")).collect();
    ids.insert(2, run("throw 1"));
    let failed = ids.remove(2);
    listed(server, "");
    let other = rusqlite::Connection::open(remembering.path()).unwrap();
    // As if all had begun in the same millisecond: the order is still certain.
    other
        .execute(
            "UPDATE executions SET began_ms = (SELECT max(began_ms) FROM executions)",
            [],
        )
        .unwrap();
    let all = listed(server, "");
    assert_eq!(all.len(), 6);
    for (limit, lengths) in [
        (1, vec![1; 6]),
        (4, vec![4, 2]),
        (3, vec![3, 3]),
        (6, vec![6]),
    ] {
        let (seen, seen_lengths) = pages(server, &format!("limit={limit}"));
        assert_eq!((seen, seen_lengths), (all.clone(), lengths), "{limit}");
    }
    // What is new does not move the pages that follow, and other filters stay.
    let page = server.get("/executions?limit=2").body;
    let next = page["next"].as_str().unwrap().to_owned();
    run("1");
    assert_eq!(listed(server, &format!("?before={next}")), all[2..]);
    let succeeded = pages(server, "limit=2&status=success").0;
    assert_eq!(succeeded.len(), 6);
    assert!(!succeeded.contains(&failed));
    let unknown = server.get("/executions?before=task-0");
    let seen = (unknown.status, unknown.error());
    assert_eq!(seen, (404, "No such execution"));
}

#[test]
fn an_execution_whose_name_cannot_be_one_is_404() {
    let remembering = Remembering::start(&[]);
    for name in ["%ff", "%00", "a%2fb", "..%2f..", "%F0%9F%92%A9"] {
        let answer = remembering.server.get(&format!("/executions/{name}"));
        let seen = (answer.status, answer.error());
        assert_eq!(seen, (404, "No such execution"), "{name}");
    }
}

#[test]
fn the_history_is_limited_by_count_and_by_age() {
    let remembering = Remembering::start(&[("FAAS_HISTORY_MAX", "5")]);
    remembering.run("1");
    listed(&remembering.server, "");
    let other = rusqlite::Connection::open(remembering.path()).unwrap();
    other
        .execute("UPDATE executions SET began_ms = 1, task_id = 'old'", [])
        .unwrap();
    assert_eq!(listed(&remembering.server, ""), ["old"]);
    remembering.run("2");
    assert_eq!(listed(&remembering.server, "").len(), 1);
    let ids: Vec<String> = (0..8)
        .map(|_| task_id(&remembering.run("3")).to_owned())
        .collect();
    let kept: Vec<String> = ids.into_iter().rev().take(5).collect();
    assert_eq!(listed(&remembering.server, ""), kept);
}

#[test]
fn programs_and_outputs_are_in_the_history_if_bodies_are_kept() {
    let remembering = Remembering::start(&[("FAAS_HISTORY_BODIES", "1")]);
    let long = "é".repeat(50_000);
    let code = format!("console.log('{long}'); console.error('oops'); return_val(5)");
    let answer = remembering.run(&code);
    let entry = remembering
        .server
        .get(&format!("/executions/{}", task_id(&answer)))
        .body;
    let kept = |text: &Value| text.as_str().unwrap().to_owned();
    assert!(code.starts_with(&kept(&entry["code"])));
    assert!(
        answer
            .stdout()
            .starts_with(&kept(&entry["output"]["stdout"]))
    );
    assert_eq!(kept(&entry["output"]["stdout"]).len(), 65_536);
    assert_eq!(entry["output"]["stderr"], "oops\n");
    assert_eq!(entry["output"]["ret_val"], "5");
    let list = remembering.server.get("/executions").body;
    assert_eq!(list["executions"][0].get("code"), None);
}

#[test]
fn with_the_history_off_both_executions_routes_are_404() {
    let remembering = Remembering::start(&[("FAAS_HISTORY", "off")]);
    remembering.run("1");
    for path in ["/executions", "/executions/task-1"] {
        let answer = remembering.server.get(path);
        assert_eq!((answer.status, answer.error()), (404, "No history is kept"));
    }
    assert!(!remembering.path().exists());
    assert_eq!(
        remembering.server.get("/health").body["history"]["enabled"],
        false
    );
}

#[test]
fn a_damaged_history_file_is_moved_aside() {
    let workspace = tempfile::tempdir().unwrap();
    std::fs::write(
        workspace.path().join("history.sqlite3"),
        "nonsense ".repeat(1000),
    )
    .unwrap();
    let remembering = Remembering::start_in(workspace, &[]);
    let first = task_id(&remembering.run("1")).to_owned();
    assert_eq!(listed(&remembering.server, ""), [first]);
    let damaged = remembering.server.lines_with("the history was damaged");
    assert_eq!(damaged.len(), 1, "{}", remembering.server.log());
    let names = std::fs::read_dir(remembering.workspace.path()).unwrap();
    let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert!(names.any(|name| name.contains(".damaged-")));

    // Damage while the service runs, which it may notice now or after a restart.
    for end in ["", "-wal"] {
        let path = format!("{}{end}", remembering.path().display());
        std::fs::write(path, "nonsense ".repeat(5000)).unwrap();
    }
    for _ in 0..5 {
        assert_eq!(remembering.run("2").status, 200);
    }
    let Remembering { server, workspace } = remembering;
    drop(server);
    let remembering = Remembering::start_in(workspace, &[]);
    let last = task_id(&remembering.run("3")).to_owned();
    assert_eq!(listed(&remembering.server, "?limit=1"), [last]);
}

#[test]
fn a_history_of_a_later_version_is_left_alone_and_another_file_is_used() {
    let remembering = Remembering::start(&[]);
    remembering.run("1");
    listed(&remembering.server, "");
    let path = remembering.path();
    let Remembering { server, workspace } = remembering;
    drop(server);
    let later = rusqlite::Connection::open(&path).unwrap();
    later.pragma_update(None, "user_version", 99).unwrap();
    drop(later);

    let remembering = Remembering::start_in(workspace, &[]);
    let second = task_id(&remembering.run("2")).to_owned();
    let third = task_id(&remembering.run("3")).to_owned();
    assert_eq!(listed(&remembering.server, ""), [third, second]);
    let told = remembering.server.lines_with(
        "the history is of a later version of this program and left as it is: another file is used",
    );
    assert_eq!(told.len(), 1, "{}", remembering.server.log());
    assert_eq!(
        remembering.server.get("/health").body["history"]["failure"],
        ""
    );
    let later = rusqlite::Connection::open(&path).unwrap();
    let count = |query: &str| -> i64 { later.query_row(query, [], |row| row.get(0)).unwrap() };
    assert_eq!(count("PRAGMA user_version"), 99);
    assert_eq!(count("SELECT count(*) FROM executions"), 1);
    let own = remembering.workspace.path().join("history.v1.sqlite3");
    assert!(own.exists());
}

#[test]
fn a_history_is_not_deleted_by_a_clock_that_is_days_ahead_after_a_restart() {
    let remembering = Remembering::start(&[]);
    let first = task_id(&remembering.run("1")).to_owned();
    listed(&remembering.server, "");
    let path = remembering.path();
    let Remembering { server, workspace } = remembering;
    drop(server);
    // As if the clock had been right then, and were eight days ahead now.
    let days = 8 * 24 * 60 * 60 * 1000;
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute("UPDATE executions SET began_ms = began_ms - ?1", [days])
        .unwrap();
    drop(other);
    let remembering = Remembering::start_in(workspace, &[]);
    let second = task_id(&remembering.run("2")).to_owned();
    assert_eq!(listed(&remembering.server, ""), [second, first]);
}

#[test]
fn a_history_is_not_deleted_by_a_clock_that_jumps_while_the_service_runs() {
    const LIBRARY: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
    if !std::path::Path::new(LIBRARY).exists() {
        eprintln!("NOT TESTED: {LIBRARY} is missing; install libfaketime");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0").unwrap();
    let remembering = Remembering::start(&[
        ("LD_PRELOAD", LIBRARY),
        ("FAKETIME_TIMESTAMP_FILE", offset.to_str().unwrap()),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]);
    let first = task_id(&remembering.run("1")).to_owned();
    listed(&remembering.server, "");
    std::fs::write(&offset, "+8d").unwrap();
    let second = task_id(&remembering.run("2")).to_owned();
    let of_second = remembering
        .server
        .get(&format!("/executions/{second}"))
        .body;
    let began = of_second["time"].as_str().unwrap();
    let began = began.parse::<jiff::Timestamp>().unwrap();
    let ahead = began.duration_since(jiff::Timestamp::now());
    assert!(
        ahead > jiff::SignedDuration::from_hours(24 * 7),
        "the clock did not jump: {of_second}"
    );
    assert_eq!(listed(&remembering.server, ""), [second, first]);
}

#[test]
fn a_workspace_that_is_deleted_under_the_service_comes_back() {
    let remembering = Remembering::start(&[]);
    remembering.run("1");
    listed(&remembering.server, "");
    std::fs::remove_dir_all(remembering.workspace.path()).unwrap();
    let second = task_id(&remembering.run("2")).to_owned();
    assert_eq!(listed(&remembering.server, ""), [second]);
    let mode = remembering.workspace.path().metadata().unwrap();
    let mode = std::os::unix::fs::PermissionsExt::mode(&mode.permissions());
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_deleted_history_file_is_created_again() {
    let remembering = Remembering::start(&[]);
    remembering.run("1");
    listed(&remembering.server, "");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", remembering.path().display()));
    }
    let second = task_id(&remembering.run("2")).to_owned();
    assert_eq!(listed(&remembering.server, ""), [second]);
}

#[test]
fn a_locked_history_file_delays_no_answer_and_is_counted() {
    let remembering = Remembering::start(&[]);
    remembering.run("1");
    listed(&remembering.server, "");
    let other = rusqlite::Connection::open(remembering.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for _ in 0..10 {
        assert_eq!(remembering.run("2").status, 200);
    }
    eventually("it is not counted", || {
        let history = remembering.server.get("/health").body["history"].clone();
        history["write_failures"].as_u64() >= Some(1)
            && history["failure"].as_str().unwrap().contains("locked")
    });
    other.execute_batch("COMMIT").unwrap();
    let metrics = remembering.server.get("/metrics").body;
    let metrics = metrics.as_str().unwrap();
    assert!(!metrics.contains("faas_history_write_failures_total 0\n"));
    eventually("it does not recover", || {
        remembering.run("3");
        listed(&remembering.server, "");
        remembering.server.get("/health").body["history"]["failure"] == ""
    });
}

#[test]
fn two_servers_share_the_history_of_a_workspace() {
    let workspace = tempfile::tempdir().unwrap();
    let servers = [start(&workspace, &[]), start(&workspace, &[])];
    std::thread::scope(|scope| {
        for server in &servers {
            scope.spawn(|| {
                for _ in 0..30 {
                    assert_eq!(server.run(json!({ "code": "1" })).status, 200);
                }
            });
        }
    });
    for server in &servers {
        // A server's list waits for its own thread to write, but not for that of the other.
        eventually("executions are missing", || listed(server, "").len() == 60);
        assert_eq!(server.get("/health").body["history"]["write_failures"], 0);
    }
}

#[test]
fn the_last_executions_are_in_the_history_after_a_stop() {
    let mut remembering = Remembering::start(&[]);
    let ids: Vec<String> = (0..5)
        .map(|_| task_id(&remembering.run("1")).to_owned())
        .collect();
    remembering.server.signal(libc::SIGTERM);
    assert!(remembering.server.wait().success());
    let again = start(&remembering.workspace, &[]);
    assert_eq!(
        listed(&again, ""),
        ids.into_iter().rev().collect::<Vec<_>>()
    );
}
