//! `GET /snapshots`, `GET` and `DELETE /snapshots/{id}`: what programs left to start others from.

use std::sync::Arc;

use axum::Json;
use axum::extract::Path;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use faas_pool::NoSnapshot;
use faas_pool::SnapshotId;
use faas_pool::SnapshotInfo;
use faas_telemetry::SnapshotEnd;
use faas_telemetry::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::error::ApiError;
use super::state::AppState;
use super::words::LanguageWord;
use super::words::Named;

/// The caller's snapshots, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SnapshotList {
    count: usize,
    snapshots: Vec<SnapshotBody>,
}

/// What a program left, for others to start from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshot)]
pub struct SnapshotBody {
    /// For `from`.
    id: String,
    language: LanguageWord,
    packages: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it goes unless it is used before; it may have to make room for others sooner.
    #[schema(format = DateTime)]
    expires_at: String,
    /// What it takes, at most, over what others share with it.
    memory_bytes: u64,
    /// How many programs have started from it.
    forks: u64,
}

impl From<SnapshotInfo> for SnapshotBody {
    fn from(info: SnapshotInfo) -> Self {
        Self {
            id: info.id.to_string(),
            language: Named(info.language),
            packages: info.packages.requirements().to_vec(),
            created_at: rfc3339(info.created),
            expires_at: rfc3339(info.expires),
            memory_bytes: info.memory.get(),
            forks: info.programs,
        }
    }
}

/// Lists the caller's snapshots.
pub async fn list(State(state): State<Arc<AppState>>, caller: Caller) -> Json<SnapshotList> {
    let all = state.pool.snapshots_of(caller.owner());
    Json(SnapshotList {
        count: all.len(),
        snapshots: all.into_iter().map(Into::into).collect(),
    })
}

/// One snapshot. Looking at it is no use of it.
///
/// # Errors
/// 404, or 410 if there was one.
pub async fn get(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SnapshotBody>, ApiError> {
    let found = state.pool.snapshot(&parse(id)?, caller.owner())?;
    Ok(Json(found.into()))
}

/// Deletes a snapshot. Programs that started from it go on.
///
/// # Errors
/// As [`get`].
pub async fn delete(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    state.pool.delete_snapshot(&parse(id)?, caller.owner())?;
    Ok(StatusCode::NO_CONTENT)
}

fn parse(id: Result<Path<String>, PathRejection>) -> Result<SnapshotId, ApiError> {
    let id = id.ok().and_then(|Path(id)| SnapshotId::parse(&id));
    id.ok_or_else(|| NoSnapshot::Unknown.into())
}

impl From<NoSnapshot> for ApiError {
    fn from(error: NoSnapshot) -> Self {
        let again = "run its programs again, the first with \"keep\": true";
        let end = match error {
            NoSnapshot::Unknown => {
                return Self::not_found(
                    "No such snapshot",
                    format!(
                        "None of yours has this id (GET /snapshots lists them); all are gone when the service \
                         starts again. If it was there, {again}"
                    ),
                );
            }
            NoSnapshot::Elsewhere(replica) => return Self::elsewhere("snapshot", &replica),
            NoSnapshot::Gone(end) => end,
        };
        let why = match end {
            SnapshotEnd::Deleted => "it was deleted",
            SnapshotEnd::Expired => "nobody used it for too long (FAAS_SNAPSHOT_TIMEOUT)",
            SnapshotEnd::MadeRoom => {
                "it made room for newer ones (FAAS_SNAPSHOTS, FAAS_SNAPSHOTS_MEMORY)"
            }
            SnapshotEnd::MemoryShort => "the memory of the machine or of the container was short",
            SnapshotEnd::Broken => "its process ended",
        };
        Self::gone(
            "The snapshot is gone",
            format!("It is gone because {why}; {again}"),
        )
    }
}
