//! `GET /health`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use faas_pool::PackageZygote;
use faas_pool::ZygoteState;
use faas_protocol::Layer;
use faas_protocol::Layers;
use faas_protocol::Runtime;
use faas_telemetry::AuditLog;
use faas_telemetry::Failures;
use faas_telemetry::History;
use faas_telemetry::rfc3339;
use serde::Serialize;
use utoipa::ToSchema;

use super::caller::Caller;
use super::response::PoolStatsBody;
use super::state::AppState;
use super::words::Named;
use super::words::RuntimeWord;

/// What `/health` and `/metrics` call the runtime of this service, as callers of the replaced ones
/// know it.
pub const RUNTIME: RuntimeWord = Named(Runtime::Python);

/// The state of the service.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: HealthStatus,
    /// Which runtimes are not up, and why; empty if healthy.
    reason: String,
    #[schema(format = DateTime)]
    timestamp: String,
    version: &'static str,
    runtime: RuntimeWord,
    /// Empty as long as Python is not up.
    python_version: String,
    /// Programs that ran to their end.
    execution_count: u64,
    pyodide: Pyodide,
    pool: PoolStatsBody,
    pool_status: PoolStatus,
    scheduler: Scheduler,
    packages: PackagesBody,
    package_zygote_count: usize,
    /// Only for callers who sent a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    package_zygotes: Option<Vec<PackageZygoteBody>>,
    snapshots: SnapshotsBody,
    sessions: SessionsBody,
    audit: WriterBody,
    history: WriterBody,
    jobs: WriterBody,
    security: Security,
    /// What this machine lacked at the start, in the sentences of the log and of `faas-server doctor`.
    warnings: Vec<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    Healthy,
    Unhealthy,
}

/// The Python runtime.
#[derive(Debug, Serialize, ToSchema)]
struct Pyodide {
    initialized: bool,
    available: bool,
    /// Empty as long as it is not up.
    version: String,
}

/// Numbers of sandboxes and of requests that wait for one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PoolStatus {
    total_instances: usize,
    idle_instances: usize,
    active_instances: usize,
    pending_requests: usize,
}

/// Executions since the start.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scheduler {
    total_tasks: u64,
    completed_tasks: u64,
    failed_tasks: u64,
    queued_tasks: usize,
    /// Average wall time in ms.
    average_execution_time: f64,
}

/// What packages there are.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Packages)]
pub struct PackagesBody {
    enabled: bool,
    /// Packages of Pyodide's distribution that programs may use.
    distribution_packages: usize,
    cache: PackageCache,
}

/// What the cache of packages did since the start, and what it holds.
#[derive(Debug, Serialize, ToSchema)]
struct PackageCache {
    hits: u64,
    misses: u64,
    downloaded_bytes: u64,
    evictions: u64,
    files: u64,
    bytes: u64,
}

/// A zygote with packages.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PackageZygote)]
struct PackageZygoteBody {
    name: String,
    up: bool,
    /// 0 if it is not up.
    pid: i32,
    /// Memory that it shares only with its sandboxes.
    memory_bytes: u64,
}

/// What programs left for others to start from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Snapshots)]
struct SnapshotsBody {
    /// Whether programs can be kept.
    enabled: bool,
    /// Why not; empty if they can.
    reason: String,
    count: usize,
    /// What they take together, at most.
    memory_bytes: u64,
}

/// States that cells go on from.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Sessions)]
struct SessionsBody {
    /// Whether sessions can be opened.
    enabled: bool,
    /// Why not; empty if they can.
    reason: String,
    count: usize,
    /// Kept for their heads, and for what can be undone.
    processes: usize,
    /// What they take together, at most.
    memory_bytes: u64,
}

/// Whether something is written, and what could not be.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Writer)]
struct WriterBody {
    /// Records that are missing; only if enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    write_failures: Option<u64>,
    /// Why it cannot be written now; empty if it can. Only if enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    failure: Option<String>,
    enabled: bool,
}

/// What protects the host.
#[derive(Debug, Serialize, ToSchema)]
struct Security {
    isolation: &'static str,
    /// Lock-down layers that are in force.
    layers: Vec<&'static str>,
    /// Those that this machine does not offer.
    missing_layers: Vec<&'static str>,
}

/// Answers with 200 while every zygote serves, else with 503 and the reasons.
pub async fn health(
    State(state): State<Arc<AppState>>,
    caller: Caller,
) -> (StatusCode, Json<Health>) {
    let body = body(&state, &caller);
    let code = match body.status {
        HealthStatus::Healthy => StatusCode::OK,
        HealthStatus::Unhealthy => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(body))
}

fn body(state: &AppState, caller: &Caller) -> Health {
    let zygotes = state.pool.zygotes();
    let down: Vec<String> = zygotes
        .iter()
        .filter_map(|(runtime, zygote)| {
            let reason = zygote.reason()?;
            Some(format!("{}: {reason}", runtime.name()))
        })
        .collect();
    let python = zygotes.get(&Runtime::Python);
    let python_up = python.is_some_and(ZygoteState::is_up);
    let python_booted = python.and_then(ZygoteState::booted);
    let version = python_booted
        .map(|booted| booted.version.clone())
        .unwrap_or_default();
    let booted = zygotes.values().find_map(ZygoteState::booted);
    let layers = booted
        .map(|booted| booted.layers.clone())
        .unwrap_or_default();
    Health {
        status: if down.is_empty() {
            HealthStatus::Healthy
        } else {
            HealthStatus::Unhealthy
        },
        reason: down.join("; "),
        timestamp: rfc3339(SystemTime::now()),
        version: concat!("faas-v", env!("CARGO_PKG_VERSION"), "-pyodide"),
        runtime: RUNTIME,
        python_version: version.language.unwrap_or_default(),
        execution_count: state.pool.totals.completed.load(Ordering::Relaxed),
        pyodide: Pyodide {
            initialized: python_up,
            available: python_up,
            version: version.engine,
        },
        pool: state.pool.stats().into(),
        pool_status: PoolStatus::of(state),
        scheduler: Scheduler::of(state),
        packages: PackagesBody::of(state),
        package_zygote_count: state.pool.package_zygotes().len(),
        // Names of packages may be private, and a process id or its memory tells what others do.
        package_zygotes: caller.by_token().then(|| package_zygotes(state)),
        snapshots: SnapshotsBody::of(state),
        sessions: SessionsBody::of(state),
        audit: WriterBody::of(state.audit.as_ref().map(AuditLog::failures)),
        history: WriterBody::of(state.history.as_ref().map(History::failures)),
        jobs: WriterBody::of(state.jobs.as_ref().map(|jobs| jobs.failures())),
        security: Security::of(&layers),
        warnings: state.warnings.clone(),
    }
}

/// The version of Python that programs run in; empty while it has not booted.
pub fn python_version(state: &AppState) -> String {
    let zygotes = state.pool.zygotes();
    let booted = zygotes.get(&Runtime::Python).and_then(ZygoteState::booted);
    booted
        .and_then(|booted| booted.version.language.clone())
        .unwrap_or_default()
}

impl PoolStatus {
    fn of(state: &AppState) -> Self {
        let stats = state.pool.stats();
        Self {
            total_instances: stats.total,
            idle_instances: stats.idle,
            active_instances: stats.active,
            pending_requests: stats.queued,
        }
    }
}

impl Scheduler {
    pub fn of(state: &AppState) -> Self {
        let totals = &state.pool.totals;
        let completed = totals.completed.load(Ordering::Relaxed);
        let wall_us = totals.wall_us.load(Ordering::Relaxed);
        Self {
            total_tasks: totals.started.load(Ordering::Relaxed),
            completed_tasks: completed,
            failed_tasks: totals.failed.load(Ordering::Relaxed),
            queued_tasks: state.pool.stats().queued,
            average_execution_time: wall_us as f64 / 1000.0 / completed.max(1) as f64,
        }
    }
}

impl PackagesBody {
    pub fn of(state: &AppState) -> Self {
        let packages = state.pool.packages();
        let stats = packages.stats();
        Self {
            enabled: state.settings.packages,
            distribution_packages: packages.distribution_packages().len(),
            cache: PackageCache {
                hits: stats.cache_hits,
                misses: stats.cache_misses,
                downloaded_bytes: stats.downloaded_bytes,
                evictions: stats.evictions,
                files: stats.cached_files,
                bytes: stats.cached_bytes,
            },
        }
    }
}

impl SnapshotsBody {
    fn of(state: &AppState) -> Self {
        let mut runtimes = state.settings.runtimes();
        let reason = runtimes.find_map(|runtime| state.pool.cannot_keep(runtime));
        let stats = state.pool.snapshots_stats();
        Self {
            enabled: reason.is_none(),
            reason: reason.unwrap_or_default(),
            count: stats.number,
            memory_bytes: stats.memory.get(),
        }
    }
}

impl SessionsBody {
    fn of(state: &AppState) -> Self {
        let mut runtimes = state.settings.runtimes();
        let reason = runtimes.find_map(|runtime| state.pool.no_sessions(runtime));
        let stats = state.pool.sessions_stats();
        Self {
            enabled: reason.is_none(),
            reason: reason.unwrap_or_default(),
            count: stats.number,
            processes: stats.processes,
            memory_bytes: stats.memory.get(),
        }
    }
}

impl WriterBody {
    /// None: nothing is written.
    fn of(failures: Option<&Failures>) -> Self {
        let state = failures.map(Failures::state);
        Self {
            enabled: state.is_some(),
            write_failures: state.as_ref().map(|state| state.count),
            failure: state.map(|state| state.reason),
        }
    }
}

impl Security {
    fn of(layers: &Layers) -> Self {
        let names = |layers: &[Layer]| layers.iter().map(|layer| layer.name()).collect();
        Self {
            isolation: "process per execution",
            layers: names(&layers.present),
            missing_layers: names(&layers.missing),
        }
    }
}

fn package_zygotes(state: &AppState) -> Vec<PackageZygoteBody> {
    let zygotes = state.pool.package_zygotes().into_iter();
    let describe = |zygote: PackageZygote| PackageZygoteBody {
        up: zygote.state.is_up(),
        pid: zygote.state.pid().unwrap_or_default(),
        name: zygote.name,
        memory_bytes: zygote.memory.get(),
    };
    zygotes.map(describe).collect()
}
