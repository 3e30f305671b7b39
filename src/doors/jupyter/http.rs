//! Its routes.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::middleware;
use axum::routing::any;
use axum::routing::get;
use axum::routing::post;

use super::access;
use super::channels;
use super::control;
use super::kernels::Kernels;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;

/// The routes of this door. Clients may send the token in the query.
pub fn routes(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    let kernels = Arc::<Kernels>::default();
    Router::new()
        .route("/api", get(control::version).fallback(unknown))
        .route("/api/kernelspecs", get(control::specs).fallback(unknown))
        .route(
            "/api/kernelspecs/{name}",
            get(control::spec).fallback(unknown),
        )
        .route(
            "/api/kernels",
            get(control::list).post(control::start).fallback(unknown),
        )
        .route(
            "/api/kernels/{id}",
            get(control::find).delete(control::end).fallback(unknown),
        )
        .route(
            "/api/kernels/{id}/interrupt",
            post(control::interrupt).fallback(unknown),
        )
        .route(
            "/api/kernels/{id}/restart",
            post(control::restart).fallback(unknown),
        )
        .route(
            "/api/kernels/{id}/channels",
            get(channels::open).fallback(unknown),
        )
        .route("/api/kernels/{id}/{*rest}", any(unknown))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            access::authorize,
        ))
        .layer(Extension(kernels))
}

async fn unknown() -> Refusal {
    Refusal::from(ApiError::not_found(
        "Not found",
        "The routes of this door are GET /api, GET /api/kernelspecs and /api/kernelspecs/{name}, GET and POST \
         /api/kernels, GET and DELETE /api/kernels/{id}, POST /api/kernels/{id}/interrupt and /restart, and the \
         WebSocket at /api/kernels/{id}/channels; files and sessions of notebooks are a Jupyter server's own, which has \
         this one as its gateway",
    ))
}
