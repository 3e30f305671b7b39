//! `fork` with the supervisor as the child's parent.

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
    let mut flags = libc::CLONE_PARENT as libc::c_long;
    if known && !tid_address.is_null() {
        flags |= libc::CLONE_CHILD_SETTID as libc::c_long;
        flags |= libc::CLONE_CHILD_CLEARTID as libc::c_long;
    }
    // SAFETY: without CLONE_VM the child gets a copy of this address space and, with a null stack,
    // goes on here on its copy of this stack, as after fork. One thread (the caller's promise), so
    // no lock is held by a thread that the child lacks. The tid address is glibc's own.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags,
            std::ptr::null_mut::<libc::c_void>(),
            std::ptr::null_mut::<libc::pid_t>(),
            tid_address,
            0,
        )
    };
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
