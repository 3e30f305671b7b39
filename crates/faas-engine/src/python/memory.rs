//! Python's memory, which is WebAssembly's: forks are cheap if the kernel has it in huge pages.

use std::ffi::c_void;
use std::ops::Range;

/// Size of a huge page on x86-64 and (with 4 KiB pages) aarch64, in bytes.
const HUGE_PAGE: usize = 2 << 20;
const PAGE: usize = 4096;
/// Pages of a huge page that are looked at, and how many of them must have something in them.
const SAMPLES: usize = 16;
const USED_SAMPLES: usize = 12;

/// Gathers memory into huge pages where most of it is used: a fork then copies one entry of a page table in place of
/// 512. Best effort: kernels before 6.1 lack the call.
///
/// # Safety
/// All of the range is memory that can be read.
pub unsafe fn collapse(memory: Range<usize>) {
    let mut start = memory.start.next_multiple_of(HUGE_PAGE);
    while start + HUGE_PAGE <= memory.end {
        // SAFETY: within the range, which can be read (the caller's promise).
        if unsafe { is_used(start) } {
            // SAFETY: it moves pages behind the same addresses, contents unchanged.
            unsafe { libc::madvise(start as *mut c_void, HUGE_PAGE, libc::MADV_COLLAPSE) };
        }
        start += HUGE_PAGE;
    }
}

/// Whether most of a huge page's memory is used. What never was is all zeros and takes no memory yet.
///
/// # Safety
/// The huge page there can be read.
unsafe fn is_used(start: usize) -> bool {
    let distance = HUGE_PAGE / SAMPLES;
    let samples = (0..SAMPLES).map(|index| start + index * distance);
    let used = samples.filter(|&page| {
        // SAFETY: a page within the huge page, which can be read (the caller's promise). Nothing writes to it
        // meanwhile: there is one thread.
        let page = unsafe { std::slice::from_raw_parts(page as *const u64, PAGE / 8) };
        page.iter().any(|&word| word != 0)
    });
    used.count() >= USED_SAMPLES
}
