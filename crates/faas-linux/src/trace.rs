//! Tracing of a child process (ptrace(2)), as far as its forks go: it stands still in a call that its filter of system
//! calls marks, and what it forks stands still before its first instruction.
//!
//! A process asks to be traced itself ([`trace_me`]): from outside that is refused for one that is not dumpable. All else
//! is for the thread that is its parent.

use std::os::raw::c_int;
use std::os::raw::c_long;
use std::time::Duration;
use std::time::Instant;

/// Pause between looks at a child.
const LOOK_AGAIN_AFTER: Duration = Duration::from_micros(100);

/// What a traced child stands still in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// A signal that comes to it.
    Signal(c_int),
    /// A call that its filter marks, before it is made; [`message`] has the filter's number for it.
    Call,
    /// Its fork was made; [`message`] has its process id.
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

/// Waits until a child stands still, for so long at most.
///
/// # Errors
/// When it ends instead, takes longer, or is not this thread's.
pub fn wait_for_stop(child: i32, within: Duration) -> std::io::Result<Stop> {
    let until = Instant::now() + within;
    loop {
        if let Some(stop) = wait(child, libc::WSTOPPED | libc::WNOHANG)? {
            return Ok(stop);
        }
        // One that has ended is left for its owner.
        let ended = wait(child, libc::WEXITED | libc::WNOWAIT | libc::WNOHANG)?;
        // It may have stopped in between, which this tells of a child that is traced, too.
        if let Some(stop) = wait(child, libc::WSTOPPED | libc::WNOHANG)? {
            return Ok(stop);
        }
        if ended.is_some() {
            return Err(std::io::Error::other("it ended"));
        }
        if Instant::now() >= until {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(LOOK_AGAIN_AFTER);
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

/// What there is to know of what a child stands still in.
///
/// # Errors
/// As [`watch_forks`].
pub fn message(child: i32) -> std::io::Result<i32> {
    let mut message: libc::c_ulong = 0;
    request(libc::PTRACE_GETEVENTMSG, child, &raw mut message as usize)?;
    i32::try_from(message).map_err(std::io::Error::other)
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
