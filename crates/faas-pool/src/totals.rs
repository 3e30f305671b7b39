//! Totals since the start.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

use faas_protocol::Status;
use faas_protocol::Task;

use super::report::Report;

/// Totals since the start; checks of programs are not counted.
#[derive(Debug, Default)]
pub struct Totals {
    pub started: AtomicU64,
    pub completed: AtomicU64,
    /// Those of the completed that did not end in success.
    pub failed: AtomicU64,
    /// Wall time of the completed, in µs.
    pub wall_us: AtomicU64,
}

impl Totals {
    pub(super) fn begin(&self, task: Task) {
        if task == Task::Run {
            self.started.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// It was not begun: its sandbox did not have what it imports.
    pub(super) fn take_back(&self, task: Task) {
        if task == Task::Run {
            self.started.fetch_sub(1, Ordering::Relaxed);
        }
    }

    pub(super) fn end(&self, task: Task, report: &Report) {
        if task != Task::Run {
            return;
        }
        let failed = report.status != Status::Success;
        let wall = u64::try_from(report.usage.wall.as_micros()).unwrap_or(u64::MAX);
        self.completed.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(failed), Ordering::Relaxed);
        self.wall_us.fetch_add(wall, Ordering::Relaxed);
    }
}
