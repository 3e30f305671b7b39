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
use super::run_code::PoolStatsBody;

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
    let totals = &service.pool.totals;
    let completed = totals.completed.load(Ordering::Relaxed);
    let failed = totals.failed.load(Ordering::Relaxed);
    let wall_us = totals.wall_us.load(Ordering::Relaxed);
    let average_ms = wall_us as f64 / 1000.0 / completed.max(1) as f64;
    let python = zygotes.get("python").cloned().unwrap_or_default();
    // "314.0.7 3.14.2": Pyodide's version and Python's.
    let (pyodide_version, python_version) = python.version.split_once(' ').unwrap_or_default();
    let any = zygotes.values().next().cloned().unwrap_or_default();
    let body = json!({
        "status": if healthy { "healthy" } else { "unhealthy" },
        "reason": down.join("; "),
        "timestamp": humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        "version": concat!("faas-v", env!("CARGO_PKG_VERSION"), "-pyodide"),
        "runtime": "pyodide-webassembly",
        "python_version": python_version,
        "execution_count": completed,
        "pyodide": {
            "initialized": python.up,
            "available": python.up,
            "version": pyodide_version,
        },
        "pool": PoolStatsBody::from(stats),
        "pool_status": {
            "totalInstances": stats.total,
            "idleInstances": stats.idle,
            "activeInstances": stats.active,
            "pendingRequests": stats.queued,
        },
        "scheduler": {
            "totalTasks": totals.started.load(Ordering::Relaxed),
            "completedTasks": completed,
            "failedTasks": failed,
            "queuedTasks": stats.queued,
            "averageExecutionTime": average_ms,
        },
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
