//! Connect RPC with JSON: one message in and one out, or a stream of messages out, each in an envelope.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use serde_json::json;

use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::doors::ours;

const UNARY: &str = "application/json";
pub const STREAM: &str = "application/connect+json";
/// Bytes before each message of a stream: flags, and its length.
const ENVELOPE: usize = 5;
/// The flag of the last message.
const END: u8 = 2;

/// Codes of errors, by the status that they have.
const CODES: [(StatusCode, &str); 8] = [
    (StatusCode::BAD_REQUEST, "invalid_argument"),
    (StatusCode::PAYLOAD_TOO_LARGE, "invalid_argument"),
    (StatusCode::UNPROCESSABLE_ENTITY, "invalid_argument"),
    (StatusCode::NOT_FOUND, "not_found"),
    (StatusCode::CONFLICT, "already_exists"),
    (StatusCode::TOO_MANY_REQUESTS, "resource_exhausted"),
    (StatusCode::NOT_IMPLEMENTED, "unimplemented"),
    (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
];

/// What is said of an error.
#[derive(Debug, Serialize)]
struct ErrorBody {
    code: &'static str,
    message: String,
}

impl From<&ApiError> for ErrorBody {
    fn from(error: &ApiError) -> Self {
        let mut codes = CODES.into_iter();
        let known = codes.find(|(status, _)| *status == error.status());
        Self {
            code: known.map_or("internal", |(_, code)| code),
            message: error.sentence(),
        }
    }
}

/// An error of a call whose request had these headers: those of streams are told at their end.
pub fn in_words(error: ApiError, headers: &HeaderMap) -> Response {
    if expect(STREAM, headers).is_ok() {
        let kind = [(header::CONTENT_TYPE, STREAM)];
        return (kind, end(Some(&error))).into_response();
    }
    let (status, body) = (error.status(), ErrorBody::from(&error));
    error.in_words(status, &body)
}

/// The message of a call that is no stream.
///
/// # Errors
/// As [`ours::read`]; 400 if it is not JSON.
pub async fn message(
    request: Request,
    state: &Arc<AppState>,
) -> Result<(Vec<u8>, Share), ApiError> {
    expect(UNARY, request.headers())?;
    ours::read(request, state).await
}

/// The one message of a call that is answered by a stream.
///
/// # Errors
/// As [`message`]; 400 if there is not one message.
pub async fn only_message(
    request: Request,
    state: &Arc<AppState>,
) -> Result<(Vec<u8>, Share), ApiError> {
    expect(STREAM, request.headers())?;
    let (mut body, share) = ours::read(request, state).await?;
    unwrap(&mut body)?;
    Ok((body, share))
}

/// Takes the envelope off the one message.
fn unwrap(body: &mut Vec<u8>) -> Result<(), ApiError> {
    let refused = |why| ApiError::bad_request("The call has not one message", why);
    let Some((envelope, message)) = body.split_first_chunk::<ENVELOPE>() else {
        return Err(refused("Send it behind an envelope of 5 bytes"));
    };
    let [flags, length @ ..] = *envelope;
    if flags != 0 {
        return Err(refused("Send it uncompressed, with no flags"));
    }
    if u32::from_be_bytes(length) as usize != message.len() {
        return Err(refused("The length in its envelope is not its length"));
    }
    body.drain(..ENVELOPE);
    Ok(())
}

fn expect(kind: &str, headers: &HeaderMap) -> Result<(), ApiError> {
    let sent = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let sent = sent.and_then(|kind| kind.split(';').next()).map(str::trim);
    match sent.is_some_and(|sent| sent.eq_ignore_ascii_case(kind)) {
        true => Ok(()),
        false => Err(ApiError::bad_request(
            "Only JSON is understood",
            format!("Send the message as {kind}"),
        )),
    }
}

/// A message of a stream, in its envelope.
pub fn wrapped(message: &impl Serialize) -> Bytes {
    wrap(0, message)
}

/// The end of a stream.
pub fn end(error: Option<&ApiError>) -> Bytes {
    match error {
        Some(error) => wrap(END, &json!({ "error": ErrorBody::from(error) })),
        None => wrap(END, &json!({})),
    }
}

fn wrap(flags: u8, message: &impl Serialize) -> Bytes {
    let mut wrapped = vec![flags, 0, 0, 0, 0];
    // Messages have no maps with keys other than strings, the one thing that JSON cannot express.
    let _ = serde_json::to_writer(&mut wrapped, message);
    // What is in one is far below 4 GiB.
    let length = u32::try_from(wrapped.len() - ENVELOPE).unwrap_or(u32::MAX);
    wrapped[1..ENVELOPE].copy_from_slice(&length.to_be_bytes());
    wrapped.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_envelope_holds_one_whole_message() {
        let mut body = wrapped(&json!({ "a": 1 })).to_vec();
        unwrap(&mut body).unwrap();
        assert_eq!(body, b"{\"a\":1}");
        for wrong in [
            &b""[..],
            b"{}",
            b"\0\0\0\0\x01",
            b"\0\0\0\0\x01{}",
            b"\0\xff\xff\xff\xff{}",
            b"\x01\0\0\0\x02{}",
        ] {
            assert!(unwrap(&mut wrong.to_vec()).is_err(), "{wrong:?}");
        }
    }
}
