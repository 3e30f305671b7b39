//! Python's memory, which is WebAssembly's: forks are cheap if the kernel has it in huge pages.

use std::ops::Range;

use faas_linux::HUGE_PAGE;

const PAGE: usize = 4096;
/// Pages of a huge page that are looked at, and how many of them must have something in them.
const SAMPLES: usize = 16;
const USED_SAMPLES: usize = 12;

/// Gathers memory into huge pages where most of it is used.
///
/// # Safety
/// All of the range is memory that can be read.
pub unsafe fn collapse(memory: Range<usize>) {
    // SAFETY: the range is memory of this process, and the huge pages within it can be read (the caller's promise).
    unsafe { faas_linux::collapse(memory, |page| is_used(page)) };
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
