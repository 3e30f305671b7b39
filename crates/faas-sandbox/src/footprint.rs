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
        // SAFETY: one thread (the caller's promise), so that no lock is held by one that the child
        // lacks.
        let child = match unsafe { libc::fork() } {
            -1 => return Err(std::io::Error::last_os_error()),
            0 => {
                program();
                // What it could not tell is not known.
                let _ = written_pages().and_then(|pages| tell(&pages, writer));
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

/// Pages of this process that no other has: those that it wrote since it was forked.
fn written_pages() -> std::io::Result<Vec<Range<usize>>> {
    let page = rustix::param::page_size();
    let pagemap = File::open("/proc/self/pagemap")?;
    let mut written: Vec<Range<usize>> = Vec::new();
    for memory in OwnProc::open()?.private_writable()? {
        let mut entries = vec![0; memory.len() / page * ENTRY];
        pagemap.read_exact_at(&mut entries, (memory.start / page * ENTRY) as u64)?;
        for (entry, start) in entries.chunks_exact(ENTRY).zip(memory.step_by(page)) {
            let bits = entry.try_into().map_or(0, u64::from_ne_bytes);
            if bits & PRESENT == 0 || bits & EXCLUSIVE == 0 {
                continue;
            }
            match written.last_mut() {
                Some(last) if last.end == start => last.end += page,
                _ => written.push(start..start + page),
            }
        }
    }
    Ok(written)
}

fn tell(pages: &[Range<usize>], mut to: impl Write) -> std::io::Result<()> {
    let addresses = pages.iter().flat_map(|pages| [pages.start, pages.end]);
    let bytes: Vec<u8> = addresses.flat_map(usize::to_ne_bytes).collect();
    to.write_all(&bytes)
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
        tell(&pages, &mut told).unwrap();
        assert_eq!(understand(&told), pages);
        told.pop();
        assert_eq!(understand(&told), pages[..1], "of a fork that died");
    }
}
