//! What is kept of an execution beside its answer: its place in the metrics, a line of the audit
//! log, a row of the history.

use std::sync::Arc;
use std::time::SystemTime;

use axum::http::StatusCode;
use faas_packages::Digest;
use faas_pool::ExecutionRequest;
use faas_pool::PoolError;
use faas_pool::PoolStats;
use faas_pool::Report;
use faas_pool::ToolLog;
use faas_protocol::Language;
use faas_telemetry::Bodies;
use faas_telemetry::End;
use faas_telemetry::Ended;
use faas_telemetry::Execution;
use faas_telemetry::Fate;
use faas_telemetry::Refusal;
use faas_telemetry::cut;

use super::caller::Caller;
use super::caller::Executed;
use super::error::ApiError;
use super::state::AppState;

/// An execution that is recorded once it ends: by [`Self::end`], or when it is dropped before, as cancelled:
/// then the caller hung up.
pub struct Record {
    /// Names the execution in its answer, in history and audit log.
    pub task_id: String,
    state: Arc<AppState>,
    language: Language,
    /// Told what became of it, once.
    caller: Caller,
    /// Taken when it ends; none if nobody wants it.
    kept: Option<Execution>,
    /// What was noted of its calls of tools, if it has any.
    tool_log: Option<ToolLog>,
    ended: bool,
    /// What becomes of it if it is dropped now.
    if_dropped: Fate,
}

impl Record {
    /// To be called before the request is handed to the pool. `written` is what the caller wrote of its program,
    /// `task_id` its name.
    pub fn begin(
        state: &Arc<AppState>,
        caller: &Caller,
        request: &ExecutionRequest,
        written: &str,
        task_id: String,
    ) -> Self {
        let is_kept = state.audit.is_some() || state.history.is_some();
        Self {
            kept: is_kept.then(|| describe(state, caller, request, written, task_id.clone())),
            task_id,
            state: state.clone(),
            language: request.job.language,
            caller: caller.clone(),
            tool_log: request.tools.as_ref().map(|line| line.log.clone()),
            ended: false,
            if_dropped: Fate::Cancelled,
        }
    }

    /// Records how it ended.
    pub fn end(&mut self, result: &Result<(Report, PoolStats), PoolError>) {
        self.ended = true;
        match result {
            Ok((report, _)) => {
                self.tell(Fate::Ended(report.status));
                let ended = Ended {
                    status: report.status,
                    wall: report.usage.wall,
                    cpu: report.usage.cpu,
                    truncated: report.truncated,
                    signal: report.signal,
                };
                self.state.metrics.executed(self.language, ended);
                if let Some(mut kept) = self.kept.take() {
                    kept.fate = Fate::Ended(report.status);
                    kept.end = Some(end(report));
                    let snapshot = report.snapshot.as_ref();
                    let snapshot = snapshot.and_then(|kept| kept.as_ref().ok());
                    kept.snapshot = snapshot.map(|snapshot| snapshot.id.to_string());
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

    /// Records that the service ended before it did.
    pub fn cut_off(mut self) {
        self.if_dropped = Fate::CutOff;
    }

    /// Records that it was refused before the pool had it.
    pub fn refuse(&mut self, error: &ApiError) {
        self.refuse_for(match error.status() {
            StatusCode::UNPROCESSABLE_ENTITY => Refusal::TooComplex,
            _ => Refusal::NotChecked,
        });
    }

    fn refuse_for(&mut self, refusal: Refusal) {
        self.ended = true;
        self.tell(Fate::Refused(refusal));
        if let (Some(mut kept), Some(audit)) = (self.kept.take(), &self.state.audit) {
            kept.fate = Fate::Refused(refusal);
            audit.write(&Arc::new(kept));
        }
    }

    fn tell(&self, fate: Fate) {
        let task_id = self.task_id.clone();
        self.caller.tell(Executed { task_id, fate });
    }

    fn keep(&self, mut execution: Execution) {
        if let Some(log) = &self.tool_log {
            execution.tool_calls = log.take();
        }
        let execution = Arc::new(execution);
        if let Some(audit) = &self.state.audit {
            audit.write(&execution);
        }
        if let Some(history) = &self.state.history {
            history.add(&execution);
        }
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.tell(self.if_dropped);
        self.state.metrics.given_up(self.language, self.if_dropped);
        if let Some(mut kept) = self.kept.take() {
            kept.fate = self.if_dropped;
            self.keep(kept);
        }
    }
}

/// What is known before the execution.
fn describe(
    state: &AppState,
    caller: &Caller,
    request: &ExecutionRequest,
    code: &str,
    task_id: String,
) -> Execution {
    let with_bodies = state.history.is_some() && state.settings.history_bodies;
    Execution {
        began: SystemTime::now(),
        task_id,
        request_id: caller.request_id().to_owned(),
        caller: caller.address,
        owner: caller.owner().clone(),
        language: request.job.language,
        code_sha256: Digest::of(code.as_bytes()).to_string(),
        code_bytes: code.len() as u64,
        packages: request.packages.requirements().to_vec(),
        limits: request.job.limits,
        priority: request.priority,
        session: request.start.session().map(ToString::to_string),
        from: request.start.snapshot().map(ToString::to_string),
        // Set when it is known.
        snapshot: None,
        tool_calls: Vec::new(),
        fate: Fate::Cancelled,
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

/// Why an execution was refused.
fn refusal(error: &PoolError) -> Refusal {
    match error {
        PoolError::QueueFull { .. } => Refusal::QueueFull,
        PoolError::QueueTimeout { .. } | PoolError::QueueTooSlow { .. } => Refusal::QueueTimeout,
        PoolError::NotReady { .. } => Refusal::NotReady,
        PoolError::ShuttingDown => Refusal::ShuttingDown,
        PoolError::NoSnapshot(_) | PoolError::OtherLanguage { .. } => Refusal::NoSnapshot,
        PoolError::CannotKeep(_) => Refusal::CannotKeep,
        PoolError::NoSession(_) | PoolError::SessionOfOtherLanguage { .. } => Refusal::NoSession,
        PoolError::SessionFull { .. } => Refusal::SessionFull,
        PoolError::SessionTimeout { .. } => Refusal::QueueTimeout,
        PoolError::Broken(_) => Refusal::NoSandbox,
    }
}
