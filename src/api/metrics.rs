//! `GET /metrics`: for Prometheus as text, for people and the old dashboards as JSON.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::EncodeMetric;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::encoding::text as openmetrics_text;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use serde_json::Map;
use serde_json::Value;
use serde_json::json;

use super::Service;
use super::error::ApiError;
use super::health;
use crate::pool::Pool;
use crate::telemetry::Metrics;
use crate::telemetry::SandboxKind;
use crate::telemetry::SandboxState;

const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything that is exposed.
#[derive(Debug)]
pub struct Exposition(Registry);

impl Exposition {
    pub fn new(metrics: &Metrics, pool: &Arc<Pool>) -> Self {
        let mut registry = metrics.registry();
        registry.register_collector(Box::new(PoolCollector(pool.clone())));
        Self(registry)
    }
}

/// Numbers that the pool and its packages keep themselves.
#[derive(Debug)]
struct PoolCollector(Arc<Pool>);

impl Collector for PoolCollector {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut encode = |name: &str, help: &str, metric: &dyn EncodeOne| {
            let kind = metric.kind();
            metric.encode_into(encoder.encode_descriptor(name, help, None, kind)?)
        };
        let queued = i64::try_from(self.0.stats().queued).unwrap_or(i64::MAX);
        encode(
            "faas_queue_length",
            "Requests that wait for their turn.",
            &ConstGauge::new(queued),
        )?;
        let packages = self.0.packages().stats();
        encode(
            "faas_package_cache_hits",
            "Package files that were answered from the cache.",
            &ConstCounter::new(packages.cache_hits),
        )?;
        encode(
            "faas_package_cache_misses",
            "Package files that had to be fetched.",
            &ConstCounter::new(packages.cache_misses),
        )?;
        encode(
            "faas_package_downloaded_bytes",
            "Bytes of package files that were fetched and verified.",
            &ConstCounter::new(packages.downloaded_bytes),
        )
    }
}

/// [`EncodeMetric`] for trait objects.
trait EncodeOne {
    fn kind(&self) -> prometheus_client::metrics::MetricType;
    fn encode_into(
        &self,
        encoder: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), std::fmt::Error>;
}

impl<T: EncodeMetric> EncodeOne for T {
    fn kind(&self) -> prometheus_client::metrics::MetricType {
        self.metric_type()
    }
    fn encode_into(
        &self,
        encoder: prometheus_client::encoding::MetricEncoder<'_>,
    ) -> Result<(), std::fmt::Error> {
        self.encode(encoder)
    }
}

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
        let values = headers.get_all(header::ACCEPT).iter();
        let entries = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        let mut best = (Self::Prometheus, 0.0);
        for entry in entries {
            let mut parts = entry.split(';').map(str::trim);
            let form = match parts.next().unwrap_or_default() {
                "application/json" => Self::Json,
                "application/openmetrics-text" => Self::OpenMetrics,
                "text/plain" | "text/*" | "*/*" => Self::Prometheus,
                _ => continue,
            };
            let quality = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok());
            let quality: f32 = quality.unwrap_or(1.0);
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }
}

/// The route's handler.
pub async fn metrics(
    State(service): State<Arc<Service>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let form = Form::accepted(&headers);
    set_idle_gauges(&service);
    let registry = &service.exposition.0;
    let mut text = String::new();
    let (encoded, content_type) = match form {
        Form::Json => return Ok(Json(body(&service)).into_response()),
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

/// The shelves know how many sandboxes wait; the gauges learn it when somebody looks.
fn set_idle_gauges(service: &Service) {
    for kind in service.metrics.open_kinds() {
        let idle = i64::try_from(service.pool.idle(kind)).unwrap_or(i64::MAX);
        let gauge = service.metrics.sandboxes(kind, SandboxState::Idle);
        gauge.set(idle);
    }
}

/// The answer that the service replaced gave, and what else there is to know.
fn body(service: &Service) -> Value {
    let completed = service.pool.totals.completed.load(Ordering::Relaxed);
    let mut pool = health::pool_status(service);
    pool["runtimes"] = runtimes(service);
    json!({
        "execution_count": completed,
        "uptime_seconds": service.started.elapsed().as_secs(),
        "runtime": health::RUNTIME,
        "pool_metrics": pool,
        "scheduler": health::scheduler(service),
        "executions": service.metrics.execution_counts(service.settings.languages()),
        "limits_hit": service.metrics.limit_counts(),
        "packages": health::packages(service),
    })
}

/// Sandboxes and restarts by runtime.
fn runtimes(service: &Service) -> Value {
    let metrics = &service.metrics;
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
