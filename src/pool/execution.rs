//! One execution: hands a job to a sandbox, collects what it sends, and keeps the clock.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::desk::Desk;
use super::output::Live;
use super::output::Output;
use super::process::Exit;
use super::return_value;
use super::sandbox::Sandbox;
use super::sandbox::SandboxError;
use crate::clock;
use crate::engine::Stream;
use crate::packages::Packages;
use crate::protocol;
use crate::protocol::Job;
use crate::protocol::Language;
use crate::protocol::SandboxEvent;
use crate::protocol::SandboxLimit;
use crate::protocol::Stages;
use crate::protocol::is_file_name;

/// When a program that was asked to stop is asked again: it is then in code that looks at no signal,
/// where V8 can still stop it and say where.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(40);
/// When, after that, it is killed.
const KILL_AFTER: Duration = Duration::from_millis(60);
/// On a busy machine it may not have run at all by then. Each step also waits until it had this much
/// CPU time since it was first asked,
const ASK_AGAIN_CPU: Duration = Duration::from_millis(35);
const KILL_CPU: Duration = Duration::from_millis(80);
/// but no longer than this.
const LONGEST_GRACE: Duration = Duration::from_secs(1);

/// How long a sandbox has to read its job, which it waits for. One that does not is broken.
const START_WITHIN: Duration = Duration::from_secs(10);

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
    fn of_sandbox(stages: Stages, started_at_us: u64, elapsed: Duration) -> Self {
        let mut left = elapsed;
        let mut share = |micros: u64| {
            let share = Duration::from_micros(micros).min(left);
            left -= share;
            share
        };
        Self {
            dispatch: share(stages.taken_at_us.saturating_sub(started_at_us)),
            prepare: share(stages.prepare_us.into()),
            compile: share(stages.compile_us.into()),
            run: share(stages.run_us.into()),
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
enum Stop {
    WallTime,
    Flood,
}

/// What the sandbox reported at its end.
struct Finish {
    exit_code: i32,
    return_value: Option<String>,
    limit: Option<SandboxLimit>,
    stages: Stages,
}

/// Runs a job in a sandbox, which is used up by it. What is kept of its output also goes to `live`
/// as it comes.
///
/// # Errors
/// When the sandbox broke off before the program started; the job may then be given to another.
pub async fn execute(
    mut sandbox: Sandbox,
    job: &Job,
    limits: Limits,
    packages: &Packages,
    live: Option<&Live>,
) -> Result<Report, SandboxError> {
    let cpu_before = sandbox.cpu_time();
    let started = Instant::now();
    let started_at_us = clock::monotonic_us();
    let handed_over = tokio::time::timeout(START_WITHIN, hand_over(&mut sandbox, job)).await;
    handed_over.unwrap_or(Err(SandboxError::NotReady))?;
    let mut output = Output::new(limits.output_bytes, live.cloned());
    let mut desk = Desk::new(packages);
    let deadline = started + limits.wall;
    let mut files = Files::new(job.limits.files_bytes);
    let (finish, stop) = {
        let followed = follow(&mut sandbox, &mut output, &mut files, &mut desk, deadline);
        followed.await
    };
    let wall = started.elapsed();
    let stages = finish.as_ref().map(|finish| finish.stages);
    let timings = Timings::of_sandbox(stages.unwrap_or_default(), started_at_us, wall);
    let usage = Usage {
        wall,
        cpu: sandbox.cpu_time().saturating_sub(cpu_before),
        peak_memory_bytes: sandbox.peak_memory_bytes(),
    };
    let exit = match &finish {
        Some(_) => None,
        None => Some(sandbox.end().await),
    };
    let ending = Ending {
        finish,
        stop,
        exit,
        usage,
        timings,
        files: files.taken,
    };
    Ok(ending.into_report(sandbox.id(), output, job, limits))
}

/// Gives the sandbox its job and waits until it has read it.
async fn hand_over(sandbox: &mut Sandbox, job: &Job) -> Result<(), SandboxError> {
    sandbox.socket.send(job).await?;
    match sandbox.socket.receive().await? {
        Some(frame) if matches!(protocol::decode(&frame), Ok(SandboxEvent::Started)) => Ok(()),
        Some(_) => Err(SandboxError::Protocol),
        None => Err(SandboxError::Ended(sandbox.end().await)),
    }
}

/// Most files of one execution.
const MAX_FILES: usize = 100;

/// Files as they come; what is too much or has no proper name is dropped, since an honest sandbox
/// sends none such.
struct Files {
    taken: Vec<OutputFile>,
    left: u64,
}

impl Files {
    fn new(budget: u64) -> Self {
        Self {
            taken: Vec::new(),
            left: budget,
        }
    }

    fn take(&mut self, name: &str, media_type: Option<&str>, contents: &[u8]) {
        let Some(left) = self.left.checked_sub(contents.len() as u64) else {
            return;
        };
        if self.taken.len() < MAX_FILES && is_file_name(name) {
            self.left = left;
            self.taken.push(OutputFile {
                name: name.to_owned(),
                media_type: media_type.map(|text| text.chars().take(100).collect()),
                contents: contents.to_vec(),
            });
        }
    }
}

/// Takes the sandbox's frames until it has finished, broke off, or was stopped.
async fn follow(
    sandbox: &mut Sandbox,
    output: &mut Output,
    files: &mut Files,
    desk: &mut Desk<'_>,
    deadline: Instant,
) -> (Option<Finish>, Option<Stop>) {
    let mut stop = None;
    let mut clock = Clock::new(deadline);
    let mut is_overdue = false;
    loop {
        let frame = tokio::select! {
            biased;
            // What came before the clock is looked at counts as in time, but a sandbox that always
            // has another frame ready must not hold the clock up.
            frame = sandbox.socket.receive(), if !is_overdue => frame,
            () = tokio::time::sleep_until(clock.due) => {
                stop = Some(Stop::WallTime);
                is_overdue = false;
                match clock.step(Instant::now(), sandbox.cpu_time()) {
                    Step::Ask => sandbox.signal(Signal::USR1),
                    Step::Wait => {}
                    Step::Kill => return (None, stop),
                }
                continue;
            }
        };
        let Ok(Some(frame)) = frame else {
            return (None, stop);
        };
        match protocol::decode(&frame) {
            Ok(SandboxEvent::Stdout(bytes)) => {
                output.take(Stream::Stdout, bytes);
            }
            Ok(SandboxEvent::Stderr(bytes)) => {
                output.take(Stream::Stderr, bytes);
            }
            Ok(SandboxEvent::Finished {
                exit_code,
                return_value,
                limit,
                stages,
            }) => {
                let finish = Finish {
                    exit_code,
                    return_value: return_value.map(str::to_owned),
                    limit,
                    stages,
                };
                return (Some(finish), stop);
            }
            Ok(SandboxEvent::File {
                name,
                media_type,
                contents,
            }) => files.take(name, media_type, contents),
            Ok(SandboxEvent::Package(request)) => {
                let answered = desk.answer(request, &mut sandbox.socket);
                // The program waits for the answer and could not heed a soft stop.
                match tokio::time::timeout_at(clock.due, answered).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return (None, stop),
                    Err(_) => return (None, Some(Stop::WallTime)),
                }
            }
            Ok(SandboxEvent::Ready | SandboxEvent::Started) | Err(_) => return (None, stop),
        }
        if output.is_flood() {
            return (None, Some(Stop::Flood));
        }
        is_overdue = Instant::now() >= clock.due;
    }
}

/// What happens to a program whose time is over.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Ask,
    Wait,
    Kill,
}

/// The time limit of one execution, and the steps that follow it.
struct Clock {
    deadline: Instant,
    /// When the next step is due.
    due: Instant,
    asked: u32,
    /// CPU time when it was first asked to stop.
    cpu_before: Duration,
}

impl Clock {
    fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            due: deadline,
            asked: 0,
            cpu_before: Duration::ZERO,
        }
    }

    /// The step that is due now for a program that has used so much CPU time.
    fn step(&mut self, now: Instant, cpu: Duration) -> Step {
        let ran = cpu.saturating_sub(self.cpu_before);
        let (step, pause) = match self.asked {
            0 => {
                self.cpu_before = cpu;
                (Step::Ask, ASK_AGAIN_AFTER)
            }
            _ if now >= self.deadline + LONGEST_GRACE => (Step::Kill, KILL_AFTER),
            1 if ran >= ASK_AGAIN_CPU => (Step::Ask, KILL_AFTER),
            1 => (Step::Wait, ASK_AGAIN_AFTER),
            _ if ran >= KILL_CPU => (Step::Kill, KILL_AFTER),
            _ => (Step::Wait, KILL_AFTER),
        };
        self.asked += u32::from(step == Step::Ask);
        self.due = now + pause;
        step
    }
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
struct Ending {
    finish: Option<Finish>,
    stop: Option<Stop>,
    /// How the process ended, if it did not finish.
    exit: Option<Exit>,
    usage: Usage,
    timings: Timings,
    files: Vec<OutputFile>,
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

    fn into_report(self, sandbox: &str, output: Output, job: &Job, limits: Limits) -> Report {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deaf_program_is_asked_twice_and_killed_in_a_tenth_of_a_second() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let mut steps = Vec::new();
        while steps.last() != Some(&(100, Step::Kill)) {
            let elapsed = clock.due - start;
            let step = clock.step(clock.due, elapsed);
            steps.push((elapsed.as_millis(), step));
        }
        assert_eq!(steps[..2], [(0, Step::Ask), (40, Step::Ask)]);
        assert_eq!(steps.len(), 3);
    }

    #[test]
    fn a_program_that_gets_no_cpu_is_given_time_but_not_for_ever() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        while clock.step(clock.due, Duration::ZERO) != Step::Kill {
            assert_eq!(clock.asked, 1, "it cannot have heard the first");
        }
        assert!(clock.due >= start + LONGEST_GRACE);
        assert!(clock.due < start + LONGEST_GRACE * 2);
    }
}
