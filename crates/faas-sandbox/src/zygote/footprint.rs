//! The pages that a small program writes, and those of the server's own code that it runs through.
//! A fork has none of them: a page is copied when it is first written, and a page of a file is mapped
//! when it is first read. A sandbox does so before it has a job. Knowing them beforehand spares it a
//! program that does nothing else.

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

use super::memory::OwnProc;

/// Bits of an entry of `/proc/self/pagemap` (Linux, Documentation/admin-guide/mm/pagemap.rst).
const PRESENT: u64 = 1 << 63;
const EXCLUSIVE: u64 = 1 << 56;
const ENTRY: usize = size_of::<u64>();
const ADDRESS: usize = size_of::<usize>();
/// What the fork did with the pages that it tells.
const WRITTEN: usize = 0;
const READ: usize = 1;

/// Ranges of addresses, in whole pages; none if they are not known.
#[derive(Debug, Default, PartialEq)]
pub struct Footprint {
    written: Vec<Range<usize>>,
    /// Pages of files.
    read: Vec<Range<usize>>,
}

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
        // SAFETY: one thread (the caller's promise), so that no lock is held by one that the child
        // lacks.
        let child = match unsafe { libc::fork() } {
            -1 => return Err(std::io::Error::last_os_error()),
            0 => {
                program();
                // What it could not tell is not known.
                let _ = Self::of_this_process().and_then(|footprint| footprint.tell(writer));
                crate::sandbox::end(faas_protocol::SandboxExit::Done)
            }
            child => child,
        };
        drop(writer);
        let mut told = Vec::new();
        reader.read_to_end(&mut told)?;
        waitpid(Pid::from_raw(child), WaitOptions::empty())?;
        Ok(Self::understand(&told))
    }

    /// Has this process, a fresh fork of the one that learnt it, touch all of it without a change.
    /// Tells whether it did: not if nothing is known, or before Linux 5.14.
    pub fn touch(&self) -> bool {
        let populate = |pages: &Range<usize>, advice| {
            let start = pages.start as *mut c_void;
            // SAFETY: it maps pages that may be written or read, and changes nothing in them.
            unsafe { madvise(start, pages.len(), advice) }.is_ok()
        };
        let write = |pages| populate(pages, Advice::LinuxPopulateWrite);
        let read = |pages| populate(pages, Advice::LinuxPopulateRead);
        !self.written.is_empty() && self.written.iter().all(write) && self.read.iter().all(read)
    }

    /// What this process has touched since it was forked.
    fn of_this_process() -> std::io::Result<Self> {
        let own = OwnProc::open()?;
        let pagemap = File::open("/proc/self/pagemap")?;
        // No other process has a page that this one wrote. Of what it read, a fork gets no page table
        // from its parent.
        Ok(Self {
            written: pages(&pagemap, own.private_writable()?, PRESENT | EXCLUSIVE)?,
            read: pages(&pagemap, own.files()?, PRESENT)?,
        })
    }

    fn tell(&self, mut to: impl Write) -> std::io::Result<()> {
        let written = self.written.iter().map(|pages| (WRITTEN, pages));
        let read = self.read.iter().map(|pages| (READ, pages));
        let words = written
            .chain(read)
            .flat_map(|(kind, pages)| [kind, pages.start, pages.end]);
        let bytes: Vec<u8> = words.flat_map(usize::to_ne_bytes).collect();
        to.write_all(&bytes)
    }

    fn understand(told: &[u8]) -> Self {
        let mut understood = Self::default();
        for entry in told.chunks_exact(3 * ADDRESS) {
            let word = |index: usize| {
                let bytes = &entry[index * ADDRESS..(index + 1) * ADDRESS];
                bytes.try_into().map_or(0, usize::from_ne_bytes)
            };
            let pages = word(1)..word(2);
            if word(0) == WRITTEN {
                understood.written.push(pages);
            } else {
                understood.read.push(pages);
            }
        }
        understood
    }
}

/// The pages of `mappings` whose entry in `pagemap` has all of `bits`.
fn pages(
    pagemap: &File,
    mappings: Vec<Range<usize>>,
    bits: u64,
) -> std::io::Result<Vec<Range<usize>>> {
    let page = rustix::param::page_size();
    let mut found: Vec<Range<usize>> = Vec::new();
    for memory in mappings {
        let mut entries = vec![0; memory.len() / page * ENTRY];
        pagemap.read_exact_at(&mut entries, (memory.start / page * ENTRY) as u64)?;
        for (entry, start) in entries.chunks_exact(ENTRY).zip(memory.step_by(page)) {
            if entry.try_into().map_or(0, u64::from_ne_bytes) & bits != bits {
                continue;
            }
            match found.last_mut() {
                Some(last) if last.end == start => last.end += page,
                _ => found.push(start..start + page),
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_fork_tells_is_understood() {
        let footprint = Footprint {
            written: vec![0x1000..0x3000, 0x7f00_0000_0000..0x7f00_0000_1000],
            read: vec![0x5000..0x6000, 0x8000..0x9000],
        };
        let mut told = Vec::new();
        footprint.tell(&mut told).unwrap();
        assert_eq!(Footprint::understand(&told), footprint);
        told.pop();
        let mut of_one_that_died = footprint;
        of_one_that_died.read.pop();
        assert_eq!(Footprint::understand(&told), of_one_that_died);
    }
}
