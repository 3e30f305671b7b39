//! `GET /metrics`: for Prometheus as text, for people and the old dashboards as JSON.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_telemetry::Holder;
use faas_telemetry::JobState;
use faas_telemetry::Metrics;
use faas_telemetry::SandboxKind;
use faas_telemetry::SandboxState;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::text as openmetrics_text;
use serde::Serialize;
use utoipa::ToSchema;

use super::accept::entries;
use super::error::ApiError;
use super::health;
use super::health::PackagesBody;
use super::health::Scheduler;
use super::state::AppState;
use super::words::LanguageWord;
use super::words::OutcomeWord;
use super::words::RuntimeWord;

const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The forms of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Prometheus' own text format, version 0.0.4.
    Prometheus,
    OpenMetrics,
    Json,
}

impl Form {
    /// What the caller likes best; Prometheus' text if it does not care.
    fn accepted(headers: &HeaderMap) -> Self {
        let mut best = (Self::Prometheus, 0.0);
        for (media_type, quality) in entries(headers, &header::ACCEPT) {
            let form = match media_type {
                "application/json" => Self::Json,
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Prometheus,
                _ => continue,
            };
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }
}

/// Answers in the form that the caller likes best.
pub async fn metrics(
    State(state): State<Arc<AppState>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = Form::accepted(&headers);
    state.pool.set_gauges();
    set_kept_gauges(&state);
    let registry = &state.registry;
    let mut text = String::new();
    let (encoded, content_type) = match form {
        Form::Json => return Ok(Json(MetricsBody::of(&state)).into_response()),
        Form::OpenMetrics => (
            openmetrics_text::encode(&mut text, registry),
            OPENMETRICS_TYPE,
        ),
        Form::Prometheus => (
            prometheus_text::encode(&mut text, registry),
            prometheus_text::CONTENT_TYPE,
        ),
    };
    encoded.map_err(|_| ApiError::unavailable("The metrics cannot be written as text"))?;
    Ok(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// Has the gauges of bytes say what is kept now.
fn set_kept_gauges(state: &AppState) {
    let metrics = &state.metrics;
    for (holder, budget) in [
        (Holder::Requests, &state.requests),
        (Holder::Answers, &state.answers),
    ] {
        metrics.keeps(holder, budget.held(), budget.limit());
    }
    let cached = state.pool.packages().stats().cached_bytes;
    let most = state.settings.package_cache.get();
    metrics.keeps(Holder::PackageCache, cached, most);
    if let Some(jobs) = &state.jobs {
        metrics.keeps(Holder::Jobs, jobs.bytes(), jobs.most_bytes());
        for state in JobState::ALL {
            metrics.has_jobs(state, jobs.count(state));
        }
    }
}

/// The numbers as JSON.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Metrics)]
pub struct MetricsBody {
    /// Programs that ran to their end.
    execution_count: u64,
    uptime_seconds: u64,
    runtime: RuntimeWord,
    pool_metrics: PoolMetrics,
    scheduler: Scheduler,
    /// By language and how they ended.
    #[schema(value_type = BTreeMap<LanguageWord, BTreeMap<OutcomeWord, u64>>)]
    executions: BTreeMap<&'static str, BTreeMap<&'static str, u64>>,
    /// Requests that ran into a limit, by its name.
    limits_hit: BTreeMap<&'static str, u64>,
    packages: PackagesBody,
}

/// Numbers of sandboxes and of requests that wait for one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PoolMetrics {
    total_instances: usize,
    idle_instances: usize,
    active_instances: usize,
    pending_requests: usize,
    /// By runtime.
    runtimes: BTreeMap<&'static str, RuntimeMetrics>,
}

/// Sandboxes of one runtime.
#[derive(Debug, Serialize, ToSchema)]
struct RuntimeMetrics {
    idle: i64,
    active: i64,
    starting: i64,
    /// How often its zygote went down.
    restarts: u64,
}

impl MetricsBody {
    fn of(state: &AppState) -> Self {
        let metrics = &state.metrics;
        let stats = state.pool.stats();
        Self {
            execution_count: state.pool.totals.completed.load(Ordering::Relaxed),
            uptime_seconds: state.started.elapsed().as_secs(),
            runtime: health::RUNTIME,
            pool_metrics: PoolMetrics {
                total_instances: stats.total,
                idle_instances: stats.idle,
                active_instances: stats.active,
                pending_requests: stats.queued,
                runtimes: runtimes(metrics),
            },
            scheduler: Scheduler::of(state),
            executions: metrics.execution_counts(state.settings.languages()),
            limits_hit: metrics.limit_counts(),
            packages: PackagesBody::of(state),
        }
    }
}

fn runtimes(metrics: &Metrics) -> BTreeMap<&'static str, RuntimeMetrics> {
    let describe = |kind: SandboxKind| {
        let count = |state| metrics.sandboxes(kind, state).get();
        let numbers = RuntimeMetrics {
            idle: count(SandboxState::Idle),
            active: count(SandboxState::Active),
            starting: count(SandboxState::Starting),
            restarts: metrics.restart_count(kind),
        };
        (kind.name(), numbers)
    };
    metrics.open_kinds().map(describe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &'static str) -> Form {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Form::accepted(&headers)
    }

    #[test]
    fn the_form_is_what_the_caller_likes_best() {
        assert_eq!(Form::accepted(&HeaderMap::new()), Form::Prometheus);
        for (accept, form) in [
            ("*/*", Form::Prometheus),
            ("text/html, */*;q=0.8", Form::Prometheus),
            ("application/json", Form::Json),
            ("application/json, text/plain;q=0.9", Form::Json),
            ("application/json;q=0.1, text/plain", Form::Prometheus),
            ("application/json;q=0", Form::Prometheus),
            ("application/openmetrics-text", Form::OpenMetrics),
            // Prometheus 2 and 3.
            (
                "application/openmetrics-text;version=1.0.0;q=0.5,\
                 application/openmetrics-text;version=0.0.1;q=0.4,\
                 text/plain;version=1.0.0;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                Form::OpenMetrics,
            ),
            ("nonsense;;q=x,,", Form::Prometheus),
        ] {
            assert_eq!(accepted(accept), form, "{accept}");
        }
    }
}
