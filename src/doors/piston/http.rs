//! Its routes.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::any;
use axum::routing::get;
use axum::routing::post;
use serde_json::Value;
use serde_json::json;

use super::job;
use super::runtimes;
use super::runtimes::Runtime;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::caller::Caller;
use crate::doors::ours;

/// The routes of this door.
pub fn routes() -> Router<Arc<AppState>> {
    let packages = get(list_packages)
        .post(refuse_packages)
        .delete(refuse_packages)
        .fallback(unknown);
    Router::new()
        .route("/api/v2/runtimes", get(list_runtimes).fallback(unknown))
        .route("/api/v2/execute", post(execute).fallback(unknown))
        .route("/api/v2/packages", packages)
        .route("/api/v2/{*rest}", any(unknown))
}

async fn unknown() -> Response {
    in_words(ApiError::not_found(
        "Not found",
        "The routes of this door are GET /api/v2/runtimes, POST /api/v2/execute and GET /api/v2/packages",
    ))
}

async fn list_runtimes(State(state): State<Arc<AppState>>) -> Json<Vec<Runtime>> {
    Json(runtimes::all(&state))
}

/// What Piston calls packages are languages. All that there are, are there.
async fn list_packages(State(state): State<Arc<AppState>>) -> Json<Vec<Value>> {
    let packages = runtimes::all(&state).into_iter().map(|runtime| {
        json!({
            "language": runtime.language,
            "language_version": runtime.version,
            "installed": true,
        })
    });
    Json(packages.collect())
}

async fn refuse_packages(State(state): State<Arc<AppState>>) -> Response {
    in_words(ApiError::not_found(
        "No languages can be installed or removed",
        format!("The runtimes are {}", runtimes::names(&state)),
    ))
}

async fn execute(State(state): State<Arc<AppState>>, caller: Caller, request: Request) -> Response {
    let answer = ours::run(&state, &caller, request, job::parse).await;
    answer.map_or_else(in_words, IntoResponse::into_response)
}

/// An error as Piston words it.
fn in_words(error: ApiError) -> Response {
    let (status, sentence) = (error.status(), error.sentence());
    error.in_words(status, &json!({ "message": sentence }))
}
