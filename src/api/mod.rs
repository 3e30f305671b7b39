//! The HTTP API: routes, wire types, errors.

mod accept;
mod answer;
pub mod auth;
mod batch;
pub mod bounded;
mod browsers;
mod budget;
pub mod caller;
pub mod check_code;
pub mod client;
mod connection;
mod continuations;
mod error;
mod exchange;
pub mod execute;
mod executions;
pub mod files;
pub mod follow;
pub mod health;
mod idempotency;
mod jobs;
mod limits;
mod load_report;
mod metrics;
mod ndjson;
mod observe;
mod openapi;
mod playground;
mod ready;
mod record;
pub mod request;
pub mod response;
mod run_code;
mod server;
pub mod sessions;
mod snapshots;
mod state;
pub mod stream;
mod tokens;
mod tools;
mod unread;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::middleware;
use axum::routing::MethodRouter;
use axum::routing::get;
use axum::routing::post;

pub use answer::Answer;
pub use answer::no_room;
pub use budget::Share;
pub use error::ApiError;
pub use jobs::run_jobs;
pub use server::serve;
pub use state::AppState;

/// Routes of other protocols.
pub struct Doors {
    /// Answers `GET /health`; a door may answer requests that name its sandbox.
    pub health: MethodRouter<Arc<AppState>>,
    /// Those that want the token, as the service's own do.
    pub behind_token: Router<Arc<AppState>>,
    /// Those whose clients cannot send it, or send it otherwise: their handlers look at who sends a request.
    pub with_own_check: Router<Arc<AppState>>,
}

/// All routes, with those of the doors.
pub fn router(state: Arc<AppState>, doors: Doors) -> Router {
    observe::expect_answers(&state.metrics, &state.settings.doors);
    let page = if state.settings.playground {
        playground::routes()
    } else {
        Router::new()
    };
    Router::new()
        .route("/run_code", post(run_code::run_code))
        .route("/run_code/continue", post(tools::go_on))
        .route("/tools/describe", post(tools::describe_tools))
        .route("/run_batch", post(batch::run_batch))
        .route("/check_code", post(check_code::check_code))
        .route("/health", doors.health)
        .route("/ready", get(ready::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/executions", get(executions::list))
        .route("/executions/{task_id}", get(executions::find))
        .route("/snapshots", get(snapshots::list))
        .route(
            "/snapshots/{id}",
            get(snapshots::get).delete(snapshots::delete),
        )
        .route("/sessions", get(sessions::list).post(sessions::open))
        .route(
            "/sessions/{id}",
            get(sessions::get).delete(sessions::delete),
        )
        .route("/sessions/{id}/fork", post(sessions::fork))
        .route("/sessions/{id}/undo", post(sessions::undo))
        .route("/sessions/{id}/restart", post(sessions::restart))
        .route("/sessions/{id}/interrupt", post(sessions::interrupt))
        .route("/sessions/{id}/variables", get(sessions::variables))
        .route("/sessions/{id}/files", get(sessions::files))
        .route(
            "/sessions/{id}/files/{*path}",
            get(sessions::read_file)
                .put(sessions::put_file)
                .delete(sessions::delete_file),
        )
        .route("/jobs", get(jobs::list).post(jobs::submit))
        .route("/jobs/{id}", get(jobs::find).delete(jobs::delete))
        .route("/jobs/{id}/results", get(jobs::results))
        .route("/openapi.json", get(openapi::openapi))
        .merge(doors.behind_token)
        .fallback(async || ApiError::no_route())
        .method_not_allowed_fallback(async || ApiError::wrong_method())
        .layer(middleware::from_fn_with_state(
            state.clone(),
            auth::authorize,
        ))
        // The page holds no secret, and is where a person types the token.
        .merge(page.method_not_allowed_fallback(async || ApiError::wrong_method()))
        .merge(doors.with_own_check)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            browsers::refuse_strangers,
        ))
        .layer(middleware::from_fn(unread::close_if_unread))
        .layer(middleware::from_fn(client::note_wait))
        .layer(middleware::from_fn_with_state(
            state.clone(),
            observe::observe,
        ))
        .with_state(state)
}
