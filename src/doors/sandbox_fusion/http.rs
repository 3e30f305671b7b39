//! Its routes.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::any;
use axum::routing::post;
use serde_json::json;

use super::notebook;
use super::program;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::caller::Caller;
use crate::doors::ours;

/// The routes of this door.
pub fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route("/sandbox-fusion/run_code", post(run_code).fallback(unknown))
        .route(
            "/sandbox-fusion/run_jupyter",
            post(run_jupyter).fallback(unknown),
        )
        .route("/sandbox-fusion/{*rest}", any(unknown))
}

async fn unknown() -> Response {
    in_words(ApiError::not_found(
        "Not found",
        "The routes of this door are POST /sandbox-fusion/run_code and POST /sandbox-fusion/run_jupyter",
    ))
}

async fn run_code(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Response {
    let answer = ours::run(&state, &caller, request, program::parse).await;
    answer.map_or_else(in_words, IntoResponse::into_response)
}

async fn run_jupyter(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Response {
    let answer = ours::run(&state, &caller, request, notebook::parse).await;
    answer.map_or_else(in_words, IntoResponse::into_response)
}

/// An error as FastAPI words it. Callers such as verl try again after 504 and after nothing else: so what may work in
/// a moment is answered with that.
fn in_words(error: ApiError) -> Response {
    let status = match error.status() {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            StatusCode::GATEWAY_TIMEOUT
        }
        status => status,
    };
    let sentence = error.sentence();
    error.in_words(status, &json!({ "detail": sentence }))
}
