//! The listener of a filter of system calls (seccomp_unotify(2)): calls that stand still until it is decided about them.

use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;

use faas_protocol::ForkTicket;
use faas_protocol::JOB_SOCKET;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::Signal;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A call that a process stands still in (`struct seccomp_notif`).
#[derive(Debug)]
pub struct Asked {
    id: u64,
    pub pid: i32,
    pub call: i64,
    /// What is where a ticket would be.
    pub ticket: ForkTicket,
}

/// The listener of a filter of system calls (seccomp_unotify(2)).
pub struct Listener(AsyncFd<OwnedFd>);

/// Room for `struct seccomp_notif`, with more behind it than any kernel has: it writes one of its own size.
#[repr(C)]
struct Notification {
    known: libc::seccomp_notif,
    more: [u64; 32],
}

impl Listener {
    /// # Errors
    /// The system's, when the descriptor cannot be watched.
    pub fn new(listener: OwnedFd) -> std::io::Result<Self> {
        // SAFETY: an OwnedFd keeps its one descriptor open until it is dropped.
        let listener = unsafe { AsyncFd::register_with_interest(listener, Interest::READABLE) }?;
        Ok(Self(listener))
    }

    /// The next call; `None` if its process ended meanwhile.
    ///
    /// # Errors
    /// `UnexpectedEof` when no process has the filter any more; else the system's.
    pub async fn next(&self) -> std::io::Result<Option<Asked>> {
        loop {
            let mut ready = self.0.readable().await?;
            // Taking a call waits for one, so the kernel is asked whether there is one.
            let found = self.poll()?;
            if found.contains(PollFlags::IN) {
                break;
            }
            if found.contains(PollFlags::HUP) {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            ready.clear_ready();
        }
        // SAFETY: all-zero is a valid value, which the kernel wants.
        let mut room: Notification = unsafe { std::mem::zeroed() };
        let received = self.ask(libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut room);
        match received {
            Ok(_) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => return Ok(None),
            Err(error) => return Err(error),
        }
        let libc::seccomp_notif { id, pid, data, .. } = room.known;
        Ok(Some(Asked {
            id,
            pid: i32::try_from(pid).unwrap_or_default(),
            call: i64::from(data.nr),
            ticket: ForkTicket([data.args[3], data.args[4]]),
        }))
    }

    /// What there is to do.
    fn poll(&self) -> std::io::Result<PollFlags> {
        let mut listener = [PollFd::new(self.0.get_ref(), PollFlags::IN)];
        rustix::io::retry_on_intr(|| {
            rustix::event::poll(&mut listener, Some(&Timespec::default()))
        })?;
        Ok(listener[0].revents())
    }

    /// Has the call be made as it is. Its arguments are numbers in registers, which nobody can change now.
    pub fn let_go_on(&self, asked: &Asked) {
        self.respond(asked, 0, libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32);
    }

    fn respond(&self, asked: &Asked, error: i32, flags: u32) {
        let mut answer = libc::seccomp_notif_resp {
            id: asked.id,
            val: 0,
            error,
            flags,
        };
        // A process that ended needs no answer.
        let _ = self.ask(libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer);
    }

    /// Ends the process as the kernel does for a call that no honest program makes.
    pub fn end(&self, asked: &Asked) {
        let pidfd = Pid::from_raw(asked.pid)
            .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        // It stands still, so this holds until it is let go on.
        let is_blocked = faas_linux::blocks_signal(asked.pid, libc::SIGSYS).unwrap_or(true);
        let mut id = asked.id;
        // The number may have become another process's before it was held.
        let is_still_there = self
            .ask(libc::SECCOMP_IOCTL_NOTIF_ID_VALID, &raw mut id)
            .is_ok();
        let (Some(pidfd), true) = (pidfd, is_still_there) else {
            return;
        };
        let signal = match is_blocked {
            true => Signal::KILL,
            false => Signal::SYS,
        };
        let _ = rustix::process::pidfd_send_signal(pidfd, signal);
        // The signal ends it when the call does, which may be one that no signal but SIGKILL interrupts.
        self.respond(asked, -libc::EPERM, 0);
    }

    /// Puts a copy of a descriptor in the place of the process's job socket.
    ///
    /// # Errors
    /// The system's, when the process is gone.
    pub fn give(&self, asked: &Asked, socket: &OwnedFd) -> std::io::Result<()> {
        let mut order = libc::seccomp_notif_addfd {
            id: asked.id,
            flags: libc::SECCOMP_ADDFD_FLAG_SETFD as u32,
            srcfd: socket.as_raw_fd() as u32,
            newfd: JOB_SOCKET as u32,
            newfd_flags: libc::O_CLOEXEC as u32,
        };
        self.ask(libc::SECCOMP_IOCTL_NOTIF_ADDFD, &raw mut order)
            .map(|_| ())
    }

    fn ask<T>(&self, request: libc::Ioctl, argument: *mut T) -> std::io::Result<libc::c_int> {
        // SAFETY: each of these requests reads and writes one struct of its own kind, which the caller's
        // pointer leads to.
        match unsafe { libc::ioctl(self.0.get_ref().as_raw_fd(), request, argument) } {
            -1 => Err(std::io::Error::last_os_error()),
            result => Ok(result),
        }
    }
}
