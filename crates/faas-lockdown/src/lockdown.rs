//! The layers, applied one after the other.

use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::time::Duration;

use faas_linux::MOST_STACK;
use faas_linux::ProcessStatus;
use faas_protocol::ByteSize;
use faas_protocol::ForkGuard;
use faas_protocol::JOB_SOCKET;
use faas_protocol::Layer;
use faas_protocol::Layers;
use faas_protocol::Stage;
use landlock::Access;
use landlock::AccessFs;
use landlock::AccessNet;
use landlock::PathBeneath;
use landlock::PathFd;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetCreatedAttr;
use landlock::RulesetError;
use landlock::RulesetStatus;
use landlock::Scope;
use rustix::process::DumpableBehavior;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use rustix::thread::CapabilitySet;
use rustix::thread::CapabilitySets;
use seccompiler::BpfProgram;

use super::filter;
use super::gate;
use super::gate::Gate;

/// Addresses that a job may use over those of the zygote. Far more than its memory, since V8 reserves
/// 8 GiB and more for each WebAssembly memory; but not without end: memory that is only read counts
/// for no other limit of the kernel's, and yet takes a page of table for every 2 MiB.
const ADDRESS_SPACE: ByteSize = ByteSize::mib(128 << 10);

/// Why a process could not be locked down: the first layer that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", stage.advice())]
pub struct LockdownError {
    pub stage: Stage,
    pub source: std::io::Error,
}

impl LockdownError {
    /// The system's error number; 0 if it is not the system's error.
    pub fn errno(&self) -> i32 {
        self.source.raw_os_error().unwrap_or(0)
    }
}

/// Says which stage an error belongs to.
trait At<T> {
    fn at(self, stage: Stage) -> Result<T, LockdownError>;
}

impl<T, E: Into<std::io::Error>> At<T> for Result<T, E> {
    fn at(self, stage: Stage) -> Result<T, LockdownError> {
        self.map_err(|source| LockdownError {
            stage,
            source: source.into(),
        })
    }
}

/// Asks the kernel which layers it has. Changes nothing, so the supervisor may call it, too.
pub fn probe_layers() -> Layers {
    let mut layers = Layers {
        present: vec![
            Layer::NoNewPrivs,
            Layer::Descriptors,
            Layer::Rlimits,
            Layer::Capabilities,
        ],
        missing: Vec::new(),
    };
    for (layer, is_available) in [
        (Layer::Seccomp, filter::is_available()),
        (Layer::Landlock, landlock_is_enabled()),
    ] {
        if is_available {
            layers.present.push(layer);
        } else {
            layers.missing.push(layer);
        }
    }
    layers
}

/// A lock-down worked out once in the zygote, applied in each fork.
pub struct Lockdown {
    filter: BpfProgram,
    /// Most private writable memory of a fork: what RLIMIT_DATA counts.
    most_data: ByteSize,
    /// Most addresses of a fork: what RLIMIT_AS counts.
    most_addresses: ByteSize,
    layers: Layers,
    guard: ForkGuard,
}

impl Lockdown {
    /// Compiles the filter and probes what this machine offers. `own` is what the zygote has after the last
    /// change to its memory: a fork may have `memory` more. `guard` is asked about forks of those that are kept.
    ///
    /// # Errors
    /// When the architecture has no filter.
    pub fn prepare(
        own: &ProcessStatus,
        memory: ByteSize,
        guard: ForkGuard,
    ) -> std::io::Result<Self> {
        Ok(Self {
            filter: filter::for_sandbox(JOB_SOCKET, guard).map_err(std::io::Error::other)?,
            most_data: ByteSize::bytes(own.data_bytes).saturating_add(memory),
            most_addresses: ByteSize::bytes(own.address_bytes).saturating_add(ADDRESS_SPACE),
            layers: probe_layers(),
            guard,
        })
    }

    /// The layers in force.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Who is asked about forks of those that are kept.
    pub fn guard(&self) -> ForkGuard {
        self.guard
    }

    /// Locks this process down for good. Its job socket must be at [`JOB_SOCKET`], and no other
    /// descriptor is used again: they are closed.
    ///
    /// # Errors
    /// When a layer cannot be applied; the process must then not run a program.
    pub fn apply(&self, supervisor: i32) -> Result<(), LockdownError> {
        die_with(supervisor).at(Stage::DeathSignal)?;
        close_others().at(Stage::Layer(Layer::Descriptors))?;
        self.set_limits().at(Stage::Layer(Layer::Rlimits))?;
        rustix::thread::set_no_new_privs(true).at(Stage::Layer(Layer::NoNewPrivs))?;
        drop_capabilities().at(Stage::Layer(Layer::Capabilities))?;
        hide_memory().at(Stage::Hiding)?;
        if self.layers.have(Layer::Landlock) {
            restrict(None).at(Stage::Layer(Layer::Landlock))?;
        }
        if self.layers.have(Layer::Seccomp) {
            apply_filter(&self.filter).at(Stage::Layer(Layer::Seccomp))?;
        }
        Ok(())
    }

    /// Limits that hold for any job, for good: without CAP_SYS_RESOURCE they only go down. The
    /// supervisor sets those of one job, from outside.
    fn set_limits(&self) -> rustix::io::Result<()> {
        limit(Resource::Data, self.most_data.get())?;
        limit(Resource::As, self.most_addresses.get())?;
        for resource in [Resource::Core, Resource::Fsize, Resource::Memlock] {
            limit(resource, 0)?;
        }
        limit(Resource::Nofile, JOB_SOCKET as u64 + 1)?;
        // What the zygote has, for good.
        let stack = rustix::process::getrlimit(Resource::Stack).current;
        limit(
            Resource::Stack,
            stack.map_or(MOST_STACK, |bytes| bytes.min(MOST_STACK)),
        )?;
        // With a filter, nothing in this process can raise the soft limit again, or fork; only the
        // supervisor could, for a process that is to have forks.
        let processes = rustix::process::getrlimit(Resource::Nproc).maximum;
        let hard = if self.layers.have(Layer::Seccomp) {
            processes
        } else {
            Some(0)
        };
        rustix::process::setrlimit(
            Resource::Nproc,
            Rlimit {
                current: Some(0),
                maximum: hard,
            },
        )
    }
}

/// Takes away what a booted zygote no longer needs: privileges, writing files, reading any outside
/// `/proc`, executing programs, making sockets. It can still fork, and its forks can lock themselves
/// down. Returns how forks of sandboxes that are kept are decided about.
///
/// # Safety
/// This process has one thread.
///
/// # Errors
/// When a layer that this machine offers cannot be applied.
pub unsafe fn narrow_zygote(layers: &Layers) -> Result<Gate, LockdownError> {
    limit(Resource::Core, 0).at(Stage::Layer(Layer::Rlimits))?;
    rustix::thread::set_no_new_privs(true).at(Stage::Layer(Layer::NoNewPrivs))?;
    drop_capabilities().at(Stage::Layer(Layer::Capabilities))?;
    hide_memory().at(Stage::Hiding)?;
    if layers.have(Layer::Landlock) {
        // Its forks open their own maps; what /proc/self is, is not known before a fork.
        restrict(Some("/proc")).at(Stage::Layer(Layer::Landlock))?;
    }
    if !layers.have(Layer::Seccomp) {
        return Ok(Gate::Closed(
            "the kernel filters no system calls".to_owned(),
        ));
    }
    // SAFETY: one thread (the caller's promise).
    let gate = unsafe { gate::filter_zygote() };
    gate.at(Stage::Layer(Layer::Seccomp))
}

/// Makes a fork of a narrowed zygote a stranger to all others, before it runs packages' code: a domain of
/// its own, in which no file can be opened any more. What it needs of `/proc` it has opened.
///
/// # Errors
/// When a layer that this machine offers cannot be applied; no package must then be installed.
pub fn narrow_package_zygote(layers: &Layers) -> Result<(), LockdownError> {
    hide_memory().at(Stage::Hiding)?;
    if layers.have(Layer::Landlock) {
        restrict(None).at(Stage::Layer(Layer::Landlock))?;
    }
    Ok(())
}

/// Makes this process and its forks not dumpable: other processes of the same user then have no access to
/// its memory, maps, environment and descriptors in `/proc`, and cannot trace it. Its own files there
/// belong to root from now on, so that of those an ordinary user reads only what all may: `maps`, `smaps`,
/// `status`, but not `pagemap`.
fn hide_memory() -> rustix::io::Result<()> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

fn apply_filter(filter: &BpfProgram) -> std::io::Result<()> {
    seccompiler::apply_filter(filter).map_err(|error| match error {
        seccompiler::Error::Prctl(error) | seccompiler::Error::Seccomp(error) => error,
        other => std::io::Error::other(other),
    })
}

/// Gives up root's capabilities; other users have none. Limits are final only without
/// CAP_SYS_RESOURCE.
fn drop_capabilities() -> rustix::io::Result<()> {
    let none = CapabilitySet::empty();
    rustix::thread::set_capabilities(
        None,
        CapabilitySets {
            effective: none,
            permitted: none,
            inheritable: none,
        },
    )
}

/// Denies with Landlock everything that it knows, except reading files below `readable`.
fn restrict(readable: Option<&str>) -> std::io::Result<()> {
    let restricted = restricted(readable).map_err(|error| {
        // The errno of the call that failed, if one did.
        let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
        while let Some(error) = cause {
            let errno = error.downcast_ref::<std::io::Error>();
            if let Some(errno) = errno.and_then(std::io::Error::raw_os_error) {
                return std::io::Error::from_raw_os_error(errno);
            }
            cause = error.source();
        }
        std::io::Error::other(error.to_string())
    });
    match restricted? {
        RulesetStatus::NotEnforced => Err(std::io::Error::other("Landlock was not enforced")),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
}

/// A ruleset that handles everything this build of the crate knows, and so denies it.
fn restricted(readable: Option<&str>) -> Result<RulesetStatus, RulesetError> {
    let abi = landlock::ABI::V6;
    let mut ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?;
    if let Some(directory) = readable.and_then(|path| PathFd::new(path).ok()) {
        ruleset = ruleset.add_rule(PathBeneath::new(directory, AccessFs::ReadFile))?;
    }
    Ok(ruleset.restrict_self()?.ruleset)
}

/// Asks the kernel to kill this process when the supervisor dies.
///
/// # Errors
/// When it is dead already.
pub fn die_with(supervisor: i32) -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The supervisor may have died before the call above took effect.
    if std::os::unix::process::parent_id() as i32 == supervisor {
        Ok(())
    } else {
        Err(std::io::Error::other("the supervisor is gone"))
    }
}

fn limit(resource: Resource, value: u64) -> rustix::io::Result<()> {
    let value = Some(value);
    rustix::process::setrlimit(
        resource,
        Rlimit {
            current: value,
            maximum: value,
        },
    )
}

/// Further CPU time after which a program over its limit is asked to stop again.
const STOP_AGAIN_AFTER: Duration = Duration::from_millis(40);

/// Has this process asked to stop, by SIGPROF, when it has used so much CPU time, and from then on
/// again and again. What ends one that does not heed it is RLIMIT_CPU, in whole seconds, which the
/// supervisor sets.
///
/// # Errors
/// The system's.
pub fn arm_cpu_timer(after: Duration) -> Result<(), LockdownError> {
    set_profiling_timer(after, STOP_AGAIN_AFTER).at(Stage::JobLimits)
}

fn set_profiling_timer(after: Duration, every: Duration) -> std::io::Result<()> {
    let timeval = |time: Duration| libc::timeval {
        tv_sec: libc::time_t::try_from(time.as_secs()).unwrap_or(libc::time_t::MAX),
        tv_usec: libc::suseconds_t::from(time.subsec_micros()),
    };
    let timer = libc::itimerval {
        it_interval: timeval(every),
        it_value: timeval(after),
    };
    // SAFETY: the first pointer is to a live itimerval, the second may be null.
    match unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Takes back what [`arm_cpu_timer`] did, for a process that waits.
///
/// # Errors
/// The system's.
pub fn disarm_cpu_timer() -> std::io::Result<()> {
    set_profiling_timer(Duration::ZERO, Duration::ZERO)
}

/// Moves a job socket to its fixed place, [`JOB_SOCKET`].
///
/// # Errors
/// The system's.
///
/// # Safety
/// Any object of this process that owns the descriptor of that number must never be used again: the
/// number changes its meaning.
pub unsafe fn move_to_job_socket(socket: OwnedFd) -> std::io::Result<OwnedFd> {
    if socket.as_raw_fd() == JOB_SOCKET {
        return Ok(socket);
    }
    // SAFETY: the caller's promise covers what is closed by this; `socket` is open.
    let moved = unsafe { libc::dup3(socket.as_raw_fd(), JOB_SOCKET, libc::O_CLOEXEC) };
    if moved < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: dup3 made this descriptor, and nothing else owns it (the caller's promise).
    Ok(unsafe { OwnedFd::from_raw_fd(moved) })
}

/// Closes what the parent left open in a program that was just started, beyond standard input, output and
/// error. Where the kernel lacks the call they stay open; no sandbox gets ready there either.
///
/// # Safety
/// Nothing in this process may own a descriptor above 2.
pub unsafe fn close_inherited() {
    // SAFETY: the caller's promise.
    unsafe { libc::close_range(3, libc::c_uint::MAX, 0) };
}

/// Closes every descriptor but [`JOB_SOCKET`].
fn close_others() -> std::io::Result<()> {
    let job_socket = JOB_SOCKET as libc::c_uint;
    for (from, to) in [(0, job_socket - 1), (job_socket + 1, libc::c_uint::MAX)] {
        // SAFETY: none of the closed descriptors is used again in this process, which `apply` says.
        if unsafe { libc::close_range(from, to, 0) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether Landlock is enabled in the kernel: asks for the version of its interface.
fn landlock_is_enabled() -> bool {
    const LANDLOCK_CREATE_RULESET_VERSION: libc::c_uint = 1;
    // SAFETY: with this flag the call takes no attributes and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            std::ptr::null::<libc::c_void>(),
            0usize,
            LANDLOCK_CREATE_RULESET_VERSION,
        )
    };
    version > 0
}
