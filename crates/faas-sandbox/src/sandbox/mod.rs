//! The sandbox: a fork of a zygote that locks itself down, takes one job from its socket, runs it
//! and ends, or stays to be forked.

mod kept;
mod output;
mod overflow;
mod signals;
mod timer;
mod trap;

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;

use faas_engine::Engine;
use faas_engine::EngineError;
use faas_engine::Host;
use faas_engine::Outcome;
use faas_engine::PackageReply;
use faas_engine::Program;
use faas_engine::Silent;
use faas_engine::interrupt;
use faas_engine::interrupt::stop_requested;
use faas_linux::monotonic_us;
use faas_lockdown::Lockdown;
use faas_lockdown::LockdownError;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::ForkGuard;
use faas_protocol::Invocation;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::PackageAnswer;
use faas_protocol::PackageRequest;
use faas_protocol::Randomness;
use faas_protocol::Representation;
use faas_protocol::SandboxEvent;
use faas_protocol::SandboxExit;
use faas_protocol::Stage;
use faas_protocol::Stages;
use faas_protocol::Stream;
use faas_protocol::Task;
use faas_protocol::Tending;
use faas_protocol::ToolAnswer;
use faas_protocol::ToolAnswers;
use faas_protocol::ToolCall;

use crate::allocator;
use crate::ending::end;
use crate::footprint::Footprint;
use kept::Resting;

pub use overflow::handle_stack_overflow;
pub use signals::cpu_limit_reached;
pub use signals::install_signal_handlers;
pub use trap::handle_traps;

/// The host of a program in a sandbox: output goes to the socket.
struct SocketHost;

impl Host for SocketHost {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        output::write(stream, bytes);
    }

    fn package(&self, request: PackageRequest<'_>) -> Result<PackageReply, String> {
        output::send(&SandboxEvent::Package(request)).map_err(gone)?;
        let frame = output::receive_frame().map_err(gone)?;
        match protocol::decode(&frame) {
            Ok(PackageAnswer::Contents(bytes)) => Ok(PackageReply::Contents(bytes.to_vec())),
            Ok(PackageAnswer::InWheelhouse(there)) => Ok(PackageReply::InWheelhouse(there)),
            Ok(PackageAnswer::Provider(package)) => {
                Ok(PackageReply::Provider(package.map(str::to_owned)))
            }
            Ok(PackageAnswer::RunHere) => Ok(PackageReply::RunHere),
            Ok(PackageAnswer::NotUnpacked) => Ok(PackageReply::NotUnpacked),
            Ok(PackageAnswer::Refused(reason)) => Err(reason.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn call_tool(&self, call: ToolCall<'_>) -> Result<(), String> {
        output::send(&SandboxEvent::CallTool(call)).map_err(gone)
    }

    fn await_tools(&self, within: Option<Duration>) -> Result<Vec<ToolAnswer>, String> {
        // A signal does not end the wait, so the alarm must. First when it is to come, then whether it has.
        let alarm = timer::until_alarm();
        let within = match interrupt::has_come() {
            true => Some(Duration::ZERO),
            false => [within, alarm].into_iter().flatten().min(),
        };
        let within_us = within.map(|within| u64::try_from(within.as_micros()).unwrap_or(u64::MAX));
        output::send(&SandboxEvent::AwaitTools { within_us }).map_err(gone)?;
        let frame = output::receive_frame().map_err(gone)?;
        let answers: ToolAnswers = protocol::decode(&frame).map_err(|error| error.to_string())?;
        Ok(answers.answers)
    }

    // A supervisor that is gone is noticed at the end.

    fn put_file(&self, name: &str, contents: &[u8]) {
        let _ = output::send(&SandboxEvent::File { name, contents });
    }

    fn represent(&self, media_type: &str, content: Representation<'_>) {
        let _ = output::send(&SandboxEvent::Representation {
            media_type,
            content,
        });
    }

    fn show(&self, is_main: bool, artifact: Option<&str>) {
        let _ = output::send(&SandboxEvent::Result { is_main, artifact });
    }

    fn set_alarm(&self, after: Duration, interval: Duration) {
        timer::set_alarm(after, interval);
    }

    fn out_of_memory(&self) -> ! {
        finish_now(1, Some(Limit::Memory))
    }
}

/// What a program is told that asks for something.
fn gone(_: output::SocketClosed) -> String {
    "the supervisor is gone".to_owned()
}

/// Sends the program's end and ends the process, without any memory from the heap.
fn finish_now(exit_code: i32, limit: Option<Limit>) -> ! {
    end(match output::send_last(exit_code, limit) {
        Ok(()) => {
            output::wait_for_close();
            SandboxExit::Done
        }
        Err(_) => SandboxExit::NoJob,
    })
}

/// Runs a program of ours and discards its output.
///
/// # Errors
/// When the runtime fails, which for a program of ours means that it is broken.
pub fn rehearse(
    engine: &mut dyn Engine,
    (language, code): (Language, &str),
) -> Result<(), EngineError> {
    engine.set_host(Rc::new(Silent));
    let program = Program {
        language,
        code,
        input: None,
        invocation: &Invocation::default(),
        // So that what looks at a program's imports is compiled; nobody is asked (`Silent`).
        auto_install: true,
        files: &[],
        files_limit: ByteSize::default(),
        memory_limit: ByteSize::bytes(u64::MAX),
        storage_limit: ByteSize::bytes(u64::MAX),
        cell: None,
        keep: false,
        goes_on: false,
        again: false,
    };
    engine.run(program, true).map(|_| ())
}

/// Installs packages in this process, which is to become a zygote, over a job socket of its own.
/// On failure the supervisor is told why.
///
/// # Errors
/// How this process is to end.
pub fn install(
    engine: &mut dyn Engine,
    packages: &[String],
    storage: ByteSize,
    job_socket: OwnedFd,
) -> Result<(), SandboxExit> {
    output::attach(job_socket);
    allocator::on_out_of_memory(|| finish_now(1, Some(Limit::Memory)));
    engine.set_host(Rc::new(SocketHost));
    let installed = engine.install(packages, storage);
    engine.set_host(Rc::new(Silent));
    if let Err(failed) = &installed {
        let event = SandboxEvent::Finished {
            exit_code: 1,
            return_value: Some(&failed.reason),
            limit: failed.limit,
            stages: Stages::default(),
            goes_on: false,
        };
        output::send(&event).map_err(|_| SandboxExit::NoJob)?;
    }
    output::detach();
    installed.map_err(|_| SandboxExit::Done)
}

/// The life of a sandbox. Called in the child right after the fork.
///
/// `rehearsal`, if any, is a program to run first, whose effects nobody sees. `footprint` is what its forks, if it
/// is kept, write ahead.
pub fn main(
    engine: &mut dyn Engine,
    rehearsal: Option<(Language, &str)>,
    footprint: &Footprint,
    lockdown: &Lockdown,
    supervisor: i32,
    socket: OwnedFd,
) -> ! {
    let lived = live(engine, rehearsal, footprint, lockdown, supervisor, socket);
    end(lived.err().unwrap_or(SandboxExit::Done))
}

fn live(
    engine: &mut dyn Engine,
    rehearsal: Option<(Language, &str)>,
    footprint: &Footprint,
    lockdown: &Lockdown,
    supervisor: i32,
    socket: OwnedFd,
) -> Result<(), SandboxExit> {
    // SAFETY: whatever had that number belongs to the zygote's side, none of whose objects is used
    // again in this process.
    let socket = unsafe { faas_lockdown::move_to_job_socket(socket) };
    output::attach(socket.map_err(|_| SandboxExit::NotLockedDown)?);
    lockdown.apply(supervisor).map_err(not_locked_down)?;
    if let Some(program) = rehearsal {
        rehearse(engine, program).map_err(|_| broken(Stage::Rehearsal))?;
    }
    engine.reseed().map_err(|_| broken(Stage::Reseed))?;
    engine.set_host(Rc::new(SocketHost));
    let mut origin = Origin::Zygote;
    // A kept process goes on behind its job in each of its forks.
    while let Then::Stay(resting) = do_a_job(engine, origin, lockdown.guard())? {
        resting.wait_to_be_forked()?;
        // As far as it is there: a job may have given memory back.
        footprint.write();
        forget_the_last_job(engine);
        origin = Origin::Kept;
    }
    output::wait_for_close();
    Ok(())
}

/// What a sandbox was forked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Zygote,
    /// A process that ran a program, and has what that left.
    Kept,
}

/// What a process does when its job is done.
enum Then {
    End,
    /// Wait to be forked.
    Stay(Resting),
}

/// Says that this process is ready, takes a job and does it.
fn do_a_job(
    engine: &mut dyn Engine,
    origin: Origin,
    guard: ForkGuard,
) -> Result<Then, SandboxExit> {
    output::send(&SandboxEvent::Ready).map_err(|_| SandboxExit::NoJob)?;

    // The limits of its job are in force once the job begins to arrive, so it may be too large to read.
    allocator::on_out_of_memory(|| finish_now(1, Some(Limit::Memory)));
    let length = output::receive_length().map_err(|_| SandboxExit::NoJob)?;
    let taken_at_us = monotonic_us();
    output::send(&SandboxEvent::Started).map_err(|_| SandboxExit::NoJob)?;
    let frame = output::receive_payload(length).map_err(|_| SandboxExit::NoJob)?;
    let job: Job = protocol::decode(&frame).map_err(|_| SandboxExit::NoJob)?;
    drop(frame);
    faas_lockdown::arm_cpu_timer(job.limits.cpu).map_err(not_locked_down)?;
    if origin == Origin::Kept && job.randomness == Randomness::Fresh {
        engine.reseed().map_err(|_| broken(Stage::Reseed))?;
    }
    let can_stay = match job.task {
        Task::Run => run(engine, &job, origin, taken_at_us)?,
        Task::Check => check(engine, &job)?,
        Task::Tend(tending) => tend(engine, tending, &job, origin)?,
    };
    if !job.keep {
        return Ok(Then::End);
    }
    drop(job);
    let stays = can_stay && engine.rest().is_ok() && faas_lockdown::disarm_cpu_timer().is_ok();
    timer::set_alarm(Duration::ZERO, Duration::ZERO);
    let resting = stays.then(|| Resting::begin(guard).ok()).flatten();
    let kept = SandboxEvent::Kept(resting.as_ref().map(|_| guard));
    output::send(&kept).map_err(|_| SandboxExit::NoJob)?;
    Ok(resting.map_or(Then::End, Then::Stay))
}

/// Takes back what is left of a job in the state of the process. A fork has all of it but timers.
fn forget_the_last_job(engine: &mut dyn Engine) {
    signals::forget_cpu_limit();
    timer::forget();
    engine.forget_stop();
}

/// Tells the supervisor which layer did not hold.
fn not_locked_down(error: LockdownError) -> SandboxExit {
    tell_failure(error.stage, error.errno());
    SandboxExit::NotLockedDown
}

/// Tells the supervisor what the runtime could not do.
fn broken(stage: Stage) -> SandboxExit {
    tell_failure(stage, 0);
    SandboxExit::Broken
}

fn tell_failure(stage: Stage, errno: i32) {
    // A supervisor that is gone has no use for it.
    let _ = output::send(&SandboxEvent::Failed { stage, errno });
}

/// Runs the program over its inputs, one after the other, as long as each leaves the process in order; returns whether
/// the process can stay.
fn run(
    engine: &mut dyn Engine,
    job: &Job,
    origin: Origin,
    mut taken_at_us: u64,
) -> Result<bool, SandboxExit> {
    let mut program = program_of(job, origin);
    let mut further = job.further_inputs.iter();
    loop {
        let next = further.next();
        let can_stay = run_once(engine, program, job, taken_at_us, next.is_some())?;
        let Some(input) = next.filter(|_| can_stay) else {
            return Ok(can_stay);
        };
        program.input = Some(input);
        program.files = &[];
        program.goes_on = true;
        program.again = true;
        taken_at_us = monotonic_us();
        faas_lockdown::arm_cpu_timer(job.limits.cpu).map_err(not_locked_down)?;
    }
}

/// Runs the program over one input; returns whether the process can stay, for another one if there is.
fn run_once(
    engine: &mut dyn Engine,
    program: Program<'_>,
    job: &Job,
    taken_at_us: u64,
    has_next: bool,
) -> Result<bool, SandboxExit> {
    let prepared_at_us = monotonic_us();
    let outcome = engine.run(program, false);
    let compiled = outcome.as_ref().map(|outcome| outcome.compiled_at_us);
    let compiled_at_us = compiled.ok().flatten().unwrap_or(prepared_at_us);
    let stages = Stages {
        taken_at_us,
        prepare_us: prepared_at_us.saturating_sub(taken_at_us),
        compile_us: compiled_at_us.saturating_sub(prepared_at_us),
        run_us: monotonic_us().saturating_sub(compiled_at_us),
    };
    finish(outcome.as_ref(), job, stages, has_next)
}

/// What an engine is to run.
fn program_of(job: &Job, origin: Origin) -> Program<'_> {
    Program {
        language: job.language,
        code: &job.code,
        input: job.input.as_deref(),
        invocation: &job.invocation,
        auto_install: job.auto_install,
        files: &job.files,
        files_limit: job.limits.files,
        memory_limit: job.limits.memory,
        storage_limit: job.limits.storage,
        cell: job.cell,
        // What ran over one input stays for the next.
        keep: job.keep || !job.further_inputs.is_empty(),
        goes_on: origin == Origin::Kept,
        again: false,
    }
}

/// Looks at, or changes, what programs left.
fn tend(
    engine: &mut dyn Engine,
    tending: Tending,
    job: &Job,
    origin: Origin,
) -> Result<bool, SandboxExit> {
    let found = engine.tend(tending, program_of(job, origin));
    let outcome = found.map(|return_value| Outcome {
        exit_code: 0,
        return_value,
        limit: None,
        compiled_at_us: None,
        can_stay: true,
    });
    finish(outcome.as_ref(), job, Stages::default(), false)
}

/// Looks at the program; a checker that is stopped or fails ends as a program that does.
fn check(engine: &mut dyn Engine, job: &Job) -> Result<bool, SandboxExit> {
    let findings = engine.check(job.language, &job.code);
    let outcome = findings.map(|findings| Outcome {
        exit_code: 0,
        return_value: Some(findings),
        limit: None,
        compiled_at_us: None,
        can_stay: false,
    });
    finish(outcome.as_ref(), job, Stages::default(), false)
}

/// Says how a program ended, and whether the next one follows if the job has one; returns whether the process can stay.
fn finish(
    outcome: Result<&Outcome, &EngineError>,
    job: &Job,
    stages: Stages,
    has_next: bool,
) -> Result<bool, SandboxExit> {
    let limit = signals::cpu_limit_reached().then_some(Limit::CpuTime);
    let mut event = match outcome {
        Ok(outcome) => {
            let value = outcome.return_value.as_deref();
            let too_long =
                value.is_some_and(|value| value.len() as u64 > job.limits.return_value.get());
            SandboxEvent::Finished {
                exit_code: if too_long { 1 } else { outcome.exit_code },
                return_value: if too_long { None } else { value },
                limit: if too_long {
                    Some(Limit::ReturnValue)
                } else {
                    outcome.limit.or(limit)
                },
                stages,
                goes_on: false,
            }
        }
        Err(EngineError::Terminated) => SandboxEvent::Finished {
            exit_code: 1,
            return_value: None,
            limit,
            stages,
            goes_on: false,
        },
        Err(_) => return Err(SandboxExit::Broken),
    };
    // A return value that is too long is dropped, and no more.
    let is_within_limits = matches!(
        event,
        SandboxEvent::Finished {
            limit: None | Some(Limit::ReturnValue),
            ..
        }
    );
    let can_stay = is_within_limits && outcome.is_ok_and(|outcome| outcome.can_stay);
    // What follows a stop would be stopped, too.
    let can_go_on = can_stay && !stop_requested();
    if let SandboxEvent::Finished { goes_on, .. } = &mut event {
        *goes_on = has_next && can_go_on;
    }
    output::send(&event).map_err(|_| SandboxExit::NoJob)?;
    Ok(if has_next { can_go_on } else { can_stay })
}
