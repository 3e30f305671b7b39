//! What is told of an execution once it is over: how it ended, what it used, what it left.

use std::time::Duration;

use super::output::Output;
use super::process::Exit;
use super::return_value;
use crate::protocol::Job;
use crate::protocol::Language;
use crate::protocol::SandboxLimit;
use crate::protocol::Stages;

/// Exit codes as a shell would give them: timeout(1), 128 + SIGKILL, 128 + SIGXCPU.
const TIMED_OUT: i32 = 124;
const KILLED: i32 = 137;
const OUT_OF_CPU: i32 = 152;

/// Limits that the supervisor enforces.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Wall time.
    pub wall: Duration,
    /// Output kept, in bytes.
    pub output_bytes: u64,
}

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Success,
    Error,
    Timeout,
    CpuLimit,
    MemoryLimit,
    OutputLimit,
    ReturnLimit,
    StorageLimit,
    Killed,
}

impl Status {
    pub const ALL: [Self; 9] = [
        Self::Success,
        Self::Error,
        Self::Timeout,
        Self::CpuLimit,
        Self::MemoryLimit,
        Self::OutputLimit,
        Self::ReturnLimit,
        Self::StorageLimit,
        Self::Killed,
    ];

    /// Its name in answers and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::CpuLimit => "cpu_limit",
            Self::MemoryLimit => "memory_limit",
            Self::OutputLimit => "output_limit",
            Self::ReturnLimit => "return_limit",
            Self::StorageLimit => "storage_limit",
            Self::Killed => "killed",
        }
    }
}

/// What an execution used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub wall: Duration,
    pub cpu: Duration,
    /// Resident memory over that of an empty program, in bytes.
    pub peak_memory_bytes: u64,
}

/// An execution that came to an end, one way or the other.
#[derive(Debug)]
pub struct Report {
    pub sandbox: String,
    pub status: Status,
    pub exit_code: i32,
    pub stdout: String,
    pub stderr: String,
    pub return_value: Option<String>,
    pub files: Vec<OutputFile>,
    pub truncated: bool,
    pub usage: Usage,
    pub timings: Timings,
}

/// Where the time of an execution went.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timings {
    /// Waiting for a turn.
    pub queue: Duration,
    /// Waiting for a sandbox; with packages that are installed first, for that too.
    pub sandbox: Duration,
    /// Until the sandbox had taken the job.
    pub dispatch: Duration,
    /// In the sandbox, as it says itself: limits, input, files,
    pub prepare: Duration,
    /// compiling,
    pub compile: Duration,
    /// and running. All zero if it was killed.
    pub run: Duration,
    /// What is left: switching processes, sending output, collecting it.
    pub collect: Duration,
}

impl Timings {
    /// Takes a sandbox's word for its share of `elapsed`, which began at `started_at_us`, as far as
    /// it can be true.
    pub fn of_sandbox(stages: Stages, started_at_us: u64, elapsed: Duration) -> Self {
        let mut left = elapsed;
        let mut share = |micros: u64| {
            let share = Duration::from_micros(micros).min(left);
            left -= share;
            share
        };
        Self {
            dispatch: share(stages.taken_at_us.saturating_sub(started_at_us)),
            prepare: share(stages.prepare_us),
            compile: share(stages.compile_us),
            run: share(stages.run_us),
            collect: left,
            ..Self::default()
        }
    }
}

/// A file that a program handed back.
#[derive(Debug, PartialEq, Eq)]
pub struct OutputFile {
    pub name: String,
    /// For what was made on the program's behalf, such as a plot.
    pub media_type: Option<String>,
    pub contents: Vec<u8>,
}

/// Why the supervisor ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    WallTime,
    Flood,
}

/// What the sandbox reported at its end.
pub struct Finish {
    pub exit_code: i32,
    pub return_value: Option<String>,
    pub limit: Option<SandboxLimit>,
    pub stages: Stages,
}

impl Report {
    /// The report of a program that did not run because its packages could not be installed.
    pub fn not_installed(reason: &str, wall: Duration) -> Self {
        Self {
            sandbox: "sandbox-none".to_owned(),
            status: Status::Error,
            exit_code: 1,
            stdout: String::new(),
            stderr: format!(
                "{reason}\nThe program was not run: its packages could not be installed\n"
            ),
            return_value: None,
            files: Vec::new(),
            truncated: false,
            usage: Usage {
                wall,
                ..Usage::default()
            },
            timings: Timings::default(),
        }
    }
}

/// Everything that is known once an execution is over.
pub struct Ending {
    pub finish: Option<Finish>,
    pub stop: Option<Stop>,
    /// How the process ended, if it did not finish.
    pub exit: Option<Exit>,
    pub usage: Usage,
    pub timings: Timings,
    pub files: Vec<OutputFile>,
}

impl Ending {
    fn status(&self, job: &Job) -> Status {
        if self.stop == Some(Stop::Flood) {
            return Status::OutputLimit;
        }
        match &self.finish {
            Some(Finish {
                limit: Some(limit), ..
            }) => match limit {
                SandboxLimit::Cpu => Status::CpuLimit,
                SandboxLimit::Memory => Status::MemoryLimit,
                SandboxLimit::ReturnValue => Status::ReturnLimit,
                SandboxLimit::Storage => Status::StorageLimit,
            },
            _ if self.stop == Some(Stop::WallTime) => Status::Timeout,
            Some(Finish { exit_code: 0, .. }) => Status::Success,
            Some(_) => Status::Error,
            None if self.usage.cpu >= Duration::from_millis(job.limits.cpu_ms) => Status::CpuLimit,
            None => Status::Killed,
        }
    }

    /// Puts it all into words.
    pub fn into_report(self, sandbox: &str, output: Output, job: &Job, limits: Limits) -> Report {
        let status = self.status(job);
        let mut stdout = into_text(output.stdout);
        let mut stderr = into_text(output.stderr);
        if let Some(line) = self.last_line(status, job, limits) {
            if !stderr.is_empty() && !stderr.ends_with('\n') {
                stderr.push('\n');
            }
            stderr.push_str(&line);
            stderr.push('\n');
        }
        let printed = return_value::extract(&mut stdout);
        let (exit_code, returned) = match self.finish {
            Some(finish) => (finish.exit_code, finish.return_value),
            None => (KILLED, None),
        };
        let return_value = printed.or(returned).or_else(|| match job.language {
            Language::Python => None,
            Language::JavaScript | Language::TypeScript => {
                return_value::extract_last_object(&mut stdout)
            }
        });
        Report {
            sandbox: sandbox.to_owned(),
            status,
            exit_code: match status {
                Status::Success | Status::Error => exit_code,
                Status::Timeout => TIMED_OUT,
                Status::CpuLimit => OUT_OF_CPU,
                Status::ReturnLimit | Status::StorageLimit => 1,
                Status::MemoryLimit | Status::OutputLimit | Status::Killed => KILLED,
            },
            stdout,
            stderr,
            return_value,
            files: self.files,
            truncated: output.truncated,
            usage: self.usage,
            timings: self.timings,
        }
    }

    /// The last line of stderr for an execution that a limit ended.
    fn last_line(&self, status: Status, job: &Job, limits: Limits) -> Option<String> {
        Some(match status {
            Status::Success | Status::Error => return None,
            Status::Timeout => format!(
                "Execution stopped: time limit of {} ms reached",
                limits.wall.as_millis()
            ),
            Status::CpuLimit => format!(
                "Execution stopped: CPU time limit of {} ms reached",
                job.limits.cpu_ms
            ),
            Status::MemoryLimit => format!(
                "Execution stopped: memory limit of {} MiB reached",
                job.limits.memory_bytes >> 20
            ),
            Status::OutputLimit => format!(
                "Execution stopped: output limit of {} bytes exceeded many times over",
                limits.output_bytes
            ),
            Status::ReturnLimit => format!(
                "Return value dropped: longer than the limit of {} bytes",
                job.limits.return_bytes
            ),
            Status::StorageLimit => format!(
                "Execution stopped: storage limit of {} bytes reached",
                job.limits.storage_bytes
            ),
            Status::Killed => format!(
                "Execution stopped: the sandbox process ended unexpectedly ({})",
                self.exit.unwrap_or(Exit::Unknown)
            ),
        })
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
