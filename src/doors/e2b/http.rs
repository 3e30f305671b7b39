//! Its routes.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::middleware;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::MethodRouter;
use axum::routing::any;
use axum::routing::delete;
use axum::routing::get;
use axum::routing::post;

use super::access;
use super::access::Entered;
use super::cell;
use super::connect;
use super::contexts;
use super::control;
use super::files;
use super::filesystem;
use super::process;
use super::sandboxes::Sandboxes;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::caller::Caller;
use crate::api::client::Client as Connection;

type Shared = State<Arc<AppState>>;

/// The routes of this door. Clients send the token in a header of E2B's, and to sandboxes what those answered.
pub fn routes(sandboxes: Arc<Sandboxes>) -> Router<Arc<AppState>> {
    let list_and_create = || get(control::list).post(control::create).fallback(unknown);
    Router::new()
        .route("/sandboxes", list_and_create())
        .route("/v2/sandboxes", list_and_create())
        .route(
            "/sandboxes/{id}",
            get(control::find).delete(control::remove).fallback(unknown),
        )
        .route(
            "/sandboxes/{id}/timeout",
            post(control::set_timeout).fallback(unknown),
        )
        .route(
            "/sandboxes/{id}/connect",
            post(control::connect).fallback(unknown),
        )
        .route(
            "/sandboxes/{id}/resume",
            post(control::connect).fallback(unknown),
        )
        .route(
            "/v2/sandboxes/{id}/connect",
            post(control::connect).fallback(unknown),
        )
        .route(
            "/sandboxes/{id}/pause",
            post(control::pause).fallback(unknown),
        )
        .route(
            "/sandboxes/{id}/fork",
            post(control::fork).fallback(unknown),
        )
        .route("/sandboxes/{id}/metrics", any(not_here))
        .route("/sandboxes/{id}/snapshots", any(not_here))
        .route("/sandboxes/{id}/network", any(not_here))
        .route("/sandboxes/{id}/{*rest}", any(unknown))
        .route("/v2/sandboxes/{id}/{*rest}", any(unknown))
        .route("/execute", post(cell::execute).fallback(unknown))
        .route(
            "/contexts",
            get(contexts::list).post(contexts::create).fallback(unknown),
        )
        .route("/contexts/{id}", delete(contexts::remove).fallback(unknown))
        .route(
            "/contexts/{id}/restart",
            post(contexts::restart).fallback(unknown),
        )
        .route("/contexts/{id}/{*rest}", any(unknown))
        .route(
            "/files",
            get(files::read).post(files::write).fallback(unknown),
        )
        .route("/filesystem.Filesystem/{method}", post(call_filesystem))
        .route("/process.Process/Start", post(start_process))
        .route("/process.Process/{method}", post(call_process))
        .layer(Extension(sandboxes))
}

/// `GET /health`, which clients ask whether a sandbox lives: told by the header that names one. All others ask about
/// the service, whose own answer that is.
pub fn health(
    own: MethodRouter<Arc<AppState>>,
    state: &Arc<AppState>,
    sandboxes: Arc<Sandboxes>,
) -> MethodRouter<Arc<AppState>> {
    let state = state.clone();
    own.layer(middleware::from_fn(
        move |caller: Caller, request: Request, next: Next| {
            let (state, sandboxes) = (state.clone(), sandboxes.clone());
            async move {
                let headers = request.headers();
                if !headers.contains_key(access::SANDBOX_ID) {
                    return next.run(request).await;
                }
                match access::enter(headers, &caller, &sandboxes, &state) {
                    Ok(_) => StatusCode::NO_CONTENT.into_response(),
                    Err(error) => Refusal::from(error).into_response(),
                }
            }
        },
    ))
}

async fn unknown() -> Refusal {
    Refusal::from(ApiError::not_found(
        "Not found",
        "The routes of this door are GET and POST /v2/sandboxes (or /sandboxes), GET and DELETE /sandboxes/{id}, \
         POST /sandboxes/{id}/timeout, /connect, /pause and /fork, and with the header E2b-Sandbox-Id POST /execute, \
         GET and POST /contexts, DELETE /contexts/{id}, POST /contexts/{id}/restart, GET and POST /files, GET /health, \
         and the calls of filesystem.Filesystem and process.Process",
    ))
}

async fn not_here() -> Refusal {
    Refusal::from(ApiError::not_here(
        "That is not there",
        "Sandboxes have no metrics, snapshots or network of their own; fork one to keep what it is",
    ))
}

async fn call_filesystem(
    State(state): Shared,
    entered: Entered,
    Path(method): Path<String>,
    request: Request,
) -> Response {
    let headers = request.headers().clone();
    let called = filesystem::call(&method, &state, &entered, request).await;
    called.unwrap_or_else(|error| connect::in_words(error, &headers))
}

async fn call_process(_: Entered, Path(method): Path<String>, headers: HeaderMap) -> Response {
    let called = process::call(&method);
    called.unwrap_or_else(|error| connect::in_words(error, &headers))
}

async fn start_process(
    State(state): Shared,
    entered: Entered,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request,
) -> Response {
    process::start(&state, &entered, connection, request).await
}
