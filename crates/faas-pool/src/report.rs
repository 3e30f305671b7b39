//! What is told of an execution once it is over: how it ended, what it used, what it left.

use std::sync::Arc;
use std::time::Duration;

use faas_protocol::ByteSize;
use faas_protocol::Job;
use faas_protocol::Limit;
use faas_protocol::Stages;
use faas_protocol::Status;
use faas_protocol::Usage;

use super::handed_back::HandedBack;
use super::handed_back::OutputFile;
use super::handed_back::ShownResult;
use super::kept::SnapshotInfo;
use super::output::Output;
use super::package_broker::BrokerError;
use super::process::ExitStatus;
use super::return_value;
use super::sessions::SessionInfo;

/// Exit codes as a shell would give them: timeout(1), 128 + SIGKILL, 128 + SIGXCPU, 128 + SIGSYS.
const TIMED_OUT: i32 = 124;
const KILLED: i32 = 137;
const OUT_OF_CPU: i32 = 152;
const VIOLATED: i32 = 159;

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
    /// In the order in which they were shown.
    pub results: Vec<Arc<ShownResult>>,
    pub truncated: bool,
    pub usage: Usage,
    pub timings: Timings,
    /// The signal that killed the sandbox, if the supervisor did not send it.
    pub signal: Option<i32>,
    /// The snapshot of a program that was to be kept, or why there is none.
    pub snapshot: Option<Result<SnapshotInfo, String>>,
    /// What became of its session, if it was a cell of one.
    pub cell: Option<CellReport>,
}

/// A cell that ran in a session.
#[derive(Debug)]
pub struct CellReport {
    /// The session as it is after the cell.
    pub session: SessionInfo,
    pub number: u64,
    /// Whether the session has what it left, or why it is as it was before.
    pub kept: Result<(), String>,
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

/// Why the supervisor ended a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    WallTime,
    Flood,
    Memory,
    /// It asked about packages too often.
    Questions,
    /// It called tools too often.
    Calls,
    /// Its calls of tools were not answered in time.
    Unanswered,
}

/// What the sandbox said of its program's end.
pub struct Outcome {
    pub exit_code: i32,
    pub return_value: Option<String>,
    pub limit: Option<Limit>,
    pub stages: Stages,
    /// Whether it says that it goes on with the next input.
    pub goes_on: bool,
}

impl Outcome {
    /// Drops a return value beyond the limit. An honest sandbox has done so itself.
    pub fn drop_long_value(&mut self, limit: ByteSize) {
        let is_long = |value: &String| value.len() as u64 > limit.get();
        if self.return_value.as_ref().is_some_and(is_long) {
            self.return_value = None;
            self.limit = Some(Limit::ReturnValue);
        }
    }
}

impl Report {
    /// The last line of what the program wrote as errors: where it was stopped, that says why.
    pub fn last_line_of_stderr(&self) -> &str {
        let lines = self.stderr.trim_end().lines();
        lines.last().unwrap_or_default()
    }

    /// The report of a program that did not run because its packages could not be installed.
    pub fn not_installed(reason: &str, wall: Duration) -> Self {
        let stderr =
            format!("{reason}\nThe program was not run: its packages could not be installed\n");
        Self::not_run(Status::Error, 1, stderr, wall)
    }

    /// The report of a program that did not run because its packages were still being installed when
    /// its time was over.
    pub fn still_installing(limit: Duration, wall: Duration) -> Self {
        let stderr = format!(
            "The program was not run: its packages were still being installed. That goes on, so the \
             same request finds them sooner; or raise its 'timeout'\n\
             Execution stopped: time limit of {} ms reached\n",
            limit.as_millis()
        );
        let status = Status::Exceeded(Limit::WallTime);
        Self::not_run(status, TIMED_OUT, stderr, wall)
    }

    fn not_run(status: Status, exit_code: i32, stderr: String, wall: Duration) -> Self {
        Self {
            sandbox: "sandbox-none".to_owned(),
            status,
            exit_code,
            stdout: String::new(),
            stderr,
            return_value: None,
            files: Vec::new(),
            results: Vec::new(),
            truncated: false,
            usage: Usage {
                wall,
                ..Usage::default()
            },
            timings: Timings::default(),
            signal: None,
            snapshot: None,
            cell: None,
        }
    }
}

/// Everything that is known once an execution is over.
pub struct Ending {
    pub outcome: Option<Outcome>,
    pub stop: Option<Stop>,
    /// How the process ended, if it said nothing of the program's end.
    pub exit: Option<ExitStatus>,
    pub usage: Usage,
    pub timings: Timings,
    pub handed_back: HandedBack,
}

impl Ending {
    fn status(&self, job: &Job) -> Status {
        if self.exit == Some(ExitStatus::Signal(libc::SIGSYS)) {
            return Status::Violation;
        }
        match self.stop {
            Some(Stop::Flood) => return Status::Exceeded(Limit::Output),
            Some(Stop::Memory) => return Status::Exceeded(Limit::Memory),
            Some(Stop::Questions | Stop::Calls) => return Status::Killed,
            Some(Stop::Unanswered) => return Status::Exceeded(Limit::WallTime),
            Some(Stop::WallTime) | None => {}
        }
        match &self.outcome {
            Some(Outcome {
                limit: Some(limit), ..
            }) if limit.is_known_to_sandbox() => Status::Exceeded(*limit),
            _ if self.stop == Some(Stop::WallTime) => Status::Exceeded(Limit::WallTime),
            Some(Outcome { exit_code: 0, .. }) => Status::Success,
            Some(_) => Status::Error,
            None if self.usage.cpu >= job.limits.cpu => Status::Exceeded(Limit::CpuTime),
            None => Status::Killed,
        }
    }

    /// The signal that killed the sandbox, if it was not the supervisor's.
    fn signal(&self, status: Status) -> Option<i32> {
        match (status, self.exit) {
            (Status::Violation, Some(ExitStatus::Signal(signal))) => Some(signal),
            (Status::Killed, Some(ExitStatus::Signal(signal))) if self.stop.is_none() => {
                Some(signal)
            }
            _ => None,
        }
    }

    /// Puts it all into words.
    pub fn into_report(self, sandbox: &str, output: Output, job: &Job) -> Report {
        let status = self.status(job);
        let signal = self.signal(status);
        let mut stdout = into_text(output.stdout);
        let mut stderr = into_text(output.stderr);
        if let Some(line) = self.last_line(status, job) {
            if !stderr.is_empty() && !stderr.ends_with('\n') {
                stderr.push('\n');
            }
            stderr.push_str(&line);
            stderr.push('\n');
        }
        let printed = return_value::extract(&mut stdout);
        let (exit_code, returned) = match self.outcome {
            Some(outcome) => (outcome.exit_code, outcome.return_value),
            None => (KILLED, None),
        };
        let last_line_counts = job.language.runtime().spec().returns_last_line_of_json
            && return_value::is_defined_in(&job.code);
        let return_value = printed.or(returned).or_else(|| {
            last_line_counts
                .then(|| return_value::extract_last_object(&mut stdout))
                .flatten()
        });
        Report {
            sandbox: sandbox.to_owned(),
            status,
            exit_code: match status {
                Status::Success | Status::Error => exit_code,
                Status::Exceeded(Limit::WallTime) => TIMED_OUT,
                Status::Exceeded(Limit::CpuTime) => OUT_OF_CPU,
                Status::Exceeded(Limit::ReturnValue | Limit::Storage) => 1,
                Status::Violation => VIOLATED,
                Status::Exceeded(Limit::Memory | Limit::Output) | Status::Killed => KILLED,
            },
            stdout,
            stderr,
            return_value,
            files: self.handed_back.files,
            results: self.handed_back.results,
            truncated: output.truncated,
            usage: self.usage,
            timings: self.timings,
            signal,
            snapshot: None,
            cell: None,
        }
    }

    /// The last line of stderr for an execution that did not end by itself.
    fn last_line(&self, status: Status, job: &Job) -> Option<String> {
        let limits = &job.limits;
        Some(match status {
            Status::Success | Status::Error => return None,
            Status::Exceeded(Limit::WallTime) if self.stop == Some(Stop::Unanswered) => {
                "Execution stopped: its calls of tools were not answered in time (FAAS_TOOL_TIMEOUT, FAAS_TOOL_WAIT)"
                    .to_owned()
            }
            Status::Exceeded(Limit::WallTime) => format!(
                "Execution stopped: time limit of {} ms reached",
                limits.wall.as_millis()
            ),
            Status::Exceeded(Limit::CpuTime) => format!(
                "Execution stopped: CPU time limit of {} ms reached",
                limits.cpu.as_millis()
            ),
            Status::Exceeded(Limit::Memory) => format!(
                "Execution stopped: memory limit of {} MiB reached",
                limits.memory.get() >> 20
            ),
            Status::Exceeded(Limit::Output) => format!(
                "Execution stopped: output limit of {} bytes exceeded many times over",
                limits.output.get()
            ),
            Status::Exceeded(Limit::ReturnValue) => format!(
                "Return value dropped: longer than the limit of {} bytes",
                limits.return_value.get()
            ),
            Status::Exceeded(Limit::Storage) => format!(
                "Execution stopped: storage limit of {} bytes reached",
                limits.storage.get()
            ),
            Status::Violation => {
                "Execution stopped: the sandbox made a system call that no honest program makes"
                    .to_owned()
            }
            Status::Killed if self.stop == Some(Stop::Questions) => {
                format!("Execution stopped: {}", BrokerError::TooManyQuestions)
            }
            Status::Killed if self.stop == Some(Stop::Calls) => {
                "Execution stopped: it does not cease to call tools beyond what it may (FAAS_TOOL_CALLS)".to_owned()
            }
            Status::Killed => format!(
                "Execution stopped: the sandbox process ended unexpectedly ({})",
                self.exit.unwrap_or(ExitStatus::Unknown)
            ),
        })
    }
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
