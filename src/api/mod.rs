//! The HTTP API: routes, wire types, errors.

mod auth;
mod check_code;
mod error;
mod files;
mod health;
mod limits;
mod openapi;
mod playground;
mod request;
mod response;
mod run_code;
mod server;
mod stream;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

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
