//! Lines of JSON, as bodies of requests and as answers that come line by line.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::stream;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

use super::answer::Answer;
use super::client::Client;
use super::client::Waiting;
use super::stream::X_ACCEL_BUFFERING;

/// Media type of lines of JSON.
const NDJSON: &str = "application/x-ndjson";

/// Whether the body is lines of JSON.
pub fn is_ndjson(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(NDJSON)
}

/// Answers with the lines that `running` sends, as they come. A client that hangs up ends it.
pub fn respond(
    lines: Receiver<Answer>,
    running: JoinHandle<()>,
    client: Arc<Client>,
    waiting: Waiting,
) -> Response {
    let answering = Answering {
        lines,
        _running: AbortOnDropHandle::new(running),
        client,
        has_ended: false,
        _waiting: waiting,
    };
    let lines = stream::unfold(answering, async |mut answering| {
        let bytes = answering.next().await?;
        Some((Ok::<_, Infallible>(bytes), answering))
    });
    let headers = [
        (header::CONTENT_TYPE, NDJSON),
        // nginx would otherwise keep lines back until it has a page of them.
        (X_ACCEL_BUFFERING, "no"),
    ];
    (headers, Body::from_stream(lines)).into_response()
}

/// An answer that is being sent. Dropping it, as when the client hangs up, ends what makes it.
struct Answering {
    lines: Receiver<Answer>,
    _running: AbortOnDropHandle<()>,
    client: Arc<Client>,
    /// Whether its side of the connection was seen to have ended.
    has_ended: bool,
    _waiting: Waiting,
}

impl Answering {
    /// The next bytes; `None` after the last.
    async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            biased;
            line = self.lines.recv() => Some(Bytes::from_owner(line?)),
            // If the client is gone, this makes its system say so.
            () = self.client.until_ended(), if !self.has_ended => {
                self.has_ended = true;
                Some(Bytes::from_static(b"\n"))
            }
        }
    }
}
