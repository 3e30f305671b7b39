//! The route: reads the head of a batch, runs its set-up, and streams the answer.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::Mutex;

use axum::Extension;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use futures_util::stream;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::head::Head;
use super::lines::Summary;
use super::rows::Lines;
use super::rows::Rows;
use super::run;
use super::run::Batch;
use super::run::set_up;
use crate::api::answer::Answer;
use crate::api::caller::Caller;
use crate::api::client::Client;
use crate::api::client::Waiting;
use crate::api::error::ApiError;
use crate::api::idempotency::key_of;
use crate::api::request;
use crate::api::state::AppState;
use crate::api::stream::X_ACCEL_BUFFERING;

/// Media type of lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";
/// Lines that wait for the client to read them, beside those that rows hold that have ended.
const LINES_AHEAD: usize = 64;

/// Runs a batch.
///
/// # Errors
/// [`ApiError`] for one that cannot be run at all, or whose set-up was not executed.
pub async fn run_batch(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Extension(client): Extension<Arc<Client>>,
    request: Request,
) -> Result<Response, ApiError> {
    state.refuse_if_draining()?;
    if key_of(request.headers(), caller.owner())?.is_some() {
        return Err(ApiError::bad_request(
            "A stream cannot be sent again",
            "Leave out the header Idempotency-Key, and send the rows again that were not answered",
        ));
    }
    let began = Instant::now();
    let waiting = client.wait();
    let (head, rows) = match is_ndjson(request.headers()) {
        true => read_head(request, &caller, &state).await?,
        false => {
            let body = request::read_body(request, &state).await?;
            let (bytes, share) = body.into_parts();
            let of_rows = share.of_nothing();
            let (head, rows) = Head::with_rows(&bytes, share, &caller, &state)?;
            (head, Rows::listed(rows, of_rows))
        }
    };
    let (lines, receiver) = mpsc::channel(LINES_AHEAD);
    let (first, set_up) = match head.has_setup() {
        false => (None, Ok(None)),
        true => {
            let deadline = began + head.total;
            let (line, snapshot) = set_up(&state, &caller, &head, deadline).await?;
            (Some(line), snapshot.map(Some))
        }
    };
    let running = async move {
        if let Some(line) = first {
            let _ = lines.send(line).await;
        }
        match set_up {
            Ok(snapshot) => {
                let batch = Batch {
                    state,
                    caller,
                    head,
                    began,
                    snapshot,
                    lines,
                    summary: Mutex::default(),
                };
                batch.run(rows).await;
            }
            Err(stopped) => {
                let summary = Summary::default().end(began.elapsed(), Some(stopped));
                run::send(summary, &lines, &state).await;
            }
        }
    };
    let answering = Answering {
        lines: receiver,
        _running: AbortOnDropHandle::new(tokio::spawn(running.in_current_span())),
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
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// Whether the body is lines of JSON.
fn is_ndjson(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE);
    let text = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let media_type = text.split(';').next().unwrap_or_default().trim();
    media_type.eq_ignore_ascii_case(NDJSON)
}

/// Reads the first line of a stream, in the time that a client has for a body.
async fn read_head(
    request: Request,
    caller: &Caller,
    state: &AppState,
) -> Result<(Head, Rows), ApiError> {
    request::refuse_coding(request.headers())?;
    let mut lines = Lines::of(request.into_body(), state);
    let first = timeout(state.settings.client_timeout, lines.next(state)).await;
    let first = first.map_err(|_| {
        ApiError::too_slow("The first line did not arrive in time (FAAS_CLIENT_TIMEOUT)")
    })??;
    let (line, share) = first.ok_or_else(|| {
        ApiError::bad_request(
            "The request body is empty",
            "Send the fields of the batch as JSON in the first line, and a row in each further one",
        )
    })?;
    let head = Head::of_stream(&line, share, caller, state)?;
    Ok((head, Rows::lines(lines)))
}

/// An answer that is being sent. Dropping it, as when the client hangs up, ends the batch.
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
