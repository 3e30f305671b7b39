//! A child that probes, and what it tells its parent.

use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use faas_protocol::ByteSize;
use serde_json::Value;
use serde_json::json;

use super::attempts::Attempt;
use super::attempts::Outcome;

/// Why the probe gives up.
pub type Error = Box<dyn std::error::Error>;

/// Memory of the probed sandbox: little, so that reaching for more is quick to refuse.
pub const MEMORY: ByteSize = ByteSize::mib(16);

/// Waits for a child's end.
pub fn end_of(child: i32) -> Value {
    let mut status = 0;
    // SAFETY: the kernel writes one int to a live local; the child is ours and not reaped.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    if libc::WIFSIGNALED(status) {
        json!({ "signal": libc::WTERMSIG(status) })
    } else {
        json!({ "exit": libc::WEXITSTATUS(status) })
    }
}

/// Sends what was tried to the parent.
///
/// # Errors
/// When the parent is gone.
pub fn send_report(socket: &OwnedFd, report: &Value) -> std::io::Result<()> {
    let text = report.to_string();
    write_all(socket, &(text.len() as u64).to_le_bytes())?;
    write_all(socket, text.as_bytes())
}

/// Waits until the parent closes its end.
pub fn wait_for_close(socket: &OwnedFd) {
    let mut end = [0];
    // SAFETY: the pointer and length are those of a live, writable array.
    unsafe { libc::read(socket.as_raw_fd(), end.as_mut_ptr().cast(), 1) };
}

/// What is reported of one attempt.
pub fn to_json(attempt: &Attempt, outcome: Outcome) -> Value {
    let error = std::io::Error::from_raw_os_error(outcome.errno);
    json!({
        "name": attempt.name,
        "result": outcome.result,
        "errno": outcome.errno,
        "is_public": attempt.is_public,
        "error": if outcome.errno == 0 { String::new() } else { error.to_string() },
    })
}

/// Writes with `write`, not with the `sendto` that a UnixStream may use.
///
/// # Errors
/// When the parent is gone.
pub fn write_all(socket: &OwnedFd, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live slice.
        let written =
            unsafe { libc::write(socket.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) };
        let written = usize::try_from(written).map_err(|_| std::io::Error::last_os_error())?;
        bytes = &bytes[written..];
    }
    Ok(())
}

/// Reads what [`send_report`] sends.
///
/// # Errors
/// When the child ended before.
pub fn read_report(socket: &mut UnixStream) -> Result<Value, Error> {
    let mut length = [0; 8];
    socket.read_exact(&mut length)?;
    let mut text = Vec::new();
    socket
        .take(u64::from_le_bytes(length))
        .read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}
