//! What is kept of an execution beside its answer: its place in the metrics.

use std::sync::Arc;

use uuid::Uuid;

use super::Service;
use crate::pool::Order;
use crate::pool::PoolError;
use crate::pool::PoolStats;
use crate::pool::Report;
use crate::protocol::Language;

/// An execution that is recorded once it ends: by [`Self::end`], or as cancelled when it is dropped
/// before, as when the caller hangs up.
pub struct Record {
    /// Names the execution in its answer, in history and audit log.
    pub task_id: String,
    service: Arc<Service>,
    language: Language,
    ended: bool,
}

impl Record {
    /// To be called before the order is handed to the pool.
    pub fn begin(service: &Arc<Service>, order: &Order) -> Self {
        Self {
            task_id: format!("task-{}", Uuid::new_v4()),
            service: service.clone(),
            language: order.job.language,
            ended: false,
        }
    }

    /// Records how it ended.
    pub fn end(&mut self, result: &Result<(Report, PoolStats), PoolError>) {
        self.ended = true;
        if let Ok((report, _)) = result {
            self.service.metrics.executed(
                self.language,
                report.status,
                report.usage.wall,
                report.truncated,
            );
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.ended {
            self.service.metrics.cancelled(self.language);
        }
    }
}
