//! The operating system's side of the boundary, tried with raw system calls (`sandbox-probe`), as
//! root and as nobody, with every layer and with some missing.

mod common;

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

use common::PROGRAM;
use common::Server;
use seccompiler::SeccompAction;
use seccompiler::SeccompFilter;
use serde_json::Value;

/// The user and the group called nobody.
const NOBODY: u32 = 65534;
const MIB: u64 = 1 << 20;

/// Errors that count as refused. ENODEV and ENOMEM only for the calls named beside them below.
const REFUSALS: [i32; 4] = [libc::EPERM, libc::EACCES, libc::EBADF, libc::ENOSYS];

fn is_root() -> bool {
    // SAFETY: the call takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

/// A copy of the program and of Pyodide that anybody may read; the project's directory may be
/// closed to other users.
struct PublicCopy(PathBuf);

impl PublicCopy {
    fn make(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("faas-{name}-{}", std::process::id()));
        let copy = Self(directory);
        std::fs::create_dir_all(copy.pyodide()).unwrap();
        std::fs::copy(PROGRAM, copy.program()).unwrap();
        let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("pyodide-dist");
        for entry in std::fs::read_dir(original).unwrap().flatten() {
            if entry.path().is_file() {
                std::fs::copy(entry.path(), copy.pyodide().join(entry.file_name())).unwrap();
            }
        }
        for directory in [&copy.0, &copy.pyodide()] {
            let everybody = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(directory, everybody).unwrap();
        }
        copy
    }

    fn program(&self) -> PathBuf {
        self.0.join("faas-server")
    }

    fn pyodide(&self) -> PathBuf {
        self.0.join("pyodide-dist")
    }

    /// The program, to be run by nobody.
    fn command(&self) -> Command {
        let mut command = Command::new(self.program());
        command
            .uid(NOBODY)
            .gid(NOBODY)
            .current_dir("/")
            .env("FAAS_PYODIDE_DIR", self.pyodide());
        command
    }
}

impl Drop for PublicCopy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes system calls fail in a command and its children with ENOSYS, as a kernel or a container
/// without them would.
fn without(command: &mut Command, calls: &[i64]) {
    let filter = SeccompFilter::new(
        calls.iter().map(|&call| (call, vec![])).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    // SAFETY: the closure makes system calls only, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            // The spawned thread applies it to itself; threads made later inherit it.
            seccompiler::apply_filter(&program).map_err(std::io::Error::other)
        });
    }
}

fn probe(mut command: Command) -> Value {
    let output = command.arg("sandbox-probe").output().unwrap();
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
        ("Max cpu time", "11"),
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
fn raw_system_calls_lead_nowhere() {
    check(&probe(Command::new(PROGRAM)));
}

#[test]
fn nor_do_they_for_an_unprivileged_server() {
    if !is_root() {
        return;
    }
    let copy = PublicCopy::make("probe");
    check(&probe(copy.command()));
}

#[test]
fn without_landlock_the_other_layers_hold() {
    let mut command = Command::new(PROGRAM);
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

#[test]
fn the_probe_is_not_advertised() {
    let output = Command::new(PROGRAM).arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(!help.contains("probe"), "{help}");
}

#[test]
fn a_missing_layer_is_said_at_the_start_and_in_health() {
    for (layer, call) in [
        ("landlock", libc::SYS_landlock_create_ruleset),
        ("seccomp", libc::SYS_seccomp),
    ] {
        let mut command = Command::new(PROGRAM);
        without(&mut command, &[call]);
        let server = Server::start_command(command).until_ready();
        assert_eq!(server.python("print(1)").stdout(), "1\n");
        let security = &server.get("/health").body["security"];
        assert_eq!(security["missing_layers"], serde_json::json!([layer]));
        common::eventually("the log does not say it", || {
            let log = server.log();
            log.contains("lacks a lock-down layer") && log.contains(layer)
        });
    }
}

#[test]
fn with_every_layer_required_a_missing_one_stops_the_start() {
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
fn with_every_layer_there_requiring_them_changes_nothing() {
    let server = Server::start(&[("FAAS_REQUIRE_SANDBOX", "1")]);
    assert_eq!(server.python("print(1)").stdout(), "1\n");
}

#[test]
fn an_unprivileged_server_works_and_is_locked_down() {
    if !is_root() {
        return;
    }
    let copy = PublicCopy::make("server");
    let mut command = copy.command();
    command.env(
        "FAAS_WORKSPACE",
        format!("/tmp/faas-unprivileged-{}", std::process::id()),
    );
    let server = Server::start_command(command).until_ready();
    assert_eq!(server.python("print(6 * 7)").stdout(), "42\n");
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
