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

/// Everything that must be true of a probe with every layer in force.
fn check(report: &Value) {
    let sandbox = &report["sandbox"];
    let tried = attempts(sandbox);
    assert!(tried.len() > 200, "{}", tried.len());
    for (name, errno) in &tried {
        let refused = match *name {
            "mmap over the limit" | "mmap over the address space" => *errno == libc::ENOMEM,
            "mmap socket" => *errno == libc::ENODEV,
            _ => REFUSALS.contains(errno),
        };
        assert!(refused, "{name} ended with {errno} in a sandbox");
    }
    assert_eq!(sandbox["sweep"]["not_refused"], serde_json::json!([]));
    assert!(sandbox["sweep"]["tried"].as_u64() > Some(500));

    let zygote = &report["zygote"];
    let tried = attempts(zygote);
    for (name, errno) in &tried {
        assert!(
            REFUSALS.contains(errno),
            "{name} ended with {errno} in a zygote"
        );
    }
    for name in [
        "execve",
        "fork",
        "clone",
        "socket inet",
        "kill parent",
        "openat create",
    ] {
        assert!(tried.contains_key(name), "{name} is not tried in a zygote");
    }

    for process in [&zygote["process"], &sandbox["process"]] {
        assert_eq!(process["status"]["NoNewPrivs"], "1");
        assert_eq!(process["status"]["Seccomp"], "2", "filtered");
        for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(process["status"][set], "0000000000000000", "{set}");
        }
        assert_eq!(process["limits"]["Max core file size"][1], "0");
    }
    let process = &sandbox["process"];
    assert_eq!(process["descriptors"], serde_json::json!([3]));
    for (name, value) in [
        ("Max file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "4"),
        ("Max locked memory", "0"),
    ] {
        let both = serde_json::json!([value, value]);
        assert_eq!(process["limits"][name], both, "{name}");
    }
    let data: u64 = process["limits"]["Max data size"][1]
        .as_str()
        .and_then(|bytes| bytes.parse().ok())
        .unwrap();
    assert!((16 * MIB..64 * MIB).contains(&data), "{data}");
    // SIGSYS.
    assert_eq!(report["foreign_call"]["signal"], 31);
}

#[test]
fn raw_system_calls_of_a_privileged_server_s_sandboxes_lead_nowhere() {
    check(&probe(Command::new(PROBE)));
}

#[test]
fn raw_system_calls_of_an_unprivileged_server_s_sandboxes_lead_nowhere() {
    if !is_root() {
        return;
    }
    // The project's directory may be closed to other users.
    let directory = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&directory, everybody).unwrap();
    let copy = directory.path().join("sandbox-probe");
    std::fs::copy(PROBE, &copy).unwrap();
    let mut command = Command::new(copy);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    check(&probe(command));
}

#[test]
fn without_landlock_the_other_layers_hold() {
    let mut command = Command::new(PROBE);
    without(&mut command, &[libc::SYS_landlock_create_ruleset]);
    let report = probe(command);
    assert_eq!(report["layers"]["missing"], serde_json::json!(["landlock"]));
    for (name, errno) in attempts(&report["sandbox"]) {
        let refused = REFUSALS.contains(&errno) || name.starts_with("mmap");
        assert!(refused, "{name} ended with {errno}");
    }
    for name in [
        "execve",
        "socket inet",
        "fork",
        "openat create",
        "kill parent",
    ] {
        assert_eq!(attempts(&report["zygote"])[name], libc::EPERM, "{name}");
    }
}
