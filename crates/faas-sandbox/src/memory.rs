//! Making the zygote's memory cheap to fork.

use std::fs::File;
use std::io::Read;
use std::io::Seek;
use std::ops::Range;

use faas_linux::ProcessStatus;

/// A line of `/proc/self/maps`.
struct Mapping {
    start: usize,
    end: usize,
    private_writable: bool,
}

/// What `/proc` says of this process. Opened once and read again whenever it is asked, so that a process
/// that may open nothing any more can still see its own memory. A fork needs one of its own.
pub struct OwnProc {
    maps: File,
    status: File,
}

impl OwnProc {
    /// # Errors
    /// When `/proc` is missing.
    pub fn open() -> std::io::Result<Self> {
        let open = |name: &str| File::open(format!("/proc/self/{name}"));
        Ok(Self {
            maps: open("maps")?,
            status: open("status")?,
        })
    }

    /// # Errors
    /// When it cannot be read.
    pub fn status(&self) -> std::io::Result<ProcessStatus> {
        Ok(ProcessStatus::parse(&text(&self.status)?))
    }

    /// Gathers anonymous memory into huge pages, which halves the cost of a fork and of an exit.
    ///
    /// # Errors
    /// When `maps` cannot be read.
    pub fn collapse(&self) -> std::io::Result<()> {
        let memory = self.private_writable()?.into_iter();
        // SAFETY: the kernel says that it is this process's.
        let collapsed = memory.map(|range| unsafe { faas_linux::collapse(range, |_| true) });
        let collapsed: usize = collapsed.sum();
        tracing::debug!(huge_pages = collapsed, "collapsed the zygote's memory");
        Ok(())
    }

    /// Where memory is that is private, anonymous and writable: what copy-on-write is about.
    ///
    /// # Errors
    /// When `maps` cannot be read.
    pub fn private_writable(&self) -> std::io::Result<Vec<Range<usize>>> {
        let maps = text(&self.maps)?;
        let mappings = maps.lines().filter_map(parse_mapping);
        let private = mappings.filter(|mapping| mapping.private_writable);
        Ok(private.map(|mapping| mapping.start..mapping.end).collect())
    }
}

/// All of a file that may have been read before.
fn text(mut file: &File) -> std::io::Result<String> {
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn parse_mapping(line: &str) -> Option<Mapping> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let permissions = fields.next()?;
    let inode = fields.nth(2)?;
    let name = fields.next().unwrap_or_default();
    Some(Mapping {
        start: usize::from_str_radix(start, 16).ok()?,
        end: usize::from_str_radix(end, 16).ok()?,
        private_writable: inode == "0" && permissions.starts_with("rw") && !name.starts_with("[v"),
    })
}

#[cfg(test)]
mod tests {
    use faas_linux::HUGE_PAGE;

    use super::*;

    #[test]
    fn a_private_anonymous_mapping_is_private_and_writable() {
        let line = "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 ";
        let mapping = parse_mapping(line).unwrap();
        assert_eq!(mapping.end - mapping.start, 2 * HUGE_PAGE);
        assert!(mapping.private_writable);
    }

    #[test]
    fn what_was_opened_once_tells_of_memory_that_came_later() {
        let own = OwnProc::open().unwrap();
        let before = own.status().unwrap().address_bytes;
        // Never written, and more than what ends with the threads of other tests meanwhile.
        let memory = vec![0u8; 2 << 30];
        assert!(own.status().unwrap().address_bytes >= before + (1 << 30));
        let address = memory.as_ptr() as usize;
        let ranges = own.private_writable().unwrap();
        assert!(ranges.iter().any(|range| range.contains(&address)));
    }

    #[test]
    fn files_and_attributes_are_not() {
        let file = "55d0-55e0 rw-p 00000000 fe:00 1234 /usr/bin/x";
        assert!(!parse_mapping(file).unwrap().private_writable);
    }
}
