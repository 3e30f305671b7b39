//! Answers of executions as bytes, which count until their callers have read them (FAAS_ANSWER_BYTES).

use axum::body::Bytes;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;

use super::budget::Exhausted;
use super::budget::Share;
use super::error::ApiError;
use super::state::AppState;

/// The JSON of an answer, and what it holds of FAAS_ANSWER_BYTES.
#[derive(Debug)]
pub struct Answer {
    pub json: String,
    pub share: Share,
}

impl Answer {
    /// # Errors
    /// 503 if so much is waiting to be read that there is no room for it.
    pub fn new(response: &impl Serialize, state: &AppState) -> Result<Self, ApiError> {
        let json = serde_json::to_string(response)
            .map_err(|error| ApiError::failed(format!("The answer cannot be JSON: {error}")))?;
        Self::of_json(json, state)
    }

    /// An answer of several in one, for which room is waited for.
    pub async fn when_there_is_room(json: String, state: &AppState) -> Self {
        let mut share = state.answers.share();
        share.wait_to_grow_to(json.len() as u64).await;
        Self { json, share }
    }

    /// # Errors
    /// As [`Self::new`].
    pub fn of_json(json: String, state: &AppState) -> Result<Self, ApiError> {
        let mut share = state.answers.share();
        share
            .grow(json.len() as u64)
            .map_err(|Exhausted| no_room(state))?;
        Ok(Self { json, share })
    }
}

/// 503: callers do not read what they asked for.
pub fn no_room(state: &AppState) -> ApiError {
    ApiError::unavailable(format!(
        "Answers of {} bytes wait for their callers to read them already (FAAS_ANSWER_BYTES); \
         try again shortly",
        state.settings.answer_bytes.get()
    ))
}

impl AsRef<[u8]> for Answer {
    fn as_ref(&self) -> &[u8] {
        self.json.as_bytes()
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        // The share goes when the last of the bytes went to the connection.
        let bytes = Bytes::from_owner(self);
        ([(header::CONTENT_TYPE, "application/json")], bytes).into_response()
    }
}
