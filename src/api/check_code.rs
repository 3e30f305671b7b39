//! `POST /check_code`: what can be said of a program without running it.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use faas_protocol::Findings;
use serde::Serialize;

use super::AppState;
use super::error::ApiError;
use super::execute::analyse;
use super::request;

/// The answer.
#[derive(Debug, Serialize)]
pub struct CheckResponse {
    language: &'static str,
    #[serde(flatten)]
    findings: Findings,
}

/// Analyses a program.
///
/// # Errors
/// [`ApiError`] for a request that is wrong, or a program that could not be analysed.
pub async fn check_code(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<CheckResponse>, ApiError> {
    state.refuse_if_draining()?;
    let body = request::read_body(request, &state.settings).await?;
    let request = request::parse_check(&body, &state.settings)?;
    let language = request.job.language.name();
    let findings = analyse(&state, request).await?;
    Ok(Json(CheckResponse { language, findings }))
}
