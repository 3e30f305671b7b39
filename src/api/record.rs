//! What is kept of an execution beside its answer: its place in the metrics, a line of the audit
//! log, a row of the history.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::SystemTime;

use axum::http::StatusCode;
use sha2::Digest;
use sha2::Sha256;
use uuid::Uuid;

use super::Service;
use super::error::ApiError;
use super::observe::Caller;
use crate::pool::Order;
use crate::pool::PoolError;
use crate::pool::PoolStats;
use crate::pool::Priority;
use crate::pool::Report;
use crate::protocol::Language;
use crate::telemetry::Bodies;
use crate::telemetry::EffectiveLimits;
use crate::telemetry::End;
use crate::telemetry::Execution;
use crate::telemetry::Outcome;
use crate::telemetry::cut;

/// An execution that is recorded once it ends: by [`Self::end`], or as cancelled when it is dropped
/// before, as when the caller hangs up.
pub struct Record {
    /// Names the execution in its answer, in history and audit log.
    pub task_id: String,
    service: Arc<Service>,
    language: Language,
    /// Taken when it ends; none if nobody wants it.
    kept: Option<Execution>,
    ended: bool,
}

impl Record {
    /// To be called before the order is handed to the pool.
    pub fn begin(service: &Arc<Service>, caller: &Caller, order: &Order) -> Self {
        let task_id = format!("task-{}", Uuid::new_v4());
        let is_kept = service.audit.is_some() || service.history.is_some();
        Self {
            kept: is_kept.then(|| describe(service, caller, order, task_id.clone())),
            task_id,
            service: service.clone(),
            language: order.job.language,
            ended: false,
        }
    }

    /// Records how it ended.
    pub fn end(&mut self, result: &Result<(Report, PoolStats), PoolError>) {
        self.ended = true;
        match result {
            Ok((report, _)) => {
                let wall = report.usage.wall;
                let metrics = &self.service.metrics;
                metrics.executed(self.language, report.status, wall, report.truncated);
                if let Some(mut kept) = self.kept.take() {
                    kept.status = Outcome::Ended(report.status).name();
                    kept.end = Some(end(report));
                    if let Some(bodies) = &mut kept.bodies {
                        bodies.stdout = cut(&report.stdout);
                        bodies.stderr = cut(&report.stderr);
                        bodies.ret_val = cut(report.return_value.as_deref().unwrap_or_default());
                    }
                    self.keep(kept);
                }
            }
            Err(error) => self.refuse_for(refusal(error)),
        }
    }

    /// Records that it was refused before the pool had it.
    pub fn refuse(&mut self, error: &ApiError) {
        let reason = match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => "too_complex",
            _ => "not_checked",
        };
        self.refuse_for(reason);
    }

    fn refuse_for(&mut self, reason: &'static str) {
        self.ended = true;
        if let (Some(mut kept), Some(audit)) = (self.kept.take(), &self.service.audit) {
            kept.status = "refused";
            kept.reason = Some(reason);
            audit.write(&Arc::new(kept));
        }
    }

    fn keep(&self, execution: Execution) {
        let execution = Arc::new(execution);
        if let Some(audit) = &self.service.audit {
            audit.write(&execution);
        }
        if let Some(history) = &self.service.history {
            history.add(&execution);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.service.metrics.cancelled(self.language);
        if let Some(mut kept) = self.kept.take() {
            kept.status = Outcome::Cancelled.name();
            self.keep(kept);
        }
    }
}

/// What is known before the execution.
fn describe(service: &Service, caller: &Caller, order: &Order, task_id: String) -> Execution {
    let code = &order.job.code;
    let with_bodies = service.history.is_some() && service.settings.history_bodies;
    Execution {
        began: SystemTime::now(),
        task_id,
        request_id: caller.request_id().to_owned(),
        caller: caller.address,
        by_token: caller.by_token,
        language: order.job.language.name(),
        code_sha256: hexadecimal(&Sha256::digest(code.as_bytes())),
        code_bytes: code.len() as u64,
        packages: order.packages.requirements().to_vec(),
        limits: EffectiveLimits::new(order.limits, order.job.limits),
        priority: match order.priority {
            Priority::High => "high",
            Priority::Normal => "normal",
            Priority::Low => "low",
        },
        status: "",
        reason: None,
        end: None,
        bodies: with_bodies.then(|| Bodies {
            code: cut(code),
            stdout: String::new(),
            stderr: String::new(),
            ret_val: String::new(),
        }),
    }
}

fn end(report: &Report) -> End {
    End {
        exit_code: report.exit_code,
        usage: report.usage.into(),
        truncated: report.truncated,
    }
}

/// Why an execution was refused, of a closed set.
fn refusal(error: &PoolError) -> &'static str {
    match error {
        PoolError::QueueFull(_) => "queue_full",
        PoolError::NotReady { .. } => "not_ready",
        PoolError::ShuttingDown => "shutting_down",
        PoolError::Broken(_) => "no_sandbox",
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
