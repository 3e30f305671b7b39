//! `POST /run_code/continue`: brings a program the results that it waits for.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use utoipa::ToSchema;

use super::body;
use super::body::RawContinue;
use super::conversation::answered;
use crate::api::answer::Answer;
use crate::api::caller::Caller;
use crate::api::continuations::Resumed;
use crate::api::error::ApiError;
use crate::api::idempotency::Begun;
use crate::api::idempotency::key_of;
use crate::api::request;
use crate::api::state::AppState;

/// The answer to results of a program whose output is streamed: what comes of them is in the stream.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ResultsAccepted)]
pub struct Accepted {
    /// How many results the program got.
    accepted: usize,
}

/// Hands results on; answers as `POST /run_code` once the program waits again, or ends. One who sends an
/// `Idempotency-Key` again gets the answer that there was.
///
/// # Errors
/// 400, 404, 410, 422, and those of `POST /run_code`.
pub async fn go_on(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<Response, ApiError> {
    let key = key_of(request.headers(), caller.owner())?;
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
    let raw: RawContinue<'_> = request::parse_body(body.bytes())?;
    let continuation = body::continuation_of(&raw)?;
    let results = body::results_of(&raw)?;
    let taken = state
        .continuations
        .take(&continuation, caller.owner(), |exchange, is_streamed| {
            tokio::task::block_in_place(|| exchange.check(&results, is_streamed))
        });
    let accepted = results.len();
    match taken?.resume(results) {
        Resumed::Answers(answer) => {
            let answer = answered(answer, &state).await?;
            if let Some(claim) = claim {
                claim.keep(&answer.json);
            }
            Ok(answer.into_response())
        }
        Resumed::Streamed => {
            Ok((StatusCode::ACCEPTED, Json(Accepted { accepted })).into_response())
        }
        Resumed::Over => Err(ApiError::gone(
            "The program is over",
            "It ended while it waited; its stream, if it has one, says how. Run it again",
        )),
    }
}
