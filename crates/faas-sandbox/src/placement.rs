//! Where anonymous memory lands in the address space, side by side, and that forks get all of it.
//!
//! V8 wishes each page of its heap (256 KiB) at a random address. Each then needs page tables of its
//! own, up to three pages of them, which every fork copies and every exit frees. Without the wish the
//! kernel puts them next to each other, below a random base that all of them share.

use libc::c_int;
use libc::c_long;
use libc::c_void;
use libc::off_t;

/// The C library's `mmap` for all code that is linked into this program, V8's above all, which has
/// no setting for this and calls it by the name for large files. Where an address is a wish and not
/// an order, it is ignored.
///
/// # Safety
/// That of `mmap`.
#[cfg(target_pointer_width = "64")]
#[unsafe(no_mangle)]
unsafe extern "C" fn mmap64(
    wish: *mut c_void,
    length: usize,
    protection: c_int,
    flags: c_int,
    file: c_int,
    offset: off_t,
) -> *mut c_void {
    let is_order = flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) != 0;
    let is_anonymous = flags & libc::MAP_ANONYMOUS != 0;
    let address = if is_order || !is_anonymous {
        wish
    } else {
        std::ptr::null_mut()
    };
    // SAFETY: the caller's promise, passed on: a wish may be answered with any address. The result
    // and errno are those of the C library's own function, which makes the same call.
    unsafe {
        libc::syscall(
            libc::SYS_mmap,
            address,
            length,
            c_long::from(protection),
            c_long::from(flags),
            c_long::from(file),
            offset,
        ) as *mut c_void
    }
}

/// The C library's `madvise`, but for one kind of advice, which it does not pass on: V8 has its heaps be
/// gone in a fork (`MADV_DONTFORK`), and forking is what zygotes and kept processes are here for.
///
/// # Safety
/// That of `madvise`.
#[unsafe(no_mangle)]
unsafe extern "C" fn madvise(address: *mut c_void, length: usize, advice: c_int) -> c_int {
    if advice == libc::MADV_DONTFORK {
        return 0;
    }
    // SAFETY: the caller's promise, passed on.
    unsafe { libc::syscall(libc::SYS_madvise, address, length, c_long::from(advice)) as c_int }
}
