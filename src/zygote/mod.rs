//! The zygote: a process of one thread that boots a language runtime once and then forks a sandbox
//! per request. It is an exec of this same binary (`faas-server zygote`), started by the supervisor
//! with the control socket as its standard input.

mod control;
mod fork;
mod memory;

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::engine;
use crate::engine::Engine;
use crate::protocol::Language;
use crate::protocol::ZygoteCommand;
use crate::protocol::ZygoteEvent;
use crate::sandbox;
use crate::sandbox::Lockdown;
use control::Control;

/// Which runtime a zygote boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Runtime {
    Python,
    /// And TypeScript.
    #[value(name = "javascript")]
    JavaScript,
}

/// Command line of the hidden `zygote` command.
#[derive(Debug, clap::Args)]
pub struct ZygoteArgs {
    /// The runtime to boot.
    #[arg(long)]
    runtime: Runtime,
    /// Directory of the pinned Pyodide.
    #[arg(long)]
    pyodide: PathBuf,
    /// Memory that a program may use, in bytes.
    #[arg(long)]
    memory_bytes: u64,
    /// More V8 flags.
    #[arg(long, default_value = "")]
    v8_flags: String,
    /// Process id of the supervisor, whose death ends this process.
    #[arg(long)]
    supervisor: i32,
}

/// How often the warm-up programs run: enough for V8 to compile what they use, and to optimise
/// what they use most.
const WARM_UP_ROUNDS: usize = 12;

/// Programs that take the paths most programs take, run before the first fork so that every fork
/// inherits compiled code and imported modules.
const WARM_UP_PYTHON: &[(Language, &str)] = &[
    (Language::Python, include_str!("../../js/python/warmup.py")),
    (Language::Python, "print(1)\n1"),
    (Language::Python, "1/0"),
];
const WARM_UP_JAVASCRIPT: &[(Language, &str)] = &[
    (
        Language::JavaScript,
        include_str!("../../js/javascript/warmup.js"),
    ),
    (
        Language::TypeScript,
        include_str!("../../js/javascript/warmup.ts"),
    ),
    (Language::JavaScript, "console.log('hi')"),
    (Language::JavaScript, "null.x"),
    (Language::TypeScript, "const n: number = 1; (n as any).x.y"),
];

impl Runtime {
    fn warm_up(self) -> &'static [(Language, &'static str)] {
        match self {
            Self::Python => WARM_UP_PYTHON,
            Self::JavaScript => WARM_UP_JAVASCRIPT,
        }
    }

    /// The program a sandbox rehearses with before it takes a job: pulls in the pages that any
    /// program touches, so that the job does not wait for them.
    fn rehearsal(self) -> (Language, &'static str) {
        match self {
            Self::Python => (Language::Python, "print(1)\n1"),
            Self::JavaScript => (Language::JavaScript, "console.log(1); return 1"),
        }
    }
}

/// Boots, then serves fork requests until the supervisor closes the control socket.
///
/// # Errors
/// When the runtime does not boot or the control socket breaks.
pub fn main(args: &ZygoteArgs) -> Result<(), Box<dyn std::error::Error>> {
    sandbox::die_with(args.supervisor)?;
    sandbox::install_signal_handlers()?;
    sandbox::handle_stack_overflow()?;
    let control = Control::from_stdin()?;
    let mut engine = boot(args)?;
    for _ in 0..WARM_UP_ROUNDS {
        for &(language, code) in args.runtime.warm_up() {
            sandbox::rehearse(engine.as_mut(), language, code)?;
        }
    }
    engine.collect_garbage();
    memory::make_forkable()?;
    memory::collapse()?;
    let lockdown = Lockdown::prepare()?;
    control.send(&ZygoteEvent::Booted {
        version: engine.version().to_owned(),
        layers: lockdown.layers(),
        missing_layers: lockdown.missing_layers(),
    })?;
    while let Some(received) = control.receive()? {
        match (received.command, received.descriptor) {
            (ZygoteCommand::Fork, Some(socket)) => {
                fork_sandbox(&control, engine.as_mut(), &lockdown, args, socket)?;
            }
            (ZygoteCommand::Fork, None) => {
                control.send(&ZygoteEvent::ForkFailed { errno: libc::EBADF })?;
            }
        }
    }
    Ok(())
}

fn boot(args: &ZygoteArgs) -> Result<Box<dyn Engine>, engine::EngineError> {
    let options = engine::BootOptions {
        pyodide: args.pyodide.clone(),
        memory_bytes: args.memory_bytes,
        v8_flags: args.v8_flags.clone(),
    };
    Ok(match args.runtime {
        Runtime::Python => Box::new(engine::PythonEngine::boot(&options)?),
        Runtime::JavaScript => Box::new(engine::JavaScriptEngine::boot(&options)?),
    })
}

fn fork_sandbox(
    control: &Control,
    engine: &mut dyn Engine,
    lockdown: &Lockdown,
    args: &ZygoteArgs,
    job_socket: OwnedFd,
) -> Result<(), Box<dyn std::error::Error>> {
    // SAFETY: this process has one thread, so the child finds no lock held by another.
    let event = match unsafe { fork::fork_sibling() } {
        Ok(fork::Side::Child) => {
            let rehearsal = args.runtime.rehearsal();
            sandbox::main(engine, rehearsal, lockdown, args.supervisor, job_socket)
        }
        Ok(fork::Side::Parent { child }) => ZygoteEvent::Forked { pid: child },
        Err(errno) => ZygoteEvent::ForkFailed { errno },
    };
    drop(job_socket);
    control.send(&event)
}
