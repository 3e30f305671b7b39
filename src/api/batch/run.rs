//! Runs the rows of a batch, so many at once, and answers each as it ends.

use std::collections::VecDeque;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use axum::http::StatusCode;
use faas_pool::SnapshotHold;
use faas_pool::SnapshotId;
use faas_protocol::Status;
use futures_util::FutureExt;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::head::Head;
use super::head::Isolation;
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
use crate::api::error::ErrorBody;
use crate::api::execute;
use crate::api::request::RunRequest;
use crate::api::response::RunResponse;
use crate::api::state::AppState;

/// Pauses before rows try again for which there was no turn.
pub const TRY_AGAIN_AFTER: RangeInclusive<Duration> =
    Duration::from_millis(100)..=Duration::from_secs(5);
/// Rows that one process takes at most.
const MOST_IN_A_PROCESS: usize = 1024;
/// Bytes of rows that wait for a process.
const MOST_WAITING: usize = 4 << 20;

/// A batch whose rows are run.
pub struct Batch {
    pub state: Arc<AppState>,
    pub caller: Caller,
    pub head: Head,
    pub began: Instant,
    /// What the set-up left.
    pub snapshot: Option<OwnSnapshot>,
    pub output: Output,
    pub summary: Mutex<Summary>,
}

/// Where the lines of rows go.
pub enum Output {
    /// To the caller, who reads them as they come.
    Caller(mpsc::Sender<Answer>),
    /// To the job that the rows are of.
    Job(JobOutput),
}

/// A job's side of its rows.
pub struct JobOutput {
    pub events: mpsc::Sender<RowEvent>,
    /// For all that jobs have running, or waiting for its turn.
    pub places: Arc<Semaphore>,
}

/// What happens to rows of a job.
pub enum RowEvent {
    /// These begin.
    Began(Vec<u64>),
    /// This one has its line.
    Ended { index: u64, line: Answer },
}

/// A snapshot of one batch, which goes with it.
pub struct OwnSnapshot {
    id: SnapshotId,
    _hold: SnapshotHold,
    state: Arc<AppState>,
    caller: Caller,
}

impl Drop for OwnSnapshot {
    fn drop(&mut self) {
        // It may be gone, to make room for others.
        let _ = self
            .state
            .pool
            .delete_snapshot(&self.id, self.caller.owner());
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
    let of_setup = caller.of_one_program();
    let run = execute::run(state, &of_setup, request);
    let finished = tokio::time::timeout_at(deadline, run).await.map_err(|_| {
        ApiError::too_slow("The set-up had not ended when `total_timeout` was over; raise it")
    })??;
    let report = &finished.report;
    let snapshot = match &report.snapshot {
        Some(Ok(kept)) => match state.pool.hold_snapshot(&kept.id, caller.owner()) {
            Ok(hold) => Ok(OwnSnapshot {
                id: kept.id.clone(),
                _hold: hold,
                state: state.clone(),
                caller: caller.clone(),
            }),
            Err(_) => Err("What the set-up left had to make room for newer snapshots".to_owned()),
        },
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

/// Rows that wait to be run: those that were read, and those of which there may be more.
struct Waiting {
    rows: Rows,
    read: VecDeque<Row>,
    bytes: usize,
    has_ended: bool,
    /// Why there are no more, if the stream broke off.
    broke_off: Option<Stopped>,
}

impl Waiting {
    fn of(rows: Rows) -> Self {
        Self {
            rows,
            read: VecDeque::new(),
            bytes: 0,
            has_ended: false,
            broke_off: None,
        }
    }

    fn is_over(&self) -> bool {
        self.has_ended && self.read.is_empty()
    }

    /// Reads so many rows as far as they are there at once, but waits for one. May be given up and called again.
    async fn read_up_to(&mut self, most: usize, batch: &Batch) {
        let state = &batch.state;
        while !self.has_ended && self.read.len() < most && self.bytes < MOST_WAITING {
            let next = self.rows.next(state);
            let next = match self.read.is_empty() {
                true => next.await,
                false => match next.now_or_never() {
                    Some(next) => next,
                    None => return,
                },
            };
            match next {
                Ok(Some(mut row)) => {
                    if let (Isolation::Shared, Ok(text)) = (batch.head.isolation, &row.text)
                        && let Err(error) = batch.head.check_input(text, &state.settings)
                    {
                        row.text = Err(error.into_body());
                    }
                    self.bytes += row.length();
                    self.read.push_back(row);
                }
                Ok(None) => self.has_ended = true,
                Err(why) => {
                    self.broke_off = Some(StopReason::Input.because(why.sentence()));
                    self.has_ended = true;
                }
            }
        }
    }

    /// Takes the first, at most so many. One that is wrong is taken alone, to be refused; so is one that ran when the
    /// service stopped: others are not to pay if it was why.
    fn take(&mut self, number: usize) -> VecDeque<Row> {
        let right = self
            .read
            .iter()
            .take(number)
            .take_while(|row| row.text.is_ok() && !row.is_again);
        let number = right.count().max(1).min(self.read.len());
        let rest = self.read.split_off(number);
        let taken = std::mem::replace(&mut self.read, rest);
        self.bytes -= taken.iter().map(Row::length).sum::<usize>();
        taken
    }

    /// Takes rows back that were not run.
    fn put_back(&mut self, mut rows: VecDeque<Row>) {
        self.bytes += rows.iter().map(Row::length).sum::<usize>();
        rows.append(&mut self.read);
        self.read = rows;
    }
}

/// Rows that are counted as running until this is dropped.
struct Running {
    rows: i64,
    gauge: Gauge,
}

impl Running {
    fn count(rows: usize, state: &AppState) -> Self {
        let rows = i64::try_from(rows).unwrap_or(i64::MAX);
        let gauge = state.metrics.batch_rows_running.clone();
        gauge.inc_by(rows);
        Self { rows, gauge }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.gauge.dec_by(self.rows);
    }
}

/// Rows of a job were not begun.
struct Left;

/// What a turn led to.
#[derive(Default)]
struct TurnEnd {
    /// Rows that it did not come to.
    left: VecDeque<Row>,
    /// Why the batch is over.
    stopped: Option<Stopped>,
}

impl Batch {
    /// Runs all rows, and returns why some are left, if they are. Dropping the future ends those that run.
    pub async fn run(self: &Arc<Self>, rows: Rows) -> Option<Stopped> {
        self.state.metrics.batches.inc();
        let mut turns = JoinSet::new();
        let stopped = self.run_rows(Waiting::of(rows), &mut turns).await;
        // No line comes after the last.
        turns.shutdown().await;
        stopped
    }

    /// The last line, once all rows are run or left.
    pub fn end(&self, stopped: Option<Stopped>) -> BatchLine {
        let summary = std::mem::take(&mut *self.summary());
        summary.end(self.began.elapsed(), stopped)
    }

    /// Starts turns until all rows are answered, or the batch is over for the reason that is returned.
    async fn run_rows(
        self: &Arc<Self>,
        mut waiting: Waiting,
        turns: &mut JoinSet<TurnEnd>,
    ) -> Option<Stopped> {
        let deadline = self.began + self.head.total;
        let draining = &self.state.draining;
        while !waiting.is_over() || !turns.is_empty() {
            let drains = draining.is_cancelled();
            if drains && turns.is_empty() {
                return Some(StopReason::ShuttingDown.because(
                    "The service is shutting down; send the rows that were not answered to another instance",
                ));
            }
            let has_place = !drains && !waiting.is_over() && turns.len() < self.head.concurrency;
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(deadline) => {
                    return Some(StopReason::TotalTimeout.because(format!(
                        "The time limit of {} ms for the batch was reached; raise `total_timeout`, or send fewer rows",
                        self.head.total.as_millis()
                    )));
                }
                () = draining.cancelled(), if !drains => {}
                Some(ended) = turns.join_next(), if !turns.is_empty() => {
                    // It ends without a result only by a mistake in this service; its rows have no answer then.
                    let TurnEnd { left, stopped } = ended.unwrap_or_default();
                    if stopped.is_some() {
                        return stopped;
                    }
                    waiting.put_back(left);
                }
                () = waiting.read_up_to(self.most_read(), self), if has_place => {
                    self.begin_turn(&mut waiting, turns);
                }
            }
        }
        waiting.broke_off
    }

    /// Rows that are read ahead.
    fn most_read(&self) -> usize {
        match self.head.isolation {
            Isolation::Process => 1,
            Isolation::Shared => self.head.concurrency.saturating_mul(MOST_IN_A_PROCESS),
        }
    }

    /// Gives a process its rows: all get some, also of few.
    fn begin_turn(self: &Arc<Self>, waiting: &mut Waiting, turns: &mut JoinSet<TurnEnd>) {
        let share = waiting.read.len().div_ceil(self.head.concurrency);
        let rows = waiting.take(share.min(MOST_IN_A_PROCESS));
        let Some(first) = rows.front() else { return };
        let span = tracing::info_span!("rows", row.index = first.index, row.count = rows.len());
        turns.spawn(self.clone().run_turn(rows).instrument(span));
    }

    /// Runs rows one after the other, and sends their lines. More than one share a process.
    async fn run_turn(self: Arc<Self>, mut rows: VecDeque<Row>) -> TurnEnd {
        let Ok(_place) = self.begin(&rows).await else {
            return TurnEnd {
                left: rows,
                stopped: None,
            };
        };
        let _running = Running::count(rows.len(), &self.state);
        let caller = self.caller.of_one_program();
        loop {
            let mut request = match self.request(&rows, &caller) {
                Ok(request) => request,
                Err(error) => return self.refuse(rows, &error).await,
            };
            let (reports, mut ended) = mpsc::unbounded_channel();
            request.execution.rows = (rows.len() > 1).then_some(reports);
            let (language, timings) = (request.execution.job.language, request.timings);
            let task_id = request.task_id.clone();
            // In a task of its own: nothing here is polled while the caller does not read its answers, and time
            // limits must still hold.
            let (state, of_turn) = (self.state.clone(), caller.clone());
            let run = async move { execute::run(&state, &of_turn, request).await };
            let run = AbortOnDropHandle::new(tokio::spawn(run.in_current_span()));
            // Closed when all but the last were told.
            while let Some(report) = ended.recv().await {
                let (status, stats) = (report.status, self.state.pool.stats());
                let answer = RunResponse::new(task_id.clone(), language, report, stats, timings);
                let stopped = self.answer(&mut rows, status, answer).await;
                if stopped.is_some() {
                    return TurnEnd {
                        left: rows,
                        stopped,
                    };
                }
            }
            let internal = |_| Err(ApiError::failed("The execution ended by an internal error"));
            match run.await.unwrap_or_else(internal) {
                Ok(finished) => {
                    let status = finished.report.status;
                    let (answer, _share) = finished.answer();
                    let stopped = self.answer(&mut rows, status, answer).await;
                    return TurnEnd {
                        left: rows,
                        stopped,
                    };
                }
                Err(_) if self.leaves_rows() => {
                    return TurnEnd {
                        left: rows,
                        stopped: None,
                    };
                }
                Err(error) if self.waits_out(&error) => {
                    let (least, most) = TRY_AGAIN_AFTER.into_inner();
                    tokio::time::sleep(error.expected_wait().clamp(least, most)).await;
                }
                Err(error) => {
                    // Those behind the first had not begun.
                    let left = rows.split_off(rows.len().min(1));
                    let TurnEnd { stopped, .. } = self.refuse(rows, &error.into_body()).await;
                    return TurnEnd { left, stopped };
                }
            }
        }
    }

    /// Has rows of a job begin when there is a place for them.
    ///
    /// # Errors
    /// [`Left`] when the service shuts down first.
    async fn begin(&self, rows: &VecDeque<Row>) -> Result<Option<OwnedSemaphorePermit>, Left> {
        let Output::Job(job) = &self.output else {
            return Ok(None);
        };
        let place = job.places.clone().acquire_owned().await;
        if self.leaves_rows() {
            return Err(Left);
        }
        let runs = rows.iter().filter(|row| row.text.is_ok());
        let began = runs.map(|row| row.index).collect();
        // Nobody listens if the job is over.
        let _ = job.events.send(RowEvent::Began(began)).await;
        Ok(place.ok())
    }

    /// Whether rows stay what they are until the service runs again.
    fn leaves_rows(&self) -> bool {
        matches!(self.output, Output::Job(_)) && self.state.draining.is_cancelled()
    }

    /// Whether rows that were refused so try again.
    fn waits_out(&self, error: &ApiError) -> bool {
        match error.status() {
            StatusCode::TOO_MANY_REQUESTS => true,
            // Nobody waits for a job who could do it better.
            StatusCode::SERVICE_UNAVAILABLE => matches!(self.output, Output::Job(_)),
            _ => false,
        }
    }

    /// What is executed for these rows.
    fn request(&self, rows: &VecDeque<Row>, caller: &Caller) -> Result<RunRequest, ErrorBody> {
        let mut texts = rows.iter().map(|row| &row.text);
        let none = || ApiError::failed("There is no row").into_body();
        let first = texts
            .next()
            .ok_or_else(none)?
            .as_ref()
            .map_err(Clone::clone)?;
        let snapshot = self.snapshot.as_ref().map(|snapshot| &snapshot.id);
        let share = self.state.requests.share();
        let request = self
            .head
            .row(first, snapshot, share, caller, &self.state.settings);
        let mut request = request.map_err(ApiError::into_body)?;
        let inputs = texts.flatten().map(|text| text.get().to_owned());
        request.execution.job.further_inputs = inputs.collect();
        Ok(request)
    }

    /// Answers the first of some rows.
    async fn answer(
        &self,
        rows: &mut VecDeque<Row>,
        status: Status,
        answer: RunResponse,
    ) -> Option<Stopped> {
        let row = rows.pop_front()?;
        let line = RowLine {
            index: row.index,
            answer,
        };
        self.end_row(row, RowEnd::Ran(status), BatchLine::Row(line))
            .await
    }

    /// Answers rows that are not run.
    async fn refuse(&self, mut rows: VecDeque<Row>, error: &ErrorBody) -> TurnEnd {
        while let Some(row) = rows.pop_front() {
            let line = RefusedLine {
                index: row.index,
                error: error.clone(),
            };
            let stopped = self
                .end_row(row, RowEnd::Refused, BatchLine::Refused(line))
                .await;
            if stopped.is_some() {
                return TurnEnd {
                    left: rows,
                    stopped,
                };
            }
        }
        TurnEnd::default()
    }

    /// Sends the line of a row. Returns why the batch is over, if it is.
    async fn end_row(&self, row: Row, end: RowEnd, line: BatchLine) -> Option<Stopped> {
        let index = row.index;
        // Its answer holds bytes from now on.
        drop(row);
        match &self.output {
            Output::Caller(lines) => send(line, lines, &self.state).await,
            Output::Job(job) => {
                if let Ok(text) = line.text() {
                    let line = Answer::when_there_is_room(text, &self.state).await;
                    let _ = job.events.send(RowEvent::Ended { index, line }).await;
                }
            }
        }
        self.summary().count(end);
        self.state.metrics.row_answered(end.status());
        self.head.stop_on.and_then(|stop_on| stops(stop_on, end))
    }

    fn summary(&self) -> MutexGuard<'_, Summary> {
        self.summary.lock().unwrap_or_else(PoisonError::into_inner)
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
