//! Errors in Jupyter's words.

use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

use crate::api::ApiError;

/// An error as a gateway answers it. A kernel that is gone is not found: clients take that for one that was ended.
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
            StatusCode::GONE => StatusCode::NOT_FOUND,
            status => status,
        };
        let words = json!({ "message": error.sentence(), "reason": error.title() });
        error.in_words(status, &words)
    }
}

/// 404: there is no such kernel, or no more.
pub fn no_kernel() -> ApiError {
    ApiError::not_found(
        "There is no such kernel",
        "None of yours has this id: it was ended, or nobody used it for FAAS_SESSION_TIMEOUT; GET /api/kernels lists \
         those that there are, POST /api/kernels starts another",
    )
}
