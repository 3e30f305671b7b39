//! Tracing of a child process (ptrace(2)), as far as its forks go: it stands still in a call that its filter of system
//! calls marks, and what it forks stands still before its first instruction.
//!
//! A process asks to be traced itself ([`trace_me`]): from outside that is refused for one that is not dumpable. All else
//! is for the thread that is its parent.

use std::os::raw::c_int;
use std::os::raw::c_long;

/// What a traced child stands still in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal that comes to it.
    Signal(c_int),
    /// A call that its filter marks, before it is made.
    Call,
    /// Its fork was made; see [`forked`].
    Forked,
    /// Anything else. It may not be traced at all.
    Other,
}

/// Asks this process's parent to trace it.
///
/// # Errors
/// The system's, where that is forbidden.
pub fn trace_me() -> std::io::Result<()> {
    request(libc::PTRACE_TRACEME, 0, 0).map(drop)
}

/// What a child stands still in now; `None` if it runs, has ended, or is not this thread's. Each is told once.
pub fn stop_of(child: i32) -> Option<Stop> {
    wait(child, libc::WSTOPPED | libc::WNOHANG).ok().flatten()
}

/// Waits until a child stands still.
///
/// # Errors
/// When it ends instead, or is not this thread's.
pub fn wait_for_stop(child: i32) -> std::io::Result<Stop> {
    loop {
        match wait(child, libc::WSTOPPED | libc::WEXITED | libc::WNOWAIT) {
            Ok(Some(_)) => {
                // One that has ended is left for its owner.
                let stop = wait(child, libc::WSTOPPED | libc::WNOHANG)?;
                return stop.ok_or_else(|| std::io::Error::other("it ended"));
            }
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn wait(child: i32, options: c_int) -> std::io::Result<Option<Stop>> {
    let id = libc::id_t::try_from(child).map_err(std::io::Error::other)?;
    // SAFETY: all-zero is a valid value; the kernel writes one siginfo_t to a live local.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    // SAFETY: as above.
    let result =
        unsafe { libc::waitid(libc::P_PID, id, &raw mut info, options | libc::__WNOTHREAD) };
    if result != 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: waitid fills these fields, or leaves them zero if there is nothing to tell.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    if pid == 0 {
        return Ok(None);
    }
    Ok(Some(match (info.si_code, status & 0xff, status >> 8) {
        (libc::CLD_TRAPPED, signal, 0) => Stop::Signal(signal),
        (libc::CLD_TRAPPED, _, libc::PTRACE_EVENT_SECCOMP) => Stop::Call,
        (libc::CLD_TRAPPED, _, libc::PTRACE_EVENT_CLONE) => Stop::Forked,
        _ => Stop::Other,
    }))
}

/// Has a child that stands still do so in marked calls and for its forks, which are traced from their start; and end
/// with this thread.
///
/// # Errors
/// The system's, when it does not stand still or is not traced by this thread.
pub fn watch_forks(child: i32) -> std::io::Result<()> {
    let options = libc::PTRACE_O_TRACESECCOMP | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    request(libc::PTRACE_SETOPTIONS, child, options as usize).map(drop)
}

/// Lets a child go on; a signal that it stands still in comes to it if it is given here, and else does not.
///
/// # Errors
/// As [`watch_forks`].
pub fn go_on(child: i32, signal: c_int) -> std::io::Result<()> {
    request(libc::PTRACE_CONT, child, signal as usize).map(drop)
}

/// Lets a child go on for good, without the signal that it stands still in.
///
/// # Errors
/// As [`watch_forks`].
pub fn let_go(child: i32) -> std::io::Result<()> {
    request(libc::PTRACE_DETACH, child, 0).map(drop)
}

/// What a child that stands still in [`Stop::Forked`] has forked.
///
/// # Errors
/// As [`watch_forks`].
pub fn forked(child: i32) -> std::io::Result<i32> {
    let mut pid: libc::c_ulong = 0;
    request(libc::PTRACE_GETEVENTMSG, child, &raw mut pid as usize)?;
    i32::try_from(pid).map_err(std::io::Error::other)
}

fn request(request: libc::c_uint, child: i32, data: usize) -> std::io::Result<c_long> {
    let (request, child) = (c_long::from(request), c_long::from(child));
    // Not the C library's function, which may leave bits that a filter of system calls looks at.
    // SAFETY: the requests above take a number, or the address of a live c_ulong that the kernel writes.
    match unsafe { libc::syscall(libc::SYS_ptrace, request, child, 0usize, data) } {
        -1 => Err(std::io::Error::last_os_error()),
        result => Ok(result),
    }
}
