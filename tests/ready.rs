//! `GET /ready`, `Retry-After`, and a service that is full: what balancers and clients that come back go by.

mod common;

use std::io::Read;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;

use common::Answer;
use common::PROGRAM;
use common::Server;
use common::eventually;
use common::scratch::Scratch;
use serde_json::Value;
use serde_json::json;

/// A program of so many ms.
fn sleeping(milliseconds: u64) -> Value {
    json!({ "code": format!("await new Promise(done => setTimeout(done, {milliseconds}))") })
}

fn retry_after(answer: &Answer) -> u64 {
    answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn a_service_whose_queue_fills_up_is_not_ready_until_it_is_empty_again() {
    let server = Server::start_javascript(&[
        ("FAAS_POOL_SIZE", "1"),
        ("FAAS_WORKER_COUNT", "1"),
        ("FAAS_QUEUE_SIZE", "2"),
    ]);
    let ready = server.get("/ready");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert_eq!(
        ready.body,
        json!({
            "status": "ready",
            "reason": "",
            "runtimes": { "javascript": { "up": true, "reason": "" } },
            "queue": { "waiting": 0, "size": 2, "expected_wait_ms": 0 },
        })
    );
    let program = sleeping(1500);
    let running: Vec<TcpStream> = (0..3).map(|_| server.begin("", &program)).collect();
    eventually("it stays ready with a full queue", || {
        server.get("/ready").status == 503
    });
    let full = server.get("/ready");
    assert_eq!(full.body["status"], "not_ready");
    assert_eq!(full.body["queue"]["waiting"], 2);
    assert!(
        full.body["reason"]
            .as_str()
            .unwrap()
            .contains("2 requests wait")
    );
    assert!(retry_after(&full) >= 1);
    assert_eq!(server.get("/health").status, 200, "a busy service is well");
    eventually("it does not get ready again", || {
        server.get("/ready").status == 200
    });
    drop(running);
}

#[test]
fn retry_after_is_how_long_the_last_programs_took_times_those_that_wait() {
    let server = Server::start_javascript(&[
        ("FAAS_POOL_SIZE", "1"),
        ("FAAS_WORKER_COUNT", "1"),
        ("FAAS_QUEUE_SIZE", "1"),
    ]);
    let program = sleeping(2000);
    assert_eq!(server.run(program.clone()).outcome(), "success");
    let _running = server.begin("", &program);
    let _waiting = server.begin("", &program);
    eventually("they do not wait", || {
        server.get("/ready").body["queue"]["waiting"] == 1
    });
    let refused = server.run(program);
    assert_eq!(refused.status, 429, "{}", refused.body);
    // Two turns of 2 s, and what starting each takes, rounded up.
    assert!(
        (4..=6).contains(&retry_after(&refused)),
        "{}",
        retry_after(&refused)
    );
    let expected = server.get("/ready").body["queue"]["expected_wait_ms"].as_u64();
    assert!((4000..6000).contains(&expected.unwrap()), "{expected:?}");
}

#[test]
fn a_runtime_that_cannot_boot_leaves_the_service_ready_for_the_other_language() {
    let scratch = Scratch::new("ready");
    let pyodide = scratch.0.join("pyodide");
    std::fs::create_dir(&pyodide).unwrap();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/pyodide-dist")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, pyodide.join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(
        pyodide.join("pyodide.asm.mjs"),
        "throw new Error('damaged')",
    )
    .unwrap();
    let directory = pyodide.to_str().unwrap();
    let server = Server::start_unready(&[("FAAS_PYODIDE_DIR", directory)]).until_listening();
    let of = |path: &str| server.get(path);
    eventually("JavaScript is not ready", || {
        of("/ready?language=typescript").status == 200
    });
    assert_eq!(of("/ready").status, 200, "one of two is enough");
    let python = of("/ready?language=python");
    assert_eq!(python.status, 503, "{}", python.body);
    assert!(
        python.body["reason"]
            .as_str()
            .unwrap()
            .starts_with("python: ")
    );
    assert_eq!(python.body["runtimes"]["javascript"]["up"], true);
    assert_eq!(of("/health").status, 503, "an operator has to see it");
    assert_eq!(
        server
            .run(json!({ "language": "javascript", "code": "1" }))
            .status,
        200
    );
    let refused = server.python("1");
    assert_eq!(refused.status, 503, "{}", refused.body);
    // The next try comes after a pause that grows to five seconds, and takes as long as the last.
    assert!((1..=20).contains(&retry_after(&refused)));
}

#[test]
fn ready_needs_no_token_and_names_what_it_does_not_know() {
    let server = Server::start_javascript(&[("FAAS_API_TOKEN", "0123456789abcdef")]);
    assert_eq!(server.get("/ready").status, 200);
    for wrong in [
        "/ready?language=python",
        "/ready?language=ruby",
        "/ready?laguage=javascript",
    ] {
        let answer = server.get(wrong);
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
}

/// A request without a body on a connection of its own; what comes back.
fn ask(server: &Server, request_line: &str) -> String {
    let mut stream = connect(server);
    let head = format!("{request_line} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    let mut answer = String::new();
    // Of very many at once some are closed without a word.
    let _ = stream.read_to_string(&mut answer);
    answer
}

fn connect(server: &Server) -> TcpStream {
    TcpStream::connect(&server.address).unwrap()
}

#[test]
fn probes_are_answered_when_all_connections_are_taken_and_nothing_else_is() {
    let server = Server::start_javascript(&[("FAAS_MAX_CONNECTIONS", "2")]);
    let _idle = [connect(&server), connect(&server)];
    for probe in ["GET /health", "HEAD /health", "GET /ready", "GET /metrics"] {
        let answer = ask(&server, probe);
        assert!(answer.starts_with("HTTP/1.1 200 "), "{probe}: {answer}");
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{probe}: {answer}"
        );
    }
    for other in ["GET /executions", "POST /run_code", "GET /"] {
        let answer = ask(&server, other);
        assert!(answer.starts_with("HTTP/1.1 503 "), "{other}: {answer}");
    }
    // One that says nothing is told after a moment.
    let mut silent = connect(&server);
    let mut answer = String::new();
    silent.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
}

/// A server that may have so many files open.
fn with_open_files(most: u64) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .env("FAAS_LANGUAGE", "javascript")
        .env("FAAS_POOL_SIZE", "2")
        .env("FAAS_MAX_INSTANCES", "10")
        .env("FAAS_SESSIONS", "0");
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: most,
    };
    let lower = move || {
        // SAFETY: the kernel reads a limit from a live local.
        match unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        }
    };
    // SAFETY: the closure makes a system call only, which is allowed between fork and exec.
    unsafe { command.pre_exec(lower) };
    command
}

#[test]
fn a_service_with_few_open_files_takes_fewer_connections_and_keeps_serving() {
    let server = Server::start_command(with_open_files(500)).until_ready();
    let zygote = server.zygote();
    let idle: Vec<TcpStream> = (0..500).map(|_| connect(&server)).collect();
    let mut probed = 0;
    eventually("probes are not answered", || {
        probed += 1;
        ask(&server, "GET /health").starts_with("HTTP/1.1 200 ")
    });
    assert!(
        !server.log().contains("cannot accept a connection"),
        "{}",
        server.log()
    );
    drop(idle);
    eventually("programs do not run", || {
        let answer = server.run(json!({ "code": "console.log(1)" }));
        answer.status == 200 && answer.stdout() == "1\n"
    });
    assert_eq!(server.zygote(), zygote);
}

/// Changes how many files a server may have open.
fn limit_open_files(pid: i32, most: u64) {
    let limit = libc::rlimit {
        rlim_cur: most,
        rlim_max: 400,
    };
    let none = std::ptr::null_mut();
    // SAFETY: the kernel reads a limit from a live local; the other pointer may be null.
    let is_set = unsafe { libc::prlimit(pid, libc::RLIMIT_NOFILE, &raw const limit, none) };
    assert_eq!(is_set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn a_fork_that_finds_no_open_file_left_ends_no_zygote() {
    let server = Server::start_command(with_open_files(500)).until_ready();
    let zygote = server.zygote();
    let mut connected = connect(&server);
    // Once it is answered, it was accepted.
    connected
        .write_all(b"HEAD /ready HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    connected.read_exact(&mut [0; 12]).unwrap();
    // What is open stays open, such as this connection.
    limit_open_files(server.pid(), 10);
    let request = json!({ "code": "1", "timeout": 1000 });
    let _running = common::send_request(connected, "", &request);
    eventually("no fork fails", || {
        server.log().contains("it gets no socket")
    });
    // Longer than a zygote whose forks fail for another reason is kept.
    std::thread::sleep(Duration::from_secs(8));
    limit_open_files(server.pid(), 400);
    eventually("programs do not run", || {
        server.run(json!({ "code": "console.log(1)" })).status == 200
    });
    assert_eq!(server.zygote(), zygote, "{}", server.log());
}

#[test]
fn a_limit_of_open_files_that_leaves_no_connections_stops_the_start() {
    let output = with_open_files(290).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    for part in ["290 files", "FAAS_MAX_INSTANCES", "ulimit -Hn"] {
        assert!(stderr.contains(part), "{stderr}");
    }
}
