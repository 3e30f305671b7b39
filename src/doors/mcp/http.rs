//! MCP over HTTP: `POST /mcp`, one message at a time, without sessions.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use http_body_util::Full;
use rmcp::transport::StreamableHttpServerConfig;
use rmcp::transport::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;

use super::handler::Mcp;
use super::size::MOST_VALUES;
use super::size::values;
use super::within::Within;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::request;

type Service = StreamableHttpService<Mcp, NeverSessionManager>;

/// The route of this door.
pub fn routes(state: &Arc<AppState>) -> Router<Arc<AppState>> {
    let handler = Mcp::new(state.clone());
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        // `browsers` has looked at Host and Origin.
        .disable_allowed_hosts()
        .with_max_request_body_bytes(state.settings.max_body_bytes.as_usize());
    let sessions = Arc::new(NeverSessionManager::default());
    let service = Service::new(move || Ok(handler.clone()), sessions, config);
    let serve = move |State(state): State<Arc<AppState>>, request: Request| {
        let service = service.clone();
        async move { serve(&service, &state, request).await }
    };
    Router::new().route("/mcp", post(serve))
}

async fn serve(
    service: &Service,
    state: &AppState,
    request: Request,
) -> Result<Response, ApiError> {
    state.refuse_if_draining()?;
    let (head, body) = request.into_parts();
    let whole = Request::from_parts(head.clone(), body);
    let (bytes, share) = request::read_body(whole, state).await?.into_parts();
    if values(&bytes) > MOST_VALUES {
        return Err(ApiError::bad_request(
            "The message has too many values",
            format!(
                "At most {MOST_VALUES} lists, objects and members are accepted; put data into a file of the call"
            ),
        ));
    }
    let within = Within::default();
    within.hold_message(share);
    let mut request = Request::from_parts(head, Full::new(Bytes::from(bytes)));
    request.extensions_mut().insert(within.clone());
    let (head, body) = service.handle(request).await.into_parts();
    let body = if http_body::Body::size_hint(&body).exact().is_some() {
        let bytes = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        Body::from(Bytes::from_owner(Held {
            bytes,
            _within: within,
        }))
    } else {
        let pieces = body.into_data_stream().inspect(move |_| {
            let _lives_as_long = &within;
        });
        Body::from_stream(pieces)
    };
    Ok(Response::from_parts(head, body))
}

/// The bytes of an answer, and what they hold.
struct Held {
    bytes: Bytes,
    _within: Within,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
