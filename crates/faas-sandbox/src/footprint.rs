//! The pages that a small program writes. Each is copied when a fork first writes it, and a sandbox
//! does so before it has a job. Knowing them beforehand spares it a program that does nothing else.

use std::ffi::c_void;
use std::fs::File;
use std::io::Read;
use std::io::Write;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rustix::mm::Advice;
use rustix::mm::madvise;
use rustix::process::Pid;
use rustix::process::WaitOptions;
use rustix::process::waitpid;

use crate::memory::OwnProc;

/// Bits of an entry of `/proc/self/pagemap` (Linux, Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const EXCLUSIVE: u64 = 1 << 56;
const ENTRY: usize = size_of::<u64>();
const ADDRESS: usize = size_of::<usize>();
/// Pages that are looked at in one go.
const LOOK_AT: usize = 512;

/// Ranges of addresses, in whole pages; none if they are not known.
pub struct Footprint(Vec<Range<usize>>);

impl Footprint {
    /// Learns the footprint of a program, which is run in a fork of this process.
    ///
    /// # Errors
    /// When this process cannot fork or make a pipe.
    ///
    /// # Safety
    /// The calling process must have only one thread.
    pub unsafe fn learn(program: impl FnOnce()) -> std::io::Result<Self> {
        let (mut reader, writer) = std::io::pipe()?;
        // The child allocates nothing to find out: it would count as the program's.
        let memory = OwnProc::open()?.private_writable()?;
        // SAFETY: one thread (the caller's promise), so that no lock is held by one that the child
        // lacks.
        let child = match unsafe { libc::fork() } {
            -1 => return Err(std::io::Error::last_os_error()),
            0 => {
                program();
                // What it could not tell is not known.
                let _ = tell_written_pages(&memory, writer);
                crate::ending::end(faas_protocol::SandboxExit::Done)
            }
            child => child,
        };
        drop(writer);
        let mut told = Vec::new();
        reader.read_to_end(&mut told)?;
        waitpid(Pid::from_raw(child), WaitOptions::empty())?;
        Ok(Self(understand(&told)))
    }

    /// Has this process, a fresh fork that descends from the one that learnt it, write what it has of it without
    /// a change. Tells whether that was all: not if nothing is known, or before Linux 5.14.
    pub fn write(&self) -> bool {
        let populate = |pages: &Range<usize>| {
            let start = pages.start as *mut c_void;
            // SAFETY: it makes pages writable that may be written, and changes nothing in them.
            unsafe { madvise(start, pages.len(), Advice::LinuxPopulateWrite) }.is_ok()
        };
        let written = self.0.iter().filter(|pages| populate(pages));
        !self.0.is_empty() && written.count() == self.0.len()
    }
}

/// Tells which pages of this process no other has: those that it wrote since it was forked. What it needs for that is on
/// its stack.
fn tell_written_pages(memory: &[Range<usize>], mut to: impl Write) -> std::io::Result<()> {
    let page = rustix::param::page_size();
    let pagemap = File::open("/proc/self/pagemap")?;
    let mut entries = [0; LOOK_AT * ENTRY];
    for memory in memory {
        let mut written = memory.start..memory.start;
        for start in memory.clone().step_by(LOOK_AT * page) {
            let end = memory.end.min(start + LOOK_AT * page);
            let entries = &mut entries[..(end - start) / page * ENTRY];
            pagemap.read_exact_at(entries, (start / page * ENTRY) as u64)?;
            for (entry, start) in entries.chunks_exact(ENTRY).zip((start..end).step_by(page)) {
                let bits = entry.try_into().map_or(0, u64::from_ne_bytes);
                if bits & PRESENT == 0 || bits & EXCLUSIVE == 0 {
                    continue;
                }
                if written.end != start {
                    tell(&written, &mut to)?;
                    written = start..start;
                }
                written.end = start + page;
            }
        }
        tell(&written, &mut to)?;
    }
    Ok(())
}

fn tell(pages: &Range<usize>, to: &mut impl Write) -> std::io::Result<()> {
    if pages.is_empty() {
        return Ok(());
    }
    to.write_all(&pages.start.to_ne_bytes())?;
    to.write_all(&pages.end.to_ne_bytes())
}

fn understand(told: &[u8]) -> Vec<Range<usize>> {
    let address = |bytes: &[u8]| bytes.try_into().map_or(0, usize::from_ne_bytes);
    told.chunks_exact(2 * ADDRESS)
        .map(|pair| address(&pair[..ADDRESS])..address(&pair[ADDRESS..]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fork_tells_is_understood() {
        let pages = [0x1000..0x3000, 0x7f00_0000_0000..0x7f00_0000_1000];
        let mut told = Vec::new();
        for pages in &pages {
            tell(pages, &mut told).unwrap();
        }
        assert_eq!(understand(&told), pages);
        told.pop();
        assert_eq!(understand(&told), pages[..1], "of a fork that died");
    }
}
