//! The route: reads the head of a batch, runs its set-up, and streams the answer.

use std::sync::Arc;
use std::sync::Mutex;

use axum::Extension;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use bytes::BytesMut;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::timeout;
use tracing::Instrument;

use super::head::Head;
use super::lines::Summary;
use super::rows::Lines;
use super::rows::Rows;
use super::run;
use super::run::Batch;
use super::run::Output;
use super::run::set_up;
use crate::api::budget::Share;
use crate::api::caller::Caller;
use crate::api::client::Client;
use crate::api::error::ApiError;
use crate::api::idempotency::key_of;
use crate::api::ndjson;
use crate::api::request;
use crate::api::state::AppState;

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
    let (head, rows) = match ndjson::is_ndjson(request.headers()) {
        true => Box::pin(read_head(request, &caller, &state)).await?,
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
            let set_up = Box::pin(set_up(&state, &caller, &head, deadline));
            let (line, snapshot) = set_up.await?;
            (Some(line), snapshot.map(Some))
        }
    };
    let running = async move {
        if let Some(line) = first {
            let _ = lines.send(line).await;
        }
        match set_up {
            Ok(snapshot) => {
                let batch = Arc::new(Batch {
                    state: state.clone(),
                    caller,
                    head,
                    began,
                    snapshot,
                    output: Output::Caller(lines.clone()),
                    summary: Mutex::default(),
                });
                let stopped = batch.run(rows).await;
                run::send(batch.end(stopped), &lines, &state).await;
            }
            Err(stopped) => {
                let summary = Summary::default().end(began.elapsed(), Some(stopped));
                run::send(summary, &lines, &state).await;
            }
        }
    };
    Ok(ndjson::respond(
        receiver,
        tokio::spawn(running.in_current_span()),
        client,
        waiting,
    ))
}

async fn read_head(
    request: Request,
    caller: &Caller,
    state: &AppState,
) -> Result<(Head, Rows), ApiError> {
    let (line, share, lines) = read_first_line(request, state).await?;
    let head = Head::of_stream(&line, share, caller, state)?;
    Ok((head, Rows::lines(lines)))
}

/// Reads the first line of a stream, in the time that a client has for a body. It holds the share; the other lines are
/// still to be read.
///
/// # Errors
/// 400 if there is none, 408, 413, 415 or 429.
pub async fn read_first_line(
    request: Request,
    state: &AppState,
) -> Result<(BytesMut, Share, Lines), ApiError> {
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
    Ok((line, share, lines))
}
