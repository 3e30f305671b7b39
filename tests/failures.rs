//! What cannot work, and says so: in the log, in `/health` and in every answer, in good time.

mod common;

use std::io::BufRead;
use std::io::BufReader;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::process::Output;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Answer;
use common::NO_SOURCES;
use common::PROGRAM;
use common::Server;
use common::eventually;
use common::missing_calls::failing;
use common::missing_calls::without;
use common::scratch::Scratch;

/// The user and the group called nobody.
const NOBODY: u32 = 65534;

/// Longest that a request may wait for "not now", while other tests keep the CPUs busy.
const SOON: Duration = Duration::from_secs(5);

/// Most lines that a service whose every sandbox fails may log in ten seconds.
const FEW_LINES: usize = 60;

/// What no list of packages may have.
const BAD_REQUIREMENTS: [&str; 3] = ["py dantic", "a\nb", "a="];

/// A command that starts a server of JavaScript only, which boots fast.
fn javascript_server() -> Command {
    let mut command = Command::new(PROGRAM);
    command.env("FAAS_LANGUAGE", "javascript");
    command
}

fn javascript(server: &Server, code: &str) -> Answer {
    server.run(json!({ "language": "javascript", "code": code }))
}

fn run_file(path: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.args(["run", path]).args(arguments).envs(NO_SOURCES);
    command.envs(environment.iter().copied()).output().unwrap()
}

fn total_tasks(server: &Server) -> u64 {
    let health = server.get("/health");
    health.body["scheduler"]["totalTasks"].as_u64().unwrap()
}

/// Expects to be told, soon, that there are no sandboxes for now and why.
fn expect_not_now(server: &Server, reason: &str) {
    let asked = Instant::now();
    let answer = javascript(server, "1");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    assert!(answer.headers.contains_key("retry-after"));
    let details = answer.body["details"].as_str().unwrap();
    assert!(details.contains(reason), "{details}");
}

/// Expects that for ten seconds requests are told `reason`, `/health` is not well for the same
/// reason, the log names it and is not flooded, and none of it counts as an execution.
fn expect_ten_seconds_without_sandboxes(server: &Server, reason: &str) {
    let unhealthy = |server: &Server| {
        let health = server.get("/health");
        let known = health.body["reason"].as_str().unwrap().contains(reason);
        health.status == 503 && known
    };
    eventually("the reason is not in /health", || unhealthy(server));
    // A line of the log takes its own way here.
    eventually("the reason is not in the log", || {
        server.log().contains(reason)
    });
    let lines_before = server.log_lines().len();
    let began = Instant::now();
    let mut requests = 0;
    while began.elapsed() < Duration::from_secs(10) {
        expect_not_now(server, reason);
        requests += 1;
        assert!(unhealthy(server), "it says that it is well");
        std::thread::sleep(Duration::from_millis(100));
    }
    // Each request has its own line.
    assert!(server.lines_with("answered").len() >= requests);
    let lines = server.log_lines().split_off(lines_before);
    let answered = |line: &&Value| line["fields"]["message"] == "answered";
    let other = lines.iter().filter(|line| !answered(line)).count();
    let log = server.log();
    assert!(
        other < FEW_LINES,
        "{other} of {} lines:\n{log}",
        lines.len()
    );
    println!("{reason}: {other} lines in ten seconds, and {requests} requests");
    assert_eq!(total_tasks(server), 0, "what was refused was not started");
}

#[test]
fn a_preloaded_set_that_cannot_be_installed_is_named_and_the_service_gets_ready() {
    let workspace = Scratch::new("preload");
    // Nothing listens on that port.
    let server = Server::start_python(&[
        (
            "FAAS_PRELOAD",
            "no-such-package; neither-this==1.0,nor-that",
        ),
        ("FAAS_PACKAGE_INDEX", "http://127.0.0.1:1"),
        ("FAAS_WORKSPACE", workspace.path()),
    ]);
    assert_eq!(server.python("print(6 * 7)").stdout(), "42\n");
    let lines = server.lines_with("a package set of FAAS_PRELOAD cannot be prepared");
    for set in ["no-such-package", "neither-this==1.0,nor-that"] {
        let line = lines.iter().find(|line| line["fields"]["set"] == set);
        let line = line.unwrap_or_else(|| panic!("nothing about {set}: {}", server.log()));
        let reason = line["fields"]["reason"].as_str().unwrap();
        assert!(
            reason.contains("no connection"),
            "it does not say why: {reason}"
        );
    }
    // The address is for the operator only.
    assert!(server.log().contains("127.0.0.1:1\""), "{}", server.log());
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn run_ends_with_an_error_when_pyodide_is_damaged() {
    let directory = Scratch::new("damaged");
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("pyodide-dist");
    for entry in std::fs::read_dir(original).unwrap().flatten() {
        let copy = directory.0.join(entry.file_name());
        std::os::unix::fs::symlink(entry.path(), copy).unwrap();
    }
    let damaged = directory.0.join("pyodide.asm.wasm");
    std::fs::remove_file(&damaged).unwrap();
    let program = directory.file("a.py", "print(1)");
    for contents in ["", "not WebAssembly"] {
        std::fs::write(&damaged, contents).unwrap();
        let began = Instant::now();
        let environment = [("FAAS_PYODIDE_DIR", directory.path())];
        let output = run_file(&program, &[], &environment);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("the python runtime is not up"), "{error}");
        assert!(error.contains("pyodide.asm.wasm"), "{error}");
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "{:?}",
            began.elapsed()
        );
    }
}

#[test]
fn javascript_needs_no_files_of_pyodide() {
    let empty = Scratch::new("empty");
    let environment = [
        ("FAAS_PYODIDE_DIR", empty.path()),
        ("FAAS_LANGUAGE", "javascript"),
    ];
    for (name, code) in [
        ("x.js", "console.log(6 * 7)"),
        ("x.ts", "const n: number = 42; console.log(n)"),
    ] {
        // `run` needs none, whatever languages the service is set to.
        let output = run_file(&empty.file(name, code), &[], &environment[..1]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "42\n", "{error}");
    }
    let server = Server::start(&environment);
    assert_eq!(javascript(&server, "console.log(6 * 7)").stdout(), "42\n");
}

#[test]
fn sandboxes_that_cannot_close_descriptors_say_so_everywhere() {
    let mut command = javascript_server();
    without(&mut command, &[libc::SYS_close_range]);
    let server = Server::start_command(command).until_listening();
    let reason = "it cannot close descriptors; close_range needs Linux 5.9 and a container runtime \
                  that allows it: Function not implemented (os error 38)";
    expect_ten_seconds_without_sandboxes(&server, reason);
}

#[test]
fn sandboxes_that_cannot_apply_landlock_say_so_everywhere() {
    /// Domains of Landlock that the kernel allows on top of each other.
    const MOST_DOMAINS: usize = 16;
    let mut command = javascript_server();
    // SAFETY: the closure makes system calls only, which is allowed between fork and exec.
    unsafe {
        // The zygote's own is the last.
        command.pre_exec(|| (0..MOST_DOMAINS - 1).try_for_each(|_| enter_landlock_domain()));
    }
    let server = Server::start_command(command).until_listening();
    let reason = "it cannot apply Landlock; the kernel allows 16 domains on top of each other, and \
                  the service may run in some already: Argument list too long (os error 7)";
    expect_ten_seconds_without_sandboxes(&server, reason);
}

/// Enters a domain that forbids next to nothing: to make block devices.
fn enter_landlock_domain() -> std::io::Result<()> {
    let make_block: u64 = 1 << 11;
    let checked = |result: libc::c_long| match result {
        -1 => Err(std::io::Error::last_os_error()),
        result => Ok(result),
    };
    // SAFETY: a prctl of numbers only.
    checked(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())?;
    // SAFETY: the kernel reads one u64, the first field of its attributes, from a live local.
    let ruleset = checked(unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            &raw const make_block,
            size_of::<u64>(),
            0,
        )
    })?;
    // SAFETY: a system call of numbers only.
    checked(unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset, 0) })?;
    // SAFETY: the descriptor was just made, and nobody else knows it.
    checked(unsafe { libc::close(ruleset as i32) }.into()).map(drop)
}

#[test]
fn a_zygote_that_cannot_apply_its_filter_says_so() {
    let mut command = javascript_server();
    // Asking what the kernel has works, as it does where a container runtime forbids but filters.
    let filter = u64::from(libc::SECCOMP_SET_MODE_FILTER);
    failing(&mut command, libc::SYS_seccomp, filter, libc::EPERM);
    let server = Server::start_command(command).until_listening();
    eventually("the log does not say it", || {
        server.log().contains(
            "it cannot apply its seccomp filter; see whether the container runtime forbids \
             seccomp: Operation not permitted (os error 1)",
        )
    });
    expect_ten_seconds_without_sandboxes(&server, "it could not lock itself down");
}

#[test]
fn a_zygote_that_cannot_fork_backs_off_says_so_and_recovers() {
    let scratch = Scratch::new("no-forks");
    let mut command = javascript_server();
    if is_root() {
        // Root may have any number of processes. Others may not read the project's directory.
        let copy = scratch.0.join("faas-server");
        std::fs::copy(PROGRAM, &copy).unwrap();
        let workspace = scratch.0.join("workspace");
        std::fs::create_dir(&workspace).unwrap();
        std::os::unix::fs::chown(&workspace, Some(NOBODY), Some(NOBODY)).unwrap();
        command = Command::new(copy);
        command
            .env("FAAS_LANGUAGE", "javascript")
            .env("FAAS_WORKSPACE", workspace)
            .uid(NOBODY)
            .gid(NOBODY);
    }
    command.current_dir("/").env("FAAS_POOL_SIZE", "2");
    let server = Server::start_command(command).until_ready();
    assert_eq!(javascript(&server, "console.log(1)").stdout(), "1\n");

    let zygote = server.zygote();
    limit_processes(zygote, Some(1));
    // What waits is still used.
    eventually("requests are still executed", || {
        javascript(&server, "1").status == 503
    });
    let reason = "it cannot fork: Resource temporarily unavailable (os error 11)";
    let started = total_tasks(&server);
    for _ in 0..20 {
        expect_not_now(&server, reason);
    }
    assert_eq!(total_tasks(&server), started, "a 503 counts as started");
    let health = server.get("/health");
    assert_eq!(health.status, 503);
    let told = health.body["reason"].as_str().unwrap();
    assert!(told.contains(reason), "{told}");
    let lines = || server.lines_with("no sandbox").len();
    let before = lines();
    std::thread::sleep(SOON);
    assert!(lines() - before <= 6, "{}", server.log());

    limit_processes(zygote, None);
    eventually("it does not recover", || {
        server.get("/health").status == 200
    });
    assert_eq!(javascript(&server, "console.log(2)").stdout(), "2\n");
    assert_eq!(server.zygote(), zygote, "another zygote would not help");
    assert_eq!(total_tasks(&server), started + 1);
}

/// Lets a zygote fork only while its user has fewer processes than this; `None`: as at its start.
fn limit_processes(zygote: i32, most: Option<libc::rlim_t>) {
    // Done by its own user: root may lack the right to do it to others.
    let mut command = Command::new("true");
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    // SAFETY: the closure makes system calls only, which is allowed between fork and exec.
    unsafe { command.pre_exec(move || set_process_limit(zygote, most)) };
    assert!(command.status().unwrap().success());
}

fn set_process_limit(pid: i32, most: Option<libc::rlim_t>) -> std::io::Result<()> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let (none, resource) = (std::ptr::null_mut(), libc::RLIMIT_NPROC);
    // SAFETY: the kernel writes a limit to a live local; the other pointer may be null.
    if unsafe { libc::prlimit(pid, resource, none, &raw mut limit) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    limit.rlim_cur = most.unwrap_or(limit.rlim_max);
    // SAFETY: the kernel reads a limit from a live local; the other pointer may be null.
    match unsafe { libc::prlimit(pid, resource, &raw const limit, none) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn is_root() -> bool {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_request_waits_for_a_sandbox_no_longer_than_its_time_limit() {
    let mut command = javascript_server();
    command.env("FAAS_POOL_SIZE", "1");
    let server = Server::start_command(command).until_ready();
    // SAFETY: kill takes two numbers; this is the zygote of our own server.
    unsafe { libc::kill(server.zygote(), libc::SIGSTOP) };
    let request = json!({ "code": "console.log(1)", "timeout": 500 });
    let mut answer = server.run(request.clone());
    // More than wait already may have been forked.
    for _ in 0..3 {
        if answer.status == 503 {
            break;
        }
        answer = server.run(request.clone());
    }
    assert_eq!(answer.status, 503, "{}", answer.body);
    let details = answer.body["details"].as_str().unwrap();
    assert!(details.contains("no sandbox within 500ms"), "{details}");
    assert!(answer.headers.contains_key("retry-after"));
    eventually("it is not replaced", || {
        server.run(request.clone()).status == 200
    });
}

#[test]
fn a_zygote_that_hangs_is_replaced() {
    let mut command = javascript_server();
    command.env("FAAS_POOL_SIZE", "1");
    let server = Server::start_command(command).until_ready();
    let zygote = server.zygote();
    // SAFETY: kill takes two numbers; this is the zygote of our own server.
    unsafe { libc::kill(zygote, libc::SIGSTOP) };
    for _ in 0..3 {
        // More than wait already: one of them waits for a fork.
        assert_eq!(javascript(&server, "console.log(1)").stdout(), "1\n");
    }
    assert_ne!(server.zygote(), zygote);
    assert!(
        server.log().contains("it did not answer within 10s"),
        "{}",
        server.log()
    );
}

#[test]
fn requirements_with_blanks_lines_or_half_a_version_are_refused_everywhere() {
    let scratch = Scratch::new("requirements");
    let program = scratch.file("a.py", "print(1)");
    for bad in BAD_REQUIREMENTS {
        let says_why = |output: &Output| {
            let error = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{bad:?}: {error}");
            let message = format!("\"{bad}\" is not a package name");
            assert!(error.contains(&message), "{bad:?}: {error}");
            error
        };
        says_why(&run_file(&program, &["--packages", bad], &[]));
        let preload = Command::new(PROGRAM)
            .args(["--port", "0"])
            .envs([("FAAS_PRELOAD", format!("attrs;{bad}"))])
            .output()
            .unwrap();
        assert!(says_why(&preload).contains("FAAS_PRELOAD"));
    }
    let server = Server::start_python(&[]);
    for bad in BAD_REQUIREMENTS {
        let answer = server.run(json!({ "code": "1", "packages": ["attrs", bad] }));
        assert_eq!(answer.status, 400, "{bad:?}: {}", answer.body);
        let message = format!("\"{bad}\" is not a package name");
        let details = answer.body["details"].as_str().unwrap();
        assert!(details.contains(&message), "{details}");
    }
    assert_eq!(total_tasks(&server), 0);
}

#[test]
fn a_client_that_does_not_accept_event_streams_gets_json() {
    let server = Server::start_command(javascript_server()).until_ready();
    let body = json!({ "language": "javascript", "code": "console.log(1)" }).to_string();
    for (accept, streams) in [
        ("text/event-stream;q=0", false),
        ("text/event-stream; q=0.0, application/json", false),
        ("*/*", false),
        ("application/json;q=0.1, text/event-stream;q=0.001", false),
        ("application/json;q=0.1, text/event-stream;q=0.2", true),
    ] {
        let answer = server.send("POST", "/run_code", &[("accept", accept)], &body);
        let content_type = answer.headers["content-type"].to_str().unwrap();
        assert_eq!(content_type == "text/event-stream", streams, "{accept}");
        if !streams {
            assert_eq!(answer.stdout(), "1\n", "{accept}");
        }
    }
}

#[test]
fn a_program_that_prints_until_memory_is_out_keeps_every_line() {
    let server = Server::start_command(javascript_server()).until_ready();
    // Memory of V8's heap, of the C++ heap around it, and of its young generation.
    let ways = [
        "kept.push(new Array(20000).fill(i))",
        "kept.push(new Map(Array.from({ length: 2000 }, (_, n) => [n, {}])))",
        "kept.push(Array.from({ length: 5000 }, (_, n) => ({ n })))",
        "kept.push(Array.from({ length: 300 }, () => new Uint8Array(16)))",
    ];
    let run = |turn: usize| {
        let way = ways[turn % ways.len()];
        // Shorter and longer lines fall together with other moments of the flush timer.
        let dots = 100 + 97 * (turn % 11);
        let code = format!(
            "const kept = []
for (let i = 0; ; i++) {{
    console.log(i + '.'.repeat({dots}))
    {way}
}}"
        );
        let asked = Instant::now();
        let answer = server.run(json!({
            "language": "javascript",
            "code": code,
            "timeout": 20000,
            "limits": { "memory_bytes": 32 << 20 },
        }));
        assert_eq!(
            answer.outcome(),
            "memory_limit",
            "{way}: {}",
            answer.stderr()
        );
        assert!(asked.elapsed() < Duration::from_secs(15), "{way}");
        let expected = |n: usize| format!("{n}{}", ".".repeat(dots));
        let mut lines = answer.stdout().lines().enumerate();
        assert!(lines.all(|(n, line)| line == expected(n)), "{way}");
        assert!(answer.stdout().ends_with('\n'), "{way}");
    };
    std::thread::scope(|scope| {
        for worker in 0..4 {
            scope.spawn(move || (worker * 15..(worker + 1) * 15).for_each(run));
        }
    });
}

#[test]
fn a_program_without_memory_for_a_package_reaches_its_memory_limit() {
    let index = index_of_one_package(vec![0; 64 << 20]);
    let workspace = Scratch::new("large");
    let server = Server::start(&[
        ("FAAS_LANGUAGE", "python"),
        ("FAAS_PACKAGE_INDEX", &index),
        ("FAAS_WORKSPACE", workspace.path()),
    ]);
    let code = "import micropip\nprint(1)\nawait micropip.install('large')\nprint(2)";
    let install = |memory_bytes: u32| {
        let limits = json!({ "memory_bytes": memory_bytes });
        server.run(json!({ "code": code, "timeout": 30000, "limits": limits }))
    };
    // Enough for the file, but not for what it takes to install it.
    for memory_bytes in [70 << 20, 90 << 20] {
        let answer = install(memory_bytes);
        assert_eq!(answer.outcome(), "memory_limit", "{}", answer.stderr());
        assert_eq!(answer.stdout(), "1\n");
    }
    // Less than the file: it is not even sent.
    let answer = install(40 << 20);
    assert_eq!((answer.outcome(), answer.stdout()), ("error", "1\n"));
    let stderr = answer.stderr();
    assert!(stderr.contains("too large for this program"), "{stderr}");
}

/// A package index on loopback that has one package, called large, whose wheel is these bytes.
fn index_of_one_package(wheel: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/simple", listener.local_addr().unwrap());
    let file = "large-1.0-py3-none-any.whl";
    let listing = json!({
        "meta": { "api-version": "1.0" },
        "name": "large",
        "files": [{
            "filename": file,
            "url": format!("/files/{file}"),
            "hashes": { "sha256": common::index::sha256(&wheel) },
        }],
    });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = BufReader::new(&stream).lines();
            let path = head.next().unwrap().unwrap();
            head.find(|line| line.as_ref().unwrap().is_empty());
            let (media_type, body) = if path.contains(file) {
                ("application/octet-stream", wheel.clone())
            } else {
                let listing = listing.to_string().into_bytes();
                ("application/vnd.pypi.simple.v1+json", listing)
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n"
            );
            // A client that hangs up takes no harm.
            let _ = stream.write_all(&[head.into_bytes(), body].concat());
        }
    });
    address
}
