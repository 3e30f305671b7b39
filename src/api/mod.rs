//! The HTTP API: routes, wire types, errors.

mod accept;
mod answer;
mod auth;
mod bounded;
mod browsers;
mod budget;
mod caller;
mod check_code;
mod client;
mod connection;
mod error;
mod execute;
mod executions;
mod files;
mod health;
mod limits;
mod metrics;
mod observe;
mod openapi;
mod playground;
mod ready;
mod record;
mod request;
mod response;
mod run_code;
mod server;
mod stream;
mod unread;
mod words;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::middleware;
use axum::routing::get;
use axum::routing::post;
use faas_pool::Pool;
use faas_telemetry::AuditLog;
use faas_telemetry::History;
use faas_telemetry::Metrics;
use prometheus_client::registry::Registry;
use tokio_util::sync::CancellationToken;

use crate::settings::Settings;
use budget::Budget;
use error::ApiError;

pub use server::serve;

/// What the handlers share.
#[derive(Debug)]
pub struct AppState {
    pub pool: Arc<Pool>,
    pub settings: Settings,
    /// Set when no new work is taken.
    pub draining: AtomicBool,
    /// Cancelled when what still runs is given up.
    cut_off: CancellationToken,
    metrics: Arc<Metrics>,
    registry: Registry,
    started: Instant,
    /// Bytes of requests, from their first byte until they are answered.
    requests: Arc<Budget>,
    /// Bytes of answers, until their callers have read them.
    answers: Arc<Budget>,
    pub audit: Option<AuditLog>,
    pub history: Option<History>,
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
        warnings: Vec<&'static str>,
    ) -> Self {
        observe::expect_answers(&metrics);
        Self {
            registry: pool.registry(&metrics),
            requests: Budget::new(settings.queue_bytes),
            answers: Budget::new(settings.answer_bytes),
            pool,
            settings,
            draining: AtomicBool::new(false),
            cut_off: CancellationToken::new(),
            metrics,
            started: Instant::now(),
            audit,
            history,
            warnings,
        }
    }

    /// # Errors
    /// 503 while the service is shutting down.
    fn refuse_if_draining(&self) -> Result<(), ApiError> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(ApiError::unavailable(
                "The service is shutting down; send the request to another instance",
            ));
        }
        Ok(())
    }
}

/// All routes.
pub fn router(state: Arc<AppState>) -> Router {
    let page = if state.settings.playground {
        playground::routes()
    } else {
        Router::new()
    };
    page.route("/run_code", post(run_code::run_code))
        .route("/check_code", post(check_code::check_code))
        .route("/health", get(health::health))
        .route("/ready", get(ready::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/executions", get(executions::list))
        .route("/executions/{task_id}", get(executions::find))
        .route("/openapi.json", get(openapi::openapi))
        .fallback(async || ApiError::no_route())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(middleware::from_fn_with_state(
            state.clone(),
            auth::authorize,
        ))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            browsers::refuse_strangers,
        ))
        .layer(middleware::from_fn(unread::close_if_unread))
        .layer(middleware::from_fn(client::note_wait))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            observe::observe,
        ))
        .with_state(state)
}
