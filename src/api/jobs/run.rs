//! Runs one job, with what is left of it.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::StatusCode;
use faas_jobs::ClaimedJob;
use faas_jobs::JobEnd;
use faas_jobs::JobId;
use faas_jobs::JobKind;
use faas_jobs::Jobs;
use faas_jobs::KeptRow;
use faas_jobs::Problem;
use faas_jobs::Progress;
use faas_jobs::StoreError;
use faas_protocol::Priority;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Receiver;
use tokio::time::Instant;

use crate::api::batch::Batch;
use crate::api::batch::BatchLine;
use crate::api::batch::Head;
use crate::api::batch::JobOutput;
use crate::api::batch::Output;
use crate::api::batch::OwnSnapshot;
use crate::api::batch::RefusedLine;
use crate::api::batch::RowEvent;
use crate::api::batch::RowLine;
use crate::api::batch::Rows;
use crate::api::batch::StopReason;
use crate::api::batch::Stopped;
use crate::api::batch::TRY_AGAIN_AFTER;
use crate::api::batch::set_up;
use crate::api::batch::text_of;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::execute;
use crate::api::request;
use crate::api::request::Body;
use crate::api::request::RunRequest;
use crate::api::state::AppState;

/// Rows that may begin or end before what came before is recorded; so many are recorded at once.
const UNRECORDED: usize = 256;
/// Pause before what could not be written is tried again.
const WRITE_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// How a run of a job ended.
#[derive(Debug)]
pub enum RunEnd {
    /// With the job.
    Ended(JobEnd),
    /// It is to wait again: the service shuts down, or its rows cannot be read.
    Left,
    /// The job had ended otherwise.
    Over,
}

/// A job that is run here.
pub struct Running {
    pub state: Arc<AppState>,
    pub jobs: Arc<Jobs>,
    pub caller: Caller,
    pub job: ClaimedJob,
    /// For all that jobs have running, or waiting for its turn.
    pub places: Arc<Semaphore>,
}

impl Running {
    /// Runs what is left of the job.
    pub async fn run(self) -> RunEnd {
        let run = match self.job.kind {
            JobKind::Run => self.run_program().await,
            JobKind::Batch => self.run_batch().await,
        };
        run.unwrap_or_else(|end| end)
    }

    async fn run_program(self) -> Result<RunEnd, RunEnd> {
        let rows = self.rows_left().await?;
        let Some(row) = rows.first() else {
            return Ok(RunEnd::Ended(JobEnd::Done));
        };
        let index = row.index;
        let line = match text_of(row) {
            Err(error) => refused(index, error),
            Ok(_) => {
                // Never closed.
                let _place = self.places.acquire().await;
                self.stay()?;
                let began = Progress {
                    began: vec![index],
                    ..Progress::default()
                };
                self.recorder().record(began).await?;
                self.execute(index).await?
            }
        };
        let text = line.text().map_err(failed)?;
        let ended = Progress {
            ended: vec![(index, text.trim_end().to_owned())],
            ..Progress::default()
        };
        self.recorder().record(ended).await?;
        Ok(RunEnd::Ended(JobEnd::Done))
    }

    /// Has the program executed as soon as there is a turn for it.
    async fn execute(&self, index: u64) -> Result<BatchLine, RunEnd> {
        loop {
            let executed = match self.request().await {
                Ok(request) => execute::run(&self.state, &self.caller, request).await,
                Err(error) => Err(error),
            };
            match executed {
                Ok(finished) => {
                    let (answer, _share) = finished.answer();
                    return Ok(BatchLine::Row(RowLine { index, answer }));
                }
                Err(error) => match self.wait_out(error).await? {
                    None => {}
                    Some(error) => return Ok(refused(index, error)),
                },
            }
        }
    }

    async fn request(&self) -> Result<RunRequest, ApiError> {
        /// Whether it says when it wants its turn.
        #[derive(Deserialize)]
        struct Wish<'a> {
            #[serde(borrow)]
            priority: Option<&'a RawValue>,
        }
        let head = self.job.head.as_bytes();
        let wish: Wish = request::parse_body(head)?;
        let mut share = self.state.requests.share();
        share.wait_to_grow_to(head.len() as u64).await;
        let body = Body::of(head.to_vec(), share, &self.state)?;
        let mut request = request::parse(body, &self.caller, &self.state)?;
        if wish.priority.is_none() {
            request.execution.priority = Priority::Low;
        }
        Ok(request)
    }

    async fn run_batch(self) -> Result<RunEnd, RunEnd> {
        let began = Instant::now();
        if self.rows_left().await?.is_empty() {
            return Ok(RunEnd::Ended(JobEnd::Done));
        }
        let head = self.head().await?;
        let snapshot = match head.has_setup() {
            false => None,
            true => Some(self.set_up(&head, began + head.total).await?),
        };
        let recorder = self.recorder();
        let (events, inbox) = mpsc::channel(UNRECORDED);
        let rows = Rows::kept(self.jobs, self.job.id);
        let batch = Arc::new(Batch {
            state: self.state,
            caller: self.caller,
            head,
            began,
            snapshot,
            output: Output::Job(JobOutput {
                events,
                places: self.places,
            }),
            summary: Mutex::default(),
        });
        let running = async move { Ok(batch.run(rows).await) };
        let (stopped, ()) = tokio::try_join!(running, recorder.record_all(inbox))?;
        Ok(stopped.map_or(RunEnd::Ended(JobEnd::Done), |stopped| stop(&stopped)))
    }

    async fn head(&self) -> Result<Head, RunEnd> {
        loop {
            let head = self.job.head.as_bytes();
            let mut share = self.state.requests.share();
            share.wait_to_grow_to(head.len() as u64).await;
            match Head::of_stream(head, share, &self.caller, &self.state) {
                Ok(head) => return Ok(head),
                Err(error) => match self.wait_out(error).await? {
                    None => {}
                    Some(error) => return Err(failed(error)),
                },
            }
        }
    }

    /// Runs the set-up as soon as there is a turn for it.
    async fn set_up(&self, head: &Head, deadline: Instant) -> Result<OwnSnapshot, RunEnd> {
        loop {
            match set_up(&self.state, &self.caller, head, deadline).await {
                Ok((line, snapshot)) => {
                    let line = line.json.trim_end().to_owned();
                    let kept = self.jobs.set_up(&self.job.id, line).await;
                    // It is there to say what went wrong; rows can run without.
                    if let Err(error) = kept {
                        self.jobs.failures().count(1, &error);
                    }
                    return snapshot.map_err(|stopped| stop(&stopped));
                }
                Err(error) => match self.wait_out(error).await? {
                    None => {}
                    Some(error) => return Err(failed(error)),
                },
            }
        }
    }

    async fn rows_left(&self) -> Result<Vec<KeptRow>, RunEnd> {
        let rows = self.jobs.rows(&self.job.id, None, (1, 1)).await;
        rows.map_err(|error| {
            self.jobs.failures().count(0, &error);
            RunEnd::Left
        })
    }

    /// # Errors
    /// [`RunEnd::Left`] once the service shuts down.
    fn stay(&self) -> Result<(), RunEnd> {
        match self.state.draining.is_cancelled() {
            true => Err(RunEnd::Left),
            false => Ok(()),
        }
    }

    /// Waits if trying again may help; else returns the error.
    async fn wait_out(&self, error: ApiError) -> Result<Option<ApiError>, RunEnd> {
        self.stay()?;
        match error.status() {
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let (least, most) = TRY_AGAIN_AFTER.into_inner();
                let pause = error.expected_wait().clamp(least, most);
                tokio::select! {
                    () = tokio::time::sleep(pause) => Ok(None),
                    () = self.state.draining.cancelled() => Err(RunEnd::Left),
                }
            }
            _ => Ok(Some(error)),
        }
    }

    fn recorder(&self) -> Recorder {
        Recorder {
            state: self.state.clone(),
            jobs: self.jobs.clone(),
            job: self.job.id.clone(),
        }
    }
}

/// Records what happens to rows.
struct Recorder {
    state: Arc<AppState>,
    jobs: Arc<Jobs>,
    job: JobId,
}

impl Recorder {
    /// Records what comes, as much as has come at once, until no more does.
    async fn record_all(self, mut inbox: Receiver<RowEvent>) -> Result<(), RunEnd> {
        let mut events = Vec::new();
        while inbox.recv_many(&mut events, UNRECORDED).await > 0 {
            let mut progress = Progress::default();
            let mut shares = Vec::new();
            for event in events.drain(..) {
                match event {
                    RowEvent::Began(indices) => progress.began.extend(indices),
                    RowEvent::Ended { index, line } => {
                        let text = line.json.trim_end().to_owned();
                        progress.ended.push((index, text));
                        shares.push(line.share);
                    }
                }
            }
            self.record(progress).await?;
        }
        Ok(())
    }

    /// Records it as soon as it can be written. A result that cannot be waits, and so do rows behind it.
    async fn record(&self, progress: Progress) -> Result<(), RunEnd> {
        let progress = Arc::new(progress);
        loop {
            match self.jobs.record(&self.job, &progress).await {
                Ok(true) => {
                    let results = progress.ended.len() as u64;
                    self.state.metrics.job_results.inc_by(results);
                    return Ok(());
                }
                Ok(false) => return Err(RunEnd::Over),
                Err(error @ StoreError::NoRoom { .. }) => return Err(failed(error.into())),
                // It was counted and logged where it was written.
                Err(_) if self.state.draining.is_cancelled() => return Err(RunEnd::Left),
                Err(_) => tokio::time::sleep(WRITE_AGAIN_AFTER).await,
            }
        }
    }
}

fn refused(index: u64, error: ApiError) -> BatchLine {
    BatchLine::Refused(RefusedLine {
        index,
        error: error.into_body(),
    })
}

fn failed(error: ApiError) -> RunEnd {
    RunEnd::Ended(JobEnd::Failed(Problem {
        error: error.title().to_owned(),
        details: error.details().to_owned(),
    }))
}

/// What it means for a job that its batch stopped.
fn stop(stopped: &Stopped) -> RunEnd {
    let error = match stopped.reason() {
        StopReason::ShuttingDown | StopReason::Input => return RunEnd::Left,
        StopReason::Setup => "The set-up did not succeed",
        StopReason::StopOn => "A row ended the batch",
        StopReason::TotalTimeout => "The batch took too long",
    };
    RunEnd::Ended(JobEnd::Failed(Problem {
        error: error.to_owned(),
        details: stopped.details().to_owned(),
    }))
}
