//! The HTTP API: routes, wire types, errors.

mod auth;
mod error;
mod files;
mod health;
mod limits;
mod openapi;
mod run_code;
mod server;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::get;
use axum::routing::post;

use crate::pool::Pool;
use crate::settings::Settings;
use error::ApiError;

pub use auth::ApiToken;
pub use server::serve;

/// What the handlers share.
#[derive(Debug)]
pub struct Service {
    pub pool: Arc<Pool>,
    pub settings: Settings,
    /// Set when no new work is taken.
    pub draining: AtomicBool,
}

/// All routes.
pub fn router(service: Arc<Service>) -> Router {
    let body_limit = usize::try_from(service.settings.max_body_bytes).unwrap_or(usize::MAX);
    Router::new()
        .route("/run_code", post(run_code::run_code))
        .route("/health", get(health::health))
        .route("/openapi.json", get(openapi::openapi))
        .fallback(async || ApiError::no_route())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(DefaultBodyLimit::max(body_limit))
        .layer(middleware::from_fn_with_state(
            service.clone(),
            auth::authorize,
        ))
        .with_state(service)
}
