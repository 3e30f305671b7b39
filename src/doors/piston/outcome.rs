//! How a program ended, in Piston's words.

use faas_pool::LiveEvent;
use faas_pool::Report;
use faas_protocol::Limit;
use faas_protocol::Status;
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

/// What became of a program's run.
#[derive(Debug, Serialize)]
pub struct Stage {
    stdout: String,
    stderr: String,
    /// Both, in the order in which they were written.
    output: String,
    /// Absent if a signal ended it.
    code: Option<i32>,
    signal: Option<&'static str>,
    message: Option<String>,
    status: Option<&'static str>,
    /// In ms.
    cpu_time: u64,
    /// In ms.
    wall_time: u64,
    /// In bytes.
    memory: u64,
}

impl Stage {
    pub fn new(report: Report, written: UnboundedReceiver<LiveEvent>) -> Self {
        let (status, signal) = match report.status {
            Status::Success => (None, None),
            Status::Error | Status::Exceeded(Limit::ReturnValue | Limit::Storage) => {
                (Some("RE"), None)
            }
            Status::Exceeded(Limit::WallTime | Limit::CpuTime) => (Some("TO"), Some("SIGKILL")),
            Status::Exceeded(Limit::Output) => (Some("OL"), Some("SIGKILL")),
            Status::Violation => (Some("SG"), Some("SIGSYS")),
            Status::Exceeded(Limit::Memory) | Status::Killed => (Some("SG"), Some("SIGKILL")),
        };
        let message = match report.status {
            Status::Success => None,
            Status::Error => Some(format!("Exited with error status {}", report.exit_code)),
            _ => Some(report.last_line_of_stderr().to_owned()),
        };
        // What the program exited with, not what stands for a signal.
        let code = signal.is_none().then_some(report.exit_code);
        Self {
            output: output(&report, written),
            code,
            signal,
            message,
            status,
            cpu_time: report.usage.cpu.as_millis() as u64,
            wall_time: report.usage.wall.as_millis() as u64,
            memory: report.usage.peak_memory.get(),
            stdout: report.stdout,
            stderr: report.stderr,
        }
    }
}

/// Both outputs, in the order in which they were written.
fn output(report: &Report, mut written: UnboundedReceiver<LiveEvent>) -> String {
    if report.stderr.is_empty() {
        return report.stdout.clone();
    }
    if report.stdout.is_empty() {
        return report.stderr.clone();
    }
    let mut both = Vec::new();
    while let Ok(event) = written.try_recv() {
        if let LiveEvent::Output(_, bytes) = event {
            both.extend(bytes);
        }
    }
    let mut both = String::from_utf8_lossy(&both).into_owned();
    // A line of the service's own, which the program did not write.
    if !matches!(report.status, Status::Success | Status::Error)
        && let Some(line) = report.stderr.lines().next_back()
    {
        if !both.is_empty() && !both.ends_with('\n') {
            both.push('\n');
        }
        both.push_str(line);
        both.push('\n');
    }
    both
}
