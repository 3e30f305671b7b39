//! What the handlers share.

use std::sync::Arc;
use std::time::Instant;

use faas_jobs::Jobs;
use faas_pool::Pool;
use faas_telemetry::AuditLog;
use faas_telemetry::History;
use faas_telemetry::Metrics;
use prometheus_client::registry::Registry;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::budget::Budget;
use super::continuations::Continuations;
use super::error::ApiError;
use super::idempotency::KeptAnswers;
use super::load_report::LoadReport;
use super::tokens::Tokens;
use crate::settings::Settings;

/// The pool, the settings, and what is counted.
#[derive(Debug)]
pub struct AppState {
    pub pool: Arc<Pool>,
    pub settings: Settings,
    pub tokens: Tokens,
    /// Cancelled when no new work is taken.
    pub draining: CancellationToken,
    /// Cancelled when what still runs is given up.
    pub cut_off: CancellationToken,
    pub metrics: Arc<Metrics>,
    pub registry: Registry,
    pub started: Instant,
    pub load_report: LoadReport,
    /// Bytes of requests, from their first byte until they are answered.
    pub requests: Arc<Budget>,
    /// Bytes of answers, until their callers have read them.
    pub answers: Arc<Budget>,
    /// Of requests that may be sent again.
    pub kept_answers: Arc<KeptAnswers>,
    /// Programs that wait for results of their callers' tools.
    pub continuations: Arc<Continuations>,
    /// Places for programs with tools.
    pub with_tools: Arc<Semaphore>,
    pub audit: Option<AuditLog>,
    pub history: Option<History>,
    /// None if there are to be none (FAAS_JOBS).
    pub jobs: Option<Arc<Jobs>>,
    /// What this machine lacks, in fixed sentences.
    pub warnings: Vec<&'static str>,
}

impl AppState {
    pub fn new(
        pool: Arc<Pool>,
        settings: Settings,
        metrics: Arc<Metrics>,
        audit: Option<AuditLog>,
        history: Option<History>,
        jobs: Option<Arc<Jobs>>,
        warnings: Vec<&'static str>,
    ) -> Self {
        let answers = Budget::new(settings.answer_bytes);
        Self {
            registry: pool.registry(&metrics),
            requests: Budget::new(settings.queue_bytes),
            kept_answers: KeptAnswers::new(&answers),
            continuations: Continuations::new(settings.replica.clone(), settings.tool_timeout),
            with_tools: Arc::new(Semaphore::new(settings.tool_programs() as usize)),
            answers,
            tokens: Tokens::new(&settings),
            pool,
            settings,
            draining: CancellationToken::new(),
            cut_off: CancellationToken::new(),
            metrics,
            started: Instant::now(),
            load_report: LoadReport::default(),
            audit,
            history,
            jobs,
            warnings,
        }
    }

    /// # Errors
    /// 503 while the service is shutting down.
    pub fn refuse_if_draining(&self) -> Result<(), ApiError> {
        if self.draining.is_cancelled() {
            return Err(ApiError::unavailable(
                "The service is shutting down; send the request to another instance",
            ));
        }
        Ok(())
    }
}
