//! `POST /run_code`: has a program executed.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use super::Service;
use super::check_code;
use super::error::ApiError;
use super::observe::Caller;
use super::record::Record;
use super::request;
use super::request::RunRequest;
use super::response::RunResponse;
use super::stream;

/// The route's handler. A caller who accepts `text/event-stream` gets the output as it comes.
///
/// # Errors
/// [`ApiError`] for a program that was not executed.
pub async fn run_code(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, ApiError> {
    service.refuse_if_draining()?;
    let streaming = wants_events(request.headers());
    let caller = Caller::of(&request);
    let body = request::read_body(request, &service.settings).await?;
    let request = request::parse(&body, &service.settings)?;
    if streaming {
        return stream::run(service, caller, request).await;
    }
    Ok(Json(execute(&service, &caller, request).await?).into_response())
}

/// Has a program executed and words the answer.
///
/// # Errors
/// [`ApiError`] for a program that was not executed.
pub async fn execute(
    service: &Arc<Service>,
    caller: &Caller,
    request: RunRequest,
) -> Result<RunResponse, ApiError> {
    let language = request.order.job.language;
    let mut record = Record::begin(service, caller, &request.order);
    let passed = check_code::pass_gates(service, &request.order).await;
    passed.inspect_err(|error| record.refuse(error))?;
    let result = service.pool.execute(request.order).await;
    record.end(&result);
    let (report, stats) = result?;
    let task_id = record.task_id.clone();
    Ok(RunResponse::new(
        task_id,
        language,
        report,
        stats,
        request.timings,
    ))
}

/// Whether the caller names the media type of events. One who accepts anything does not.
fn wants_events(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    accepted
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|range| {
            let media_type = range.split(';').next().unwrap_or_default().trim();
            media_type.eq_ignore_ascii_case("text/event-stream")
        })
}
