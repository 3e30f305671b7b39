//! `GET /health`.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;
use serde_json::json;

use super::Service;
use super::response::PoolStatsBody;
use crate::pool::ZygoteState;
use crate::telemetry::AuditLog;
use crate::telemetry::Failures;
use crate::telemetry::History;

/// What answers call the runtime of this service, as today's callers know it.
pub const RUNTIME: &str = "pyodide-webassembly";

/// The route's handler: 200 while every zygote serves, else 503 with the reasons.
pub async fn health(State(service): State<Arc<Service>>) -> (StatusCode, Json<Value>) {
    let zygotes = service.pool.zygotes();
    let down: Vec<String> = zygotes
        .iter()
        .filter(|(_, zygote)| !zygote.up)
        .map(|(name, zygote)| format!("{name}: {}", zygote.reason))
        .collect();
    let healthy = down.is_empty();
    let stats = service.pool.stats();
    let python = zygotes.get("python").cloned().unwrap_or_default();
    // "314.0.7 3.14.2": Pyodide's version and Python's.
    let (pyodide_version, python_version) = python.version.split_once(' ').unwrap_or_default();
    let any = zygotes.values().next().cloned().unwrap_or_default();
    let body = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "reason": down.join("; "),
        "timestamp": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "version": concat!("faas-v", env!("CARGO_PKG_VERSION"), "-pyodide"),
        "runtime": RUNTIME,
        "python_version": python_version,
        "execution_count": service.pool.totals.completed.load(Ordering::Relaxed),
        "pyodide": {
            "initialized": python.up,
            "available": python.up,
            "version": pyodide_version,
        },
        "pool": PoolStatsBody::from(stats),
        "pool_status": pool_status(&service),
        "scheduler": scheduler(&service),
        "packages": packages(&service),
        "package_zygotes": package_zygotes(&service),
        "audit": writer(service.audit.as_ref().map(AuditLog::failures)),
        "history": writer(service.history.as_ref().map(History::failures)),
        "security": {
            "isolation": "process per execution",
            "layers": any.layers,
            "missing_layers": any.missing_layers,
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
pub fn pool_status(service: &Service) -> Value {
    let stats = service.pool.stats();
    json!({
        "totalInstances": stats.total,
        "idleInstances": stats.idle,
        "activeInstances": stats.active,
        "pendingRequests": stats.queued,
    })
}

/// Executions since the start; their average wall time in ms.
pub fn scheduler(service: &Service) -> Value {
    let totals = &service.pool.totals;
    let completed = totals.completed.load(Ordering::Relaxed);
    let wall_us = totals.wall_us.load(Ordering::Relaxed);
    json!({
        "totalTasks": totals.started.load(Ordering::Relaxed),
        "completedTasks": completed,
        "failedTasks": totals.failed.load(Ordering::Relaxed),
        "queuedTasks": service.pool.stats().queued,
        "averageExecutionTime": wall_us as f64 / 1000.0 / completed.max(1) as f64,
    })
}

/// What packages there are, and what their cache did.
pub fn packages(service: &Service) -> Value {
    let packages = service.pool.packages();
    let stats = packages.stats();
    json!({
        "enabled": service.settings.packages,
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
fn package_zygotes(service: &Service) -> Vec<Value> {
    let zygotes = service.pool.package_zygotes().into_iter();
    let describe = |(name, state): (String, ZygoteState)| {
        json!({
            "name": name,
            "up": state.up,
            "pid": state.pid,
            "memory_bytes": resident_bytes(state.pid),
        })
    };
    zygotes.map(describe).collect()
}

/// Memory that a zygote shares with no other process but its forks, in bytes: the pages that it
/// does not share with files (`RssAnon`).
fn resident_bytes(pid: i32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kibibytes.unwrap_or(0) * 1024
}
