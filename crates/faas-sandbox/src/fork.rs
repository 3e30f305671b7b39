//! `fork` with the supervisor as the child's parent: by a zygote, and by a kept process.

use faas_protocol::ForkTicket;
use faas_protocol::KEPT_FORK_MARK;

/// Where a fork returned.
pub enum Side {
    Parent {
        /// Process id of the child.
        child: i32,
    },
    Child,
}

/// Forks so that the child's parent is this process's own parent (`CLONE_PARENT`): the supervisor
/// then reaps sandboxes and reads their usage itself, and they outlive a zygote that dies.
///
/// glibc has no such call, and its `fork` would give the zygote the child. The raw system call
/// leaves the thread id that glibc keeps in the thread's descriptor stale; the kernel knows its
/// address (glibc registered it with `set_tid_address`), so the child has it rewritten there.
///
/// # Errors
/// The system's error number.
///
/// # Safety
/// The calling process must have only one thread.
pub unsafe fn fork_sibling() -> Result<Side, i32> {
    let mut tid_address: *mut libc::pid_t = std::ptr::null_mut();
    // SAFETY: the kernel writes one pointer to the address given, which is a live local's.
    let known =
        unsafe { libc::prctl(libc::PR_GET_TID_ADDRESS, &raw mut tid_address, 0, 0, 0) } == 0;
    let mut flags = libc::CLONE_PARENT as libc::c_ulong;
    if known && !tid_address.is_null() {
        flags |= libc::CLONE_CHILD_SETTID as libc::c_ulong;
        flags |= libc::CLONE_CHILD_CLEARTID as libc::c_ulong;
    }
    // SAFETY: one thread (the caller's promise). The tid address is glibc's own.
    unsafe { clone(flags, tid_address, 0) }
}

/// Forks as [`fork_sibling`] does, as a kept process that was told to: the kernel asks the supervisor first. The
/// child shows its ticket and dies with the supervisor. A listener learns its process id by that, and puts its job socket
/// in the place of its parent's; a tracer knows it already.
///
/// The thread id that glibc keeps stays that of the first process of the line. All that uses it here are
/// locks, in one process and by one thread.
///
/// # Errors
/// The system's error number.
///
/// # Safety
/// The calling process must have only one thread, and its signals blocked ([`BlockedSignals`]).
pub unsafe fn fork_kept(ticket: ForkTicket) -> Result<Side, i32> {
    // SAFETY: one thread (the caller's promise); no tid address is used.
    let side = unsafe {
        clone(
            libc::CLONE_PARENT as libc::c_ulong,
            std::ptr::null_mut(),
            KEPT_FORK_MARK,
        )
    }?;
    if matches!(side, Side::Child) {
        let ForkTicket([first, second]) = ticket;
        // SAFETY: the call takes numbers; this one sets the signal that comes when the parent ends. The
        // kernel takes no notice of the rest, the supervisor does.
        let result = unsafe {
            libc::syscall(
                libc::SYS_prctl,
                libc::PR_SET_PDEATHSIG as libc::c_ulong,
                libc::SIGKILL as libc::c_ulong,
                KEPT_FORK_MARK,
                first,
                second,
            )
        };
        if result != 0 {
            // SAFETY: ends a process that is nobody's, without running destructors.
            unsafe { libc::_exit(libc::EXIT_FAILURE) };
        }
    }
    Ok(side)
}

/// The system call, whose last arguments have another order on aarch64 (`CONFIG_CLONE_BACKWARDS`).
///
/// # Safety
/// One thread, flags without `CLONE_VM`, and a tid address that is null or glibc's own.
unsafe fn clone(flags: libc::c_ulong, tid: *mut libc::pid_t, mark: u64) -> Result<Side, i32> {
    let (stack, parent_tid) = (
        std::ptr::null_mut::<libc::c_void>(),
        std::ptr::null_mut::<libc::pid_t>(),
    );
    // SAFETY: without CLONE_VM the child gets a copy of this address space and, with a null stack,
    // goes on here on its copy of this stack, as after fork. One thread (the caller's promise), so
    // no lock is held by a thread that the child lacks.
    #[cfg(target_arch = "x86_64")]
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, stack, parent_tid, tid, mark) };
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, stack, parent_tid, mark, tid) };
    match result {
        -1 => Err(std::io::Error::last_os_error()
            .raw_os_error()
            .unwrap_or(libc::EAGAIN)),
        0 => Ok(Side::Child),
        child => Ok(Side::Parent {
            child: child as i32,
        }),
    }
}

/// Signals kept back until this is dropped. Around a fork a handler would run in the middle of it in both processes, and
/// a signal restarts a call that a listener was asked about, so that it is asked twice; a traced process stands still
/// for each.
pub struct BlockedSignals(libc::sigset_t);

impl BlockedSignals {
    pub fn all() -> Self {
        // SAFETY: all-zero is a valid set; `sigfillset` and the kernel write to live locals. The calls do
        // not fail for a set and a way that exist.
        unsafe {
            let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::sigprocmask(libc::SIG_BLOCK, &raw const all, &raw mut before);
            Self(before)
        }
    }
}

impl Drop for BlockedSignals {
    fn drop(&mut self) {
        // SAFETY: the set lives; the last pointer may be null.
        unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, std::ptr::null_mut()) };
    }
}
