//! What callers hear when their jobs cannot be kept or found.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use faas_jobs::Found;
use faas_jobs::GoneReason;
use faas_jobs::JobId;
use faas_jobs::JobInfo;
use faas_jobs::Jobs;
use faas_jobs::StoreError;
use faas_pool::parse_id;
use faas_pool::replica_of;

use super::PREFIX;
use crate::api::error::ApiError;
use crate::api::idempotency::of_other_request;
use crate::api::state::AppState;

/// When it may work again that there was no room for: jobs end, and callers delete some.
const ROOM_AFTER: Duration = Duration::from_secs(30);

/// The jobs, if there are to be any.
pub fn jobs_of(state: &AppState) -> Result<&Arc<Jobs>, ApiError> {
    state.jobs.as_ref().ok_or_else(|| {
        ApiError::not_found(
            "There are no jobs here",
            "The service was started with FAAS_JOBS=0; send programs to POST /run_code or POST /run_batch",
        )
    })
}

/// The id in a path.
pub fn parse(id: Result<Path<String>, PathRejection>) -> Result<JobId, ApiError> {
    let id = id.ok().and_then(|Path(id)| parse_id(PREFIX, &id));
    id.ok_or_else(unknown)
}

/// The job that was found.
pub fn found(found: Found, id: &JobId, state: &AppState) -> Result<JobInfo, ApiError> {
    match found {
        Found::Job(job) => Ok(*job),
        missing => Err(no_job(&missing, id, state)),
    }
}

/// 404, or 410 if there was one.
pub fn no_job(found: &Found, id: &JobId, state: &AppState) -> ApiError {
    let why = match found {
        Found::Gone(GoneReason::Deleted) => "it was deleted",
        Found::Gone(GoneReason::Expired) => "it ended long ago (FAAS_JOBS_EXPIRY)",
        Found::Unknown | Found::Job(_) => {
            let of = replica_of(PREFIX, id);
            let elsewhere = of.filter(|of| state.settings.replica.as_ref() != Some(of));
            return elsewhere.map_or_else(unknown, |of| ApiError::elsewhere("job", &of));
        }
    };
    ApiError::gone(
        "The job is gone",
        format!("It is gone because {why}; send it again if it is still wanted"),
    )
}

fn unknown() -> ApiError {
    ApiError::not_found(
        "No such job",
        "None of yours has this id; GET /jobs lists them",
    )
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let all_of = match error {
            StoreError::TooMany { most } => {
                return Self::too_many(format!(
                    "There are {most} jobs already (FAAS_JOBS); delete some that have ended, or try again later"
                ))
                .retry_after(ROOM_AFTER);
            }
            StoreError::TooManyOfCaller { most } => {
                return Self::too_many(format!(
                    "You have {most} jobs already (FAAS_JOBS_PER_CALLER); delete some that have ended, or try again \
                     later"
                ))
                .retry_after(ROOM_AFTER);
            }
            StoreError::NoRoom { most } => {
                return Self::no_space(format!(
                    "Jobs and their results may have {most} bytes, all together (FAAS_JOBS_BYTES); delete some that \
                     have ended, or try again later"
                ))
                .retry_after(ROOM_AFTER);
            }
            StoreError::DiskFull => {
                return Self::no_space(
                    "The disk that jobs are kept on is full (FAAS_WORKSPACE); nothing was kept, try again later",
                )
                .retry_after(ROOM_AFTER);
            }
            StoreError::OtherRequest => return of_other_request(),
            StoreError::Damaged(_) => {
                "The file that jobs are kept in is damaged; it is left as it is, until the operator repairs it or \
                 moves it away (jobs.sqlite3 in FAAS_WORKSPACE)"
            }
            StoreError::Taken => {
                "Another server has the jobs of this workspace; try again shortly if it is stopping, else this one needs \
                 a FAAS_WORKSPACE of its own"
            }
            StoreError::LaterVersion(_) => {
                "The file that jobs are kept in is of a later version of this program; use that version, or another \
                 FAAS_WORKSPACE"
            }
            StoreError::Failed(_) => {
                "The file that jobs are kept in cannot be used at the moment; the log says why. Try again shortly"
            }
        };
        if error.is_of_file() {
            tracing::error!(%error, "jobs cannot be read or written");
        }
        Self::unavailable(all_of)
    }
}
