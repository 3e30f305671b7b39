//! The sandbox: a fork of a zygote that locks itself down, takes one job from its socket, runs it
//! and ends.

mod filter;
mod lockdown;
mod output;
mod overflow;
mod signals;
mod trap;

use std::os::fd::OwnedFd;
use std::rc::Rc;

use crate::allocator;
use crate::clock;
use crate::engine::Engine;
use crate::engine::EngineError;
use crate::engine::Host;
use crate::engine::Outcome;
use crate::engine::Program;
use crate::engine::Silent;
use crate::engine::Stream;
use crate::protocol;
use crate::protocol::Job;
use crate::protocol::Language;
use crate::protocol::PackageAnswer;
use crate::protocol::PackageRequest;
use crate::protocol::SandboxEvent;
use crate::protocol::SandboxLimit;
use crate::protocol::Stages;
use crate::protocol::Task;

pub use filter::sandbox_calls;
pub use lockdown::Layers;
pub use lockdown::Lockdown;
pub use lockdown::die_with;
pub use lockdown::narrow_zygote;
pub use overflow::handle_stack_overflow;
pub use signals::install_signal_handlers;
pub use trap::handle_traps;

/// Exit codes of a sandbox process that ended itself, for the supervisor.
pub mod exit {
    /// Done; its last frame says how.
    pub const DONE: i32 = 0;
    /// It could not lock itself down.
    pub const NOT_LOCKED_DOWN: i32 = 70;
    /// Its socket closed or brought nonsense.
    pub const NO_JOB: i32 = 71;
    /// The runtime could not go on.
    pub const BROKEN: i32 = 72;
}

/// The host of a program in a sandbox: output goes to the socket.
struct SocketHost;

impl Host for SocketHost {
    fn write(&self, stream: Stream, bytes: &[u8]) {
        output::write(stream, bytes);
    }

    fn package(&self, request: PackageRequest<'_>) -> Result<Vec<u8>, String> {
        let gone = |_| "the supervisor is gone".to_owned();
        output::send(&SandboxEvent::Package(request)).map_err(gone)?;
        let frame = output::receive_frame().map_err(gone)?;
        match protocol::decode(&frame) {
            Ok(PackageAnswer::Found(bytes)) => Ok(bytes.to_vec()),
            Ok(PackageAnswer::Refused(reason)) => Err(reason.to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn put_file(&self, name: &str, media_type: Option<&str>, contents: &[u8]) {
        // A supervisor that is gone is noticed at the end.
        let _ = output::send(&SandboxEvent::File {
            name,
            media_type,
            contents,
        });
    }

    fn out_of_memory(&self) -> ! {
        finish_now(1, Some(SandboxLimit::Memory))
    }
}

/// Sends the program's end and ends the process, without any memory from the heap.
fn finish_now(exit_code: i32, limit: Option<SandboxLimit>) -> ! {
    end(match output::send_last(exit_code, limit) {
        Ok(()) => {
            output::wait_for_close();
            exit::DONE
        }
        Err(_) => exit::NO_JOB,
    })
}

/// Runs a program whose effects nobody shall see.
///
/// # Errors
/// When the runtime fails, which for a program of ours means that it is broken.
pub fn rehearse(
    engine: &mut dyn Engine,
    language: Language,
    code: &str,
) -> Result<(), EngineError> {
    engine.set_host(Rc::new(Silent));
    let program = Program {
        language,
        code,
        input: None,
        auto_install: false,
        files: &[],
        files_bytes: 0,
        memory_bytes: u64::MAX,
        storage_bytes: u64::MAX,
    };
    engine.run(program, true).map(|_| ())
}

/// Installs packages in this process, which is to become a zygote, over a job socket of its own.
/// On failure the supervisor is told why.
///
/// # Errors
/// The exit code for this process.
pub fn install(
    engine: &mut dyn Engine,
    packages: &[String],
    job_socket: OwnedFd,
) -> Result<(), i32> {
    output::attach(job_socket);
    engine.set_host(Rc::new(SocketHost));
    let installed = engine.install(packages);
    engine.set_host(Rc::new(Silent));
    if let Err(reason) = &installed {
        let event = SandboxEvent::Finished {
            exit_code: 1,
            return_value: Some(reason),
            limit: None,
            stages: Stages::default(),
        };
        output::send(&event).map_err(|_| exit::NO_JOB)?;
    }
    output::detach();
    installed.map_err(|_| exit::DONE)
}

/// The life of a sandbox. Called in the child right after the fork.
///
/// `rehearsal`, if any, is a program to run first, whose effects nobody sees.
pub fn main(
    engine: &mut dyn Engine,
    rehearsal: Option<(Language, &str)>,
    lockdown: &Lockdown,
    supervisor: i32,
    socket: OwnedFd,
) -> ! {
    let status = match live(engine, rehearsal, lockdown, supervisor, socket) {
        Ok(()) => exit::DONE,
        Err(status) => status,
    };
    end(status)
}

/// Ends this process at once.
pub fn end(status: i32) -> ! {
    // SAFETY: _exit ends the process without running destructors; V8 must not be disposed of in a
    // fork, and what is open the kernel closes.
    unsafe { libc::_exit(status) }
}

fn live(
    engine: &mut dyn Engine,
    rehearsal: Option<(Language, &str)>,
    lockdown: &Lockdown,
    supervisor: i32,
    socket: OwnedFd,
) -> Result<(), i32> {
    let socket = lockdown
        .apply(supervisor, socket)
        .map_err(|_| exit::NOT_LOCKED_DOWN)?;
    output::attach(socket);
    if let Some((language, code)) = rehearsal {
        rehearse(engine, language, code).map_err(|_| exit::BROKEN)?;
    }
    engine.reseed().map_err(|_| exit::BROKEN)?;
    engine.set_host(Rc::new(SocketHost));
    output::send(&SandboxEvent::Ready).map_err(|_| exit::NO_JOB)?;

    let job: Job = output::receive().map_err(|_| exit::NO_JOB)?;
    let taken_at_us = clock::monotonic_us();
    output::send(&SandboxEvent::Started).map_err(|_| exit::NO_JOB)?;
    lockdown
        .limit(&job.limits)
        .map_err(|_| exit::NOT_LOCKED_DOWN)?;
    allocator::on_out_of_memory(|| finish_now(1, Some(SandboxLimit::Memory)));
    match job.task {
        Task::Run => run(engine, &job, taken_at_us),
        Task::Check => check(engine, &job),
    }
}

fn run(engine: &mut dyn Engine, job: &Job, taken_at_us: u64) -> Result<(), i32> {
    let program = Program {
        language: job.language,
        code: &job.code,
        input: job.input.as_deref(),
        auto_install: job.auto_install,
        files: &job.files,
        files_bytes: job.limits.files_bytes,
        memory_bytes: job.limits.memory_bytes,
        storage_bytes: job.limits.storage_bytes,
    };
    let prepared_at_us = clock::monotonic_us();
    let outcome = engine.run(program, false);
    let compiled = outcome.as_ref().map(|outcome| outcome.compiled_at_us);
    let compiled_at_us = compiled.ok().flatten().unwrap_or(prepared_at_us);
    let stages = Stages {
        taken_at_us,
        prepare_us: prepared_at_us.saturating_sub(taken_at_us),
        compile_us: compiled_at_us.saturating_sub(prepared_at_us),
        run_us: clock::monotonic_us().saturating_sub(compiled_at_us),
    };
    finish(outcome.as_ref(), job, stages)
}

/// Looks at the program; a checker that is stopped or fails ends as a program that does.
fn check(engine: &mut dyn Engine, job: &Job) -> Result<(), i32> {
    let findings = engine.check(job.language, &job.code);
    let outcome = findings.map(|findings| Outcome {
        exit_code: 0,
        return_value: Some(findings),
        limit: None,
        compiled_at_us: None,
    });
    finish(outcome.as_ref(), job, Stages::default())
}

fn finish(outcome: Result<&Outcome, &EngineError>, job: &Job, stages: Stages) -> Result<(), i32> {
    let limit = signals::cpu_limit_reached().then_some(SandboxLimit::Cpu);
    let event = match outcome {
        Ok(outcome) => {
            let value = outcome.return_value.as_deref();
            let too_long = value.is_some_and(|value| value.len() as u64 > job.limits.return_bytes);
            SandboxEvent::Finished {
                exit_code: if too_long { 1 } else { outcome.exit_code },
                return_value: if too_long { None } else { value },
                limit: if too_long {
                    Some(SandboxLimit::ReturnValue)
                } else {
                    outcome.limit.or(limit)
                },
                stages,
            }
        }
        Err(EngineError::Terminated) => SandboxEvent::Finished {
            exit_code: 1,
            return_value: None,
            limit,
            stages,
        },
        Err(_) => return Err(exit::BROKEN),
    };
    output::send(&event).map_err(|_| exit::NO_JOB)?;
    output::wait_for_close();
    Ok(())
}
