//! The routes that start, list and end kernels.

use std::sync::Arc;

use axum::Extension;
use axum::Json;
use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

use super::kernels::Doing;
use super::kernels::Kernel;
use super::kernels::Kernels;
use super::message::Channel;
use super::outgoing::Outgoing;
use super::specs;
use super::specs::Spec;
use super::words::Refusal;
use super::words::no_kernel;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::caller::Caller;
use crate::api::request;
use crate::doors::ours;

/// Variables of an environment, with their values.
type Environment = Vec<(String, String)>;

/// Of the API that clients know these routes from.
const API_VERSION: &str = "2.0.0";

type Shared = State<Arc<AppState>>;
type All = Extension<Arc<Kernels>>;

// A `path` is one of the client's own files.
#[derive(Deserialize)]
struct NewKernel<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    env: Option<&'a RawValue>,
}

/// The kernel that a path names: one of the caller's that lives.
pub struct Named(pub Arc<Kernel>);

impl FromRequestParts<Arc<AppState>> for Named {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let kernels = parts.extensions.get::<Arc<Kernels>>().cloned();
        let id = Path::<String>::from_request_parts(parts, state).await;
        let found = id
            .ok()
            .and_then(|Path(id)| kernels?.find(&id, caller.owner(), &state.pool));
        found.map(Self).ok_or_else(|| Refusal::from(no_kernel()))
    }
}

pub async fn version() -> Json<Value> {
    Json(json!({ "version": API_VERSION }))
}

pub async fn specs(State(state): Shared) -> Json<Value> {
    Json(specs::all(&state))
}

pub async fn spec(State(state): Shared, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    Ok(Json(Spec::find(Some(&name), &state)?.body()))
}

pub async fn list(State(state): Shared, Extension(kernels): All, caller: Caller) -> Json<Value> {
    let own = kernels.of(caller.owner(), &state.pool);
    Json(own.iter().map(|kernel| kernel.body()).collect())
}

/// Starts a kernel: opens a session.
pub async fn start(
    State(state): Shared,
    Extension(kernels): All,
    caller: Caller,
    request: Request,
) -> Result<Response, Refusal> {
    let (body, _share) = ours::read(request, &state).await?;
    let (spec, environment) = parse(&body, &state)?;
    let session = ours::open_session(spec.language, &caller, &state).await?;
    let owner = caller.owner().clone();
    let kernel = Kernel::new(session.id, owner, spec, environment);
    let kernel = kernels.add(kernel, &state.pool);
    let location = [(header::LOCATION, format!("/api/kernels/{}", kernel.id))];
    Ok((StatusCode::CREATED, location, Json(kernel.body())).into_response())
}

/// What kernel is wanted. Some clients send no body.
fn parse(body: &[u8], state: &AppState) -> Result<(&'static Spec, Environment), ApiError> {
    let body = match body.trim_ascii() {
        b"" | b"null" => b"{}",
        body => body,
    };
    let raw: NewKernel = request::parse_body(body)?;
    let name = raw.name.filter(|name| bounded::kind(name) != Kind::Null);
    let name = ours::text("name", name)?;
    let spec = Spec::find(name.as_deref(), state)?;
    let environment = raw.env.filter(|env| bounded::kind(env) != Kind::Null);
    Ok((spec, ours::parse_environment("env", environment)?))
}

pub async fn find(Named(kernel): Named) -> Json<Value> {
    Json(kernel.body())
}

pub async fn end(State(state): Shared, Named(kernel): Named) -> Result<StatusCode, Refusal> {
    end_kernel(&kernel, &state).await.map_err(Refusal::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a kernel; those that are connected are told, and their connections end.
///
/// # Errors
/// 404 if it is gone.
pub async fn end_kernel(kernel: &Kernel, state: &AppState) -> Result<(), ApiError> {
    let deleted = state.pool.delete_session(&kernel.session, &kernel.owner);
    deleted.map_err(|_| no_kernel())?;
    say_dead(kernel).await;
    Ok(())
}

pub async fn interrupt(State(state): Shared, Named(kernel): Named) -> Result<StatusCode, Refusal> {
    let interrupted = state.pool.interrupt_session(&kernel.session, &kernel.owner);
    interrupted.map_err(|_| Refusal::from(no_kernel()))?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn restart(State(state): Shared, Named(kernel): Named) -> Result<Json<Value>, Refusal> {
    restart_kernel(&kernel, &state).await?;
    Ok(Json(kernel.body()))
}

/// Lets a kernel begin again. The cell that runs is interrupted.
///
/// # Errors
/// 404 if it is gone.
pub async fn restart_kernel(kernel: &Kernel, state: &AppState) -> Result<(), ApiError> {
    state.refuse_if_draining()?;
    let (session, owner) = (&kernel.session, &kernel.owner);
    let interrupted = state.pool.interrupt_session(session, owner);
    interrupted.map_err(|_| no_kernel())?;
    tell(kernel, Doing::Restarting).await;
    state.pool.restart_session(session, owner).await?;
    tell(kernel, Doing::Idle).await;
    Ok(())
}

/// Tells all that are connected that a kernel is gone, and ends their connections.
pub async fn say_dead(kernel: &Kernel) {
    tell(kernel, Doing::Dead).await;
    kernel.disconnect_all();
}

/// Tells all that are connected what a kernel does, by itself.
pub async fn tell(kernel: &Kernel, doing: Doing) {
    let content = json!({ "execution_state": doing.name() });
    let (session, none) = (kernel.session.as_str(), "{}".into());
    let message = Outgoing::new(Channel::Iopub, "status", session, none, &content);
    kernel.tell_all(message, None).await;
}
