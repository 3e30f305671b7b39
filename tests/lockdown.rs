//! A server's lock-down: as root and as nobody, with every layer and with some missing. What native
//! code can do in it is tried in crates/faas-probe/tests/.

mod common;

use std::process::Command;

use serde_json::json;

use common::PROGRAM;
use common::Server;
use common::eventually;
use common::index::wheel_of;
use common::index::wheels;
use common::missing_calls::without;
use common::public_copy::PublicCopy;

fn is_root() -> bool {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

#[test]
fn a_missing_lockdown_layer_is_logged_and_shown_in_health() {
    for (layer, call) in [
        ("landlock", libc::SYS_landlock_create_ruleset),
        ("seccomp", libc::SYS_seccomp),
    ] {
        let mut command = Command::new(PROGRAM);
        command.env("FAAS_LANGUAGE", "python");
        without(&mut command, &[call]);
        let server = Server::start_command(command).until_ready();
        assert_eq!(server.python("print(1)").stdout(), "1\n");
        let security = &server.get("/health").body["security"];
        assert_eq!(security["missing_layers"], serde_json::json!([layer]));
        let warnings = &server.get("/health").body["warnings"];
        let warnings = warnings.as_array().unwrap().iter();
        let mut warnings = warnings.map(|sentence| sentence.as_str().unwrap());
        let sentence = warnings.find(|it| it.starts_with("this machine lacks a lock-down layer"));
        let lines = server.lines_with(sentence.unwrap());
        assert!(
            lines.iter().any(|line| line["fields"]["seen"] == layer),
            "{}",
            server.log()
        );
    }
}

#[test]
fn a_missing_lockdown_layer_that_is_required_stops_the_start() {
    for mode in [vec!["serve"], vec!["run", "/dev/null"]] {
        let mut command = Command::new(PROGRAM);
        without(&mut command, &[libc::SYS_landlock_create_ruleset]);
        let output = command
            .args(["--port", "0"])
            .args(&mode)
            .env("FAAS_REQUIRE_SANDBOX", "1")
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "{mode:?}");
        assert!(error.contains("landlock"), "{error}");
        assert!(error.contains("FAAS_REQUIRE_SANDBOX"), "{error}");
    }
}

#[test]
fn requiring_lockdown_layers_that_are_there_changes_nothing() {
    let server = Server::start_python(&[("FAAS_REQUIRE_SANDBOX", "1")]);
    assert_eq!(server.python("print(1)").stdout(), "1\n");
}

#[test]
fn an_unprivileged_server_works_and_is_locked_down() {
    if !is_root() {
        return;
    }
    let copy = PublicCopy::make("server");
    let wheel = wheel_of("six");
    std::fs::copy(wheels().join(&wheel), copy.path().join(&wheel)).unwrap();
    let mut command = copy.command();
    command.env("FAAS_WHEELHOUSE", copy.path()).env(
        "FAAS_WORKSPACE",
        format!("/tmp/faas-unprivileged-{}", std::process::id()),
    );
    let server = Server::start_command(command).until_ready();
    assert_eq!(server.python("print(6 * 7)").stdout(), "42\n");
    // A zygote with packages reads its own maps, which belong to root by then.
    let code = "import six\nprint(six.PY3)";
    let with_package = server.run(serde_json::json!({ "code": code, "packages": ["six"] }));
    assert_eq!(with_package.stdout(), "True\n", "{}", with_package.body);
    let security = &server.get("/health").body["security"];
    assert_eq!(security["missing_layers"], serde_json::json!([]));
    let killed = server.run(serde_json::json!({ "code": "while True: pass", "timeout": 300 }));
    assert_eq!(killed.outcome(), "timeout");
    for child in server.children() {
        let status = std::fs::read_to_string(format!("/proc/{child}/status"));
        let Ok(status) = status else { continue };
        assert!(status.contains("Seccomp:\t2"), "{status}");
        assert!(status.contains("NoNewPrivs:\t1"), "{status}");
    }
}

/// The soft and the hard limit of a process; `None` for one that is not limited, or gone.
fn limit_of(pid: i32, name: &str) -> (Option<u64>, Option<u64>) {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix(name));
    let mut numbers = line.unwrap_or_default().split_ascii_whitespace();
    let mut number = || numbers.next().and_then(|number| number.parse::<u64>().ok());
    (number(), number())
}

#[test]
fn the_stack_of_a_sandbox_is_bounded_by_what_its_runtime_needs() {
    for (server, mebibytes) in [
        (Server::start_javascript(&[]), 64),
        (Server::start_python(&[]), 256),
    ] {
        let zygote = server.zygote();
        eventually("no sandbox waits", || server.children().len() > 1);
        let sandboxes = server.children().into_iter().filter(|pid| *pid != zygote);
        eventually("a sandbox's stack has another limit", || {
            let limits = sandboxes.clone().map(|pid| limit_of(pid, "Max stack size"));
            let bytes = Some(mebibytes << 20);
            limits.eq(sandboxes.clone().map(|_| (bytes, bytes)))
        });
    }
}

#[test]
fn a_running_program_has_the_kernel_s_limits_of_its_request() {
    let server = Server::start_javascript(&[("FAAS_MEMORY_LIMIT", "64"), ("FAAS_POOL_SIZE", "1")]);
    let zygote = faas_linux::ProcessStatus::of(server.zygote()).unwrap();
    let limits = json!({ "cpu_ms": 5500, "memory_bytes": 16 << 20 });
    let request = json!({ "language": "javascript", "limits": limits,
        "code": "await new Promise((resolve) => setTimeout(resolve, 20_000))" });
    let hangs_up_at_the_end = server.begin("", &request);
    let mut seen = None;
    eventually("a sandbox has the limits of its job", || {
        // 5500 ms and a second for a program that heeds the timer, in whole seconds.
        let is_it = |pid: &i32| limit_of(*pid, "Max cpu time") == (Some(7), Some(7));
        seen = server.children().into_iter().find(is_it);
        seen.is_some()
    });
    let (soft, hard) = limit_of(seen.unwrap(), "Max data size");
    for (limit, memory) in [(soft.unwrap(), 16), (hard.unwrap(), 64)] {
        let over = (limit - zygote.data_bytes) >> 20;
        assert!(
            (memory..memory + 8).contains(&over),
            "{over} of {memory} MiB"
        );
    }
    drop(hangs_up_at_the_end);
}
