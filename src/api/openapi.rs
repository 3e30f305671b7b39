//! `GET /openapi.json`: the API described for machines.

use axum::http::header;
use axum::response::IntoResponse;

const DESCRIPTION: &str = include_str!("openapi.json");

/// The route's handler.
pub async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], DESCRIPTION)
}
