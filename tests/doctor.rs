//! `faas-server doctor`: what it finds, and that the log and `/health` say the same.

mod common;

use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::process::Output;

use common::NO_SOURCES;
use common::PROGRAM;
use common::Server;
use common::missing_calls::listened_to;
use common::missing_calls::without;
use common::shared;

fn doctor(environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("doctor");
    command.envs(NO_SOURCES).envs(environment.iter().copied());
    command
}

/// Runs it; what it printed, and its exit code.
fn examined(mut command: Command) -> (String, Option<i32>) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    assert!(stderr.is_empty(), "{}", String::from_utf8_lossy(&stderr));
    (String::from_utf8(stdout).unwrap(), status.code())
}

/// The line about a subject.
fn line<'a>(printed: &'a str, verdict: &str, subject: &str) -> &'a str {
    let start = format!("{verdict:8}{subject}");
    let found = printed.lines().find(|line| line.starts_with(&start));
    found.unwrap_or_else(|| panic!("no line «{start}» in\n{printed}"))
}

fn port_of(listener: &TcpListener) -> String {
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn doctor_runs_programs_and_succeeds_where_the_service_would_work() {
    let (printed, code) = examined(doctor(&[("FAAS_PORT", "0")]));
    assert_eq!(code, Some(0), "{printed}");
    for subject in [
        "kernel",
        "settings",
        "port",
        "workspace",
        "boot",
        "snapshots",
        "Python",
        "JavaScript",
    ] {
        line(&printed, "ok", subject);
    }
    assert!(printed.ends_with(", 0 failures\n"), "{printed}");
}

#[test]
fn doctor_fails_where_another_program_has_the_port_and_says_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    std::thread::spawn({
        let listener = listener.try_clone().unwrap();
        // It takes connections and hangs up.
        move || listener.incoming().for_each(drop)
    });
    let (printed, code) = examined(doctor(&[("FAAS_PORT", &port_of(&listener))]));
    assert_eq!(code, Some(1), "{printed}");
    line(&printed, "FAILURE", "port");
    assert!(printed.contains("stop it, or set FAAS_PORT"), "{printed}");
    assert!(printed.ends_with(", 1 failures\n"), "{printed}");
}

#[test]
fn doctor_recognises_the_service_that_runs_already() {
    let (_, port) = shared().address.rsplit_once(':').unwrap();
    let (printed, code) = examined(doctor(&[("FAAS_PORT", port)]));
    assert_eq!(code, Some(0), "{printed}");
    assert!(line(&printed, "ok", "port").contains("this service runs there"));
}

#[test]
fn doctor_names_what_is_wrong_with_files_and_settings() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().to_str().unwrap();
    let (printed, code) = examined(doctor(&[
        ("FAAS_PORT", "0"),
        ("FAAS_LANGUAGE", "javascript"),
        ("FAAS_FONTS", path),
        ("FAAS_WHEELHOUSE", "/nowhere"),
        ("FAAS_POOL_SIZE", "60"),
    ]));
    assert_eq!(code, Some(1), "{printed}");
    assert!(line(&printed, "FAILURE", "settings").contains("FAAS_POOL_SIZE is 60"));
    line(&printed, "warning", "fonts");
    assert!(line(&printed, "warning", "package source").contains("FAAS_WHEELHOUSE"));
}

#[test]
fn doctor_the_log_and_health_say_the_same_sentence() {
    let with_small_stack = |mut command: Command| {
        // SAFETY: the closure makes one system call, which is allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let small = libc::rlimit {
                    rlim_cur: 8 << 20,
                    rlim_max: 8 << 20,
                };
                libc::setrlimit(libc::RLIMIT_STACK, &raw const small);
                Ok(())
            });
        }
        command
    };
    let mut command = Command::new(PROGRAM);
    command.env("FAAS_LANGUAGE", "javascript");
    let server = Server::start_command(with_small_stack(command)).until_ready();
    let health = server.get("/health").body;
    let mut warnings = health["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap());
    let sentence = warnings
        .find(|it| it.contains("the stack may not grow"))
        .unwrap();
    assert_eq!(server.lines_with(sentence).len(), 1, "{}", server.log());
    let command = doctor(&[("FAAS_PORT", "0"), ("FAAS_LANGUAGE", "javascript")]);
    let (printed, _) = examined(with_small_stack(command));
    line(&printed, "warning", "stack");
    assert!(printed.contains(sentence), "{printed}");
}

#[test]
fn doctor_warns_where_no_program_can_be_kept() {
    let mut command = doctor(&[("FAAS_PORT", "0"), ("FAAS_LANGUAGE", "javascript")]);
    without(&mut command, &[libc::SYS_ptrace]);
    listened_to(&mut command);
    let (printed, code) = examined(command);
    assert_eq!(code, Some(0), "{printed}");
    assert!(line(&printed, "warning", "snapshots").contains("a listener of its own"));
}
