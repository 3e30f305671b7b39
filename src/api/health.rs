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
use faas_protocol::Runtime;
use faas_telemetry::AuditLog;
use faas_telemetry::Failures;
use faas_telemetry::History;
use faas_telemetry::rfc3339;
use serde_json::Value;
use serde_json::json;

use super::AppState;
use super::response::PoolStatsBody;

/// What `/health` and `/metrics` call the runtime of this service, as callers of the replaced ones
/// know it.
pub const RUNTIME: &str = Runtime::Python.spec().answers_as;

/// Answers with 200 while every zygote serves, else with 503 and the reasons.
pub async fn health(State(state): State<Arc<AppState>>) -> (StatusCode, Json<Value>) {
    let zygotes = state.pool.zygotes();
    let down: Vec<String> = zygotes
        .iter()
        .filter_map(|(runtime, zygote)| {
            let reason = zygote.reason()?;
            Some(format!("{}: {reason}", runtime.name()))
        })
        .collect();
    let healthy = down.is_empty();
    let stats = state.pool.stats();
    let python = zygotes.get(&Runtime::Python);
    let python_up = python.is_some_and(ZygoteState::is_up);
    let python_booted = python.and_then(ZygoteState::booted);
    let version = python_booted
        .map(|booted| booted.version.clone())
        .unwrap_or_default();
    let layers = zygotes.values().find_map(ZygoteState::booted);
    let layers = layers
        .map(|booted| booted.layers.clone())
        .unwrap_or_default();
    let names =
        |layers: &[Layer]| -> Vec<&str> { layers.iter().map(|layer| layer.name()).collect() };
    let body = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "reason": down.join("; "),
        "timestamp": rfc3339(SystemTime::now()),
        "version": concat!("faas-v", env!("CARGO_PKG_VERSION"), "-pyodide"),
        "runtime": RUNTIME,
        "python_version": version.language.unwrap_or_default(),
        "execution_count": state.pool.totals.completed.load(Ordering::Relaxed),
        "pyodide": {
            "initialized": python_up,
            "available": python_up,
            "version": version.engine,
        },
        "pool": PoolStatsBody::from(stats),
        "pool_status": pool_status(&state),
        "scheduler": scheduler(&state),
        "packages": packages(&state),
        "package_zygotes": package_zygotes(&state),
        "audit": writer(state.audit.as_ref().map(AuditLog::failures)),
        "history": writer(state.history.as_ref().map(History::failures)),
        "security": {
            "isolation": "process per execution",
            "layers": names(&layers.present),
            "missing_layers": names(&layers.missing),
        },
    });
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body))
}

/// Numbers of sandboxes and of requests that wait for one.
pub fn pool_status(state: &AppState) -> Value {
    let stats = state.pool.stats();
    json!({
        "totalInstances": stats.total,
        "idleInstances": stats.idle,
        "activeInstances": stats.active,
        "pendingRequests": stats.queued,
    })
}

/// Executions since the start; their average wall time in ms.
pub fn scheduler(state: &AppState) -> Value {
    let totals = &state.pool.totals;
    let completed = totals.completed.load(Ordering::Relaxed);
    let wall_us = totals.wall_us.load(Ordering::Relaxed);
    json!({
        "totalTasks": totals.started.load(Ordering::Relaxed),
        "completedTasks": completed,
        "failedTasks": totals.failed.load(Ordering::Relaxed),
        "queuedTasks": state.pool.stats().queued,
        "averageExecutionTime": wall_us as f64 / 1000.0 / completed.max(1) as f64,
    })
}

/// What packages there are, and what their cache did.
pub fn packages(state: &AppState) -> Value {
    let packages = state.pool.packages();
    let stats = packages.stats();
    json!({
        "enabled": state.settings.packages,
        "distribution_packages": packages.distribution_packages().len(),
        "cache": {
            "hits": stats.cache_hits,
            "misses": stats.cache_misses,
            "downloaded_bytes": stats.downloaded_bytes,
            "evictions": stats.evictions,
            "files": stats.cached_files,
            "bytes": stats.cached_bytes,
        },
    })
}

/// Whether something is written, what is missing in it, and why it cannot be written now.
fn writer(failures: Option<&Failures>) -> Value {
    let mut state = failures.map_or_else(|| json!({}), Failures::state);
    state["enabled"] = failures.is_some().into();
    state
}

/// The zygotes with packages, and what each takes of memory.
fn package_zygotes(state: &AppState) -> Vec<Value> {
    let zygotes = state.pool.package_zygotes().into_iter();
    let describe = |zygote: PackageZygote| {
        json!({
            "name": zygote.name,
            "up": zygote.state.is_up(),
            "pid": zygote.state.pid().unwrap_or_default(),
            "memory_bytes": zygote.memory.get(),
        })
    };
    zygotes.map(describe).collect()
}
