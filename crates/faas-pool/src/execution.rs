//! One execution: hands a job to a sandbox, collects what it sends, and keeps the clock.

use std::time::Duration;

use faas_linux::monotonic_us;
use faas_packages::Packages;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::Job;
use faas_protocol::Limits;
use faas_protocol::PackageRequest;
use faas_protocol::SandboxEvent;
use faas_protocol::Usage;
use rustix::process::Signal;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::handed_back::HandedBack;
use super::live::Live;
use super::live::LiveEvent;
use super::live::SoFar;
use super::output::Output;
use super::package_broker::BrokerError;
use super::package_broker::PackageBroker;
use super::report::Ending;
use super::report::Outcome;
use super::report::Report;
use super::report::Stop;
use super::report::Timings;
use super::sandbox::Sandbox;
use super::sandbox_error::SandboxError;
use super::time_limit::Step;
use super::time_limit::TimeLimit;
use super::tools::Calls;
use super::tools::WaitEnd;
use super::tools::notified;
use super::turn::RowReports;
use super::turn::Turn;

/// How long a sandbox has to read its job, which it waits for. One that does not is broken.
const START_WITHIN: Duration = Duration::from_secs(10);

/// A program that runs. Dropping it kills its sandbox.
pub struct Execution<'a> {
    sandbox: Sandbox,
    job: &'a Job,
    /// Whether the sandbox was forked from a kept one, whose packages it has.
    goes_on: bool,
    clocks: Clocks,
}

/// Who else has to do with a program that runs.
#[derive(Clone, Copy, Default)]
pub struct Attached<'a> {
    /// What is kept of its output goes here as it comes.
    pub live: Option<&'a Live>,
    /// Of a job with several inputs, all reports but the last go here.
    pub rows: Option<&'a RowReports>,
    /// The program is interrupted whenever this is notified.
    pub interrupt: Option<&'a Notify>,
}

/// What the clocks showed when a program began.
#[derive(Clone, Copy)]
struct Clocks {
    /// CPU time of the sandbox.
    cpu: Duration,
    started: Instant,
    started_at_us: u64,
    /// How long it waited for its caller's tools, which does not count.
    waited: Duration,
}

impl Clocks {
    fn of(sandbox: &Sandbox) -> Self {
        Self {
            cpu: sandbox.cpu_time(),
            started: Instant::now(),
            started_at_us: monotonic_us(),
            waited: Duration::ZERO,
        }
    }

    /// How long the program has run.
    fn elapsed(&self) -> Duration {
        self.started.elapsed().saturating_sub(self.waited)
    }

    /// What it used until now.
    fn usage(&self, sandbox: &Sandbox, wall: Duration, peak_memory: ByteSize) -> Usage {
        Usage {
            wall,
            cpu: sandbox.cpu_time().saturating_sub(self.cpu),
            peak_memory,
        }
    }

    fn so_far(&self, sandbox: &Sandbox, truncated: bool) -> SoFar {
        SoFar {
            sandbox: sandbox.id().to_owned(),
            usage: self.usage(sandbox, self.elapsed(), sandbox.peak_memory()),
            truncated,
        }
    }
}

impl<'a> Execution<'a> {
    /// Gives the sandbox its job and waits until it has read it.
    ///
    /// # Errors
    /// When the sandbox broke off before the program started; the job may then be given to another.
    pub async fn start(mut sandbox: Sandbox, job: &'a Job) -> Result<Self, SandboxError> {
        let goes_on = sandbox.is_of_line;
        let clocks = Clocks::of(&sandbox);
        sandbox.is_of_line |= job.keep;
        sandbox.limit(&job.limits)?;
        let handed_over = async {
            sandbox.socket.send(job).await?;
            sandbox.expect(&SandboxEvent::Started).await
        };
        let handed_over = tokio::time::timeout(START_WITHIN, handed_over).await;
        handed_over.unwrap_or(Err(SandboxError::NotReady))?;
        Ok(Self {
            sandbox,
            job,
            goes_on,
            clocks,
        })
    }

    /// Follows the program to its end, which uses the sandbox up. `calls` are those of its caller's tools, if it has any.
    pub async fn finish(
        mut self,
        packages: &Packages,
        attached: Attached<'_>,
        calls: Option<&mut Calls<'_>>,
    ) -> Finished {
        let limits = &self.job.limits;
        let mut broker = PackageBroker::for_program(packages, limits.memory);
        let mut run = Run::begin(self.clocks, self.job, attached.live);
        let turn = Turn::begin(self.job.further_inputs.len());
        let memory = self.sandbox.watch_memory(limits.memory);
        let most_cpu = limits.cpu.saturating_add(turn.used_before());
        let cpu = self.sandbox.watch_cpu(self.clocks.cpu, most_cpu);
        let is_of_line = self.sandbox.is_of_line;
        let asks = self.job.auto_install && !self.goes_on;
        let (sandbox, job) = (&mut self.sandbox, self.job);
        let followed = tokio::select! {
            biased;
            // A flood of frames must not keep the watch from being heard.
            () = memory.until_exceeded() => Followed::Ended(None, Some(Stop::Memory)),
            () = cpu.until_exceeded(), if is_of_line => Followed::Ended(None, None),
            followed = follow_all(sandbox, &mut run, (&mut broker, calls), job, asks, (turn, attached)) => followed,
        };
        let (mut outcome, stop) = match followed {
            Followed::Ended(outcome, stop) => (outcome, stop),
            Followed::Lacks(packages) => return Finished::Lacks(packages),
        };
        if let Some(outcome) = &mut outcome {
            outcome.drop_long_value(limits.return_value);
        }
        let (wall, peak) = (run.clocks.elapsed(), self.sandbox.peak_memory());
        let (usage, timings) = run.figures(&self.sandbox, outcome.as_ref(), wall, peak);
        let kept = match &outcome {
            Some(_) if stop.is_none() && self.job.keep => tokio::select! {
                // Code of the program's may run while garbage is collected.
                () = memory.until_exceeded() => false,
                rests = self.sandbox.comes_to_rest() => rests,
            },
            _ => false,
        };
        let exit = match &outcome {
            Some(_) => None,
            None => Some(self.sandbox.end().await),
        };
        let ending = Ending {
            outcome,
            stop,
            exit,
            usage,
            timings,
            handed_back: run.handed_back,
        };
        let report = ending.into_report(self.sandbox.id(), run.output, self.job);
        Finished::Reported {
            report: Box::new(report),
            kept: kept.then(|| Box::new(self.sandbox)),
        }
    }
}

/// What was heard of a program so far.
struct Run {
    clocks: Clocks,
    output: Output,
    handed_back: HandedBack,
}

impl Run {
    fn begin(clocks: Clocks, job: &Job, live: Option<&Live>) -> Self {
        Self {
            clocks,
            output: Output::new(job.limits.output, live.cloned()),
            handed_back: HandedBack::new(job.limits.files),
        }
    }

    /// How much it left, in bytes.
    fn length(&self, outcome: &Outcome, limits: &Limits) -> u64 {
        let value = outcome.return_value.as_ref().map_or(0, String::len);
        let files = limits.files.get().saturating_sub(self.handed_back.left());
        files.saturating_add((self.output.length() + value) as u64)
    }

    /// What it used until now, and where its time went.
    fn figures(
        &self,
        sandbox: &Sandbox,
        outcome: Option<&Outcome>,
        wall: Duration,
        peak_memory: ByteSize,
    ) -> (Usage, Timings) {
        let stages = outcome.map(|outcome| outcome.stages);
        let timings =
            Timings::of_sandbox(stages.unwrap_or_default(), self.clocks.started_at_us, wall);
        (self.clocks.usage(sandbox, wall, peak_memory), timings)
    }

    /// What is told of a program that ended, and after which its sandbox goes on. It is ahead of the supervisor then, so
    /// how long the program took is the sandbox's word, as far as it can be true: at most `longest`.
    fn into_report_of_row(
        mut self,
        sandbox: &Sandbox,
        mut outcome: Outcome,
        job: &Job,
        (longest, peak): (Duration, ByteSize),
    ) -> Report {
        outcome.drop_long_value(job.limits.return_value);
        self.clocks.started_at_us = outcome.stages.taken_at_us;
        let wall = outcome.stages.total().min(longest);
        let (usage, timings) = self.figures(sandbox, Some(&outcome), wall, peak);
        let ending = Ending {
            outcome: Some(outcome),
            stop: None,
            exit: None,
            usage,
            timings,
            handed_back: self.handed_back,
        };
        ending.into_report(sandbox.id(), self.output, job)
    }
}

/// How often the memory of a sandbox is looked at that runs a program over several inputs: a look takes longer than a
/// short program.
const LOOK_AT_MEMORY_EVERY: Duration = Duration::from_millis(20);

/// The highest memory of a sandbox, as it was when it was last looked at.
#[derive(Default)]
struct Peak(Option<(Instant, ByteSize)>);

impl Peak {
    fn of(&mut self, sandbox: &Sandbox) -> ByteSize {
        match self.0 {
            Some((looked, peak)) if looked.elapsed() < LOOK_AT_MEMORY_EVERY => peak,
            _ => {
                let peak = sandbox.peak_memory();
                self.0 = Some((Instant::now(), peak));
                peak
            }
        }
    }
}

/// Follows a sandbox through its inputs, as long as it goes on and its turn lasts: `run` is that of the last one.
async fn follow_all(
    sandbox: &mut Sandbox,
    run: &mut Run,
    (broker, mut calls): (&mut PackageBroker, Option<&mut Calls<'_>>),
    job: &Job,
    mut asks: bool,
    (mut turn, attached): (Turn, Attached<'_>),
) -> Followed {
    let mut peak = Peak::default();
    loop {
        let asked = (&mut *broker, calls.as_deref_mut());
        let followed = follow(sandbox, run, asked, &job.limits, asks, attached.interrupt).await;
        let Followed::Ended(Some(outcome), stop) = followed else {
            return followed;
        };
        // A stop that was sent may arrive when the next program runs.
        let goes_on = outcome.goes_on && stop.is_none();
        let Some(rows) = attached
            .rows
            .filter(|_| goes_on && turn.goes_on(run.length(&outcome, &job.limits)))
        else {
            return Followed::Ended(Some(outcome), stop);
        };
        asks = false;
        let next = Run::begin(Clocks::of(sandbox), job, None);
        let ended = std::mem::replace(run, next);
        let told = (turn.elapsed(), peak.of(sandbox));
        let report = ended.into_report_of_row(sandbox, outcome, job, told);
        // Nobody listens any more: the execution is about to be dropped.
        let _ = rows.send(report);
    }
}

/// How an execution ended.
pub enum Finished {
    Reported {
        report: Box<Report>,
        /// The sandbox, if it was to be kept and stays.
        kept: Option<Box<Sandbox>>,
    },
    /// The program did not begin. It imports these packages, which its sandbox does not have.
    Lacks(Vec<String>),
}

/// What following a sandbox led to.
enum Followed {
    Ended(Option<Outcome>, Option<Stop>),
    Lacks(Vec<String>),
}

/// Answers what a program wants of packages. Returns how it is over, if it is.
async fn answer_about_packages(
    request: PackageRequest<'_>,
    is_first: bool,
    broker: &mut PackageBroker,
    sandbox: &mut Sandbox,
    due: Instant,
) -> Option<Followed> {
    if let PackageRequest::Imports { modules } = request
        && is_first
    {
        let found = broker.packages_for(modules);
        match tokio::time::timeout_at(due, found).await {
            Ok(packages) if packages.is_empty() => {}
            Ok(packages) => return Some(Followed::Lacks(packages)),
            Err(_) => return Some(Followed::Ended(None, Some(Stop::WallTime))),
        }
    }
    let answered = broker.answer(request, &mut sandbox.socket);
    // The program waits for the answer and could not heed a soft stop.
    match tokio::time::timeout_at(due, answered).await {
        // One that is gone may have said why before; its last frames are still to be read.
        Ok(Ok(()) | Err(BrokerError::Gone(_))) => None,
        Ok(Err(BrokerError::TooManyQuestions)) => {
            Some(Followed::Ended(None, Some(Stop::Questions)))
        }
        Err(_) => Some(Followed::Ended(None, Some(Stop::WallTime))),
    }
}

/// Takes the sandbox's frames until it has finished, broke off, or was stopped. The first may say what the
/// program imports, if it `asks` for packages. A later one is answered without them: the program has begun
/// then, and is not begun again. A sandbox that lies about it runs its program twice, with packages that it
/// could have had by name.
async fn follow(
    sandbox: &mut Sandbox,
    run: &mut Run,
    (broker, mut calls): (&mut PackageBroker, Option<&mut Calls<'_>>),
    limits: &Limits,
    asks: bool,
    interrupt: Option<&Notify>,
) -> Followed {
    let mut is_first = asks;
    let mut stop = None;
    let mut limit = TimeLimit::new(run.clocks.started + limits.wall);
    let (output, handed_back) = (&mut run.output, &mut run.handed_back);
    let clocks = &mut run.clocks;
    let mut is_overdue = false;
    let mut was_interrupted = false;
    // What it said while it was to wait.
    let mut said = None;
    loop {
        let frame = match said.take() {
            Some(frame) => Ok(Some(frame)),
            None => tokio::select! {
                biased;
                // Neither an interrupt nor the clock is held up by a sandbox that always has another frame ready; but
                // what came before the clock is looked at counts as in time.
                () = notified(interrupt) => {
                    sandbox.signal(Signal::USR2);
                    was_interrupted = true;
                    continue;
                }
                frame = sandbox.socket.receive(), if !is_overdue => frame,
                () = tokio::time::sleep_until(limit.due) => {
                    stop = Some(Stop::WallTime);
                    is_overdue = false;
                    match limit.step(Instant::now(), sandbox.cpu_time()) {
                        Step::Ask => sandbox.signal(Signal::USR1),
                        Step::Wait => {}
                        Step::Kill => return Followed::Ended(None, stop),
                    }
                    continue;
                }
            },
        };
        let Ok(Some(frame)) = frame else {
            return Followed::Ended(None, stop);
        };
        output.count_frame(frame.len());
        match protocol::decode(&frame) {
            Ok(SandboxEvent::Output { stream, bytes }) => output.take(stream, bytes),
            Ok(SandboxEvent::Finished {
                exit_code,
                return_value,
                limit,
                stages,
                goes_on,
            }) => {
                let outcome = Outcome {
                    exit_code,
                    return_value: return_value.map(str::to_owned),
                    limit,
                    stages,
                    goes_on,
                };
                return Followed::Ended(Some(outcome), stop);
            }
            Ok(SandboxEvent::File { name, contents }) => {
                if !handed_back.take_file(name, contents) {
                    output.count(contents.len() as u64);
                }
            }
            Ok(SandboxEvent::Representation {
                media_type,
                content,
            }) => {
                if !handed_back.take_representation(media_type, content) {
                    output.count(content.len() as u64);
                }
            }
            Ok(SandboxEvent::Result { is_main, artifact }) => {
                if let Some(result) = handed_back.take_result(is_main, artifact) {
                    output.tell(LiveEvent::Result(result));
                }
            }
            Ok(SandboxEvent::Package(request)) => {
                let asked = answer_about_packages(request, is_first, broker, sandbox, limit.due);
                if let Some(followed) = asked.await {
                    return followed;
                }
            }
            Ok(SandboxEvent::CallTool(call)) => {
                match calls.as_deref_mut().map(|calls| calls.take(call)) {
                    Some(Ok(())) => {}
                    Some(Err(stop)) => return Followed::Ended(None, Some(stop)),
                    None => return Followed::Ended(None, stop),
                }
            }
            Ok(SandboxEvent::AwaitTools { within_us }) => {
                let Some(calls) = calls.as_deref_mut() else {
                    return Followed::Ended(None, stop);
                };
                // One that was asked to stop or interrupted looks for that at once.
                let within = match stop {
                    None if !was_interrupted => within_us.map(Duration::from_micros),
                    _ => Some(Duration::ZERO),
                };
                was_interrupted = false;
                let truncated = output.truncated;
                let so_far = |sandbox: &Sandbox| clocks.so_far(sandbox, truncated);
                let waited = calls.wait(within, interrupt, sandbox, so_far).await;
                let waited = match waited {
                    Ok(waited) => waited,
                    Err(WaitEnd::TooLong) => return Followed::Ended(None, Some(Stop::Unanswered)),
                    Err(WaitEnd::Abandoned) => return Followed::Ended(None, stop),
                };
                limit.put_off(waited.stood_still);
                clocks.waited += waited.stood_still;
                // It looks for a signal when it has read the answers.
                if waited.is_interrupted {
                    sandbox.signal(Signal::USR2);
                }
                match waited.frame {
                    None => {
                        let sent = sandbox.socket.send(&waited.answers);
                        match tokio::time::timeout_at(limit.due, sent).await {
                            Ok(Ok(())) => {}
                            Ok(Err(_)) => return Followed::Ended(None, stop),
                            Err(_) => return Followed::Ended(None, Some(Stop::WallTime)),
                        }
                    }
                    frame => said = frame,
                }
            }
            Ok(SandboxEvent::Failed { stage, errno }) => {
                let error = SandboxError::Failed { stage, errno };
                tracing::error!(%error, "a sandbox failed after it had taken a job");
                return Followed::Ended(None, stop);
            }
            Ok(SandboxEvent::Ready | SandboxEvent::Started | SandboxEvent::Kept(_)) | Err(_) => {
                return Followed::Ended(None, stop);
            }
        }
        if output.is_flood() {
            return Followed::Ended(None, Some(Stop::Flood));
        }
        is_first = false;
        is_overdue = Instant::now() >= limit.due;
    }
}
