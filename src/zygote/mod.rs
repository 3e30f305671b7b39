//! The zygote: a process of one thread that boots a language runtime once and then forks a sandbox
//! per request. It is an exec of this same binary (`faas-server zygote`), started by the supervisor
//! with the control socket as its standard input.

mod control;
mod footprint;
mod fork;
mod memory;
mod warm_up;

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
use control::Received;
use footprint::Footprint;
use warm_up::warm_up;

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
    /// Lock file of the distribution that packages may come from.
    #[arg(long)]
    lock: Option<PathBuf>,
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

/// Handicap of a zygote and its forks in the kernel's choice of what to end: out of 1000.
const OOM_SCORE: &str = "500";

impl Runtime {
    /// The smallest program. What it writes, any program writes; a sandbox does so before it takes a
    /// job, which then does not wait for it.
    fn rehearsal(self) -> (Language, &'static str) {
        match self {
            Self::Python => (Language::Python, "print(1)\n1"),
            Self::JavaScript => (Language::JavaScript, "console.log(1); return 1"),
        }
    }

    /// Whether sandboxes write the pages that the smallest program writes, rather than run it. It
    /// spares a sixth of the CPU time of an execution in Python. In JavaScript it spares next to
    /// none, and what a rehearsal does besides is missed by the job (docs/performance.md).
    fn learns_footprint(self) -> bool {
        self == Self::Python
    }
}

/// How often the smallest program runs before it is looked at what it writes.
const REHEARSALS: usize = 30;

type Error = Box<dyn std::error::Error>;

/// Boots, then serves fork requests until the supervisor closes the control socket.
///
/// # Errors
/// When the runtime does not boot or the control socket breaks.
pub fn main(args: &ZygoteArgs) -> Result<(), Error> {
    sandbox::die_with(args.supervisor)?;
    // If the machine runs out of memory, the kernel shall end this or a fork of it, which are made
    // anew, and not the supervisor. It does no harm where it cannot be asked for.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    install_handlers()?;
    let control = Control::from_stdin()?;
    let booted = boot(args).and_then(|mut engine| {
        warm_up(engine.as_mut(), args.runtime, warm_up::rounds(args.runtime))?;
        Ok(engine)
    });
    let mut engine = match booted {
        Ok(engine) => engine,
        Err(error) => {
            // Now, since the supervisor ends this process as soon as the socket closes.
            tracing::error!(%error, "no runtime");
            sandbox::end(sandbox::exit::BROKEN)
        }
    };
    Zygote::ready(engine.as_mut(), args.runtime, control, args.supervisor)?.serve()
}

/// Boots Python, runs the warm-up programs so many times, and returns what its code cache shall
/// hold; `None` if it booted with one that fits.
///
/// # Errors
/// When the runtime does not boot or V8 does not give its code.
pub fn make_code_cache(
    options: &engine::BootOptions,
    rounds: usize,
) -> Result<Option<Vec<u8>>, Error> {
    install_handlers()?;
    let mut engine = engine::PythonEngine::boot(options)?;
    if engine.no_code_cache().is_none() {
        return Ok(None);
    }
    warm_up(&mut engine, Runtime::Python, rounds)?;
    Ok(Some(engine.code_cache(&options.pyodide)?))
}

fn install_handlers() -> std::io::Result<()> {
    sandbox::install_signal_handlers()?;
    sandbox::handle_stack_overflow()?;
    sandbox::handle_traps()
}

/// A process that is fit for forking.
struct Zygote<'a> {
    engine: &'a mut dyn Engine,
    runtime: Runtime,
    control: Control,
    lockdown: Lockdown,
    footprint: Footprint,
    supervisor: i32,
}

impl<'a> Zygote<'a> {
    /// Prepares this process for forking and tells the supervisor.
    fn ready(
        engine: &'a mut dyn Engine,
        runtime: Runtime,
        control: Control,
        supervisor: i32,
    ) -> Result<Self, Error> {
        engine.collect_garbage()?;
        let (language, rehearsal) = runtime.rehearsal();
        if runtime.learns_footprint() {
            // What V8 does first after a collection need not be done in every fork, nor optimising
            // what the smallest program uses: it is on the brink of that when it has run a few times.
            for _ in 0..REHEARSALS {
                sandbox::rehearse(engine, language, rehearsal)?;
            }
        }
        let lockdown = prepare()?;
        let footprint = if runtime.learns_footprint() {
            let program = || drop(sandbox::rehearse(engine, language, rehearsal));
            // SAFETY: this process has one thread.
            unsafe { Footprint::learn(program) }?
        } else {
            Footprint::default()
        };
        // Zygotes with packages, which run code of others, are forks of this one and inherit it.
        sandbox::narrow_zygote(lockdown.layers())?;
        let zygote = Self {
            engine,
            runtime,
            control,
            lockdown,
            footprint,
            supervisor,
        };
        zygote.announce()?;
        Ok(zygote)
    }

    fn announce(&self) -> Result<(), Error> {
        let layers = self.lockdown.layers();
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        self.control.send(&ZygoteEvent::Booted {
            version: self.engine.version().to_owned(),
            layers: names(&layers.present),
            missing_layers: names(&layers.missing),
            no_code_cache: self.engine.no_code_cache().map(str::to_owned),
        })
    }

    fn serve(&mut self) -> Result<(), Error> {
        while let Some(received) = self.control.receive()? {
            let event = self.fork(received);
            self.control.send(&event)?;
        }
        Ok(())
    }

    /// Forks what was asked for; returns only in the parent.
    fn fork(&mut self, received: Received) -> ZygoteEvent {
        let mut descriptors = received.descriptors.into_iter();
        let sockets = (descriptors.next(), descriptors.next());
        // SAFETY: this process has one thread, so the child finds no lock held by another.
        match unsafe { fork::fork_sibling() } {
            Ok(fork::Side::Parent { child }) => ZygoteEvent::Forked { pid: child },
            Err(errno) => ZygoteEvent::ForkFailed { errno },
            Ok(fork::Side::Child) => match (received.command, sockets) {
                (ZygoteCommand::Fork, (Some(job), _)) => {
                    let is_written = self.footprint.write();
                    let rehearsal = (!is_written).then(|| self.runtime.rehearsal());
                    sandbox::main(self.engine, rehearsal, &self.lockdown, self.supervisor, job)
                }
                (ZygoteCommand::ForkZygote { packages }, (Some(job), Some(control))) => {
                    self.become_package_zygote(&packages, job, control)
                }
                _ => sandbox::end(sandbox::exit::NO_JOB),
            },
        }
    }

    /// The life of a zygote with packages. Called in the child right after the fork.
    fn become_package_zygote(&mut self, packages: &[String], job: OwnedFd, control: OwnedFd) -> ! {
        // Closes this process's copy of the base zygote's socket.
        self.control = Control::from_socket(control);
        let status = match sandbox::install(self.engine, packages, job) {
            Err(status) => status,
            Ok(()) => match self.start_over() {
                Ok(()) => sandbox::exit::DONE,
                Err(error) => {
                    tracing::error!(%error, "a zygote with packages failed");
                    sandbox::exit::BROKEN
                }
            },
        };
        sandbox::end(status)
    }

    /// Serves as a zygote in its own right, after a fork and a change of its memory.
    fn start_over(&mut self) -> Result<(), Error> {
        sandbox::die_with(self.supervisor)?;
        warm_up(self.engine, self.runtime, 1)?;
        self.engine.collect_garbage()?;
        self.lockdown = prepare()?;
        // Other memory, other footprint, and a narrowed zygote may not fork to learn it.
        self.footprint = Footprint::default();
        self.announce()?;
        self.serve()
    }
}

/// Makes this process's memory fit for forking and works out its forks' lock-down.
fn prepare() -> Result<Lockdown, Error> {
    memory::make_forkable()?;
    memory::collapse()?;
    Lockdown::prepare()
}

fn boot(args: &ZygoteArgs) -> Result<Box<dyn Engine>, engine::EngineError> {
    let options = engine::BootOptions {
        pyodide: args.pyodide.clone(),
        lock: args.lock.clone(),
        memory_bytes: args.memory_bytes,
        v8_flags: args.v8_flags.clone(),
        use_code_cache: true,
    };
    Ok(match args.runtime {
        Runtime::Python => Box::new(engine::PythonEngine::boot(&options)?),
        Runtime::JavaScript => Box::new(engine::JavaScriptEngine::boot(&options)?),
    })
}
