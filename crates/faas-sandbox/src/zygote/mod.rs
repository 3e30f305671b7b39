//! The zygote: a process of one thread that boots a language runtime once and then forks a sandbox
//! per request. It is an exec of this same binary (`faas-server zygote`), started by the supervisor
//! with the control socket as its standard input.

mod control;
mod warm_up;
mod warming;

use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::path::Path;

use faas_engine::BootOptions;
use faas_engine::CodeCacheFile;
use faas_engine::Engine;
use faas_engine::EngineError;
use faas_engine::EngineSpec;
use faas_engine::PythonEngine;
use faas_lockdown::Gate;
use faas_lockdown::Lockdown;
use faas_lockdown::LockdownError;
use faas_protocol::ByteSize;
use faas_protocol::ForkGuard;
use faas_protocol::KeptForks;
use faas_protocol::Runtime;
use faas_protocol::SandboxExit;
use faas_protocol::ZygoteCommand;
use faas_protocol::ZygoteEvent;
use faas_protocol::ZygoteOptions;

use crate::ending;
use crate::footprint::Footprint;
use crate::fork;
use crate::memory::OwnProc;
use crate::sandbox;
use control::Control;
use control::Received;
use warm_up::warm_up;

/// Handicap of a zygote and its forks in the kernel's choice of what to end: out of 1000.
const OOM_SCORE: &str = "500";

/// How often the smallest program runs before its page writes are recorded.
const REHEARSALS: usize = 30;

type Error = Box<dyn std::error::Error>;

/// Boots, then serves fork requests until the supervisor closes the control socket. That socket is
/// this process's standard input; `supervisor` is the process that ends it by its own end.
///
/// # Errors
/// When the runtime does not boot or the control socket breaks.
pub fn run(options: &ZygoteOptions, supervisor: i32) -> Result<(), Error> {
    faas_lockdown::die_with(supervisor)?;
    // Makes the kernel's out-of-memory killer prefer zygotes and sandboxes, which are replaced, over
    // the supervisor. Best effort.
    let _ = std::fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let spec = faas_engine::spec(options.runtime);
    install_handlers(spec)?;
    let control = Control::from_stdin()?;
    let booted = boot(spec, options).and_then(|mut engine| {
        warm_up(engine.as_mut(), spec, spec.rounds)?;
        Ok(engine)
    });
    let mut engine = match booted {
        Ok(engine) => engine,
        Err(error) => {
            // Now, since the supervisor ends this process as soon as the socket closes.
            tracing::error!(%error, "no runtime");
            ending::end(SandboxExit::Broken)
        }
    };
    match Zygote::ready(engine.as_mut(), spec, control, options.memory, supervisor) {
        Ok(mut zygote) => zygote.serve(),
        Err(error) => {
            tracing::error!(%error, "the zygote cannot be prepared");
            ending::end(exit_of(error.as_ref()))
        }
    }
}

/// Boots Python, runs the warm-up programs so many times, and returns its code cache;
/// `None` if it booted with one that fits.
///
/// # Errors
/// When the runtime does not boot or V8 does not give its code.
pub fn make_code_cache(
    options: &BootOptions,
    rounds: usize,
) -> Result<Option<CodeCacheFile>, Error> {
    let spec = faas_engine::spec(Runtime::Python);
    install_handlers(spec)?;
    let mut engine = PythonEngine::boot(options)?;
    if engine.no_code_cache().is_none() {
        return Ok(None);
    }
    warm_up(&mut engine, spec, rounds)?;
    Ok(Some(engine.code_cache(&options.pyodide)?))
}

fn install_handlers(spec: &EngineSpec) -> std::io::Result<()> {
    sandbox::install_signal_handlers()?;
    sandbox::handle_stack_overflow(spec.stack)?;
    sandbox::handle_traps()
}

/// A process that is fit for forking.
struct Zygote<'a> {
    engine: &'a mut dyn Engine,
    spec: &'static EngineSpec,
    control: Control,
    lockdown: Lockdown,
    footprint: Footprint,
    /// Whether a sandbox writes that instead of a rehearsal.
    writes_footprint: bool,
    /// Most that a program may use.
    memory: ByteSize,
    supervisor: i32,
}

impl<'a> Zygote<'a> {
    /// Prepares this process for forking and tells the supervisor.
    fn ready(
        engine: &'a mut dyn Engine,
        spec: &'static EngineSpec,
        control: Control,
        memory: ByteSize,
        supervisor: i32,
    ) -> Result<Self, Error> {
        engine.collect_garbage()?;
        let smallest = spec.smallest_program;
        if spec.writes_footprint {
            // What V8 does first after a collection need not be done in every fork, nor optimising
            // what the smallest program uses: it is on the brink of that when it has run a few times.
            for _ in 0..REHEARSALS {
                sandbox::rehearse(engine, smallest)?;
            }
        }
        let own = OwnProc::open()?;
        let lockdown = prepare(&own, memory, ForkGuard::default())?;
        assert_one_thread(&own)?;
        let program = || drop(sandbox::rehearse(engine, smallest));
        // SAFETY: this process has one thread, as was just seen.
        let footprint = unsafe { Footprint::learn(program) }?;
        // Zygotes with packages, which run code of others, are forks of this one and inherit it.
        // SAFETY: one thread, as above.
        let gate = unsafe { faas_lockdown::narrow_zygote(lockdown.layers()) }?;
        let mut zygote = Self {
            engine,
            spec,
            control,
            lockdown,
            footprint,
            writes_footprint: spec.writes_footprint,
            memory,
            supervisor,
        };
        let (kept_forks, listener) = match gate {
            Gate::Listener(listener) => (KeptForks::Listener, Some(listener)),
            Gate::Tracer => {
                zygote.refit(&own, ForkGuard::Tracer)?;
                (KeptForks::Tracer, None)
            }
            Gate::Closed(reason) => (KeptForks::Nowhere(reason), None),
        };
        zygote.announce(kept_forks, listener)?;
        Ok(zygote)
    }

    /// Tells the supervisor that it can fork. The listener goes with it and must not stay here: a process
    /// that has it can answer for the supervisor.
    fn announce(&self, kept_forks: KeptForks, listener: Option<OwnedFd>) -> Result<(), Error> {
        let booted = ZygoteEvent::Booted {
            version: self.engine.version().clone(),
            layers: self.lockdown.layers().clone(),
            no_code_cache: self.engine.no_code_cache().map(str::to_owned),
            kept_forks,
        };
        self.control.send_with(&booted, listener)?;
        Ok(())
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
        let mut next = || descriptors.next();
        let sockets = (next(), next(), next());
        // SAFETY: this process has one thread, so the child finds no lock held by another. It was
        // seen before the first fork ([`assert_one_thread`]), and nothing here starts one: V8's
        // platform is single-threaded, and there is no async runtime with I/O or timers of its own.
        match unsafe { fork::fork_sibling() } {
            Ok(fork::Side::Parent { child }) => ZygoteEvent::Forked { pid: child },
            Err(errno) => ZygoteEvent::ForkFailed { errno },
            Ok(fork::Side::Child) => match (received.command, sockets) {
                (ZygoteCommand::Fork, (Some(job), ..)) => {
                    let is_written = self.writes_footprint && self.footprint.write();
                    let rehearsal = (!is_written).then_some(self.spec.smallest_program);
                    let (footprint, lockdown) = (&self.footprint, &self.lockdown);
                    let supervisor = self.supervisor;
                    sandbox::main(self.engine, rehearsal, footprint, lockdown, supervisor, job)
                }
                (
                    ZygoteCommand::ForkZygote { packages, storage },
                    (Some(job), Some(control), Some(log)),
                ) => {
                    let sockets = PackageSockets { job, control, log };
                    self.become_package_zygote(&packages, storage, sockets)
                }
                _ => ending::end(SandboxExit::NoJob),
            },
        }
    }

    /// The life of a zygote with packages. Called in the child right after the fork.
    fn become_package_zygote(
        &mut self,
        packages: &[String],
        storage: ByteSize,
        sockets: PackageSockets,
    ) -> ! {
        // Closes this process's copy of the base zygote's socket.
        self.control = Control::from_socket(sockets.control);
        let lived = self.live_with_packages(packages, storage, sockets.job, sockets.log);
        ending::end(match lived {
            Ok(exit) => exit,
            Err(error) => {
                tracing::error!(%error, "a zygote with packages failed");
                exit_of(error.as_ref())
            }
        })
    }

    /// Narrows, installs, and serves as a zygote in its own right.
    fn live_with_packages(
        &mut self,
        packages: &[String],
        storage: ByteSize,
        job: OwnedFd,
        log: OwnedFd,
    ) -> Result<SandboxExit, Error> {
        redirect_stderr(&log)?;
        drop(log);
        faas_lockdown::die_with(self.supervisor)?;
        let own = OwnProc::open()?;
        faas_lockdown::narrow_package_zygote(self.lockdown.layers())?;
        if let Err(exit) = sandbox::install(self.engine, packages, storage, job) {
            return Ok(exit);
        }
        // With other memory that is not all of it, and a narrowed zygote may not fork to learn the rest.
        self.writes_footprint = false;
        self.refit(&own, self.lockdown.guard())?;
        assert_one_thread(&own)?;
        // A program waits for the packages, so all that can wait comes after its fork.
        self.announce(KeptForks::Inherited, None)?;
        if self.warm_up_aside(&own)? {
            self.serve()?;
        }
        Ok(SandboxExit::Done)
    }

    /// Has the next fork's limits go by this process's memory as it is now.
    fn refit(&mut self, own: &OwnProc, guard: ForkGuard) -> std::io::Result<()> {
        self.lockdown = Lockdown::prepare(&own.status()?, self.memory, guard)?;
        Ok(())
    }
}

/// What comes with the order to become a zygote with packages.
struct PackageSockets {
    job: OwnedFd,
    control: OwnedFd,
    /// What it writes to standard error goes here.
    log: OwnedFd,
}

/// Has standard error go to a pipe. The base zygote's would name another zygote in the log.
fn redirect_stderr(pipe: &OwnedFd) -> std::io::Result<()> {
    // SAFETY: descriptor 2 is nobody's but the standard library's, which only writes to it.
    match unsafe { libc::dup3(pipe.as_raw_fd(), libc::STDERR_FILENO, 0) } {
        -1 => Err(std::io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// How a zygote ends that could not be made.
fn exit_of(error: &(dyn std::error::Error + 'static)) -> SandboxExit {
    match error.downcast_ref::<LockdownError>() {
        Some(_) => SandboxExit::NotLockedDown,
        None => SandboxExit::Broken,
    }
}

/// Makes this process's memory cheap to fork and works out its forks' lock-down.
fn prepare(own: &OwnProc, memory: ByteSize, guard: ForkGuard) -> std::io::Result<Lockdown> {
    own.collapse()?;
    Lockdown::prepare(&own.status()?, memory, guard)
}

/// Whether only this user can have written to a directory of the workspace.
fn is_own(directory: &Path) -> bool {
    let workspace = directory.parent().unwrap_or(directory);
    [workspace, directory]
        .into_iter()
        .all(|path| faas_linux::prepare_workspace(path).is_ok())
}

fn boot(spec: &EngineSpec, options: &ZygoteOptions) -> Result<Box<dyn Engine>, EngineError> {
    // A runtime that needs none does not look into it.
    let pyodide = options.pyodide.clone().unwrap_or_default();
    let beside_it = pyodide.join(faas_engine::CODE_CACHE_DIRECTORY);
    // The machine code there runs. The workspace may have been deleted and made by another user meanwhile.
    let own = options.code_cache.clone();
    let own = own.filter(|directory| is_own(directory));
    (spec.boot)(&BootOptions {
        code_caches: [Some(beside_it), own].into_iter().flatten().collect(),
        pyodide,
        lock: options.lock.clone(),
        fonts: options.fonts.clone(),
        memory: options.memory,
        v8_flags: options.v8_flags.clone(),
    })
}

/// Makes sure that this process may fork and go on: an upgrade of V8 or deno_core might start threads
/// where there were none.
fn assert_one_thread(own: &OwnProc) -> std::io::Result<()> {
    match own.status()?.threads {
        1 => Ok(()),
        threads => Err(std::io::Error::other(format!(
            "a zygote must have one thread to fork, and has {threads}; something that it links started them"
        ))),
    }
}
