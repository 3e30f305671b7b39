//! The HTTP API: routes, wire types, errors.

mod auth;
mod check_code;
mod error;
mod executions;
mod files;
mod health;
mod limits;
mod metrics;
mod observe;
mod openapi;
mod playground;
mod record;
mod request;
mod response;
mod run_code;
mod server;
mod stream;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use axum::routing::post;

use crate::pool::Pool;
use crate::settings::Settings;
use crate::telemetry::AuditLog;
use crate::telemetry::History;
use crate::telemetry::Metrics;
use error::ApiError;
use metrics::Exposition;

pub use auth::ApiToken;
pub use server::serve;

/// What the handlers share.
#[derive(Debug)]
pub struct Service {
    pub pool: Arc<Pool>,
    pub settings: Settings,
    /// Set when no new work is taken.
    pub draining: AtomicBool,
    metrics: Arc<Metrics>,
    exposition: Exposition,
    started: Instant,
    pub audit: Option<AuditLog>,
    pub history: Option<History>,
}

impl Service {
    pub fn new(
        pool: Arc<Pool>,
        settings: Settings,
        metrics: Arc<Metrics>,
        audit: Option<AuditLog>,
        history: Option<History>,
    ) -> Self {
        Self {
            exposition: Exposition::new(&metrics, &pool),
            pool,
            settings,
            draining: AtomicBool::new(false),
            metrics,
            started: Instant::now(),
            audit,
            history,
        }
    }
}

impl Service {
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
pub fn router(service: Arc<Service>) -> Router {
    let body_limit = usize::try_from(service.settings.max_body_bytes).unwrap_or(usize::MAX);
    let page = if service.settings.playground {
        playground::routes()
    } else {
        Router::new()
    };
    page.route("/run_code", post(run_code::run_code))
        .route("/check_code", post(check_code::check_code))
        .route("/health", get(health::health))
        .route("/metrics", get(metrics::metrics))
        .route("/executions", get(executions::list))
        .route("/executions/{task_id}", get(executions::find))
        .route("/openapi.json", get(openapi::openapi))
        .fallback(async || ApiError::no_route())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(middleware::from_fn_with_state(
            service.clone(),
            auth::authorize,
        ))
        .layer(middleware::from_fn_with_state(
            service.clone(),
            observe::observe,
        ))
        .with_state(service)
}
