//! What is kept of one execution, by the audit log and the history.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::SystemTime;

use serde::Serialize;

use crate::pool::Limits;
use crate::pool::Usage;
use crate::protocol::SandboxLimits;

/// Most that is kept of a program or of one of its outputs, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// One execution, or the refusal of one.
#[derive(Debug)]
pub struct Execution {
    /// When the program was accepted, or refused.
    pub began: SystemTime,
    pub task_id: String,
    pub request_id: String,
    /// Where the request came from; the last proxy, if there is one.
    pub caller: Option<SocketAddr>,
    /// Whether the caller showed the token.
    pub by_token: bool,
    pub language: &'static str,
    /// Lower-case hexadecimal digits.
    pub code_sha256: String,
    pub code_bytes: u64,
    pub packages: Vec<String>,
    pub limits: EffectiveLimits,
    pub priority: &'static str,
    /// A [`super::Outcome`]'s name, or "refused".
    pub status: &'static str,
    /// Why it was refused.
    pub reason: Option<&'static str>,
    /// None if it did not come to its end.
    pub end: Option<End>,
    /// Kept only if the history is to have it.
    pub bodies: Option<Bodies>,
}

/// The limits that held for an execution.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct EffectiveLimits {
    wall_ms: u64,
    cpu_ms: u64,
    memory_bytes: u64,
    output_bytes: u64,
    return_bytes: u64,
    files_bytes: u64,
    storage_bytes: u64,
}

impl EffectiveLimits {
    pub fn new(limits: Limits, sandbox: SandboxLimits) -> Self {
        Self {
            wall_ms: milliseconds(limits.wall),
            cpu_ms: sandbox.cpu_ms,
            memory_bytes: sandbox.memory_bytes,
            output_bytes: limits.output_bytes,
            return_bytes: sandbox.return_bytes,
            files_bytes: sandbox.files_bytes,
            storage_bytes: sandbox.storage_bytes,
        }
    }
}

/// How an execution ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub exit_code: i32,
    pub usage: Used,
    pub truncated: bool,
}

/// What an execution used, as answers and records have it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Used {
    pub wall_ms: u64,
    pub cpu_ms: u64,
    pub peak_memory_bytes: u64,
}

impl From<Usage> for Used {
    fn from(usage: Usage) -> Self {
        Self {
            wall_ms: milliseconds(usage.wall),
            cpu_ms: milliseconds(usage.cpu),
            peak_memory_bytes: usage.peak_memory_bytes,
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A program and its output, each cut to [`MAX_BODY_BYTES`].
#[derive(Clone, Debug, Serialize)]
pub struct Bodies {
    pub code: String,
    pub stdout: String,
    pub stderr: String,
    pub ret_val: String,
}

/// The beginning of a text that is kept.
pub fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(MAX_BODY_BYTES)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("short"), "short");
        let long = format!("a{}", "é".repeat(MAX_BODY_BYTES));
        let kept = cut(&long);
        assert_eq!(kept.len(), MAX_BODY_BYTES - 1);
        assert!(long.starts_with(&kept));
    }
}
