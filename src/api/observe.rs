//! What every request has in common: an id, a log line at its end, and its place in the metrics.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::StreamExt;
use tracing::Instrument;
use tracing::Span;
use uuid::Uuid;

use super::Service;
use crate::telemetry::continue_trace;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids are not taken over, in bytes.
const MAX_ID_BYTES: usize = 128;
/// Stands for the answer to a caller that hung up before there was one, as nginx has it.
const HUNG_UP: u16 = 499;
/// Routes that are asked every few seconds, by nobody who would look for it in the log.
const QUIET_ROUTES: [&str; 2] = ["/health", "/metrics"];

/// Address of the other end of a connection; an extension of its requests.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Who sent a request; an extension of it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Visible ASCII, at most 128 bytes.
    pub request_id: HeaderValue,
    /// Of the connection: the last proxy's, if there is one.
    pub address: Option<SocketAddr>,
    /// Whether it sent the right token.
    pub by_token: bool,
}

impl Caller {
    /// Who sent this request.
    pub fn of(request: &Request) -> Self {
        let known = request.extensions().get::<Self>();
        known.cloned().unwrap_or_else(|| Self::new(request))
    }

    fn new(request: &Request) -> Self {
        let peer = request.extensions().get::<Peer>();
        Self {
            request_id: sent_id(request.headers()).unwrap_or_else(new_id),
            address: peer.map(|Peer(address)| *address),
            by_token: false,
        }
    }

    pub fn request_id(&self) -> &str {
        self.request_id.to_str().unwrap_or_default()
    }
}

/// The id that came with a request, if it can stand in a log line.
fn sent_id(headers: &HeaderMap) -> Option<HeaderValue> {
    let id = headers.get(&REQUEST_ID)?;
    let is_sane =
        (1..=MAX_ID_BYTES).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic);
    is_sane.then(|| id.clone())
}

fn new_id() -> HeaderValue {
    let id = Uuid::new_v4().to_string();
    // Hexadecimal digits and dashes always fit.
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Wraps the handling of every request.
pub async fn observe(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let caller = Caller::new(&request);
    let id = caller.request_id.clone();
    let path = request.extensions().get::<MatchedPath>();
    let route = path.map_or("other", MatchedPath::as_str).to_owned();
    let method = method_name(request.method());
    // An error's level, so that lines keep their context whatever FAAS_LOG leaves out.
    let span = tracing::error_span!("request", request_id = caller.request_id(), method, route);
    continue_trace(&span, request.headers());
    request.extensions_mut().insert(caller);
    let mut end = End {
        service,
        began: Instant::now(),
        route,
        method,
        code: HUNG_UP,
        span: span.clone(),
    };
    let mut response = next.run(request).instrument(span).await;
    end.code = response.status().as_u16();
    response.headers_mut().insert(REQUEST_ID, id);
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
    service: Arc<Service>,
    began: Instant,
    route: String,
    method: &'static str,
    code: u16,
    span: Span,
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
        let metrics = &self.service.metrics;
        metrics.answered(route, method, *code, duration);
        let duration_ms = duration.as_micros() as f64 / 1000.0;
        let _in_span = self.span.enter();
        if QUIET_ROUTES.contains(&route.as_str()) {
            tracing::debug!(status = code, duration_ms, "answered");
        } else {
            tracing::info!(status = code, duration_ms, "answered");
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn taken_over(id: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, HeaderValue::from_bytes(id).unwrap());
        sent_id(&headers).is_some()
    }

    #[test]
    fn only_ids_that_can_stand_in_a_log_line_are_taken_over() {
        assert!(taken_over(b"a"));
        assert!(taken_over(b"7f3c/x=1:\"~"));
        assert!(taken_over(&[b'x'; 128]));
        assert!(!taken_over(&[b'x'; 129]));
        for wrong in [&b""[..], b"a b", b"a\tb", b"\xff", "é".as_bytes()] {
            assert!(!taken_over(wrong), "{wrong:?}");
        }
    }
}
