//! `GET /jobs`, `GET` and `DELETE /jobs/{id}`.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_jobs::Deleted;
use faas_pool::parse_id;

use super::PREFIX;
use super::body::JobBody;
use super::body::JobList;
use super::query::Query;
use super::store_error::found;
use super::store_error::jobs_of;
use super::store_error::no_job;
use super::store_error::parse;
use crate::api::caller::Caller;
use crate::api::error::ApiError;
use crate::api::state::AppState;

/// Lists the caller's jobs, newest first.
///
/// # Errors
/// 400 for an invalid parameter, 404 if `before` is no job of the caller's, 503 if jobs cannot be read.
pub async fn list(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<JobList>, ApiError> {
    let jobs = jobs_of(&state)?;
    let query = Query::parse(query.as_deref(), &["before", "limit"])?;
    let limit = query.limit()?;
    let before = match query.text("before") {
        None => None,
        Some(text) => {
            let id = parse_id(PREFIX, text);
            let id = id.ok_or_else(|| {
                ApiError::bad_request(
                    "Invalid value for parameter 'before'",
                    "Send `next` of the list before, or the id of a job",
                )
            })?;
            // It may have gone since the page before: an empty list would look like the end.
            found(jobs.find(caller.owner(), &id).await?, &id, &state)?;
            Some(id)
        }
    };
    // One more shows whether there is a next page.
    let mut found = jobs.list(caller.owner(), before, limit + 1).await?;
    let is_end = found.len() <= limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| !is_end);
    Ok(Json(JobList {
        count: found.len(),
        next: last.map(|job| job.id.to_string()),
        jobs: found.into_iter().map(Into::into).collect(),
    }))
}

/// Shows one job.
///
/// # Errors
/// 404, 410 if there was one, 503 if jobs cannot be read.
pub async fn find(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<JobBody>, ApiError> {
    let (jobs, id) = (jobs_of(&state)?, parse(id)?);
    let job = jobs.find(caller.owner(), &id).await?;
    Ok(Json(found(job, &id, &state)?.into()))
}

/// Cancels a job that has not ended, and answers with it; forgets one that has, with its results.
///
/// # Errors
/// As [`find`].
pub async fn delete(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let (jobs, id) = (jobs_of(&state)?, parse(id)?);
    match jobs.delete(caller.owner(), &id).await? {
        Deleted::Cancelled(job) => Ok(Json(JobBody::from(*job)).into_response()),
        Deleted::Forgotten => Ok(StatusCode::NO_CONTENT.into_response()),
        Deleted::Missing(found) => Err(no_job(&found, &id, &state)),
    }
}
