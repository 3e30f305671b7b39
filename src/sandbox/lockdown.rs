//! The operating system's side of the boundary: what a sandbox process gives up before it sees
//! user code. It must hold even if V8 does not. Works without privileges.
//!
//! | layer | what it takes away |
//! |---|---|
//! | descriptors | everything open but the job socket |
//! | limits | memory over the zygote's, CPU time, files, processes, core dumps |
//! | capabilities | what root could do, raising those limits again among it |
//! | Landlock | the file system, TCP, signals and abstract sockets outside (where the kernel has it) |
//! | seccomp | every system call but those on the list |
//!
//! A zygote narrows itself, too, once it has booted ([`narrow_zygote`]): it may be asked to install
//! packages, which runs code of others. Sandboxes inherit that and narrow further.

use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use landlock::Access;
use landlock::AccessFs;
use landlock::AccessNet;
use landlock::PathBeneath;
use landlock::PathFd;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetCreated;
use landlock::RulesetCreatedAttr;
use landlock::RulesetStatus;
use landlock::Scope;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use rustix::thread::CapabilitySet;
use rustix::thread::CapabilitySets;
use seccompiler::BpfProgram;

use super::filter;
use crate::protocol::SandboxLimits;

/// Descriptor of the job socket in a sandbox. Not 0 to 2: what a library prints for itself must not
/// end up among the frames.
pub(super) const JOB_SOCKET: i32 = 3;

/// Addresses that a job may use over those of the zygote, in bytes. Far more than its memory, since
/// V8 reserves 8 GiB and more for each WebAssembly memory; but not without end: memory that is only
/// read counts for no other limit, and yet takes the kernel a page of table for every 2 MiB.
const ADDRESS_SPACE_BYTES: u64 = 128 << 30;

type Error = Box<dyn std::error::Error>;

/// Lock-down layers of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// Those that are in force in every sandbox.
    pub present: Vec<&'static str>,
    /// Those that this machine does not offer.
    pub missing: Vec<&'static str>,
}

impl Layers {
    /// Asks the kernel. Changes nothing, so the supervisor may ask, too.
    pub fn probe() -> Self {
        let mut layers = Self {
            present: vec!["no_new_privs", "descriptors", "rlimits", "capabilities"],
            missing: Vec::new(),
        };
        for (name, available) in [
            ("seccomp", filter::is_available()),
            ("landlock", landlock_is_enabled()),
        ] {
            if available {
                layers.present.push(name);
            } else {
                layers.missing.push(name);
            }
        }
        layers
    }

    /// Checks that nothing is missing if `required`.
    ///
    /// # Errors
    /// Names what is missing and what to do.
    pub fn require(&self, required: bool) -> Result<(), String> {
        if !required || self.missing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "this machine lacks these lock-down layers: {}; use a kernel that has them (a container runtime may hide them), or set FAAS_REQUIRE_SANDBOX=0 to do without",
            self.missing.join(", ")
        ))
    }

    fn have(&self, name: &str) -> bool {
        self.present.contains(&name)
    }
}

/// A lock-down worked out once in the zygote, applied in each fork.
pub struct Lockdown {
    filter: BpfProgram,
    /// Private writable memory that a fork starts with, in bytes: what RLIMIT_DATA counts.
    base_data_bytes: u64,
    /// Addresses in use by a fork at its start, in bytes: what RLIMIT_AS counts.
    base_address_bytes: u64,
    layers: Layers,
}

impl Lockdown {
    /// Compiles the filter and probes what this machine offers. To be called after the zygote's
    /// last change to its memory.
    ///
    /// # Errors
    /// When `/proc/self/status` cannot be read or the architecture has no filter.
    pub fn prepare() -> Result<Self, Error> {
        Ok(Self {
            filter: filter::for_sandbox(JOB_SOCKET)?,
            base_data_bytes: own_bytes("VmData:")?,
            base_address_bytes: own_bytes("VmSize:")?,
            layers: Layers::probe(),
        })
    }

    /// The layers in force.
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Locks this process down for good. Returns the job socket, moved to its fixed place.
    ///
    /// # Errors
    /// When a layer cannot be applied; the process must then not run user code.
    pub fn apply(&self, supervisor: i32, socket: OwnedFd) -> Result<OwnedFd, Error> {
        die_with(supervisor)?;
        let socket = keep_only(socket)?;
        self.set_limits()?;
        rustix::thread::set_no_new_privs(true)?;
        drop_capabilities()?;
        if self.layers.have("landlock") {
            restrict(ruleset()?.create()?)?;
        }
        if self.layers.have("seccomp") {
            seccompiler::apply_filter(&self.filter)?;
        }
        Ok(socket)
    }

    /// Limits that hold for any job.
    fn set_limits(&self) -> rustix::io::Result<()> {
        for resource in [
            Resource::Core,
            Resource::Fsize,
            Resource::Memlock,
            Resource::Nproc,
        ] {
            limit(resource, 0)?;
        }
        limit(Resource::Nofile, JOB_SOCKET as u64 + 1)
    }

    /// Narrows CPU time and memory to what a job may have.
    ///
    /// # Errors
    /// The system's; with the limits that the supervisor sends there is none.
    pub fn limit(&self, limits: &SandboxLimits) -> std::io::Result<()> {
        limit(
            Resource::Data,
            self.base_data_bytes.saturating_add(limits.memory_bytes),
        )?;
        limit(Resource::As, self.base_address_bytes + ADDRESS_SPACE_BYTES)?;
        // The timer stops the program softly and to the ms; the kernel's limit, in whole seconds,
        // is for a program that does not heed it.
        limit(Resource::Cpu, limits.cpu_ms.div_ceil(1000) + 1)?;
        arm_cpu_timer(limits.cpu_ms)
    }
}

/// Takes from this process, a zygote that has booted, what it needs no longer: privileges, writing
/// to files, reading any outside `/proc`, executing programs, making sockets. It can still fork, and
/// its forks can lock themselves down.
///
/// # Errors
/// When a layer that this machine offers cannot be applied.
pub fn narrow_zygote(layers: &Layers) -> Result<(), Error> {
    limit(Resource::Core, 0)?;
    rustix::thread::set_no_new_privs(true)?;
    drop_capabilities()?;
    if layers.have("landlock") {
        // Its memory map, before every fork.
        let proc = PathBeneath::new(PathFd::new("/proc")?, AccessFs::ReadFile);
        restrict(ruleset()?.create()?.add_rule(proc)?)?;
    }
    if layers.have("seccomp") {
        seccompiler::apply_filter(&filter::for_zygote()?)?;
    }
    Ok(())
}

/// Gives up root's powers; nobody else has any. Limits are final only without CAP_SYS_RESOURCE.
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

fn restrict(ruleset: RulesetCreated) -> Result<(), Error> {
    match ruleset.restrict_self()?.ruleset {
        RulesetStatus::NotEnforced => Err("Landlock was not enforced".into()),
        RulesetStatus::FullyEnforced | RulesetStatus::PartiallyEnforced => Ok(()),
    }
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

/// A program that used up its CPU time is asked to stop again each time it used as much more, in ms.
const STOP_AGAIN_AFTER_MS: u64 = 40;

fn arm_cpu_timer(milliseconds: u64) -> std::io::Result<()> {
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: (STOP_AGAIN_AFTER_MS * 1000) as libc::suseconds_t,
        },
        it_value: libc::timeval {
            tv_sec: (milliseconds / 1000) as libc::time_t,
            tv_usec: (milliseconds % 1000 * 1000) as libc::suseconds_t,
        },
    };
    // SAFETY: the first pointer is to a live itimerval, the second may be null.
    match unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

/// Moves the socket to [`JOB_SOCKET`] and closes every other descriptor.
fn keep_only(socket: OwnedFd) -> std::io::Result<OwnedFd> {
    let moved = if socket.as_raw_fd() == JOB_SOCKET {
        socket
    } else {
        // SAFETY: whatever is at that number belongs to the zygote's side, whose objects are never
        // used again in this process, and is closed.
        let moved = unsafe { libc::dup3(socket.as_raw_fd(), JOB_SOCKET, libc::O_CLOEXEC) };
        if moved < 0 {
            return Err(std::io::Error::last_os_error());
        }
        drop(socket);
        // SAFETY: dup3 made this descriptor, and nothing else owns it.
        unsafe { OwnedFd::from_raw_fd(moved) }
    };
    let last = JOB_SOCKET as libc::c_uint;
    for (from, to) in [(0, last - 1), (last + 1, libc::c_uint::MAX)] {
        // SAFETY: as above: none of the closed descriptors is used again in this process.
        if unsafe { libc::close_range(from, to, 0) } != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(moved)
}

/// A ruleset that handles everything this build of the crate knows, and so denies it.
fn ruleset() -> Result<Ruleset, Error> {
    let abi = landlock::ABI::V6;
    Ok(Ruleset::default()
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?)
}

/// Whether the kernel has Landlock switched on: asks for the version of its interface.
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

/// A size that `/proc/self/status` gives, in bytes.
fn own_bytes(name: &str) -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .ok_or_else(|| format!("no {name} in /proc/self/status"))?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}
