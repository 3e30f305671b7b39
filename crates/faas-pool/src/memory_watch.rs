//! Watches what a process holds, and says when it is more than it may.
//!
//! The kernel's limit, RLIMIT_DATA, ends honest programs in order, but does not hold native code: it
//! counts memory that is writable now, so what is filled and then made read-only is free
//! (mm/mprotect.c). So are page tables, the stack, and what the zygote had reserved and not used.

use std::time::Duration;

use faas_linux::ProcessStatus;
use faas_protocol::ByteSize;

/// What a process may hold over its limit. Honest programs use some of what the kernel's limit does
/// not count, and are to meet that one first.
const SLACK: ByteSize = ByteSize::mib(16);

/// How much memory a process can fill in a ms, at most. The kernel has to clear each page.
const FILLED_PER_MS: ByteSize = ByteSize::mib(8);
/// Shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
/// Longest one.
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The watch over one process.
#[derive(Clone, Copy, Debug)]
pub struct MemoryWatch {
    pid: i32,
    before: ByteSize,
    allowed: ByteSize,
}

impl MemoryWatch {
    /// A watch over a process that holds `before`, and may hold `limit` more. It must not be reaped
    /// as long as it is watched, or another may get its number.
    pub fn new(pid: i32, before: ByteSize, limit: ByteSize) -> Self {
        Self {
            pid,
            before,
            allowed: before.saturating_add(limit).saturating_add(SLACK),
        }
    }

    /// Waits until the process holds more than it may; for ever, if it never does. It is looked at
    /// when it can have got there since the last look: a short program, not at all.
    pub async fn until_exceeded(&self) {
        let mut held = self.before;
        while held <= self.allowed {
            tokio::time::sleep(self.pause(held)).await;
            held = held_by(self.pid);
        }
    }

    /// How long a process that holds so much takes to get over the limit, at least.
    fn pause(&self, held: ByteSize) -> Duration {
        let left = self.allowed.saturating_sub(held);
        let fastest = Duration::from_millis(left.get() / FILLED_PER_MS.get());
        fastest.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)
    }
}

/// What a process holds now; nothing once it has ended.
pub fn held_by(pid: i32) -> ByteSize {
    ByteSize::bytes(ProcessStatus::of(pid).unwrap_or_default().held_bytes())
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_process_near_its_limit_is_looked_at_more_often() {
        let watch = MemoryWatch::new(1, ByteSize::mib(100), ByteSize::mib(64));
        assert_eq!(watch.pause(ByteSize::mib(100)), Duration::from_millis(10));
        assert_eq!(watch.pause(ByteSize::mib(179)), SHORTEST_PAUSE);
        assert_eq!(watch.pause(ByteSize::mib(500)), SHORTEST_PAUSE);
        let watch = MemoryWatch::new(1, ByteSize::default(), ByteSize::mib(8192));
        assert_eq!(watch.pause(ByteSize::default()), LONGEST_PAUSE);
    }

    #[tokio::test]
    async fn a_process_that_grows_is_seen_not_far_past_its_limit() {
        let zeros = std::fs::File::open("/dev/zero").unwrap();
        // Looks for the last line of something that has no end, and keeps all of it.
        let mut child = Command::new("tail")
            .stdin(zeros)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let pid = child.id() as i32;
        let limit = ByteSize::mib(100);
        let watch = MemoryWatch::new(pid, ByteSize::default(), limit);
        let seen = tokio::time::timeout(Duration::from_secs(60), watch.until_exceeded()).await;
        let held = held_by(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        seen.unwrap();
        assert!(held > limit.saturating_add(SLACK), "{held:?}");
        assert!(held < ByteSize::mib(1000), "{held:?}");
        assert_eq!(held_by(pid), ByteSize::default(), "nothing holds nothing");
    }
}
