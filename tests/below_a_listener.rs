//! The tests of snapshots and sessions once more, below a filter of system calls that somebody else listens to, as under
//! some container managers: forks of kept sandboxes are traced there. `Server` starts all servers of this file so.

#![expect(
    clippy::duplicate_mod,
    reason = "each of these files has the common module of its own"
)]

#[path = "sessions.rs"]
mod sessions;
#[path = "snapshots.rs"]
mod snapshots;
#[path = "snapshots_javascript.rs"]
mod snapshots_javascript;

mod common;

use std::process::Command;

use serde_json::json;

use common::PROGRAM;
use common::Server;
use common::missing_calls::without;

#[test]
fn the_forks_of_kept_sandboxes_are_traced() {
    let server = Server::start(&[]);
    for runtime in ["python", "javascript"] {
        let lines = server.lines_with("forks of its kept sandboxes are traced");
        let zygotes: Vec<_> = lines.iter().map(|line| &line["fields"]["zygote"]).collect();
        assert!(zygotes.contains(&&json!(runtime)), "{}", server.log());
    }
    let health = server.get("/health").body;
    assert_eq!(health["snapshots"]["enabled"], true, "{health}");
}

#[test]
fn where_processes_cannot_be_traced_either_nothing_is_kept_and_health_says_why() {
    let mut command = Command::new(PROGRAM);
    command.env("FAAS_LANGUAGE", "javascript");
    without(&mut command, &[libc::SYS_ptrace]);
    let server = Server::start_command(command).until_ready();
    let snapshots = &server.get("/health").body["snapshots"];
    assert_eq!(snapshots["enabled"], false);
    let answer =
        server.run(json!({ "language": "javascript", "code": "console.log(1)", "keep": true }));
    assert_eq!(answer.status, 501, "{}", answer.body);
    let session = server.post("/sessions", r#"{"language": "javascript"}"#);
    assert_eq!(session.status, 501, "{}", session.body);
    for told in [
        &snapshots["reason"],
        &answer.body["details"],
        &session.body["details"],
    ] {
        let told = told.as_str().unwrap();
        for reason in [
            "a filter of system calls above the service",
            "nor can processes be traced",
        ] {
            assert!(told.contains(reason), "{told}");
        }
    }
    let answer = server.run(json!({ "language": "javascript", "code": "console.log(1)" }));
    assert_eq!(answer.stdout(), "1\n", "all else goes on");
}
