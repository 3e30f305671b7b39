//! Watches how much CPU time a process uses, where the kernel's limit cannot: a hard limit never rises again,
//! and forks inherit it, so a process that is to have forks gets a soft one only, which native code may ignore.

use std::time::Duration;

use super::process::cpu_time_of;

/// CPU time over the limit in which a program can end in order.
const GRACE: Duration = Duration::from_secs(1);
/// Shortest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The watch over one process, which has one thread.
#[derive(Clone, Copy, Debug)]
pub struct CpuWatch {
    pid: i32,
    allowed: Duration,
}

impl CpuWatch {
    /// A watch over a process that has used `before`, and may use `limit` more. It must not be reaped as long
    /// as it is watched, or another may get its number.
    pub fn new(pid: i32, before: Duration, limit: Duration) -> Self {
        Self {
            pid,
            allowed: before.saturating_add(limit).saturating_add(GRACE),
        }
    }

    /// Waits until the process has used more than it may; for ever, if it never does.
    pub async fn until_exceeded(&self) {
        loop {
            let left = self.allowed.saturating_sub(cpu_time_of(self.pid));
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.max(SHORTEST_PAUSE)).await;
        }
    }
}
