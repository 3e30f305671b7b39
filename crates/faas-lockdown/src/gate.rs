//! The gate of forks: which kept process may fork, and when, is for the supervisor to decide.
//!
//! A sandbox cannot fork. One that stays after its job (a kept process) asks with a marked call, which the
//! zygote's filter hands to the supervisor (seccomp_unotify(2)); the supervisor allows one fork at a time.
//! Filters are inherited, and so is who is asked: one listener serves all that descends from a zygote.
//!
//! Where no listener can be had, a kept process has the supervisor trace it (ptrace(2)), which makes it stand still in
//! the same call. Without a tracer that fails, so the others cannot fork at all.

use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;
use std::time::Duration;

use faas_linux::trace;
use faas_linux::trace::Stop;
use faas_protocol::ForkGuard;
use faas_protocol::KEPT_FORK_MARK;
use faas_protocol::TRACED_DEATH_SIGNAL;
use seccompiler::BpfProgram;

use super::filter;

/// How the supervisor is asked about forks of the kept processes of a zygote.
#[derive(Debug)]
pub enum Gate {
    /// By this listener.
    Listener(OwnedFd),
    /// By tracing each of them.
    Tracer,
    /// Not at all, for this reason: they cannot fork.
    Closed(String),
}

/// Filters system calls of a zygote from now on, which may not get privileges.
///
/// # Safety
/// The process has one thread: where there is no listener it is forked.
///
/// # Errors
/// When the filter cannot be applied.
pub unsafe fn filter_zygote() -> std::io::Result<Gate> {
    let compile = |guard| filter::for_zygote(guard).map_err(std::io::Error::other);
    let filter = compile(ForkGuard::Listener)?;
    let no_listener = match apply_with_listener(&filter) {
        Ok(listener) => return Ok(Gate::Listener(listener)),
        Err(reason) => reason,
    };
    let traced = compile(ForkGuard::Tracer)?;
    // SAFETY: one thread (the caller's promise).
    match unsafe { try_tracing(&traced) } {
        Ok(()) => {
            apply(&traced, 0)?;
            Ok(Gate::Tracer)
        }
        Err(error) => {
            // Marked calls fail where nobody listens.
            apply(&filter, 0)?;
            let no_tracer = "nor can processes be traced here (ptrace)";
            Ok(Gate::Closed(format!("{no_listener}; {no_tracer}: {error}")))
        }
    }
}

/// Applies a filter with a listener. Returns why there is none: another filter above this process has one (`EBUSY`), or
/// the kernel has no such thing (`EINVAL`). Then nothing is applied.
fn apply_with_listener(filter: &BpfProgram) -> Result<OwnedFd, String> {
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Where the kernel has it (Linux 5.19), only a signal that kills interrupts a call that was handed on.
    let flags = listen | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let applied = apply(filter, flags).or_else(|_| apply(filter, listen));
    match applied {
        // SAFETY: with this flag the kernel returns a new descriptor, which nobody else owns.
        Ok(listener) => Ok(unsafe { OwnedFd::from_raw_fd(listener) }),
        Err(refused) if refused.raw_os_error() == Some(libc::EBUSY) => Err(
            "a filter of system calls above the service has a listener of its own, as under some container managers"
                .to_owned(),
        ),
        Err(refused) => Err(format!("the kernel hands no system calls on: {refused}")),
    }
}

/// How long each step of the trial may take, on a busy machine.
const TRIAL_STEP: Duration = Duration::from_secs(5);

/// Makes sure that tracing does what it is to do, with a child of this process and a fork of that.
///
/// # Safety
/// The process has one thread.
///
/// # Errors
/// What does not work.
unsafe fn try_tracing(filter: &BpfProgram) -> std::io::Result<()> {
    // SAFETY: one thread (the caller's promise), so the child finds no lock held by another.
    let child = match unsafe { libc::fork() } {
        -1 => return Err(std::io::Error::last_os_error()),
        0 => {
            let forked = fork_traced(filter);
            // SAFETY: ends the process without running destructors.
            unsafe { libc::_exit(i32::from(forked.is_err())) }
        }
        child => child,
    };
    let mut grandchild = None;
    let followed = follow_a_fork(child, &mut grandchild);
    for pid in [Some(child), grandchild].into_iter().flatten() {
        // SAFETY: it is a child of this process and not reaped before; the status may be null.
        unsafe {
            libc::kill(pid, libc::SIGKILL);
            libc::waitpid(pid, std::ptr::null_mut(), libc::__WALL);
        }
    }
    followed
}

/// The child's part: all that a kept process does.
fn fork_traced(filter: &BpfProgram) -> std::io::Result<()> {
    trace::trace_me()?;
    // SAFETY: it only stops this process, which is traced.
    unsafe { libc::raise(libc::SIGSTOP) };
    apply(filter, 0)?;
    let flags = libc::CLONE_PARENT as libc::c_ulong;
    let mark = KEPT_FORK_MARK;
    // SAFETY: without CLONE_VM the child goes on here on a copy of everything; one thread.
    #[cfg(target_arch = "x86_64")]
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, mark) };
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, mark, 0usize) };
    match result {
        -1 => Err(std::io::Error::last_os_error()),
        0 => {
            let (dies, by) = (
                libc::PR_SET_PDEATHSIG as libc::c_ulong,
                libc::SIGKILL as libc::c_ulong,
            );
            // SAFETY: the call takes numbers, and sets the signal that comes when the parent ends.
            unsafe { libc::syscall(libc::SYS_prctl, dies, by, mark, 0usize, 0usize) };
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The supervisor's part.
fn follow_a_fork(child: i32, grandchild: &mut Option<i32>) -> std::io::Result<()> {
    let expect = |pid, wanted| {
        let stop = trace::wait_for_stop(pid, TRIAL_STEP)?;
        let unexpected = || std::io::Error::other(format!("{stop:?} came instead of {wanted:?}"));
        (stop == wanted).then_some(()).ok_or_else(unexpected)
    };
    expect(child, Stop::Signal(libc::SIGSTOP))?;
    trace::watch_forks(child)?;
    trace::go_on(child, 0)?;
    expect(child, Stop::Call)?;
    trace::go_on(child, 0)?;
    expect(child, Stop::Forked)?;
    let forked = *grandchild.insert(trace::message(child)?);
    expect(forked, Stop::Signal(libc::SIGSTOP))?;
    trace::go_on(forked, 0)?;
    expect(forked, Stop::Call)?;
    match trace::message(forked)? == i32::from(TRACED_DEATH_SIGNAL) {
        true => Ok(()),
        false => Err(std::io::Error::other(
            "the kernel does not tell which call it is",
        )),
    }
}

/// Applies a filter to this thread, the only one; returns what the kernel does.
fn apply(filter: &BpfProgram, flags: libc::c_ulong) -> std::io::Result<i32> {
    let too_long = |_| std::io::Error::from(std::io::ErrorKind::InvalidInput);
    let program = libc::sock_fprog {
        len: u16::try_from(filter.len()).map_err(too_long)?,
        filter: filter.as_ptr() as *mut libc::sock_filter,
    };
    // SAFETY: the kernel reads a sock_fprog that lives, and the instructions that it points to, whose layout
    // seccompiler keeps as the kernel's (`#[repr(C)]`).
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match i32::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(std::io::Error::last_os_error()),
    }
}
