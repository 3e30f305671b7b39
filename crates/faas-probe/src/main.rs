//! `sandbox-probe`: what native code could do in a sandbox, as if V8 were already broken.
//!
//! Locks forks of itself down exactly as zygotes and sandboxes are, runs raw system calls in them
//! and prints, as JSON, how each ended. A tool for tests and operators; nothing of it is reachable
//! over HTTP, and it changes nothing on the machine even where a call is not refused.

mod attempts;
mod child;
mod kept;
mod neighbours;

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use faas_linux::ProcessStatus;
use faas_lockdown::Lockdown;
use faas_protocol::ForkGuard;
use faas_protocol::Layer;
use serde_json::Value;
use serde_json::json;

use attempts::Attempt;
use child::Error;
use child::MEMORY;
use child::end_of;
use child::read_report;
use child::send_report;
use child::to_json;
use child::wait_for_close;

/// System call numbers tried one by one; the kernel's own end below 500.
const SWEEP: std::ops::Range<i64> = 0..600;

/// Probes and prints.
///
/// # Errors
/// When a fork cannot be made or locked down, which is a finding, too.
fn main() -> Result<(), Error> {
    if std::env::args().nth(1).as_deref() == Some("kept") {
        return kept::be_zygote();
    }
    let layers = faas_lockdown::probe_layers();
    let names =
        |layers: &[Layer]| -> Vec<&str> { layers.iter().map(|layer| layer.name()).collect() };
    let mut report = json!({
        "layers": { "present": names(&layers.present), "missing": names(&layers.missing) },
        "neighbours": neighbours::meet(layers.have(Layer::Seccomp))?,
    });
    // Without a filter the calls would do what they mean.
    if layers.have(Layer::Seccomp) {
        for kind in [Kind::Zygote, Kind::PackageZygote, Kind::Sandbox] {
            let mut found = fork_and_ask(kind, Task::Try)?;
            found["killing"] = killing(kind)?.into();
            report[kind.name()] = found;
        }
        report["foreign_call"] = fork_and_ask(Kind::Sandbox, Task::CallAs32Bit)?;
    }
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &report)?;
    writeln!(stdout)?;
    Ok(())
}

/// What a fork plays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zygote,
    PackageZygote,
    Sandbox,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Zygote => "zygote",
            Self::PackageZygote => "package_zygote",
            Self::Sandbox => "sandbox",
        }
    }
}

/// What a fork does once it is locked down.
#[derive(Clone, Copy)]
enum Task<'a> {
    /// Tries everything that a process survives, and reports.
    Try,
    /// Tries this, which should be its end.
    TryOne(&'a Attempt),
    /// Calls the kernel the 32-bit way, past a filter that would only look at numbers.
    CallAs32Bit,
}

/// Tries what should kill, each in a process of its own. Tells how each ended.
fn killing(kind: Kind) -> Result<Vec<Value>, Error> {
    let mut attempts = attempts::all(std::process::id() as i32);
    attempts.extend(attempts::killing());
    let killing = attempts.iter().filter(|attempt| attempt.kills());
    killing
        .map(|attempt| {
            let mut end = fork_and_ask(kind, Task::TryOne(attempt))?;
            end["name"] = attempt.name.as_str().into();
            Ok(end)
        })
        .collect()
}

/// Forks, has the child probe, and adds what `/proc` says of it from outside.
fn fork_and_ask(kind: Kind, task: Task<'_>) -> Result<Value, Error> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let parent = std::process::id() as i32;
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    if child == 0 {
        drop(ours);
        let status = match probe(kind, task, parent, theirs.into()) {
            Ok(()) => 0,
            Err(_) => 1,
        };
        // SAFETY: ends the process without running destructors.
        unsafe { libc::_exit(status) };
    }
    drop(theirs);
    let report = read_report(&mut ours);
    let process = describe(child);
    drop(ours);
    let end = end_of(child);
    if !matches!(task, Task::Try) {
        return Ok(end);
    }
    let mut report = report.map_err(|error| format!("no report ({error}), end: {end}"))?;
    report["process"] = process;
    report["end"] = end;
    Ok(report)
}

/// The child's part. Ends when the parent closes its end of the socket.
fn probe(kind: Kind, task: Task<'_>, parent: i32, socket: OwnedFd) -> Result<(), Error> {
    let lockdown = Lockdown::prepare(&ProcessStatus::own()?, MEMORY, ForkGuard::default())?;
    let attempts = attempts::all(parent);
    let sweep = attempts::sweep(SWEEP);
    // SAFETY: the probe starts no thread.
    drop(unsafe { faas_lockdown::narrow_zygote(lockdown.layers()) }?);
    let socket = match kind {
        Kind::Zygote => socket,
        Kind::PackageZygote => {
            faas_lockdown::narrow_package_zygote(lockdown.layers())?;
            socket
        }
        Kind::Sandbox => {
            // SAFETY: descriptor 3, if it was in use, belongs to nothing that this child uses.
            let socket = unsafe { faas_lockdown::move_to_job_socket(socket) }?;
            lockdown.apply(parent)?;
            socket
        }
    };
    match task {
        Task::Try => {}
        Task::TryOne(attempt) => {
            attempt.run();
            return Ok(());
        }
        Task::CallAs32Bit => {
            attempts::call_as_32_bit();
            return Ok(());
        }
    }
    let is_zygote = kind != Kind::Sandbox;
    let tried: Vec<Value> = attempts
        .iter()
        .filter(|attempt| !(attempt.kills() || is_zygote && attempt.zygote_may))
        .map(|attempt| to_json(attempt, attempt.run()))
        .collect();
    let mut report = json!({ "attempts": tried });
    if !is_zygote {
        let not_refused: Vec<Value> = sweep
            .iter()
            .map(|attempt| (attempt, attempt.run()))
            .filter(|(_, outcome)| outcome.errno != libc::EPERM)
            .map(|(attempt, outcome)| to_json(attempt, outcome))
            .collect();
        report["sweep"] = json!({ "tried": sweep.len(), "not_refused": not_refused });
    }
    send_report(&socket, &report)?;
    wait_for_close(&socket);
    Ok(())
}

/// What `/proc` says of a process: some of its status, its descriptors, its limits.
fn describe(pid: i32) -> Value {
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}"));
    let status: serde_json::Map<String, Value> = read("status")
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| {
            ["NoNewPrivs", "Seccomp", "Threads"].contains(key) || key.starts_with("Cap")
        })
        .map(|(key, value)| (key.to_owned(), value.trim().into()))
        .collect();
    // Not to be listed by an ordinary user.
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).map(|entries| {
        let names = entries.flatten().map(|entry| entry.file_name());
        names
            .filter_map(|name| name.to_str()?.parse().ok())
            .collect::<Vec<i32>>()
    });
    let limits: serde_json::Map<String, Value> = read("limits")
        .unwrap_or_default()
        .lines()
        .skip(1)
        .filter_map(|line| {
            let (name, rest) = line.split_at_checked(26)?;
            let mut values = rest.split_whitespace();
            let (soft, hard) = (values.next()?, values.next()?);
            Some((name.trim().to_owned(), json!([soft, hard])))
        })
        .collect();
    json!({ "status": status, "descriptors": descriptors.ok(), "limits": limits })
}
