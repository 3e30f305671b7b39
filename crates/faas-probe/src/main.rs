//! `sandbox-probe`: what native code could do in a sandbox, as if V8 were already broken.
//!
//! Locks forks of itself down exactly as zygotes and sandboxes are, runs raw system calls in them
//! and prints, as JSON, how each ended. A tool for tests and operators; nothing of it is reachable
//! over HTTP, and it changes nothing on the machine even where a call is not refused.

mod attempts;

use std::io::Read;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use faas_lockdown::Lockdown;
use faas_protocol::ByteSize;
use faas_protocol::Layer;
use serde_json::Value;
use serde_json::json;

use attempts::Attempt;
use attempts::Outcome;

type Error = Box<dyn std::error::Error>;

/// Memory of the probed sandbox: little, so that reaching for more is quick to refuse.
const MEMORY: ByteSize = ByteSize::mib(16);

/// System call numbers tried one by one; the kernel's own end below 500.
const SWEEP: std::ops::Range<i64> = 0..600;

/// Probes and prints.
///
/// # Errors
/// When a fork cannot be made or locked down, which is a finding, too.
fn main() -> Result<(), Error> {
    let layers = faas_lockdown::probe_layers();
    let names =
        |layers: &[Layer]| -> Vec<&str> { layers.iter().map(|layer| layer.name()).collect() };
    let report = json!({
        "layers": { "present": names(&layers.present), "missing": names(&layers.missing) },
        "zygote": fork_and_ask(Kind::Zygote)?,
        "sandbox": fork_and_ask(Kind::Sandbox)?,
        "foreign_call": fork_and_ask(Kind::ForeignCall)?,
    });
    let mut stdout = std::io::stdout().lock();
    serde_json::to_writer_pretty(&mut stdout, &report)?;
    writeln!(stdout)?;
    Ok(())
}

/// What a fork plays.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Zygote,
    Sandbox,
    /// A sandbox that calls the kernel the 32-bit way, past a filter that would only look at numbers.
    ForeignCall,
}

/// Forks, has the child probe, and adds what `/proc` says of it from outside.
fn fork_and_ask(kind: Kind) -> Result<Value, Error> {
    let (mut ours, theirs) = UnixStream::pair()?;
    let parent = std::process::id() as i32;
    // SAFETY: this process has one thread.
    let child = unsafe { libc::fork() };
    if child < 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    if child == 0 {
        drop(ours);
        let status = match probe(kind, parent, theirs.into()) {
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
    let mut status = 0;
    // SAFETY: the kernel writes one int to a live local; the child is ours and not reaped.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    let end = if libc::WIFSIGNALED(status) {
        json!({ "signal": libc::WTERMSIG(status) })
    } else {
        json!({ "exit": libc::WEXITSTATUS(status) })
    };
    if kind == Kind::ForeignCall {
        return Ok(end);
    }
    let mut report = report.map_err(|error| format!("no report ({error}), end: {end}"))?;
    report["process"] = process;
    report["end"] = end;
    Ok(report)
}

/// The child's part. Ends when the parent closes its end of the socket.
fn probe(kind: Kind, parent: i32, socket: OwnedFd) -> Result<(), Error> {
    let lockdown = Lockdown::prepare(MEMORY)?;
    let attempts = attempts::all(parent);
    let sweep = attempts::sweep(SWEEP);
    faas_lockdown::narrow_zygote(lockdown.layers())?;
    let socket = if kind == Kind::Zygote {
        socket
    } else {
        // SAFETY: descriptor 3, if it was in use, belongs to nothing that this child uses.
        let socket = unsafe { faas_lockdown::move_to_job_socket(socket) }?;
        lockdown.apply(parent)?;
        socket
    };
    if kind == Kind::ForeignCall {
        attempts::call_as_32_bit();
    }
    let is_zygote = kind == Kind::Zygote;
    let tried: Vec<Value> = attempts
        .iter()
        .filter(|attempt| !(is_zygote && attempt.zygote_may))
        .map(|attempt| to_json(attempt, attempt.run()))
        .collect();
    let mut report = json!({ "attempts": tried });
    // Without a filter the numbers would do what they mean.
    if !is_zygote && lockdown.layers().have(Layer::Seccomp) {
        let not_refused: Vec<Value> = sweep
            .iter()
            .map(|attempt| (attempt, attempt.run()))
            .filter(|(_, outcome)| outcome.errno != libc::EPERM)
            .map(|(attempt, outcome)| to_json(attempt, outcome))
            .collect();
        report["sweep"] = json!({ "tried": sweep.len(), "not_refused": not_refused });
    }
    let text = report.to_string();
    write_all(&socket, &(text.len() as u64).to_le_bytes())?;
    write_all(&socket, text.as_bytes())?;
    let mut end = [0];
    // SAFETY: the pointer and length are those of a live, writable array.
    unsafe { libc::read(socket.as_raw_fd(), end.as_mut_ptr().cast(), 1) };
    Ok(())
}

fn to_json(attempt: &Attempt, outcome: Outcome) -> Value {
    let error = std::io::Error::from_raw_os_error(outcome.errno);
    json!({
        "name": attempt.name,
        "result": outcome.result,
        "errno": outcome.errno,
        "error": if outcome.errno == 0 { String::new() } else { error.to_string() },
    })
}

fn write_all(socket: &OwnedFd, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        // `write`, not the `sendto` that a UnixStream may use.
        // SAFETY: the pointer and length are those of a live slice.
        let written =
            unsafe { libc::write(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        let written = usize::try_from(written).map_err(|_| std::io::Error::last_os_error())?;
        bytes = &bytes[written..];
    }
    Ok(())
}

fn read_report(socket: &mut UnixStream) -> Result<Value, Error> {
    let mut length = [0; 8];
    socket.read_exact(&mut length)?;
    let mut text = Vec::new();
    socket
        .take(u64::from_le_bytes(length))
        .read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
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
    let descriptors: Vec<i32> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
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
    json!({ "status": status, "descriptors": descriptors, "limits": limits })
}
