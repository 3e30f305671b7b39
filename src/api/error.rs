//! Errors as callers see them: a status, `{"error", "details"}`, and what to do about it.

use std::ops::RangeInclusive;
use std::time::Duration;

use axum::Json;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_pool::PoolError;
use faas_pool::Replica;
use serde::Serialize;
use utoipa::ToSchema;

/// When a refused caller should try again, at the earliest and at the latest: what was measured may be out of
/// date.
const RETRY_AFTER: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);

/// An error answer.
#[derive(Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    /// When it may work, as far as that is known: for those who should come back.
    retry_after: Duration,
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Error)]
pub struct ErrorBody {
    error: String,
    /// What to do about it.
    details: String,
}

impl ApiError {
    fn new(status: StatusCode, error: impl Into<String>, details: impl Into<String>) -> Self {
        Self {
            status,
            body: ErrorBody {
                error: error.into(),
                details: details.into(),
            },
            retry_after: Duration::ZERO,
        }
    }

    /// Tells those who should come back when.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = wait;
        self
    }

    /// When it may work, as far as that is known.
    pub fn expected_wait(&self) -> Duration {
        self.retry_after
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// 400: the caller must change the request.
    pub fn bad_request(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, details)
    }

    /// 400: the body, or a part of it, is not the JSON that it should be.
    pub fn not_json(details: impl Into<String>) -> Self {
        Self::bad_request("Invalid JSON format", details)
    }

    /// 404: nothing has that name.
    pub fn not_found(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error, details)
    }

    /// 404: another server has what this id is of.
    pub fn elsewhere(what: &str, replica: &Replica) -> Self {
        let replica = replica.as_str();
        Self::not_found(
            format!("No such {what}"),
            format!(
                "It is on the server {replica}; a balancer has to send requests for it there (FAAS_REPLICA)"
            ),
        )
    }

    /// 410: there was something of that name.
    pub fn gone(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, error, details)
    }

    /// 507: what is kept has no room for more.
    pub fn no_space(details: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "Insufficient storage",
            details,
        )
    }

    /// 501: this machine, or this setting, does not have it.
    pub fn not_here(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, error, details)
    }

    /// 401: the token is missing or wrong.
    pub fn unauthorized(details: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "Unauthorized", details)
    }

    /// 408: the client was too slow.
    pub fn too_slow(details: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "Request timeout", details)
    }

    /// 413: the body or a part of it is too large.
    pub fn too_large(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error, details)
    }

    /// 415: the body is in a coding that is not understood.
    pub fn wrong_coding(details: impl Into<String>) -> Self {
        Self::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Unsupported content coding",
            details,
        )
    }

    /// 429: come back when others are done.
    pub fn too_many(details: impl Into<String>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "Too many requests", details)
    }

    /// 409: another request is in the way.
    pub fn conflict(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error, details)
    }

    /// 422: understood, but not executed.
    pub fn refused(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error, details)
    }

    /// 500: an internal error of the service.
    pub fn failed(details: impl Into<String>) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "Execution failed",
            details,
        )
    }

    /// Both parts as one sentence.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.body.error, self.body.details)
    }

    /// What went wrong.
    pub fn title(&self) -> &str {
        &self.body.error
    }

    /// What to do about it.
    pub fn details(&self) -> &str {
        &self.body.details
    }

    /// The body, for a line of an answer of several.
    pub fn into_body(self) -> ErrorBody {
        self.body
    }

    /// The body, for streams whose status was already sent.
    pub fn body(&self) -> &impl Serialize {
        &self.body
    }

    /// 503: the service ends before the program does.
    pub fn cut_off() -> Self {
        Self::unavailable(
            "The service is shutting down and ended the program before it was done (FAAS_SHUTDOWN_GRACE); \
             send the request to another instance",
        )
    }

    /// 503: the service cannot do it at the moment.
    pub fn unavailable(details: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "Service unavailable",
            details,
        )
    }

    /// 403: a web page of somebody else sent it.
    pub fn forbidden(error: impl Into<String>, details: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error, details)
    }

    /// The whole answer to a request that is not read, as the last of its connection.
    pub fn to_http(&self) -> String {
        // Strings always become JSON.
        let body = serde_json::to_string(&self.body).unwrap_or_default();
        format!(
            "HTTP/1.1 {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             Retry-After: {}\r\n\
             X-Content-Type-Options: nosniff\r\nCross-Origin-Resource-Policy: same-origin\r\n\
             Connection: close\r\n\r\n{body}",
            self.status,
            body.len(),
            whole_seconds(self.retry_after),
        )
    }

    /// The answer in the words of another protocol.
    pub fn in_words(self, status: StatusCode, body: &impl Serialize) -> Response {
        let mut response = (status, Json(body)).into_response();
        self.add_headers(response.headers_mut());
        response
    }

    /// The headers that go with the status.
    fn add_headers(&self, headers: &mut HeaderMap) {
        match self.status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::INSUFFICIENT_STORAGE => {
                set_retry_after(headers, self.retry_after);
            }
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                let none = HeaderValue::from_static("identity");
                headers.insert(header::ACCEPT_ENCODING, none);
            }
            StatusCode::UNAUTHORIZED => {
                let scheme = HeaderValue::from_static("Bearer");
                headers.insert(header::WWW_AUTHENTICATE, scheme);
            }
            _ => {}
        }
    }

    pub fn no_route() -> Self {
        Self::not_found(
            "Not found",
            "The routes are POST /run_code, POST /run_batch, POST /check_code, GET /health, GET /ready, GET /metrics, GET /executions, \
             GET /executions/{task_id}, GET /snapshots, GET and DELETE /snapshots/{id}, those of /sessions and /jobs, GET /openapi.json and those of FAAS_DOORS",
        )
    }

    pub fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            "Use the method that the Allow header names",
        )
    }
}

impl From<PoolError> for ApiError {
    fn from(error: PoolError) -> Self {
        let details = format!("{error}; try again shortly");
        match error {
            PoolError::QueueFull { retry_after, .. }
            | PoolError::QueueTimeout { retry_after, .. }
            | PoolError::QueueTooSlow { retry_after, .. } => {
                Self::too_many(details).retry_after(retry_after)
            }
            PoolError::NotReady { retry_after, .. } => {
                Self::unavailable(details).retry_after(retry_after)
            }
            PoolError::NoSnapshot(error) => error.into(),
            PoolError::OtherLanguage { of } => Self::bad_request(
                "The snapshot is of another language",
                format!(
                    "It was left by a program in {}; 'language' must be that",
                    of.name()
                ),
            ),
            PoolError::CannotKeep(reason) => Self::not_here(
                "Programs cannot be kept here",
                format!("{reason}; leave 'keep' out, or send the request to another instance"),
            ),
            PoolError::NoSession(error) => error.into(),
            PoolError::SessionOfOtherLanguage { of } => Self::bad_request(
                "The session is of another language",
                format!("Its cells are in {}; leave 'language' out", of.name()),
            ),
            PoolError::SessionFull { .. } | PoolError::SessionTimeout { .. } => {
                Self::too_many(details)
            }
            PoolError::ShuttingDown => Self::unavailable(details),
            PoolError::Broken(_) => Self::failed(details),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self.body)).into_response();
        self.add_headers(response.headers_mut());
        response
    }
}

/// Says when to come back (RFC 9110, 10.2.3).
pub fn set_retry_after(headers: &mut HeaderMap, wait: Duration) {
    let seconds = HeaderValue::from(whole_seconds(wait));
    headers.insert(header::RETRY_AFTER, seconds);
}

/// Rounded up, since an early caller would be refused again.
fn whole_seconds(wait: Duration) -> u64 {
    let wait = wait.clamp(*RETRY_AFTER.start(), *RETRY_AFTER.end());
    wait.as_secs_f64().ceil() as u64
}
