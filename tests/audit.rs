//! The audit log: complete, without programs in it, and never in the way.

mod common;

use std::path::Path;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;
use sha2::Digest;
use sha2::Sha256;
use tempfile::TempDir;

use common::PROGRAM;
use common::Server;
use common::eventually;

struct Audited {
    server: Server,
    folder: TempDir,
}

impl Audited {
    fn start(environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        let log = [("FAAS_AUDIT_LOG", path.to_str().unwrap())];
        let server = Server::start_javascript(&[&log, environment].concat());
        Self { server, folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit.jsonl")
    }

    /// Waits until the log has that many lines; each must be JSON.
    fn lines(&self, count: usize) -> Vec<Value> {
        eventually("lines are missing", || {
            lines_in(&self.path()).len() >= count
        });
        let lines = lines_in(&self.path());
        assert_eq!(lines.len(), count);
        lines
    }
}

fn lines_in(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines();
    lines
        .map(|line| serde_json::from_str(line).expect(line))
        .collect()
}

fn failures(server: &Server) -> f64 {
    let text = server.get("/metrics").body;
    let text = text.as_str().unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("faas_audit_write_failures_total "));
    line.unwrap().parse().unwrap()
}

#[test]
fn each_execution_has_an_audit_line_with_caller_program_and_outcome() {
    let audited = Audited::start(&[]);
    let code = "console.log('sec' + 'ret'); throw 1";
    let request = json!({ "language": "ts", "code": code, "timeout": 5000, "priority": "high",
        "limits": { "cpu_ms": 900 } });
    let headers = [("x-request-id", "mine")];
    let answer = audited
        .server
        .send("POST", "/run_code", &headers, request.to_string());
    let [line] = &audited.lines(1)[..] else {
        panic!()
    };
    let text = line.to_string();
    assert!(
        !text.contains("secret") && !text.contains("throw"),
        "{text}"
    );
    assert_eq!(line["request_id"], "mine");
    assert!(line["caller"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert_eq!(line["token"], false);
    assert_eq!(line["task_id"], answer.body["metadata"]["task_id"]);
    assert_eq!(line["language"], "typescript");
    let digest: String = Sha256::digest(code)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(line["code_sha256"], digest.as_str());
    assert_eq!(line["code_bytes"], code.len());
    assert_eq!(line["packages"], json!([]));
    assert_eq!(line["limits"]["wall_ms"], 5000);
    assert_eq!(line["limits"]["cpu_ms"], 900);
    assert_eq!(line["limits"]["memory_bytes"], 256 << 20);
    assert_eq!(
        (&line["priority"], &line["status"]),
        (&json!("high"), &json!("error"))
    );
    assert_eq!(line["exit_code"], 1);
    assert_eq!(line["usage"], answer.body["metadata"]["usage"]);
    let time = line["time"]
        .as_str()
        .unwrap()
        .parse::<jiff::Timestamp>()
        .unwrap();
    let age = jiff::Timestamp::now().duration_since(time);
    assert!(age < jiff::SignedDuration::from_secs(60));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&audited.path().metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn refused_and_cancelled_executions_have_an_audit_line() {
    let audited = Audited::start(&[
        ("FAAS_WORKER_COUNT", "1"),
        ("FAAS_QUEUE_SIZE", "0"),
        ("FAAS_API_TOKEN", "right"),
    ]);
    let post = |body: &Value| {
        let headers = [("authorization", "Bearer right")];
        audited
            .server
            .send("POST", "/run_code", &headers, body.to_string())
    };
    let slow = json!({ "code": "for (;;);", "timeout": 700 });
    std::thread::scope(|scope| {
        let both = [scope.spawn(|| post(&slow)), scope.spawn(|| post(&slow))];
        let mut statuses = both.map(|thread| thread.join().unwrap().status);
        statuses.sort();
        assert_eq!(statuses, [200, 429]);
    });
    let lines = audited.lines(2);
    let of = |status| lines.iter().find(|line| line["status"] == status).unwrap();
    assert_eq!(of("refused")["reason"], "queue_full");
    assert_eq!(of("refused").get("usage"), None);
    assert_eq!(of("timeout")["exit_code"], 124);
    assert_eq!(of("timeout")["token"], true);

    let token = "Authorization: Bearer right\r\n";
    let stream = audited.server.begin(token, &json!({ "code": "for (;;);" }));
    eventually("it does not run", || {
        let health = audited.server.get("/health").body;
        health["pool"]["activeInstances"] == 1
    });
    drop(stream);
    assert_eq!(audited.lines(3)[2]["status"], "cancelled");
}

#[test]
fn a_program_refused_as_too_complex_has_an_audit_line() {
    let audited = Audited::start(&[("FAAS_MAX_NESTING", "1")]);
    let code = "for (const a of [1]) { for (const b of [2]) console.log(a, b) }";
    assert_eq!(audited.server.run(json!({ "code": code })).status, 422);
    let lines = audited.lines(1);
    assert_eq!(
        (&lines[0]["status"], &lines[0]["reason"]),
        (&json!("refused"), &json!("too_complex"))
    );
}

#[test]
fn an_execution_while_the_runtime_does_not_boot_is_audited_as_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit");
    let server = Server::start_unready(&[
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_V8_FLAGS", "--no-such-flag"),
        ("FAAS_AUDIT_LOG", path.to_str().unwrap()),
    ])
    .until_listening();
    assert_eq!(server.run(json!({ "code": "1" })).status, 503);
    eventually("no line", || lines_in(&path).len() == 1);
    let line = &lines_in(&path)[0];
    assert_eq!(
        (&line["status"], &line["reason"]),
        (&json!("refused"), &json!("not_ready"))
    );
}

#[test]
fn sighup_reopens_a_rotated_audit_log() {
    let audited = Audited::start(&[]);
    audited.server.run(json!({ "code": "1" }));
    audited.lines(1);
    let rotated = audited.folder.path().join("audit.1");
    std::fs::rename(audited.path(), &rotated).unwrap();
    audited.server.signal(libc::SIGHUP);
    eventually("it is not opened", || audited.path().exists());
    audited.server.run(json!({ "code": "2" }));
    audited.lines(1);
    assert_eq!(lines_in(&rotated).len(), 1);
}

#[test]
fn a_renamed_or_deleted_audit_log_is_replaced_without_a_signal() {
    let audited = Audited::start(&[]);
    let rotated = audited.folder.path().join("audit.1");
    audited.server.run(json!({ "code": "1" }));
    audited.lines(1);
    std::fs::rename(audited.path(), &rotated).unwrap();
    audited.server.run(json!({ "code": "2" }));
    audited.lines(1);
    assert_eq!(lines_in(&rotated).len(), 1);
    std::fs::remove_file(audited.path()).unwrap();
    audited.server.run(json!({ "code": "3" }));
    audited.lines(1);
    assert!(failures(&audited.server) == 0.0);
}

#[test]
fn an_audit_log_that_cannot_be_replaced_is_counted_and_tried_again() {
    let audited = Audited::start(&[]);
    let rotated = audited.folder.path().join("audit.1");
    std::fs::rename(audited.path(), &rotated).unwrap();
    // Nothing can be appended to a directory.
    std::fs::create_dir(audited.path()).unwrap();
    for count in 1..=2 {
        audited.server.run(json!({ "code": "1" }));
        eventually("it is not counted", || {
            failures(&audited.server) == f64::from(count)
        });
    }
    let failure = &audited.server.get("/health").body["audit"]["failure"];
    assert!(
        failure
            .as_str()
            .unwrap()
            .contains("no new file can be opened"),
        "{failure}"
    );
    assert_eq!(lines_in(&rotated).len(), 2, "they are in the old file");
    std::fs::remove_dir(audited.path()).unwrap();
    audited.server.run(json!({ "code": "2" }));
    audited.lines(1);
    assert_eq!(audited.server.get("/health").body["audit"]["failure"], "");
    assert!(failures(&audited.server) == 2.0);
}

#[test]
fn a_line_that_a_full_disk_tore_takes_no_later_line_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let torn = "{\"time\":\"2026-01-01T00:00";
    std::fs::write(&path, torn).unwrap();
    let server = Server::start_javascript(&[("FAAS_AUDIT_LOG", path.to_str().unwrap())]);
    server.run(json!({ "code": "1" }));
    let lines = || -> Vec<String> {
        let text = std::fs::read_to_string(&path).unwrap();
        text.lines().map(str::to_owned).collect()
    };
    eventually("there is no line", || lines().len() == 2);
    assert_eq!(lines()[0], torn);
    assert_eq!(
        serde_json::from_str::<Value>(&lines()[1]).unwrap()["status"],
        "success"
    );
}

#[test]
fn a_full_disk_under_the_audit_log_is_reported_and_stops_nothing() {
    let server = Server::start_javascript(&[("FAAS_AUDIT_LOG", "/dev/full")]);
    assert_eq!(server.get("/health").body["audit"]["failure"], "");
    for _ in 0..5 {
        assert_eq!(
            server.run(json!({ "code": "console.log(1)" })).stdout(),
            "1\n"
        );
    }
    eventually("it is not counted", || failures(&server) == 5.0);
    let health = server.get("/health");
    assert_eq!(health.status, 200);
    let audit = &health.body["audit"];
    assert_eq!(
        (&audit["enabled"], &audit["write_failures"]),
        (&json!(true), &json!(5))
    );
    assert!(
        audit["failure"].as_str().unwrap().contains("No space left"),
        "{audit}"
    );
    // Once a minute is enough.
    let lines = server.lines_with("could not write an execution");
    assert_eq!(lines.len(), 1, "{}", server.log());
}

#[test]
fn a_hanging_disk_under_the_audit_log_delays_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    // Its buffer takes 64 KiB, and no one reads it.
    let mut options = std::fs::OpenOptions::new();
    let _pipe = options.read(true).write(true).open(&path).unwrap();
    let mut server = Server::start_javascript(&[("FAAS_AUDIT_LOG", path.to_str().unwrap())]);
    for _ in 0..250 {
        assert_eq!(server.run(json!({ "code": "1" })).status, 200);
    }
    let began = Instant::now();
    server.signal(libc::SIGTERM);
    assert!(server.wait().success());
    assert!(
        began.elapsed() < Duration::from_secs(10),
        "{:?}",
        began.elapsed()
    );
}

#[test]
fn the_last_audit_lines_are_written_before_a_stop() {
    let mut audited = Audited::start(&[]);
    for _ in 0..20 {
        audited.server.run(json!({ "code": "1" }));
    }
    audited.server.signal(libc::SIGTERM);
    assert!(audited.server.wait().success());
    assert_eq!(lines_in(&audited.path()).len(), 20);
}

#[test]
fn an_audit_log_that_cannot_be_opened_stops_the_start() {
    let output = Command::new(PROGRAM)
        .env("FAAS_AUDIT_LOG", "/nonexistent/audit")
        .args(["--port", "0"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        error.contains("cannot open the audit log /nonexistent/audit: No such file"),
        "{error}"
    );
}
