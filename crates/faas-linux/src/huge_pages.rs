//! Memory in huge pages: one entry of a page table then stands for 512, which a fork copies and an exit frees.

use std::ffi::c_void;
use std::ops::Range;

/// Size of a huge page on x86-64 and (with 4 KiB pages) aarch64, in bytes.
pub const HUGE_PAGE: usize = 2 << 20;

/// Gathers memory into huge pages, those of which `is_worth_it` says so of the address. Returns how many there are.
/// Best effort: kernels before 6.1 lack the call.
///
/// # Safety
/// The range is memory of this process.
pub unsafe fn collapse(memory: Range<usize>, is_worth_it: impl Fn(usize) -> bool) -> usize {
    let first = memory.start.next_multiple_of(HUGE_PAGE);
    let last = memory.end.saturating_sub(HUGE_PAGE);
    let pages = (first..=last).step_by(HUGE_PAGE);
    let collapsed = pages.filter(|&page| is_worth_it(page)).filter(|&page| {
        let start = page as *mut c_void;
        // SAFETY: it moves pages behind the same addresses, contents unchanged.
        unsafe { libc::madvise(start, HUGE_PAGE, libc::MADV_COLLAPSE) == 0 }
    });
    collapsed.count()
}
