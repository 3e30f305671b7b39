//! `POST /run_code`: has a program executed.

use std::sync::Arc;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use super::AppState;
use super::accept::takes;
use super::caller::Caller;
use super::error::ApiError;
use super::execute::execute;
use super::request;
use super::stream;

/// Executes a program. A caller who accepts `text/event-stream` gets the output as it comes.
///
/// # Errors
/// [`ApiError`] for a program that was not executed.
pub async fn run_code(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    state.refuse_if_draining()?;
    let streaming = wants_events(request.headers());
    let body = request::read_body(request, &state).await?;
    let request = request::parse(body, &state.settings)?;
    if streaming {
        return stream::run(state, caller, request).await;
    }
    Ok(execute(&state, &caller, request).await?.into_response())
}

/// Whether the caller names the media type of events. One who accepts anything does not.
fn wants_events(headers: &HeaderMap) -> bool {
    takes(headers, &header::ACCEPT, "text/event-stream")
}
