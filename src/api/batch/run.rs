//! Runs the rows of a batch, so many at once, and answers each as it ends.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use faas_pool::SnapshotId;
use faas_protocol::Status;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument;

use super::head::Head;
use super::head::StopOn;
use super::lines::BatchLine;
use super::lines::RefusedLine;
use super::lines::RowEnd;
use super::lines::RowLine;
use super::lines::SetupLine;
use super::lines::StopReason;
use super::lines::Stopped;
use super::lines::Summary;
use super::rows::Row;
use super::rows::Rows;
use crate::api::answer::Answer;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::execute;
use crate::api::state::AppState;

/// Pauses before a row tries again for which there was no turn.
const TRY_AGAIN_AFTER: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(5);

/// A batch whose rows are run.
pub struct Batch {
    pub state: Arc<AppState>,
    pub caller: Caller,
    pub head: Head,
    pub began: Instant,
    /// What the set-up left.
    pub snapshot: Option<OwnSnapshot>,
    pub lines: mpsc::Sender<Answer>,
}

/// A snapshot of one batch, which goes with it.
pub struct OwnSnapshot {
    id: SnapshotId,
    state: Arc<AppState>,
    caller: Caller,
}

impl Drop for OwnSnapshot {
    fn drop(&mut self) {
        // It may be gone, to make room for others.
        let _ = self.state.pool.delete_snapshot(&self.id, self.caller.owner());
    }
}

/// Runs the set-up. Returns its line, and what it left or why there are to be no rows.
///
/// # Errors
/// [`ApiError`] if it was not executed.
pub async fn set_up(
    state: &Arc<AppState>,
    caller: &Caller,
    head: &Head,
    deadline: Instant,
) -> Result<(Answer, Result<OwnSnapshot, Stopped>), ApiError> {
    let request = head.setup(state.requests.share(), caller, &state.settings)?;
    let row_caller = caller.of_one_program();
    let run = execute::run(state, &row_caller, request);
    let finished = tokio::time::timeout_at(deadline, run).await.map_err(|_| {
        ApiError::too_slow("The set-up had not ended when `total_timeout` was over; raise it")
    })??;
    let report = &finished.report;
    let snapshot = match &report.snapshot {
        Some(Ok(kept)) => Ok(OwnSnapshot {
            id: kept.id.clone(),
            state: state.clone(),
            caller: caller.clone(),
        }),
        Some(Err(reason)) => Err(format!("What the set-up left could not be kept: {reason}")),
        None => Err("What the set-up left could not be kept".to_owned()),
    };
    let snapshot = match report.status {
        Status::Success => snapshot,
        status => Err(format!(
            "The set-up ended with the status {}, so no row was run; its line says why",
            status.name()
        )),
    };
    let (setup, _share) = finished.answer();
    let line = BatchLine::Setup(SetupLine { setup }).text()?;
    let line = Answer::when_there_is_room(line, state).await;
    Ok((line, snapshot.map_err(|why| StopReason::Setup.because(why))))
}

impl Batch {
    /// Runs all rows. Dropping the future ends those that run.
    pub async fn run(self, rows: Rows) {
        let Self {
            state,
            began,
            lines,
            ..
        } = &self;
        let (state, began, lines) = (state.clone(), *began, lines.clone());
        let mut summary = Summary::default();
        let stopped = self.run_rows(rows, &mut summary).await;
        let duration = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        send(summary.end(duration, stopped), &lines, &state).await;
    }

    async fn run_rows(self, mut rows: Rows, summary: &mut Summary) -> Option<Stopped> {
        let deadline = self.began + self.head.total;
        let batch = Arc::new(self);
        let state = &batch.state;
        let mut running = JoinSet::new();
        let mut stopped = None;
        let mut has_more = true;
        while has_more || !running.is_empty() {
            if has_more && state.draining.load(Ordering::Relaxed) {
                stopped = Some(StopReason::ShuttingDown.because(
                    "The service is shutting down; send the rows that were not answered to another instance",
                ));
                has_more = false;
                continue;
            }
            let has_place = has_more && running.len() < batch.head.concurrency;
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(deadline) => {
                    return Some(StopReason::TotalTimeout.because(format!(
                        "The time limit of {} ms for the batch was reached; raise `total_timeout`, or send fewer rows",
                        batch.head.total.as_millis()
                    )));
                }
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    // A task ends without a result only by a mistake in this service.
                    let end = ended.unwrap_or(RowEnd::Refused);
                    summary.count(end);
                    if let Some(why) = batch.head.stop_on.and_then(|stop_on| stops(stop_on, end)) {
                        return Some(why);
                    }
                }
                row = rows.next(state), if has_place => match row {
                    Ok(Some(row)) => {
                        let span = tracing::info_span!("row", row.index = row.index);
                        running.spawn(batch.clone().run_row(row).instrument(span));
                    }
                    Ok(None) => has_more = false,
                    Err(why) => {
                        stopped = Some(StopReason::Input.because(why));
                        has_more = false;
                    }
                },
            }
        }
        stopped
    }

    /// Runs a row and sends its line.
    async fn run_row(self: Arc<Self>, row: Row) -> RowEnd {
        let Row { index, text, share } = row;
        let ran = match text {
            Ok(text) => self.execute(&text).await,
            Err(error) => Err(error),
        };
        let (end, line) = match ran {
            Ok(finished) => {
                let end = RowEnd::Ran(finished.report.status);
                let (answer, _share) = finished.answer();
                (end, BatchLine::Row(RowLine { index, answer }).text())
            }
            Err(error) => {
                let error = error.into_body();
                let line = BatchLine::Refused(RefusedLine { index, error });
                (RowEnd::Refused, line.text())
            }
        };
        // Its answer holds bytes from now on.
        drop(share);
        if let Ok(line) = line {
            let line = Answer::when_there_is_room(line, &self.state).await;
            // Nobody listens any more: the batch is about to be dropped.
            let _ = self.lines.send(line).await;
        }
        end
    }

    /// Has a row executed, for whose turn it waits as long as the batch may take.
    async fn execute(&self, row: &serde_json::value::RawValue) -> Result<execute::Finished, ApiError> {
        let snapshot = self.snapshot.as_ref().map(|snapshot| &snapshot.id);
        let caller = self.caller.of_one_program();
        loop {
            let share = self.state.requests.share();
            let request = self.head.row(row, snapshot, share, &caller, &self.state.settings)?;
            match execute::run(&self.state, &caller, request).await {
                Err(error) if error.status() == StatusCode::TOO_MANY_REQUESTS => {
                    let wait = error.expected_wait();
                    tokio::time::sleep(wait.clamp(*TRY_AGAIN_AFTER.start(), *TRY_AGAIN_AFTER.end())).await;
                }
                ran => return ran,
            }
        }
    }
}

/// Sends a line; nothing happens if nobody listens any more.
pub async fn send(line: BatchLine, lines: &mpsc::Sender<Answer>, state: &AppState) {
    if let Ok(text) = line.text() {
        let line = Answer::when_there_is_room(text, state).await;
        let _ = lines.send(line).await;
    }
}

/// Why a row that ended so stops the batch, if it does.
fn stops(stop_on: StopOn, end: RowEnd) -> Option<Stopped> {
    let stops = match stop_on {
        StopOn::Error => end == RowEnd::Ran(Status::Error),
        StopOn::Failure => end != RowEnd::Ran(Status::Success),
    };
    stops.then(|| {
        StopReason::StopOn.because(format!(
            "A row ended with the status {}, on which `stop_on` ends the batch",
            end.name()
        ))
    })
}
