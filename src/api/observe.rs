//! What every request has in common: an id, a log line at its end, and its place in the metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::extract::State;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use faas_telemetry::Metrics;
use faas_telemetry::RequestHead;
use faas_telemetry::RequestSpan;
use futures_util::StreamExt;
use tracing::Instrument;
use tracing::Span;

use super::caller::Caller;
use super::caller::Executed;
use super::caller::REQUEST_ID;
use super::load_report::LOAD;
use super::openapi;
use super::state::AppState;
use crate::settings::Door;

/// Stands for the answer to a caller that hung up before there was one, as nginx has it.
const HUNG_UP: u16 = 499;
/// What doors answer with and `/run_code` does not: SandboxFusion's clients try again after a 504, and E2B's take a 502
/// for a sandbox that is gone.
const DOORS_ALSO: [u16; 3] = [HUNG_UP, 502, 504];
/// Routes that are asked every few seconds, by nobody who would look for it in the log.
const QUIET_ROUTES: [&str; 3] = ["/health", "/metrics", "/ready"];

/// Has the series of every answer exist that the API describes, those of doors, and those that no route gives,
/// before there is one: Prometheus takes a series that begins with a number for one that had it before.
pub fn expect_answers(metrics: &Metrics, doors: &[Door]) {
    let own = openapi::answers();
    for (route, method, code) in &own {
        metrics.expect_answer(route, method, *code);
        if *method == "POST" {
            metrics.expect_answer(route, method, HUNG_UP);
        }
    }
    // Doors answer in their own words, with the codes that a program's own route has.
    let codes = own.iter().filter(|(route, ..)| route == "/run_code");
    let codes: Vec<u16> = codes.map(|(_, _, code)| *code).collect();
    for route in doors.iter().flat_map(|door| door.program_routes()) {
        for code in codes.iter().copied().chain(DOORS_ALSO) {
            metrics.expect_answer(route, "POST", code);
        }
    }
    // Connections that there is no room for.
    metrics.expect_answer("other", "other", 503);
    // Those who try addresses, with a wrong token or none.
    for code in [401, 404] {
        metrics.expect_answer("other", "GET", code);
    }
}

/// The service's own routes that bring a program. With those of the doors, their answers say how busy the
/// server is.
const PROGRAM_ROUTES: [&str; 3] = ["/run_code", "/run_batch", "/check_code"];

fn brings_program(route: &str) -> bool {
    let of_doors = Door::ALL.into_iter().map(Door::program_routes);
    PROGRAM_ROUTES.contains(&route) || of_doors.flatten().any(|other| *other == route)
}

/// The route that a request is for, as the API's description has it. Paths that only a door's own answer to unknown
/// ones takes are of none.
fn route_of(request: &Request) -> Option<String> {
    let path = request.extensions().get::<MatchedPath>()?.as_str();
    (!path.ends_with("/{*rest}")).then(|| path.replace("{*", "{"))
}

/// Wraps the handling of every request.
pub async fn observe(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = Caller::of(&request);
    let id = caller.request_id.clone();
    let matched = route_of(&request);
    let route = matched.as_deref().unwrap_or("other");
    let method = method_name(request.method());
    let trace = if QUIET_ROUTES.contains(&route) {
        RequestSpan::none()
    } else {
        RequestSpan::begin(&RequestHead {
            id: caller.request_id(),
            method,
            route: matched.as_deref(),
            path: request.uri().path(),
            version: request.version(),
            caller: caller.address,
            headers: request.headers(),
        })
    };
    // An error's level, so that lines keep their context whatever FAAS_LOG leaves out.
    let span = tracing::error_span!(
        parent: trace.span(),
        "request",
        request_id = caller.request_id(),
        method,
        route,
        trace_id = trace.trace_id(),
    );
    let in_trace = trace.span().clone();
    let mut end = End {
        state,
        began: Instant::now(),
        route: route.to_owned(),
        method,
        code: HUNG_UP,
        caller: caller.clone(),
        span: span.clone(),
        trace,
    };
    request.extensions_mut().insert(caller);
    let answering = next.run(request).instrument(span).instrument(in_trace);
    let mut response = answering.await;
    end.code = response.status().as_u16();
    response.headers_mut().insert(REQUEST_ID, id);
    if brings_program(route) && end.code != 401 && end.code != 403 {
        let load = end.state.pool.load();
        if let Some(report) = end.state.load_report.header(&load, response.status()) {
            response.headers_mut().insert(LOAD, report);
        }
    }
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    // An answer that is still being made: its end is the request's.
    response.map(|body| {
        let pieces = body.into_data_stream().inspect(move |_| {
            let _lives_as_long = &end;
        });
        Body::from_stream(pieces)
    })
}

/// The end of a request, whichever way it comes: reported when this is dropped.
struct End {
    state: Arc<AppState>,
    began: Instant,
    route: String,
    method: &'static str,
    code: u16,
    caller: Caller,
    span: Span,
    trace: RequestSpan,
}

impl Drop for End {
    fn drop(&mut self) {
        let Self {
            route,
            method,
            code,
            ..
        } = self;
        let duration = self.began.elapsed();
        let metrics = &self.state.metrics;
        metrics.answered(route, method, *code, duration);
        let executed = self.caller.executed();
        if let Some(Executed { task_id, fate }) = executed {
            self.trace.executed(task_id, fate.name());
        }
        let token_name = self.caller.owner().name();
        if let Some(name) = token_name {
            self.trace.by_token(name);
        }
        match *code {
            HUNG_UP => self.trace.cancelled(),
            code => self.trace.answered(code),
        }
        let duration_ms = duration.as_micros() as f64 / 1000.0;
        let _in_span = self.span.enter();
        if QUIET_ROUTES.contains(&route.as_str()) {
            tracing::debug!(status = code, duration_ms, "answered");
            return;
        }
        tracing::info!(
            status = code,
            duration_ms,
            caller = self.caller.address.map(|address| address.ip().to_string()),
            token_name,
            task_id = executed.map(|program| program.task_id.as_str()),
            program = executed.map(|program| program.fate.name()),
            "answered"
        );
    }
}

/// A method's name, of a closed set.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
