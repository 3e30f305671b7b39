//! The operating system's side of the boundary: what a sandbox process gives up before it sees
//! user code. It must hold even if V8 does not. Works without privileges.
//!
//! | layer | what it takes away |
//! |---|---|
//! | descriptors | everything open but the job socket |
//! | limits | memory over the zygote's, CPU time, files, processes, core dumps |
//! | Landlock | the file system, TCP, signals and abstract sockets outside (where the kernel has it) |
//! | seccomp | every system call but those on the list |

use std::collections::BTreeMap;
use std::os::fd::AsRawFd;
use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use landlock::Access;
use landlock::AccessFs;
use landlock::AccessNet;
use landlock::Ruleset;
use landlock::RulesetAttr;
use landlock::RulesetStatus;
use landlock::Scope;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;

use crate::protocol::SandboxLimits;

/// Descriptor of the job socket in a sandbox. Not 0 to 2: what a library prints for itself must not
/// end up among the frames.
const JOB_SOCKET: i32 = 3;

type Error = Box<dyn std::error::Error>;

/// A lock-down worked out once in the zygote, applied in each fork.
pub struct Lockdown {
    filter: BpfProgram,
    /// Private writable memory that a fork starts with, in bytes: what RLIMIT_DATA counts.
    base_data_bytes: u64,
    landlock: bool,
}

impl Lockdown {
    /// Compiles the filter and probes what this machine offers. To be called after the zygote's
    /// last change to its memory.
    ///
    /// # Errors
    /// When `/proc/self/status` cannot be read or the architecture has no filter.
    pub fn prepare() -> Result<Self, Error> {
        Ok(Self {
            filter: filter()?,
            base_data_bytes: data_bytes()?,
            landlock: ruleset().and_then(|set| Ok(set.create()?)).is_ok() && landlock_is_enabled(),
        })
    }

    /// Names of the layers that are in force, for `/health`.
    pub fn layers(&self) -> Vec<String> {
        let mut layers = vec!["no_new_privs", "rlimits", "seccomp"];
        if self.landlock {
            layers.push("landlock");
        }
        layers.into_iter().map(String::from).collect()
    }

    /// Names of the layers that this machine lacks.
    pub fn missing_layers(&self) -> Vec<String> {
        if self.landlock {
            Vec::new()
        } else {
            vec!["landlock".to_owned()]
        }
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
        if self.landlock {
            let status = ruleset()?.create()?.restrict_self()?;
            if status.ruleset == RulesetStatus::NotEnforced {
                return Err("Landlock was not enforced".into());
            }
        }
        seccompiler::apply_filter(&self.filter)?;
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
        // The timer stops the program softly and to the ms; the kernel's limit, in whole seconds,
        // is for a program that does not heed it.
        limit(Resource::Cpu, limits.cpu_ms.div_ceil(1000) + 1)?;
        arm_cpu_timer(limits.cpu_ms)
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

fn arm_cpu_timer(milliseconds: u64) -> std::io::Result<()> {
    let timer = libc::itimerval {
        it_interval: libc::timeval {
            tv_sec: 0,
            tv_usec: 0,
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

/// Private writable memory of this process, in bytes (`VmData`).
fn data_bytes() -> Result<u64, Error> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let kibibytes: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmData:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .ok_or("no VmData in /proc/self/status")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024)
}

/// The system calls a running program needs: memory, its socket, clocks, entropy, its end. All
/// others fail with EPERM. `prlimit64` is allowed on the process itself, to lower its limits once
/// the job is known; `mmap` and `mprotect` may make memory executable, since V8 compiles; V8 takes
/// its handler for faults of WebAssembly away (`rt_sigaction`) when it meets one of another kind,
/// which would otherwise fault for ever.
fn filter() -> Result<BpfProgram, Error> {
    let always = [
        libc::SYS_brk,
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_getrusage,
        libc::SYS_gettid,
        libc::SYS_gettimeofday,
        libc::SYS_madvise,
        libc::SYS_mmap,
        libc::SYS_mprotect,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_pkey_alloc,
        libc::SYS_pkey_free,
        libc::SYS_pkey_mprotect,
        libc::SYS_read,
        libc::SYS_restart_syscall,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_yield,
        libc::SYS_setitimer,
        libc::SYS_sigaltstack,
        libc::SYS_write,
    ];
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        always.into_iter().map(|call| (call, Vec::new())).collect();
    let itself = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, 0)?;
    rules.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![itself])?]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}
