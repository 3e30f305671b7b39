//! Takes jobs up, ends those whose time is over, and sends messages, until the service shuts down.

use std::sync::Arc;
use std::time::Duration;

use faas_jobs::ClaimedJob;
use faas_jobs::JobEnd;
use faas_jobs::JobId;
use faas_jobs::Jobs;
use faas_jobs::StoreError;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::messages::send_messages;
use super::run::RunEnd;
use super::run::Running;
use crate::api::caller::Caller;
use crate::api::state::AppState;

/// Pause after the file could not be used.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Pause between looks for work that nobody told of.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Pause between looks for jobs whose time is over.
const EXPIRE_EVERY: Duration = Duration::from_secs(1);

/// Runs jobs until the service shuts down, and returns when none runs any more.
pub async fn run_jobs(state: Arc<AppState>) {
    let Some(jobs) = state.jobs.clone() else {
        return;
    };
    let tending = async {
        tokio::select! {
            () = state.draining.cancelled() => {}
            () = expire(&jobs) => {}
            () = send_messages(&state, &jobs) => {}
        }
    };
    tokio::join!(take_up(&state, &jobs), tending);
}

/// Takes up one job after the other, as many at once as there are workers.
async fn take_up(state: &Arc<AppState>, jobs: &Arc<Jobs>) {
    let workers = state.settings.worker_count() as usize;
    let turns = Arc::new(Semaphore::new(workers));
    let places = Arc::new(Semaphore::new(workers));
    let mut running = JoinSet::new();
    let mut is_told = false;
    while let Some(turn) = next_turn(state, &turns).await {
        while running.try_join_next().is_some() {}
        let pause = match jobs.claim().await {
            Ok(Some((job, stop))) => {
                let run = run_job(state.clone(), jobs.clone(), places.clone(), (job, stop));
                running.spawn(async move {
                    run.await;
                    drop(turn);
                });
                continue;
            }
            Ok(None) => {
                jobs.failures().recovered();
                LOOK_EVERY
            }
            Err(StoreError::Taken) => {
                if !is_told {
                    tracing::warn!("another server has the jobs of this workspace");
                }
                is_told = true;
                TRY_AGAIN_AFTER
            }
            Err(error) => {
                jobs.failures().count(0, &error);
                TRY_AGAIN_AFTER
            }
        };
        drop(turn);
        tokio::select! {
            () = state.draining.cancelled() => break,
            () = jobs.work.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// Waits until one job more may run; `None` once the service shuts down.
async fn next_turn(state: &AppState, turns: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
    tokio::select! {
        biased;
        () = state.draining.cancelled() => None,
        turn = turns.clone().acquire_owned() => turn.ok(),
    }
}

/// Runs a job until its end, or that of the service.
async fn run_job(
    state: Arc<AppState>,
    jobs: Arc<Jobs>,
    places: Arc<Semaphore>,
    (job, stop): (ClaimedJob, CancellationToken),
) {
    let id = job.id.clone();
    let span = tracing::error_span!("job", job = &*id, request_id = job.request_id);
    let running = Running {
        state: state.clone(),
        jobs: jobs.clone(),
        caller: Caller::of_job(&job),
        job,
        places,
    };
    async {
        let end = tokio::select! {
            biased;
            // Its programs end as what runs them is dropped.
            () = stop.cancelled() => RunEnd::Over,
            end = running.run() => end,
        };
        match end {
            RunEnd::Ended(end) => finish(&state, &jobs, &id, end).await,
            RunEnd::Left => leave(&state, &jobs, &id).await,
            RunEnd::Over => tracing::info!("the job was ended"),
        }
    }
    .instrument(span)
    .await;
}

async fn finish(state: &AppState, jobs: &Jobs, id: &JobId, end: JobEnd) {
    while let Err(error) = jobs.finish(id, end.clone()).await {
        jobs.failures().count(0, &error);
        if state.draining.is_cancelled() {
            // The next start takes it up, and finds nothing left to do.
            return;
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
    match end {
        JobEnd::Done => tracing::info!("the job is done"),
        JobEnd::Failed(problem) => {
            tracing::info!(error = problem.error, "the job ended with rows left");
        }
    }
}

/// Has a job wait again.
async fn leave(state: &AppState, jobs: &Jobs, id: &JobId) {
    match jobs.release(id).await {
        Ok(_) => tracing::info!("the job goes on when the service starts again"),
        Err(error) => jobs.failures().count(0, &error),
    }
    if !state.draining.is_cancelled() {
        // Its rows could not be read.
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
        jobs.work.notify_one();
    }
}

async fn expire(jobs: &Jobs) {
    loop {
        if let Err(error) = jobs.expire().await {
            tracing::debug!(%error, "jobs whose time is over cannot be looked for");
        }
        tokio::time::sleep(EXPIRE_EVERY).await;
    }
}
