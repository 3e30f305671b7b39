//! A child process held by its pidfd: signals reach it and nothing else, its end is awaited, and
//! the kernel tells what it used.

use std::collections::HashSet;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use faas_linux::ProcessStatus;
use faas_protocol::SandboxExit;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Resource;
use rustix::process::Rlimit;
use rustix::process::Signal;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// Somebody else reaped it, or the kernel does not say.
    Unknown,
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => {
                write!(formatter, "exit code {code}")?;
                match SandboxExit::from_code(*code) {
                    Some(exit) => write!(formatter, ": {}", exit.meaning()),
                    None => Ok(()),
                }
            }
            Self::Signal(libc::SIGSYS) => {
                formatter.write_str("killed for a system call that no honest program makes")
            }
            Self::Signal(signal) => write!(formatter, "signal {signal}"),
            Self::Unknown => write!(formatter, "unknown"),
        }
    }
}

/// A child of this process that nobody else reaps. Dropping it kills the process and has it reaped;
/// `K` is kept until then.
#[derive(Debug)]
pub struct ChildProcess<K: Send + 'static = ()> {
    pid: Pid,
    /// `None` only while being dropped.
    held: Option<(Pidfd, K, Claim)>,
}

/// A zygote's process, and its right to be alive: one with packages has one.
pub type ZygoteProcess = ChildProcess<Option<OwnedSemaphorePermit>>;

/// The right to a child, held until it is reaped. No process may have two owners: the end of one
/// would kill what the other still uses.
#[derive(Debug)]
struct Claim(Pid);

static CLAIMED: LazyLock<Mutex<HashSet<Pid>>> = LazyLock::new(Mutex::default);

impl Claim {
    /// `None` if somebody has it.
    fn on(pid: Pid) -> Option<Self> {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.insert(pid).then(|| Self(pid))
    }
}

/// Whether somebody has charge of this process.
pub fn is_claimed(pid: i32) -> bool {
    let claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
    Pid::from_raw(pid).is_some_and(|pid| claimed.contains(&pid))
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut claimed = CLAIMED.lock().unwrap_or_else(PoisonError::into_inner);
        claimed.remove(&self.0);
    }
}

#[derive(Debug)]
struct Pidfd(AsyncFd<OwnedFd>);

impl Pidfd {
    async fn reap(&self) -> ExitStatus {
        loop {
            // Only its end: of a child that is traced, waitid(2) shows and takes stops, too, whatever it is asked for. One
            // that had itself traced unasked would count as ended.
            let Ok(mut ready) = self.0.readable().await else {
                return ExitStatus::Unknown;
            };
            let waited = rustix::process::waitid(
                WaitId::PidFd(self.0.as_fd()),
                WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
            );
            match waited {
                Ok(Some(status)) => {
                    return match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => ExitStatus::Code(code),
                        (_, Some(signal)) => ExitStatus::Signal(signal),
                        _ => ExitStatus::Unknown,
                    };
                }
                Ok(None) => ready.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return ExitStatus::Unknown,
            }
        }
    }
}

impl<K: Send + 'static> ChildProcess<K> {
    /// Takes charge of a child, which another process may have forked for this one.
    ///
    /// The number may come from a zygote, which may lie: it must be that of a child that this
    /// process has not reaped, which also rules out that the number was given away since, and that
    /// nobody else has charge of.
    ///
    /// # Errors
    /// When there is no such child, it is taken, or no descriptor is left.
    pub fn adopt(pid: i32, kept: K) -> std::io::Result<Self> {
        let pid = Pid::from_raw(pid)
            .filter(|pid| pid.as_raw_nonzero().get() > 1)
            .ok_or(std::io::ErrorKind::InvalidInput)?;
        let claim = Claim::on(pid).ok_or(std::io::ErrorKind::AlreadyExists)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::NONBLOCK)?;
        rustix::process::waitid(
            WaitId::PidFd(pidfd.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
        )?;
        // SAFETY: an OwnedFd keeps its one descriptor open until it is dropped.
        let pidfd = unsafe { AsyncFd::register_with_interest(pidfd, Interest::READABLE) }?;
        Ok(Self {
            pid,
            held: Some((Pidfd(pidfd), kept, claim)),
        })
    }

    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends a signal; does nothing if the process has exited.
    pub fn signal(&self, signal: Signal) {
        if let Some((pidfd, ..)) = &self.held {
            let _ = rustix::process::pidfd_send_signal(&pidfd.0, signal);
        }
    }

    /// Replaces what is kept until it is reaped; returns what was kept before.
    pub fn keep(&mut self, kept: K) -> Option<K> {
        let held = self.held.as_mut();
        held.map(|(_, before, _)| std::mem::replace(before, kept))
    }

    /// Whether it has ended, reaped or not.
    pub fn has_ended(&self) -> bool {
        let Some((pidfd, ..)) = &self.held else {
            return true;
        };
        let waited = rustix::process::waitid(
            WaitId::PidFd(pidfd.0.as_fd()),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT,
        );
        match waited {
            Ok(None) => false,
            Ok(Some(status)) => !(status.trapped() || status.stopped()),
            Err(_) => true,
        }
    }

    /// Waits for its end and reaps it. May be given up and called again.
    pub async fn reap(&self) -> ExitStatus {
        match &self.held {
            Some((pidfd, ..)) => pidfd.reap().await,
            None => ExitStatus::Unknown,
        }
    }

    /// CPU time that the process used so far, of user and system.
    pub fn cpu_time(&self) -> Duration {
        cpu_time_of(self.pid())
    }

    /// Sets a limit of the kernel's, for good: a sandbox cannot raise it, and nor can this process.
    ///
    /// # Errors
    /// The system's, when the process is gone.
    pub fn set_limit(&self, resource: Resource, value: u64) -> std::io::Result<()> {
        let value = Some(value);
        let limit = Rlimit {
            current: value,
            maximum: value,
        };
        rustix::process::prlimit(Some(self.pid), resource, limit)?;
        Ok(())
    }

    /// Sets a limit of the kernel's that this process may change again, up to the highest that the
    /// child has given itself.
    ///
    /// # Errors
    /// The system's, when the process is gone.
    pub fn set_soft_limit(&self, resource: Resource, value: u64) -> std::io::Result<()> {
        set_soft_limit(self.pid(), resource, value)
    }

    /// Its memory, with pages shared with the zygote; zeros once it has ended.
    pub fn memory(&self) -> ProcessStatus {
        ProcessStatus::of(self.pid()).unwrap_or_default()
    }
}

/// CPU time that a process used so far, of user and system; nothing once it has ended.
pub fn cpu_time_of(pid: i32) -> Duration {
    let mut clock = 0;
    // SAFETY: the kernel writes one clock id to a live local.
    if unsafe { libc::clock_getcpuclockid(pid, &raw mut clock) } != 0 {
        return Duration::ZERO;
    }
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the kernel writes one timespec to a live local.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Sets a limit of a process that this one may change again, up to the highest that it may have. It must not be
/// reaped meanwhile, or another may get its number.
///
/// # Errors
/// The system's, when the process is gone.
pub fn set_soft_limit(pid: i32, resource: Resource, value: u64) -> std::io::Result<()> {
    let mut limits = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    let resource = resource as libc::__rlimit_resource_t;
    // SAFETY: the kernel reads nothing, and writes the limits to a live local.
    if unsafe { libc::prlimit(pid, resource, std::ptr::null(), &raw mut limits) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    limits.rlim_cur = value.min(limits.rlim_max);
    // SAFETY: the kernel reads the limits from a live local, and writes nothing.
    if unsafe { libc::prlimit(pid, resource, &raw const limits, std::ptr::null_mut()) } != 0 {
        return Err(std::io::Error::last_os_error());
    }
    Ok(())
}

impl<K: Send + 'static> Drop for ChildProcess<K> {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
        let held = self.held.take();
        // Outside a runtime this process is ending, and the kernel kills what is left.
        if let (Some((pidfd, kept, claim)), Ok(runtime)) =
            (held, tokio::runtime::Handle::try_current())
        {
            runtime.spawn(async move {
                pidfd.reap().await;
                drop((kept, claim));
            });
        }
    }
}
