//! The operating system's side of the boundary, tried with raw system calls, as root and as nobody,
//! with every layer and with Landlock missing.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

#[path = "../../../tests/common/missing_calls.rs"]
mod missing_calls;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::Value;

use missing_calls::without;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");
/// The user and the group called nobody.
const NOBODY: u32 = 65534;
const MIB: u64 = 1 << 20;

/// Errors that count as refused. ENODEV and ENOMEM only for the calls named beside them below.
const REFUSALS: [i32; 4] = [libc::EPERM, libc::EACCES, libc::EBADF, libc::ENOSYS];

fn is_root() -> bool {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn probe(mut command: Command) -> Value {
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn attempts(report: &Value) -> BTreeMap<&str, i32> {
    let attempts = report["attempts"].as_array().unwrap().iter();
    attempts
        .map(|attempt| {
            let name = attempt["name"].as_str().unwrap();
            (name, attempt["errno"].as_i64().unwrap() as i32)
        })
        .collect()
}

fn assert_refused(report: &Value, who: &str) {
    for (name, errno) in attempts(report) {
        assert!(
            REFUSALS.contains(&errno),
            "{name} ended with {errno} in a {who}"
        );
    }
}

/// What native code in a zygote or sandbox gets of others.
fn check_neighbours(report: &Value, has_landlock: bool) {
    for who in ["zygote", "sandbox"] {
        let tried = report[who]["attempts"].as_array().unwrap();
        assert!(tried.len() > 60, "{}", tried.len());
        for attempt in tried {
            if has_landlock || attempt["is_public"] == false {
                let errno = attempt["errno"].as_i64().unwrap() as i32;
                assert!(REFUSALS.contains(&errno), "{attempt} in a {who}");
            }
        }
    }
    let fine = Value::from(vec![true; 5]);
    assert_eq!(report["supervisor"], fine, "what a supervisor needs");
    for end in report["ends"].as_array().unwrap() {
        assert_eq!(end["exit"], 0, "{report}");
    }
}

/// Everything that must be true of a probe with every layer in force, by a server of this user.
fn check(report: &Value, by_root: bool) {
    let sandbox = &report["sandbox"];
    let tried = attempts(sandbox);
    assert!(tried.len() > 130, "{}", tried.len());
    for (name, errno) in &tried {
        let refused = match *name {
            "mmap over the limit" | "mmap over the address space" => *errno == libc::ENOMEM,
            "mmap socket" => *errno == libc::ENODEV,
            _ => REFUSALS.contains(errno),
        };
        assert!(refused, "{name} ended with {errno} in a sandbox");
    }
    assert_eq!(sandbox["sweep"]["not_refused"], serde_json::json!([]));
    assert!(sandbox["sweep"]["tried"].as_u64() > Some(400));

    for who in ["zygote", "package_zygote"] {
        assert_refused(&report[who], who);
        let tried = attempts(&report[who]);
        for name in [
            "clone",
            "openat create",
            "fcntl owner",
            "fcntl signal",
            "statx",
            "newfstatat",
            "landlock_add_rule",
            "prctl dumpable",
        ] {
            assert!(tried.contains_key(name), "{name} is not tried in a {who}");
        }
    }
    for who in ["zygote", "package_zygote", "sandbox"] {
        check_killing(&report[who]["killing"], who);
    }
    check_neighbours(&report["neighbours"], true);
    check_processes(report, by_root);
    assert_eq!(report["foreign_call"]["signal"], libc::SIGSYS);
}

/// Calls that no honest program makes end the process that makes them.
fn check_killing(ends: &Value, who: &str) {
    let ends: BTreeMap<&str, &Value> = ends
        .as_array()
        .unwrap()
        .iter()
        .map(|end| (end["name"].as_str().unwrap(), &end["signal"]))
        .collect();
    assert!(ends.len() > 120, "{}", ends.len());
    for (name, signal) in &ends {
        assert_eq!(**signal, libc::SIGSYS, "{name} in a {who}");
    }
    for name in [
        "execve",
        "ptrace parent",
        "socket inet",
        "bpf",
        "kill parent",
    ] {
        assert!(ends.contains_key(name), "{name} is not tried in a {who}");
    }
}

/// What the system says of them from outside.
fn check_processes(report: &Value, by_root: bool) {
    let processes = ["zygote", "package_zygote", "sandbox"].map(|who| &report[who]["process"]);
    for process in processes {
        assert_eq!(process["status"]["NoNewPrivs"], "1");
        assert_eq!(process["status"]["Seccomp"], "2", "filtered");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(process["status"][set], "0000000000000000", "{set}");
        }
        assert_eq!(process["limits"]["Max core file size"][1], "0");
        // Their own user sees no more of them than others do.
        assert_eq!(process["descriptors"].is_null(), !by_root);
    }
    let sandbox = processes[2];
    if by_root {
        assert_eq!(sandbox["descriptors"], serde_json::json!([3]));
    }
    for (name, value) in [
        ("Max file size", "0"),
        ("Max open files", "4"),
        ("Max locked memory", "0"),
    ] {
        let both = serde_json::json!([value, value]);
        assert_eq!(sandbox["limits"][name], both, "{name}");
    }
    // The hard limit is left for a supervisor; nothing in the process can use it.
    assert_eq!(sandbox["limits"]["Max processes"][0], "0");
    let bytes = |name: &str| -> u64 {
        let hard = sandbox["limits"][name][1].as_str();
        hard.and_then(|bytes| bytes.parse().ok()).unwrap()
    };
    // What its zygote had, for good.
    let of_zygote = &processes[0]["limits"]["Max stack size"][0];
    let of_zygote = of_zygote.as_str().and_then(|bytes| bytes.parse().ok());
    let stack = of_zygote.unwrap_or(u64::MAX).min(256 * MIB);
    assert_eq!(bytes("Max stack size"), stack);
    let data = bytes("Max data size");
    assert!((16 * MIB..64 * MIB).contains(&data), "{data}");
}

/// The probe, to be run by nobody. The project's directory may be closed to other users.
fn command_of_nobody(directory: &std::path::Path) -> Command {
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(directory, everybody).unwrap();
    let copy = directory.join("sandbox-probe");
    std::fs::copy(PROBE, &copy).unwrap();
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

#[test]
fn raw_system_calls_of_a_privileged_server_s_processes_lead_nowhere() {
    check(&probe(Command::new(PROBE)), is_root());
}

#[test]
fn raw_system_calls_of_an_unprivileged_server_s_processes_lead_nowhere() {
    if !is_root() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    check(&probe(command_of_nobody(directory.path())), false);
}

/// Probes as root, if the test is run by root, and as nobody, on a machine that lacks calls.
fn probe_lacking(calls: &[i64]) -> Vec<Value> {
    let directory = tempfile::tempdir().unwrap();
    let mut commands = vec![Command::new(PROBE)];
    if is_root() {
        commands.push(command_of_nobody(directory.path()));
    }
    let lacking = commands.into_iter().map(|mut command| {
        without(&mut command, calls);
        probe(command)
    });
    lacking.collect()
}

#[test]
fn without_landlock_the_other_layers_hold() {
    for report in probe_lacking(&[libc::SYS_landlock_create_ruleset]) {
        assert_eq!(report["layers"]["missing"], serde_json::json!(["landlock"]));
        for (name, errno) in attempts(&report["sandbox"]) {
            let refused = REFUSALS.contains(&errno) || name.starts_with("mmap");
            assert!(refused, "{name} ended with {errno}");
        }
        for who in ["zygote", "package_zygote", "sandbox"] {
            check_killing(&report[who]["killing"], who);
            for name in ["openat create", "clone", "statx", "fcntl owner"] {
                assert_eq!(attempts(&report[who])[name], libc::EPERM, "{name}");
            }
        }
        check_neighbours(&report["neighbours"], false);
    }
}

#[test]
fn without_seccomp_neighbours_are_still_strangers() {
    for report in probe_lacking(&[libc::SYS_seccomp]) {
        assert_eq!(report["layers"]["missing"], serde_json::json!(["seccomp"]));
        check_neighbours(&report["neighbours"], true);
    }
}

#[test]
fn with_neither_seccomp_nor_landlock_memory_of_neighbours_is_still_hidden() {
    for report in probe_lacking(&[libc::SYS_seccomp, libc::SYS_landlock_create_ruleset]) {
        check_neighbours(&report["neighbours"], false);
    }
}
