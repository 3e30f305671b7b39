//! Its routes.

use std::sync::Arc;

use axum::Extension;
use axum::Router;
use axum::extract::Path;
use axum::extract::RawQuery;
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
use super::access::Client;
use super::access::Entered;
use super::cell;
use super::connect;
use super::contexts;
use super::control;
use super::files;
use super::filesystem;
use super::process;
use super::sandboxes::Sandboxes;
use super::words::in_words;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::caller::Caller;
use crate::api::client::Client as Connection;

type Shared = State<Arc<AppState>>;
type All = Extension<Arc<Sandboxes>>;

/// The routes of this door. Clients send the token in a header of E2B's, and to sandboxes what those answered.
pub fn routes(sandboxes: Arc<Sandboxes>) -> Router<Arc<AppState>> {
    let list_and_create = || get(list).post(create).fallback(unknown);
    Router::new()
        .route("/sandboxes", list_and_create())
        .route("/v2/sandboxes", list_and_create())
        .route(
            "/sandboxes/{id}",
            get(find).delete(remove).fallback(unknown),
        )
        .route(
            "/sandboxes/{id}/timeout",
            post(set_timeout).fallback(unknown),
        )
        .route("/sandboxes/{id}/connect", post(connect).fallback(unknown))
        .route("/sandboxes/{id}/resume", post(connect).fallback(unknown))
        .route(
            "/v2/sandboxes/{id}/connect",
            post(connect).fallback(unknown),
        )
        .route("/sandboxes/{id}/pause", post(pause).fallback(unknown))
        .route("/sandboxes/{id}/fork", post(fork).fallback(unknown))
        .route("/sandboxes/{id}/metrics", any(not_here))
        .route("/sandboxes/{id}/snapshots", any(not_here))
        .route("/sandboxes/{id}/network", any(not_here))
        .route("/sandboxes/{id}/{*rest}", any(unknown))
        .route("/v2/sandboxes/{id}/{*rest}", any(unknown))
        .route("/execute", post(execute).fallback(unknown))
        .route(
            "/contexts",
            get(contexts::list).post(create_context).fallback(unknown),
        )
        .route("/contexts/{id}", delete(remove_context).fallback(unknown))
        .route(
            "/contexts/{id}/restart",
            post(restart_context).fallback(unknown),
        )
        .route("/contexts/{id}/{*rest}", any(unknown))
        .route("/files", get(read_file).post(write_file).fallback(unknown))
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
                    Err(error) => in_words(error),
                }
            }
        },
    ))
}

async fn unknown() -> Response {
    in_words(ApiError::not_found(
        "Not found",
        "The routes of this door are GET and POST /v2/sandboxes (or /sandboxes), GET and DELETE /sandboxes/{id}, \
         POST /sandboxes/{id}/timeout, /connect, /pause and /fork, and with the header E2b-Sandbox-Id POST /execute, \
         GET and POST /contexts, DELETE /contexts/{id}, POST /contexts/{id}/restart, GET and POST /files, GET /health, \
         and the calls of filesystem.Filesystem and process.Process",
    ))
}

async fn not_here() -> Response {
    in_words(ApiError::not_here(
        "That is not there",
        "Sandboxes have no metrics, snapshots or network of their own; fork one to keep what it is",
    ))
}

fn answer(answer: Result<impl IntoResponse, ApiError>) -> Response {
    answer.map_or_else(in_words, IntoResponse::into_response)
}

async fn create(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    request: Request,
) -> Response {
    answer(control::create(&state, &all, &caller, request).await)
}

async fn list(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    answer(control::list(&query, &caller, &all, &state))
}

async fn find(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    Path(id): Path<String>,
) -> Response {
    answer(control::get(&id, &caller, &all, &state))
}

async fn remove(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    Path(id): Path<String>,
) -> Response {
    answer(control::delete(&id, &caller, &all, &state))
}

async fn set_timeout(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(control::set_timeout(&id, &caller, &all, &state, request).await)
}

async fn connect(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(control::connect(&id, &caller, &all, &state, request).await)
}

async fn pause(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    Path(id): Path<String>,
) -> Response {
    answer(control::pause(&id, &caller, &all, &state))
}

async fn fork(
    State(state): Shared,
    Extension(all): All,
    Client(caller): Client,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    answer(control::fork(&id, &caller, &all, &state, request).await)
}

async fn execute(
    State(state): Shared,
    entered: Entered,
    Extension(connection): Extension<Arc<Connection>>,
    request: Request,
) -> Response {
    answer(cell::execute(&state, &entered, connection, request).await)
}

async fn create_context(State(state): Shared, entered: Entered, request: Request) -> Response {
    answer(contexts::create(&state, &entered, request).await)
}

async fn remove_context(
    State(state): Shared,
    entered: Entered,
    Path(id): Path<String>,
) -> Response {
    answer(contexts::remove(&state, &entered, &id))
}

async fn restart_context(
    State(state): Shared,
    entered: Entered,
    Path(id): Path<String>,
) -> Response {
    answer(contexts::restart(&state, &entered, &id).await)
}

async fn read_file(State(state): Shared, entered: Entered, RawQuery(query): RawQuery) -> Response {
    answer(files::read(&state, &entered, &query.unwrap_or_default()).await)
}

async fn write_file(
    State(state): Shared,
    entered: Entered,
    RawQuery(query): RawQuery,
    request: Request,
) -> Response {
    answer(files::write(&state, &entered, &query.unwrap_or_default(), request).await)
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
