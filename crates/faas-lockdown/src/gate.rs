//! The gate of forks: which kept process may fork, and when, is for the supervisor to decide.
//!
//! A sandbox cannot fork. One that stays after its job (a kept process) asks with a marked call, which the
//! zygote's filter hands to the supervisor (seccomp_unotify(2)); the supervisor allows one fork at a time.
//! Filters are inherited, and so is who is asked: one listener serves all that descends from a zygote.

use std::os::fd::FromRawFd;
use std::os::fd::OwnedFd;

use seccompiler::BpfProgram;

/// Filters system calls from now on. Returns the listener for the calls that the filter hands on, or why there is
/// none: another filter above this process has one (`EBUSY`), or the kernel has no such thing (`EINVAL`). The
/// filter holds in any case; without a listener such calls fail.
///
/// # Errors
/// When the filter cannot be applied.
pub fn apply_with_listener(filter: &BpfProgram) -> std::io::Result<Result<OwnedFd, String>> {
    let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
    // Where the kernel has it (Linux 5.19), only a signal that kills interrupts a call that was handed on.
    let flags = listen | libc::SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    let applied = apply(filter, flags).or_else(|_| apply(filter, listen));
    let refused = match applied {
        Ok(listener) => {
            // SAFETY: with this flag the kernel returns a new descriptor, which nobody else owns.
            return Ok(Ok(unsafe { OwnedFd::from_raw_fd(listener) }));
        }
        Err(refused) => refused,
    };
    apply(filter, 0)?;
    Ok(Err(match refused.raw_os_error() {
        Some(libc::EBUSY) => {
            "a filter of system calls above the service has a listener of its own, as under some container managers"
                .to_owned()
        }
        _ => format!("the kernel hands no system calls on: {refused}"),
    }))
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
