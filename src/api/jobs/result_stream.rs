//! `GET /jobs/{id}/results`: lines of JSON, in the order in which rows ended, from any place on.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::response::Response;
use faas_jobs::JobId;
use faas_jobs::Jobs;
use faas_jobs::ResultPage;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tracing::Instrument;

use super::body::result_line;
use super::query::Query;
use super::store_error::jobs_of;
use super::store_error::no_job;
use super::store_error::parse;
use crate::api::answer::Answer;
use crate::api::caller::Caller;
use crate::api::client::Client;
use crate::api::error::ApiError;
use crate::api::ndjson;
use crate::api::state::AppState;

/// Results that are read at a time, and bytes of them.
const READ_AT_ONCE: (usize, usize) = (256, 1 << 20);
/// Pieces of an answer that wait for the client.
const PIECES_AHEAD: usize = 2;
/// Pause between looks for new results: with many followers, each result would have all of them look.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);
/// A blank line this often shows proxies, and this server, that the connection is in use.
const BLANK_EVERY: Duration = Duration::from_secs(15);

/// Sends the results that there are, or, with `follow`, all until the job's end.
///
/// # Errors
/// 400 for an invalid parameter, 404, 410 if there was such a job, 503 if jobs cannot be read.
pub async fn results(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    Extension(client): Extension<Arc<Client>>,
    id: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let (jobs, id) = (jobs_of(&state)?.clone(), parse(id)?);
    let query = Query::parse(query.as_deref(), &["from", "follow"])?;
    let mut reading = Reading {
        from: query.from()?,
        follows: query.follow()?,
        news: jobs.news(),
        jobs,
        id,
        caller,
        state,
    };
    // Before the first line: it can still be an error.
    let Some(first) = reading.page().await? else {
        let found = reading
            .jobs
            .find(reading.caller.owner(), &reading.id)
            .await?;
        return Err(no_job(&found, &reading.id, &reading.state));
    };
    let (lines, receiver) = mpsc::channel(PIECES_AHEAD);
    let waiting = client.wait();
    let running = tokio::spawn(reading.send(first, lines).in_current_span());
    Ok(ndjson::respond(receiver, running, client, waiting))
}

/// Results that are being sent.
struct Reading {
    jobs: Arc<Jobs>,
    id: JobId,
    caller: Caller,
    state: Arc<AppState>,
    /// The next position.
    from: u64,
    follows: bool,
    news: watch::Receiver<()>,
}

impl Reading {
    /// The next results; `None` if there is no such job.
    async fn page(&mut self) -> Result<Option<ResultPage>, ApiError> {
        self.news.mark_unchanged();
        let (owner, id) = (self.caller.owner(), &self.id);
        let page = self
            .jobs
            .results(owner, id, self.from, READ_AT_ONCE)
            .await?;
        if let Some(page) = &page {
            self.from += page.results.len() as u64;
        }
        Ok(page)
    }

    /// Sends a page and those behind it. What breaks off was not sent: the caller goes on from what it has.
    async fn send(mut self, first: ResultPage, lines: mpsc::Sender<Answer>) {
        let mut page = first;
        loop {
            let is_empty = page.results.is_empty();
            if !is_empty {
                let text: String = page.results.iter().map(result_line).collect();
                drop(page.results);
                let piece = Answer::when_there_is_room(text, &self.state).await;
                if lines.send(piece).await.is_err() {
                    return;
                }
            }
            if page.is_last || is_empty && !self.wait(&lines).await {
                return;
            }
            page = match self.page().await {
                Ok(Some(next)) => next,
                Ok(None) | Err(_) => return,
            };
        }
    }

    /// Waits until there may be more. False if nobody waits for that.
    async fn wait(&mut self, lines: &mpsc::Sender<Answer>) -> bool {
        if !self.follows {
            return false;
        }
        tokio::select! {
            () = self.state.draining.cancelled() => return false,
            changed = self.news.changed() => return changed.is_ok() && {
                tokio::time::sleep(LOOK_AGAIN_AFTER).await;
                true
            },
            () = tokio::time::sleep(BLANK_EVERY) => {}
        }
        let blank = Answer::when_there_is_room("\n".to_owned(), &self.state).await;
        lines.send(blank).await.is_ok()
    }
}
