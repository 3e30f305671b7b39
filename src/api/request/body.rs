//! Reading the body of a request, within what all requests together may take.

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header;
use faas_protocol::nesting;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::api::budget::Exhausted;
use crate::api::budget::Share;
use crate::api::error::ApiError;
use crate::api::state::AppState;
use crate::settings::Settings;

/// Deepest nesting of a body: its parser keeps a byte for each level.
const MAX_NESTING: usize = 2_000_000;

/// A body that was read, and what it holds of FAAS_QUEUE_BYTES.
#[derive(Debug)]
pub struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share,
}

impl Body {
    /// One that did not come by itself, but in what another protocol brought: a message that holds `share`.
    ///
    /// # Errors
    /// 413 if it is longer than a body may be, 429 if there is no room for it.
    pub fn of(bytes: Vec<u8>, mut share: Share, state: &AppState) -> Result<Self, ApiError> {
        if bytes.len() as u64 > state.settings.max_body_bytes.get() {
            return Err(body_too_large(&state.settings));
        }
        let grown = share.grow_to(bytes.len() as u64);
        grown.map_err(|Exhausted| no_room(state))?;
        Ok(Self { bytes, share })
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The bytes, and what they hold of FAAS_QUEUE_BYTES.
    pub fn into_parts(self) -> (Vec<u8>, Share) {
        (self.bytes, self.share)
    }
}

/// Reads the body within the time that a client has for it, and within the bytes that all requests
/// together may take.
///
/// # Errors
/// 400, 408, 413 or 429 with what to do about it.
pub async fn read_body(request: Request, state: &AppState) -> Result<Body, ApiError> {
    let patience = state.settings.client_timeout;
    let read = tokio::time::timeout(patience, read_whole_body(request, state));
    read.await.unwrap_or_else(|_| {
        Err(ApiError::too_slow(format!(
            "The request body did not arrive within {} ms (FAAS_CLIENT_TIMEOUT)",
            patience.as_millis()
        )))
    })
}

async fn read_whole_body(request: Request, state: &AppState) -> Result<Body, ApiError> {
    let settings = &state.settings;
    refuse_coding(request.headers())?;
    let longest = settings.max_body_bytes.as_usize();
    // Known from Content-Length, before any of the body has arrived; 0 if it comes in chunks.
    let announced = request.body().size_hint().lower();
    if announced > settings.max_body_bytes.get() {
        return Err(body_too_large(settings));
    }
    let no_room = |Exhausted| no_room(state);
    let mut share = state.requests.share();
    share.grow(announced).map_err(no_room)?;
    // At most FAAS_MAX_BODY_BYTES; the system gives memory only for what is written to it.
    let mut bytes = Vec::with_capacity(announced as usize);
    let mut pieces = request.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|error| ApiError::bad_request("Unreadable request body", error.to_string()))?;
        if piece.len() > longest - bytes.len() {
            return Err(body_too_large(settings));
        }
        let read = (bytes.len() + piece.len()) as u64;
        share.grow_to(read).map_err(no_room)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(Body { bytes, share })
}

/// 429: others hold too much of FAAS_QUEUE_BYTES.
pub fn no_room(state: &AppState) -> ApiError {
    state.metrics.found_queue_full();
    ApiError::too_many(format!(
        "Requests of {} bytes are being read, waiting or executing already (FAAS_QUEUE_BYTES); try again \
         shortly",
        state.settings.queue_bytes.get()
    ))
    .retry_after(state.pool.load().expected_wait)
}

/// # Errors
/// 415 for a body in a coding such as gzip, which would be much longer than it says (RFC 9110, 8.4).
pub fn refuse_coding(headers: &HeaderMap) -> Result<(), ApiError> {
    let values = headers.get_all(header::CONTENT_ENCODING);
    let mut codings = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let name: String = String::from_utf8_lossy(coding).chars().take(64).collect();
    Err(ApiError::wrong_coding(format!(
        "Send the body as it is, without the header Content-Encoding: {name} is not decoded here"
    )))
}

fn body_too_large(settings: &Settings) -> ApiError {
    ApiError::too_large(
        "Request body too large",
        format!(
            "At most {} bytes are accepted (FAAS_MAX_BODY_BYTES)",
            settings.max_body_bytes.get()
        ),
    )
}

/// Parses a body, which may begin with a byte order mark.
///
/// # Errors
/// 400 if it is not a JSON object in UTF-8.
pub fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    if let Some(what) = other_encoding(body) {
        return Err(ApiError::not_json(format!(
            "The request body must be JSON in UTF-8, and this looks like {what}; send it in UTF-8 and \
             uncompressed"
        )));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        ApiError::not_json(format!(
            "The request body must be JSON in UTF-8, and byte {} of it is not",
            error.valid_up_to() + 1
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if nesting(text) > MAX_NESTING {
        return Err(ApiError::not_json(format!(
            "At most {MAX_NESTING} arrays and objects may be within each other"
        )));
    }
    // serde would take an array for an object's fields in their order, and name its own types in errors.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => ApiError::not_json(
                "The request body must be a JSON object, such as {\"code\": \"print(1)\"}",
            ),
            Err(error) => ApiError::not_json(error.to_string()),
        });
    }
    serde_json::from_str(text).map_err(|error| ApiError::not_json(error.to_string()))
}

/// What a body is that is neither JSON in UTF-8 nor meant to be. JSON begins with two characters of ASCII.
fn other_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, ..] | [_, 0, 0, 0, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => Some("UTF-16"),
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0x78, 0x01 | 0x9c | 0xda, ..] => Some("deflate"),
        _ => None,
    }
}
