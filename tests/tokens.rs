//! Named tokens: who is let in, what is said of them, and what a wrong file does.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::NO_SOURCES;
use common::PROGRAM;
use common::Server;
use common::eventually;
use common::index::sha256;
use common::named_tokens::table;
use common::scratch::Scratch;

const FIRST: &str = "0123456789-first-secret";
const SECOND: &str = "0123456789-second-secret";
const PLAIN: &str = "0123456789-plain-secret";

fn run_as(server: &Server, token: &str, id: &str) -> Answer {
    let authorization = format!("Bearer {token}");
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-request-id", id),
    ];
    let body = json!({ "language": "javascript", "code": "console.log(1)" }).to_string();
    server.send("POST", "/run_code", &headers, body)
}

/// The line of the log about the end of a request.
fn answered(server: &Server, id: &str) -> Value {
    let of_request = |line: &Value| line["span"]["request_id"] == id;
    let find = || server.lines_with("answered").into_iter().find(of_request);
    eventually("the request has no line", || find().is_some());
    find().unwrap()
}

fn doctor_or_serve(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(PROGRAM)
        .args(arguments)
        .envs(NO_SOURCES)
        .envs(environment.iter().copied())
        .env("FAAS_PORT", "0")
        .output()
        .unwrap()
}

#[test]
fn each_named_token_and_the_plain_one_are_let_in_and_told_apart() {
    let scratch = Scratch::new("named-tokens");
    let file = scratch.file(
        "tokens.toml",
        &(table("evaluator", FIRST) + &table("notebooks", SECOND)),
    );
    let audit = Path::new(scratch.path()).join("audit.jsonl");
    let server = Server::start_javascript(&[
        ("FAAS_API_TOKENS_FILE", &file),
        ("FAAS_API_TOKEN", PLAIN),
        ("FAAS_AUDIT_LOG", audit.to_str().unwrap()),
    ]);
    for (token, id, name) in [
        (FIRST, "of-first", Value::from("evaluator")),
        (SECOND, "of-second", Value::from("notebooks")),
        (PLAIN, "of-plain", Value::Null),
    ] {
        let answer = run_as(&server, token, id);
        assert_eq!((answer.status, answer.stdout()), (200, "1\n"), "{id}");
        assert_eq!(answered(&server, id)["fields"]["token_name"], name, "{id}");
        let health = server.send(
            "GET",
            "/health",
            &[("authorization", &format!("Bearer {token}"))],
            "",
        );
        assert!(health.body.get("package_zygotes").is_some(), "{id}");
    }
    let digest = sha256(FIRST.as_bytes());
    for wrong in ["", "evaluator", &FIRST[1..], &digest] {
        assert_eq!(run_as(&server, wrong, "wrong").status, 401, "{wrong}");
    }
    assert_eq!(server.get("/executions").status, 401);
    assert_eq!(server.get("/health").status, 200);
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&audit).unwrap_or_default();
        text.lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    };
    eventually("lines are missing", || lines().len() == 3);
    for (line, name) in lines()
        .iter()
        .zip([json!("evaluator"), json!("notebooks"), Value::Null])
    {
        assert_eq!((&line["token"], &line["token_name"]), (&json!(true), &name));
    }
    for secret in [FIRST, SECOND, PLAIN, &digest] {
        assert!(!server.log().contains(secret), "{secret} is in the log");
    }
}

#[test]
fn at_sighup_the_file_of_tokens_is_read_again_and_a_wrong_one_changes_nothing() {
    let scratch = Scratch::new("reloaded-tokens");
    let file = scratch.file("tokens.toml", &table("evaluator", FIRST));
    let server = Server::start_javascript(&[("FAAS_API_TOKENS_FILE", &file)]);
    let status = |token| run_as(&server, token, "x").status;
    assert_eq!((status(FIRST), status(SECOND)), (200, 401));
    // The old and the new one, while callers change over.
    let both = format!(
        "[evaluator]\nsha256 = [\"{}\", \"{}\"]\n",
        sha256(FIRST.as_bytes()),
        sha256(SECOND.as_bytes())
    );
    std::fs::write(&file, both).unwrap();
    server.signal(libc::SIGHUP);
    eventually("it was not read again", || status(SECOND) == 200);
    assert_eq!(status(FIRST), 200);
    std::fs::write(&file, format!("[evaluator]\nsha256 = \"{SECOND}\"\n")).unwrap();
    server.signal(libc::SIGHUP);
    let refused = "the named tokens stay what they were";
    eventually("it was taken", || !server.lines_with(refused).is_empty());
    let reason = &server.lines_with(refused)[0]["fields"]["reason"];
    assert!(reason.as_str().unwrap().contains("line 2"), "{reason}");
    assert!(!server.log().contains(SECOND));
    assert_eq!((status(FIRST), status(SECOND)), (200, 200));
    std::fs::write(&file, table("evaluator", SECOND)).unwrap();
    server.signal(libc::SIGHUP);
    eventually("it was not read again", || status(FIRST) == 401);
    assert_eq!(status(SECOND), 200);
}

#[test]
fn a_file_of_tokens_that_is_wrong_stops_the_start_without_being_shown() {
    let scratch = Scratch::new("wrong-tokens");
    let fine = scratch.file("fine.toml", &table("evaluator", FIRST));
    let plain = scratch.file(
        "plain.toml",
        &format!("[evaluator]\nsha256 = \"{FIRST}\"\n"),
    );
    let turned = scratch.file("turned.toml", &format!("{FIRST} = \"evaluator\"\n"));
    let empty = scratch.file("empty.toml", "# none\n");
    let long = scratch.file("long.toml", &"#".repeat((1 << 20) + 1));
    let open = scratch.file("open.toml", &table("evaluator", FIRST));
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o666)).unwrap();
    for (file, plain_token, problem) in [
        (plain.as_str(), None, "line 2: sha256 must be the 64"),
        (&turned, None, "line 1: each token is a table"),
        (&empty, None, "nobody could be let in"),
        (&long, None, "more than 1048576 bytes"),
        (&open, None, "chmod o-w"),
        ("/nonexistent", None, "No such file"),
        (&fine, Some(FIRST), "the same as the token evaluator"),
    ] {
        let mut environment = vec![("FAAS_API_TOKENS_FILE", file)];
        environment.extend(plain_token.map(|token| ("FAAS_API_TOKEN", token)));
        for command in [&[][..], &["doctor"], &["config"]] {
            let output = doctor_or_serve(command, &environment);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{file}");
            for part in [problem, "FAAS_API_TOKENS_FILE"] {
                assert!(said.contains(part), "{file}: {said}");
            }
            assert!(!said.contains(FIRST), "{said}");
        }
    }
    // Who may write the plain token's file may let anybody in, too.
    let token = scratch.file("token", PLAIN);
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o602)).unwrap();
    let output = doctor_or_serve(&[], &[("FAAS_API_TOKEN_FILE", &token)]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.contains("chmod o-w"),
        "{said}"
    );
}

#[test]
fn config_shows_where_the_tokens_are_and_none_of_them() {
    let scratch = Scratch::new("shown-tokens");
    let file = scratch.file("tokens.toml", &table("evaluator", FIRST));
    let output = doctor_or_serve(&["config"], &[("FAAS_API_TOKENS_FILE", &file)]);
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success());
    assert!(
        shown.contains(&format!("api-tokens-file = \"{file}\"")),
        "{shown}"
    );
    assert!(!shown.contains(&sha256(FIRST.as_bytes())), "{shown}");
}
