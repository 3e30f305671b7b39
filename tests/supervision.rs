//! The pool and its processes: what happens when they are busy, killed or told to stop.

mod common;

use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;
use serde_json::json;

use common::Server;
use common::eventually;
use common::is_alive;

// Servers have one runtime here, so that their processes are easily counted: JavaScript, which
// boots faster, or Python where a zygote or a sandbox is killed or told to stop.

/// A program in JavaScript that sleeps between two lines of output.
fn sleep(seconds: f64) -> Value {
    let milliseconds = seconds * 1000.0;
    json!({ "code": format!("console.log('begin')\nawait new Promise((done) => setTimeout(done, {milliseconds}))\nconsole.log('end')") })
}

/// The same in Python.
fn python_sleep(seconds: f64) -> Value {
    json!({ "code": format!("import time\nprint('begin', flush=True)\ntime.sleep({seconds})\nprint('end')") })
}

fn active(server: &Server) -> u64 {
    server.get("/health").body["pool"]["activeInstances"]
        .as_u64()
        .unwrap()
}

fn idle(server: &Server) -> u64 {
    server.get("/health").body["pool"]["idleInstances"]
        .as_u64()
        .unwrap()
}

#[test]
fn the_pool_keeps_its_size_and_a_sandbox_is_used_once() {
    let server = Server::start_javascript(&[("FAAS_POOL_SIZE", "3")]);
    eventually("the pool does not fill", || idle(&server) == 3);
    let ids: std::collections::HashSet<String> = (0..8)
        .map(|_| server.run(json!({ "code": "1" })).body["metadata"]["instance_id"].to_string())
        .collect();
    assert_eq!(ids.len(), 8);
    eventually("the pool does not fill again", || {
        idle(&server) == 3 && server.children().len() == 4
    });
}

#[test]
fn executions_run_side_by_side() {
    let server = Server::start_javascript(&[]);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| assert_eq!(server.run(sleep(0.5)).stdout(), "begin\nend\n"));
        }
    });
    // One after the other they would take ten seconds.
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn no_more_sandboxes_live_than_max_instances() {
    let server = Server::start_javascript(&[("FAAS_MAX_INSTANCES", "4"), ("FAAS_POOL_SIZE", "2")]);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| assert_eq!(server.run(sleep(0.2)).stdout(), "begin\nend\n"));
        }
        for _ in 0..20 {
            let sandboxes = server.children().len() - 1;
            assert!(sandboxes <= 4, "{sandboxes}");
            std::thread::sleep(Duration::from_millis(20));
        }
    });
}

#[test]
fn a_full_queue_is_429_with_retry_after() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "1"), ("FAAS_QUEUE_SIZE", "1")]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(sleep(1.5)));
        eventually("the first does not start", || active(&server) == 1);
        let waiting = scope.spawn(|| server.run(json!({ "code": "console.log('waited')" })));
        eventually("the second does not wait", || {
            server.get("/health").body["pool_status"]["pendingRequests"] == 1
        });
        let refused = server.run(json!({ "code": "1" }));
        assert_eq!(refused.status, 429);
        assert!(
            refused.headers["retry-after"]
                .to_str()
                .unwrap()
                .parse::<u64>()
                .is_ok()
        );
        assert_eq!(running.join().unwrap().stdout(), "begin\nend\n");
        assert_eq!(waiting.join().unwrap().stdout(), "waited\n");
    });
}

#[test]
fn a_higher_priority_is_executed_first() {
    let server = Server::start_javascript(&[("FAAS_WORKER_COUNT", "1")]);
    let order = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        scope.spawn(|| server.run(sleep(1.0)));
        eventually("the first does not start", || active(&server) == 1);
        for (waiting, priority) in (1..).zip(["low", "normal", "high"]) {
            scope.spawn({
                let (server, order) = (&server, &order);
                move || {
                    let code = "console.log(Date.now())\nawait new Promise((done) => setTimeout(done, 50))";
                    let answer = server.run(json!({ "code": code, "priority": priority }));
                    let started: f64 = answer.stdout().trim().parse().unwrap();
                    order.lock().unwrap().push((started, priority));
                }
            });
            eventually("a request does not wait", || {
                server.get("/health").body["pool_status"]["pendingRequests"] == waiting
            });
        }
    });
    let mut order = order.into_inner().unwrap();
    order.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    let order: Vec<&str> = order.into_iter().map(|(_, priority)| priority).collect();
    assert_eq!(order, ["high", "normal", "low"]);
}

#[test]
fn a_server_refuses_connections_until_it_can_execute_programs() {
    let server = Server::start_unready(&[]);
    let mut refused = 0;
    while let Err(error) = TcpStream::connect(&server.address) {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
        refused += 1;
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(refused > 0, "it did not boot while this looked");
    // A client that is not refused is answered.
    assert_eq!(server.python("print(1)").stdout(), "1\n");
    let javascript = server.run(json!({ "language": "javascript", "code": "console.log(1)" }));
    assert_eq!(javascript.stdout(), "1\n");
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_runtime_that_cannot_boot_is_503_and_says_why() {
    let server = Server::start_unready(&[("FAAS_V8_FLAGS", "--no-such-flag")]).until_listening();
    let answer = server.python("1");
    assert_eq!(answer.status, 503, "{}", answer.body);
    assert!(answer.headers.contains_key("retry-after"));
    let health = server.get("/health");
    assert_eq!(
        (health.status, &health.body["status"]),
        (503, &json!("unhealthy"))
    );
}

#[test]
fn sighup_never_ends_the_service() {
    let server = Server::start_javascript(&[]);
    server.signal(libc::SIGHUP);
    eventually("it says nothing", || {
        !server
            .lines_with("SIGHUP: there is no audit log to reopen")
            .is_empty()
    });
    assert_eq!(server.run(json!({ "code": "1" })).status, 200);
}

#[test]
fn a_program_that_the_end_of_the_service_cut_off_says_so_to_its_caller_and_in_the_records() {
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit");
    let mut server = Server::start_javascript(&[
        ("FAAS_SHUTDOWN_GRACE", "300"),
        ("FAAS_AUDIT_LOG", audit.to_str().unwrap()),
        ("FAAS_WORKSPACE", folder.path().to_str().unwrap()),
    ]);
    let answer = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(sleep(60.0)));
        eventually("it does not start", || active(&server) == 1);
        server.signal(libc::SIGTERM);
        running.join().unwrap()
    });
    assert_eq!(answer.status, 503);
    let details = answer.body["details"].as_str().unwrap();
    assert!(details.contains("FAAS_SHUTDOWN_GRACE"), "{details}");
    assert!(server.wait().success());
    let lines = std::fs::read_to_string(audit).unwrap();
    let line: Value = serde_json::from_str(lines.trim()).unwrap();
    assert_eq!(line["status"], "cut_off");
    let history = rusqlite::Connection::open(folder.path().join("history.sqlite3")).unwrap();
    let status: String = history
        .query_row("SELECT status FROM executions", [], |row| row.get(0))
        .unwrap();
    assert_eq!(status, "cut_off");
}

#[test]
fn sandboxes_that_are_killed_while_they_wait_cost_no_request_and_are_replaced() {
    let server = Server::start_javascript(&[("FAAS_POOL_SIZE", "6")]);
    eventually("the pool does not fill", || idle(&server) == 6);
    let waiting = || -> Vec<i32> {
        let zygote = server.zygote();
        let children = server.children().into_iter();
        children.filter(|pid| *pid != zygote).collect()
    };
    for round in 0..2 {
        let killed = waiting();
        assert_eq!(killed.len(), 6);
        for pid in &killed {
            // SAFETY: it only sends a signal.
            unsafe { libc::kill(*pid, libc::SIGKILL) };
        }
        if round == 0 {
            for _ in 0..12 {
                assert_eq!(server.run(json!({ "code": "1" })).status, 200);
            }
        }
        eventually("they are not replaced", || {
            let now = waiting();
            idle(&server) == 6
                && now.len() == 6
                && now
                    .iter()
                    .all(|pid| is_alive(*pid) && !killed.contains(pid))
        });
    }
    eventually("the log does not tell of them", || {
        !server
            .lines_with("sandboxes ended while they waited")
            .is_empty()
    });
}

#[test]
fn a_killed_sandbox_fails_only_its_own_execution() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "2")]);
    std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(python_sleep(20.0)));
        eventually("it does not start", || active(&server) == 1);
        std::thread::sleep(Duration::from_millis(300));
        let zygote = server.zygote();
        for sandbox in server.children().into_iter().filter(|pid| *pid != zygote) {
            // SAFETY: kill takes two numbers; these are sandboxes of our own server.
            unsafe { libc::kill(sandbox, libc::SIGKILL) };
        }
        let answer = running.join().unwrap();
        assert_eq!((answer.status, answer.outcome()), (200, "killed"));
        assert_eq!((answer.stdout(), answer.exit_code()), ("begin\n", 137));
        assert!(
            answer.last_stderr_line().contains("signal 9"),
            "{}",
            answer.stderr()
        );
    });
    for _ in 0..5 {
        assert_eq!(server.python("print('next')").stdout(), "next\n");
    }
}

#[test]
fn a_sandbox_killed_for_a_forbidden_call_is_reported_and_counted_everywhere() {
    let log = std::env::temp_dir().join(format!("faas-violation-{}.log", std::process::id()));
    let path = log.to_str().unwrap().to_owned();
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1"), ("FAAS_AUDIT_LOG", &path)]);
    let answer = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(python_sleep(20.0)));
        eventually("it does not start", || active(&server) == 1);
        std::thread::sleep(Duration::from_millis(300));
        let zygote = server.zygote();
        for sandbox in server.children().into_iter().filter(|pid| *pid != zygote) {
            // What the kernel sends, since no program can make such a call.
            // SAFETY: kill takes two numbers; these are sandboxes of our own server.
            unsafe { libc::kill(sandbox, libc::SIGSYS) };
        }
        running.join().unwrap()
    });
    assert_eq!((answer.status, answer.outcome()), (200, "violation"));
    assert_eq!((answer.stdout(), answer.exit_code()), ("begin\n", 159));
    let line = answer.last_stderr_line();
    assert!(
        line.contains("a system call that no honest program makes"),
        "{line}"
    );
    let metrics = server.get("/metrics").body.to_string();
    let counted = r#"{language=\"python\",status=\"violation\"} 1\n"#;
    assert!(metrics.contains(counted), "{metrics}");
    let executions = server.get("/executions").body.to_string();
    assert!(executions.contains("\"violation\""), "{executions}");
    eventually("the audit log does not say it", || {
        std::fs::read_to_string(&log)
            .unwrap_or_default()
            .contains("\"violation\"")
    });
    let _ = std::fs::remove_file(&log);
}

#[test]
fn descriptors_that_the_server_inherited_do_not_reach_zygotes() {
    let mut command = std::process::Command::new(common::PROGRAM);
    command.env("FAAS_LANGUAGE", "javascript");
    // SAFETY: the closure makes one system call, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            // Without O_CLOEXEC.
            for number in [77, 250] {
                libc::dup2(2, number);
            }
            Ok(())
        });
    }
    let server = Server::start_command(command).until_ready();
    let has = |pid: i32, descriptor: i32| {
        std::path::Path::new(&format!("/proc/{pid}/fd/{descriptor}")).is_symlink()
    };
    for descriptor in [77, 250] {
        assert!(has(server.pid(), descriptor));
        for child in server.children() {
            assert!(!has(child, descriptor), "{descriptor} is open in {child}");
        }
    }
}

#[test]
fn a_stack_that_may_not_grow_is_warned_of_and_python_runs_all_the_same() {
    let small = libc::rlimit {
        rlim_cur: 8 << 20,
        rlim_max: 8 << 20,
    };
    let mut command = std::process::Command::new(common::PROGRAM);
    command.env("FAAS_LANGUAGE", "python");
    // SAFETY: the closure makes one system call, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            libc::setrlimit(libc::RLIMIT_STACK, &raw const small);
            Ok(())
        });
    }
    let server = Server::start_command(command).until_ready();
    let warnings = server.lines_with(
        "the stack may not grow as far as it should; raise its hard limit (ulimit -Hs)",
    );
    assert_eq!(warnings.len(), 1, "{}", server.log());
    let code = "def f(n): return 1 if n == 0 else f(n - 1) + 1\nprint(f(900))";
    assert_eq!(server.python(code).stdout(), "901\n");
}

#[test]
fn what_a_zygote_writes_becomes_a_field_of_a_line_of_the_server_s() {
    let server = Server::start_unready(&[
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_V8_FLAGS", "--no-such-flag"),
    ]);
    eventually("the zygote's line is not logged", || {
        server.lines_with("a zygote wrote").iter().any(|line| {
            let text = line["fields"]["line"].as_str().unwrap();
            line["level"] == "ERROR"
                && line["fields"]["zygote"] == "javascript"
                && text.contains("V8 does not know --no-such-flag")
        })
    });
    for line in server.log().lines() {
        let is_json = serde_json::from_str::<Value>(line).is_ok();
        assert!(is_json, "not the server's own line: {line}");
    }
}

#[test]
fn a_killed_zygote_is_replaced_while_requests_wait() {
    let server = Server::start_python(&[("FAAS_POOL_SIZE", "1")]);
    let zygote = server.zygote();
    // SAFETY: kill takes two numbers; this is the zygote of our own server.
    unsafe { libc::kill(zygote, libc::SIGKILL) };
    let killed = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| assert_eq!(server.python("print('waited')").stdout(), "waited\n"));
        }
    });
    println!(
        "all six answered {:?} after the zygote was killed",
        killed.elapsed()
    );
    assert_ne!(server.zygote(), zygote);
    assert_eq!(server.get("/health").status, 200);
}

#[test]
fn a_client_that_hangs_up_frees_its_sandbox() {
    let server = Server::start_javascript(&[]);
    let stream = server.begin("", &sleep(60.0));
    eventually("it does not start", || active(&server) == 1);
    drop(stream);
    eventually("its sandbox is not freed", || active(&server) == 0);
    eventually("its process stays", || server.children().len() == 11);
}

#[test]
fn sigterm_lets_running_programs_finish_and_leaves_no_process() {
    let mut server = Server::start_python(&[]);
    eventually("the pool does not fill", || idle(&server) == 10);
    let children = server.children();
    let (answer, address) = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(python_sleep(1.0)));
        eventually("it does not start", || active(&server) == 1);
        server.signal(libc::SIGTERM);
        (running.join().unwrap(), server.address.clone())
    });
    assert_eq!(answer.stdout(), "begin\nend\n");
    assert!(server.wait().success());
    assert!(TcpStream::connect(address).is_err());
    eventually("a process is left", || {
        !children.iter().any(|pid| is_alive(*pid))
    });
}

#[test]
fn ctrl_c_on_a_terminal_lets_running_programs_finish() {
    let mut command = Command::new(common::PROGRAM);
    command.env("FAAS_LANGUAGE", "python").process_group(0);
    let mut server = Server::start_command(command).until_ready();
    let answer = std::thread::scope(|scope| {
        let running = scope.spawn(|| server.run(python_sleep(1.0)));
        eventually("it does not start", || active(&server) == 1);
        // A terminal sends it to each process of the group in the foreground.
        // SAFETY: it only sends signals, to the group of our own child, which is not reaped yet.
        unsafe { libc::kill(-server.pid(), libc::SIGINT) };
        running.join().unwrap()
    });
    assert_eq!(answer.stdout(), "begin\nend\n");
    assert!(server.wait().success());
}

#[test]
fn the_shutdown_grace_period_ends_programs_that_run_longer() {
    let mut server = Server::start_javascript(&[("FAAS_SHUTDOWN_GRACE", "300")]);
    let _stream = server.begin("", &sleep(60.0));
    eventually("it does not start", || active(&server) == 1);
    let children = server.children();
    server.signal(libc::SIGTERM);
    assert!(server.wait().success());
    eventually("a process is left", || {
        !children.iter().any(|pid| is_alive(*pid))
    });
}

#[test]
fn a_supervisor_that_is_killed_leaves_no_process() {
    let mut server = Server::start_python(&[]);
    let _stream = server.begin("", &json!({ "code": "while True: pass" }));
    eventually("it does not start", || active(&server) == 1);
    let children = server.children();
    server.signal(libc::SIGKILL);
    server.wait();
    eventually("a process is left", || {
        !children.iter().any(|pid| is_alive(*pid))
    });
}

#[test]
fn the_pool_grows_under_load_and_shrinks_when_idle() {
    let server = Server::start_javascript(&[
        ("FAAS_POOL_MIN_SIZE", "1"),
        ("FAAS_POOL_SIZE", "2"),
        ("FAAS_POOL_MAX_SIZE", "8"),
        ("FAAS_POOL_IDLE_TIMEOUT", "1500"),
    ]);
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| server.run(sleep(0.3)));
        }
    });
    eventually("the pool does not grow", || idle(&server) > 2);
    eventually("the pool does not shrink", || idle(&server) == 1);
}

#[test]
fn an_unknown_v8_flag_is_named_in_the_log() {
    let server = Server::start_unready(&[
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_V8_FLAGS", "--no-such-flag"),
    ])
    .until_listening();
    // Each time, and not only when the zygote is quicker than the supervisor that ends it.
    eventually("three failures", || {
        let lines = server.log_lines();
        lines.iter().any(|line| line["fields"]["failures"] == 3)
    });
    let reasons = server
        .log()
        .matches("V8 does not know --no-such-flag")
        .count();
    assert!(reasons >= 3, "{}", server.log());
    assert_eq!(server.get("/health").status, 503);
}
