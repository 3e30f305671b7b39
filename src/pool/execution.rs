//! One execution: hands a job to a sandbox, collects what it sends, and keeps the clock.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::desk::Desk;
use super::output::Live;
use super::output::Output;
use super::report::Ending;
use super::report::Finish;
use super::report::Limits;
use super::report::OutputFile;
use super::report::Report;
use super::report::Stop;
use super::report::Timings;
use super::report::Usage;
use super::sandbox::Sandbox;
use super::sandbox::SandboxError;
use super::time_limit::Step;
use super::time_limit::TimeLimit;
use crate::clock;
use crate::engine::Stream;
use crate::packages::Packages;
use crate::protocol;
use crate::protocol::Job;
use crate::protocol::SandboxEvent;
use crate::protocol::is_file_name;

/// How long a sandbox has to read its job, which it waits for. One that does not is broken.
const START_WITHIN: Duration = Duration::from_secs(10);

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
    let mut limit = TimeLimit::new(deadline);
    let mut is_overdue = false;
    loop {
        let frame = tokio::select! {
            biased;
            // What came before the clock is looked at counts as in time, but a sandbox that always
            // has another frame ready must not hold the clock up.
            frame = sandbox.socket.receive(), if !is_overdue => frame,
            () = tokio::time::sleep_until(limit.due) => {
                stop = Some(Stop::WallTime);
                is_overdue = false;
                match limit.step(Instant::now(), sandbox.cpu_time()) {
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
                match tokio::time::timeout_at(limit.due, answered).await {
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
        is_overdue = Instant::now() >= limit.due;
    }
}
