//! Traces for an OpenTelemetry collector: OTLP over HTTP, in batches, from their own thread. If the
//! collector does not answer, spans are lost, never a request.
//!
//! Configured by the variables that OpenTelemetry defines; without them, none of this runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use http::HeaderMap;
use http::HeaderName;
use http::Version;
use http::header::HOST;
use http::header::USER_AGENT;
use http::uri::Authority;
use opentelemetry::Context;
use opentelemetry::propagation::Extractor;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::TraceContextExt;
use opentelemetry::trace::TraceId;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::SpanExporter as OtlpExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkError;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use opentelemetry_sdk::trace::SpanData;
use opentelemetry_sdk::trace::SpanExporter;
use tokio::runtime::Handle;
use tracing::Level;
use tracing::Span;
use tracing::Subscriber;
use tracing::field;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

const NAME: &str = "faas-server";
const ENDPOINTS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
];
/// Targets of the spans that go into traces: the requests', and what the pool does for them.
const TARGETS: [&str; 2] = [TRACES_ONLY, "faas_pool"];
/// What is kept of a client's name for itself, in bytes.
const MAX_AGENT_BYTES: usize = 256;
/// Pause between two log lines about a collector that accepts no spans.
const PAUSE: Duration = Duration::from_secs(60);

/// Sends spans to the collector.
#[derive(Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// Reads the environment; `None` if it names no collector. Sending runs on `runtime`.
    ///
    /// # Errors
    /// When a variable of the environment is invalid.
    pub fn from_environment(runtime: &Handle) -> Result<Option<Self>, String> {
        let value = |name: &str| std::env::var(name).unwrap_or_default();
        let disabled = value("OTEL_SDK_DISABLED").eq_ignore_ascii_case("true");
        if disabled || ENDPOINTS.iter().all(|name| value(name).is_empty()) {
            return Ok(None);
        }
        let exporter = OtlpExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| {
            format!(
                "traces cannot be sent: {error}; {} must be the http(s) address of a collector",
                ENDPOINTS[0]
            )
        })?;
        let mut resource = Resource::builder();
        let named = !value("OTEL_SERVICE_NAME").is_empty()
            || value("OTEL_RESOURCE_ATTRIBUTES").contains("service.name=");
        if !named {
            resource = resource.with_service_name(NAME);
        }
        let provider = SdkTracerProvider::builder()
            .with_resource(resource.build())
            .with_batch_exporter(OnRuntime {
                exporter: Arc::new(exporter),
                runtime: runtime.clone(),
                reported: Mutex::default(),
            })
            .build();
        Ok(Some(Self(provider)))
    }

    /// Exports the spans of this program, whatever is logged; not those of its HTTP client, which
    /// would be about the sending of spans.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let targets = TARGETS.map(|name| (name, Level::INFO));
        let targets = Targets::new().with_targets(targets);
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(NAME))
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(targets)
    }

    /// Sends what is left; gives up after `within`. Must not run on a thread of the runtime.
    pub fn flush(&self, within: Duration) {
        // The failure was logged.
        let _ = self.0.shutdown_with_timeout(within);
    }
}

/// The target of spans that are for traces only: log lines have their own.
pub const TRACES_ONLY: &str = "faas_server::traces";

/// What is known of a request before it is answered.
#[derive(Debug)]
pub struct RequestHead<'a> {
    pub id: &'a str,
    /// Of a closed set.
    pub method: &'static str,
    /// None if no route has its path, which may then be anything.
    pub route: Option<&'a str>,
    pub path: &'a str,
    pub version: Version,
    pub caller: Option<SocketAddr>,
    pub headers: &'a HeaderMap,
}

/// The span of a request, by OpenTelemetry's conventions for HTTP servers (semantic conventions 1.23.0, the first
/// that are stable). It is part of the trace that the caller names with `traceparent`.
#[derive(Debug)]
pub struct RequestSpan(Span);

impl RequestSpan {
    pub fn begin(head: &RequestHead<'_>) -> Self {
        // Without a collector, none of the fields is looked for.
        let span = tracing::info_span!(
            target: TRACES_ONLY,
            "request",
            otel.name = head.span_name(),
            otel.kind = "server",
            otel.status_code = field::Empty,
            request.id = head.id,
            http.request.method = head.method(),
            http.route = head.route,
            http.response.status_code = field::Empty,
            error.type = field::Empty,
            url.scheme = "http",
            url.path = head.route.map(|_| head.path),
            client.address = head.caller.map(|caller| caller.ip().to_string()),
            client.port = head.caller.map(|caller| i64::from(caller.port())),
            server.address = head.server().as_ref().map(Authority::host),
            server.port = head.server().and_then(|server| server.port_u16()).map(i64::from),
            network.protocol.version = if head.version == Version::HTTP_10 { "1.0" } else { "1.1" },
            user_agent.original = head.header(&USER_AGENT).map(cut_agent),
            request.token_name = field::Empty,
            execution.task_id = field::Empty,
            execution.status = field::Empty,
        );
        continue_trace(&span, head.headers);
        Self(span)
    }

    /// One that no trace has, as of probes.
    pub fn none() -> Self {
        Self(Span::none())
    }

    /// The parent of what is done for the request.
    pub fn span(&self) -> &Span {
        &self.0
    }

    /// The trace that it belongs to, for log lines; none without a collector.
    pub fn trace_id(&self) -> Option<String> {
        let context = self.0.context();
        let trace_id = context.span().span_context().trace_id();
        (trace_id != TraceId::INVALID).then(|| trace_id.to_string())
    }

    /// Notes which program the request had executed, and what became of it.
    pub fn executed(&self, task_id: &str, status: &str) {
        self.0.record("execution.task_id", task_id);
        self.0.record("execution.status", status);
    }

    /// Notes which named token the request had.
    pub fn by_token(&self, name: &str) {
        self.0.record("request.token_name", name);
    }

    /// Notes how the request was answered. Only what the service is to blame for is an error.
    pub fn answered(&self, code: u16) {
        self.0.record("http.response.status_code", i64::from(code));
        if code >= 500 {
            self.0.record("error.type", code.to_string());
            self.0.record("otel.status_code", "ERROR");
        }
    }

    /// Notes that the caller hung up before there was an answer.
    pub fn cancelled(&self) {
        self.0.record("error.type", "cancelled");
    }
}

fn cut_agent(agent: &str) -> &str {
    &agent[..agent.floor_char_boundary(MAX_AGENT_BYTES)]
}

impl RequestHead<'_> {
    fn method(&self) -> &'static str {
        match self.method {
            "other" => "_OTHER",
            known => known,
        }
    }

    fn span_name(&self) -> String {
        let method = match self.method {
            "other" => "HTTP",
            known => known,
        };
        match self.route {
            Some(route) => format!("{method} {route}"),
            None => method.to_owned(),
        }
    }

    /// What the caller took this server for.
    fn server(&self) -> Option<Authority> {
        self.header(&HOST)?.parse().ok()
    }

    fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Makes a request's span part of the trace that its caller named with `traceparent`.
fn continue_trace(span: &Span, headers: &HeaderMap) {
    if !headers.contains_key("traceparent") {
        return;
    }
    let propagator = TraceContextPropagator::new();
    let parent = propagator.extract_with_context(&Context::new(), &Headers(headers));
    // Fails if there is no collector; then no one needs it.
    let _ = span.set_parent(parent);
}

struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Sends on the service's runtime, which the HTTP client needs: batches come from a plain thread.
#[derive(Debug)]
struct OnRuntime {
    exporter: Arc<OtlpExporter>,
    runtime: Handle,
    /// When a failure was logged last.
    reported: Mutex<Option<Instant>>,
}

impl OnRuntime {
    fn report(&self, error: &OTelSdkError) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if reported.is_none_or(|at| at.elapsed() >= PAUSE) {
            *reported = Some(Instant::now());
            tracing::warn!(%error, "trace export failed");
        }
    }
}

impl SpanExporter for OnRuntime {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let exporter = self.exporter.clone();
        let sending = self
            .runtime
            .spawn(async move { exporter.export(batch).await });
        let sent = sending
            .await
            .unwrap_or_else(|error| Err(OTelSdkError::InternalFailure(error.to_string())));
        sent.inspect_err(|error| self.report(error))
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        // Nothing was sent yet, so this is the only reference.
        if let Some(exporter) = Arc::get_mut(&mut self.exporter) {
            exporter.set_resource(resource);
        }
    }
}
