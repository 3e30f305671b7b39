//! `GET /metrics`: for Prometheus as text, for people and the old dashboards as JSON.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_telemetry::SandboxKind;
use faas_telemetry::SandboxState;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::text as openmetrics_text;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::AppState;
use super::accept::entries;
use super::error::ApiError;
use super::health;

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
    state.pool.set_idle_gauges();
    let registry = &state.registry;
    let mut text = String::new();
    let (encoded, content_type) = match form {
        Form::Json => return Ok(Json(body(&state)).into_response()),
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

/// The answer that the service replaced gave, and what else there is to know.
fn body(state: &AppState) -> Value {
    let completed = state.pool.totals.completed.load(Ordering::Relaxed);
    let mut pool = health::pool_status(state);
    pool["runtimes"] = runtimes(state);
    json!({
        "execution_count": completed,
        "uptime_seconds": state.started.elapsed().as_secs(),
        "runtime": health::RUNTIME,
        "pool_metrics": pool,
        "scheduler": health::scheduler(state),
        "executions": state.metrics.execution_counts(state.settings.languages()),
        "limits_hit": state.metrics.limit_counts(),
        "packages": health::packages(state),
    })
}

/// Sandboxes and restarts by runtime.
fn runtimes(state: &AppState) -> Value {
    let metrics = &state.metrics;
    let describe = |kind: SandboxKind| {
        let count = |state| metrics.sandboxes(kind, state).get();
        let body = json!({
            "idle": count(SandboxState::Idle),
            "active": count(SandboxState::Active),
            "starting": count(SandboxState::Starting),
            "restarts": metrics.restart_count(kind),
        });
        (kind.name().to_owned(), body)
    };
    Value::Object(metrics.open_kinds().map(describe).collect::<Map<_, _>>())
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
