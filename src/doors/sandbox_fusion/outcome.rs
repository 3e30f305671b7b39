//! How a program ended, in SandboxFusion's words.

use faas_pool::Report;
use faas_protocol::Limit;
use faas_protocol::Status;
use serde::Serialize;

/// How the whole request ended. What its own server calls `SandboxError` is an error status here.
#[derive(Clone, Copy, Debug, Serialize)]
pub enum RunStatus {
    Success,
    Failed,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum CommandStatus {
    Finished,
    TimeLimitExceeded,
}

/// What became of a command.
#[derive(Debug, Serialize)]
pub struct CommandResult {
    status: CommandStatus,
    /// In s.
    execution_time: f64,
    /// In s.
    cpu_time: f64,
    /// Absent if its time was over.
    return_code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl CommandResult {
    /// Takes its output out of the report.
    pub fn of(report: &mut Report) -> Self {
        let status = match report.status {
            Status::Exceeded(Limit::WallTime | Limit::CpuTime) => CommandStatus::TimeLimitExceeded,
            _ => CommandStatus::Finished,
        };
        Self {
            status,
            execution_time: report.usage.wall.as_secs_f64(),
            cpu_time: report.usage.cpu.as_secs_f64(),
            return_code: (status == CommandStatus::Finished).then_some(report.exit_code),
            stdout: std::mem::take(&mut report.stdout),
            stderr: std::mem::take(&mut report.stderr),
        }
    }

    pub fn run_status(&self) -> RunStatus {
        match self.return_code {
            Some(0) => RunStatus::Success,
            _ => RunStatus::Failed,
        }
    }
}
