//! `POST /run_code`: has a program executed.

use std::sync::Arc;

use axum::Extension;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;

use super::accept::quality_of;
use super::answer::Answer;
use super::caller::Caller;
use super::client::Client;
use super::error::ApiError;
use super::execute::execute;
use super::idempotency::Begun;
use super::idempotency::key_of;
use super::request;
use super::state::AppState;
use super::stream;
use super::tools;

/// Executes a program. A caller who accepts `text/event-stream` gets the output as it comes. One who sends an
/// `Idempotency-Key` again gets the answer that there was.
///
/// # Errors
/// [`ApiError`] for a program that was not executed.
pub async fn run_code(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Extension(client): Extension<Arc<Client>>,
    request: Request,
) -> Result<Response, ApiError> {
    state.refuse_if_draining()?;
    let streaming = wants_events(request.headers());
    let key = key_of(request.headers(), caller.owner())?;
    if streaming && key.is_some() {
        return Err(ApiError::bad_request(
            "A stream cannot be sent again",
            "Leave out the header Idempotency-Key, or text/event-stream in the header Accept",
        ));
    }
    let body = request::read_body(request, &state).await?;
    let claim = match key.map(|key| state.kept_answers.begin(key, body.bytes())) {
        None => None,
        Some(begun) => match begun? {
            Begun::First(claim) => Some(claim),
            Begun::Again(json) => {
                return Ok(Answer::of_json(json.to_string(), &state)?.into_response());
            }
        },
    };
    let request = request::parse(body, &caller, &state)?;
    if streaming {
        return stream::run(state, caller, client, request).await;
    }
    let answer = match &request.tools {
        Some(_) => tools::begin(state.clone(), caller, request).await?,
        None => execute(&state, &caller, request).await?,
    };
    if let Some(claim) = claim {
        claim.keep(&answer.json);
    }
    Ok(answer.into_response())
}

/// Whether the caller names the media type of events, and likes none better that JSON has. One who
/// accepts anything does not name it.
fn wants_events(headers: &HeaderMap) -> bool {
    let quality = |name| quality_of(headers, &header::ACCEPT, name);
    let json = quality("application/json")
        .or_else(|| quality("application/*"))
        .or_else(|| quality("*/*"));
    quality("text/event-stream").is_some_and(|events| events > 0.0 && events >= json.unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn events_are_sent_to_those_who_like_them_as_much_as_json() {
        let streams = |accept| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            wants_events(&headers)
        };
        for accept in [
            "text/event-stream",
            "application/json, text/event-stream",
            "application/json;q=0.5, text/event-stream;q=0.5",
            "text/event-stream, */*;q=0.1",
            "text/event-stream;q=0.2, application/json;q=0",
            "text/event-stream;q=0.1, text/html",
        ] {
            assert!(streams(accept), "{accept}");
        }
        for accept in [
            "text/event-stream;q=0",
            "application/json, text/event-stream;q=0.1",
            "text/event-stream;q=0.9, */*",
            "text/event-stream;q=0.9, application/*",
            "*/*",
            "text/*",
            "",
        ] {
            assert!(!streams(accept), "{accept}");
        }
        assert!(!wants_events(&HeaderMap::new()));
    }
}
