//! Errors in E2B's words.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

use crate::api::ApiError;

/// An error as E2B's API and its sandboxes answer it. A sandbox that is gone is a bad gateway: that is what its proxy
/// says, and what clients take for a sandbox whose time is over.
pub struct Refusal(ApiError);

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Self(error) = self;
        let status = match error.status() {
            StatusCode::GONE => StatusCode::BAD_GATEWAY,
            status => status,
        };
        let message = error.sentence();
        error.in_words(
            status,
            &json!({ "code": status.as_u16(), "message": message }),
        )
    }
}

/// 502: there is no such sandbox, or no more. Clients go by the words "was not found".
pub fn no_sandbox_inside(why: &str) -> ApiError {
    ApiError::gone("The sandbox was not found", why)
}

/// 404 of the routes that open and end sandboxes.
pub fn no_sandbox() -> ApiError {
    ApiError::not_found(
        "There is no such sandbox",
        "None of yours has this id: it was killed, its timeout is over, or nobody used it for FAAS_SESSION_TIMEOUT; \
         create another",
    )
}
