//! What the audit log and the history keep of one execution.

use std::net::SocketAddr;
use std::time::Duration;
use std::time::SystemTime;

use faas_protocol::Language;
use faas_protocol::Limits;
use faas_protocol::Owner;
use faas_protocol::Priority;
use faas_protocol::Status;
use faas_protocol::Usage;
use serde::Serialize;

use super::labels::ToolCallEnd;

/// Most that is kept of a program or of one of its outputs, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// One execution, or the refusal of one.
#[derive(Debug)]
pub struct Execution {
    /// When the program was accepted, or refused.
    pub began: SystemTime,
    pub task_id: String,
    pub request_id: String,
    /// Address that the request came from: the last proxy, if there is one.
    pub caller: Option<SocketAddr>,
    /// Whose token the caller sent.
    pub owner: Owner,
    pub language: Language,
    /// Lower-case hexadecimal digits.
    pub code_sha256: String,
    pub code_bytes: u64,
    pub packages: Vec<String>,
    pub limits: Limits,
    pub priority: Priority,
    /// The session that it was a cell of.
    pub session: Option<String>,
    /// The snapshot that it started from.
    pub from: Option<String>,
    /// The snapshot of what it left.
    pub snapshot: Option<String>,
    /// Its calls of its caller's tools, in the order in which they ended.
    pub tool_calls: Vec<ToolCallRecord>,
    pub fate: Fate,
    /// `None` if the execution did not end.
    pub end: Option<End>,
    /// Kept only if the history stores bodies.
    pub bodies: Option<Bodies>,
}

/// A call of a tool, without its contents.
#[derive(Clone, Debug)]
pub struct ToolCallRecord {
    pub tool: String,
    pub input_bytes: u64,
    pub result_bytes: u64,
    /// From the call to its answer.
    pub wait: Duration,
    pub end: ToolCallEnd,
}

/// What became of an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Ended(Status),
    /// The caller hung up before its end.
    Cancelled,
    /// The service ended before it did.
    CutOff,
    /// It was not started.
    Refused(Refusal),
}

impl Fate {
    /// Those of executions that were started: what metrics count and the history keeps.
    pub const OF_BEGUN: [Self; Status::ALL.len() + 2] = {
        let mut all = [Self::Cancelled; Status::ALL.len() + 2];
        all[Status::ALL.len() + 1] = Self::CutOff;
        let mut index = 0;
        while index < Status::ALL.len() {
            all[index] = Self::Ended(Status::ALL[index]);
            index += 1;
        }
        all
    };

    /// Its name in metrics, history and audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ended(status) => status.name(),
            Self::Cancelled => "cancelled",
            Self::CutOff => "cut_off",
            Self::Refused(_) => "refused",
        }
    }

    /// Why it was refused, if it was.
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Refused(refusal) => Some(refusal.name()),
            Self::Ended(_) | Self::Cancelled | Self::CutOff => None,
        }
    }
}

/// Why an execution was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    QueueFull,
    QueueTimeout,
    NotReady,
    ShuttingDown,
    NoSandbox,
    NoSnapshot,
    CannotKeep,
    NoSession,
    SessionFull,
    TooComplex,
    NotChecked,
}

impl Refusal {
    /// Its name in the audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::QueueTimeout => "queue_timeout",
            Self::NotReady => "not_ready",
            Self::ShuttingDown => "shutting_down",
            Self::NoSandbox => "no_sandbox",
            Self::NoSnapshot => "no_snapshot",
            Self::CannotKeep => "cannot_keep",
            Self::NoSession => "no_session",
            Self::SessionFull => "session_full",
            Self::TooComplex => "too_complex",
            Self::NotChecked => "not_checked",
        }
    }
}

/// [`Limits`] as records have them.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LimitsRecord {
    wall_ms: u64,
    cpu_ms: u64,
    memory_bytes: u64,
    output_bytes: u64,
    return_bytes: u64,
    files_bytes: u64,
    storage_bytes: u64,
}

impl From<Limits> for LimitsRecord {
    fn from(limits: Limits) -> Self {
        Self {
            wall_ms: milliseconds(limits.wall),
            cpu_ms: milliseconds(limits.cpu),
            memory_bytes: limits.memory.get(),
            output_bytes: limits.output.get(),
            return_bytes: limits.return_value.get(),
            files_bytes: limits.files.get(),
            storage_bytes: limits.storage.get(),
        }
    }
}

/// How an execution ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    pub exit_code: i32,
    pub usage: UsageRecord,
    pub truncated: bool,
}

/// [`Usage`] as answers and records have it.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct UsageRecord {
    pub wall_ms: u64,
    pub cpu_ms: u64,
    pub peak_memory_bytes: u64,
}

impl From<Usage> for UsageRecord {
    fn from(usage: Usage) -> Self {
        Self {
            wall_ms: milliseconds(usage.wall),
            cpu_ms: milliseconds(usage.cpu),
            peak_memory_bytes: usage.peak_memory.get(),
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
