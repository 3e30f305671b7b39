//! Who may: clients send a key to the routes that open sandboxes, and what those answered to the sandboxes.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::extract::Path;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use faas_pool::SessionId;
use faas_pool::SessionInfo;

use super::sandboxes::Sandbox;
use super::sandboxes::Sandboxes;
use super::words::Refusal;
use super::words::no_sandbox;
use super::words::no_sandbox_inside;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::auth::is_token;
use crate::api::auth::shows_token;
use crate::api::caller::Caller;

const API_KEY: &str = "x-api-key";
/// Names the sandbox that a request is for.
pub const SANDBOX_ID: &str = "e2b-sandbox-id";
/// Where clients send a sandbox's access token: to envd, and to the interpreter.
const ACCESS_TOKENS: [&str; 2] = ["x-access-token", "e2b-traffic-access-token"];

/// A caller who may open sandboxes: it showed a token as its key, or as everywhere; or the service has none.
pub struct Client {
    pub caller: Caller,
    pub sandboxes: Arc<Sandboxes>,
    pub state: Arc<AppState>,
}

impl FromRequestParts<Arc<AppState>> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if state.settings.needs_token() && !shows_key(&parts.headers, &caller, state) {
            return Err(Refusal::from(ApiError::unauthorized(
                "This service needs a token; give it to the client as its API key (E2B_API_KEY)",
            )));
        }
        Ok(Self {
            caller,
            sandboxes: sandboxes_of(parts)?,
            state: state.clone(),
        })
    }
}

impl Client {
    /// A caller's sandbox, by its id.
    ///
    /// # Errors
    /// 404 if there is none, or it is another's.
    pub fn find(&self, id: &str) -> Result<(Arc<Sandbox>, SessionInfo), ApiError> {
        let id = SessionId::parse(id);
        let found = id.and_then(|id| self.sandboxes.find(&id, &self.state.pool));
        let own = found.filter(|(sandbox, _)| sandbox.owner == *self.caller.owner());
        own.ok_or_else(no_sandbox)
    }
}

/// The id in a path.
pub struct Id(pub String);

impl FromRequestParts<Arc<AppState>> for Id {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Refusal> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(id)) => Ok(Self(id)),
            Err(_) => Err(Refusal::from(ApiError::not_found(
                "There is nothing of that id",
                "Ids are made of letters, digits and dashes",
            ))),
        }
    }
}

/// Those of this service, which its routes have with them.
fn sandboxes_of(parts: &Parts) -> Result<Arc<Sandboxes>, ApiError> {
    let sandboxes = parts.extensions.get::<Arc<Sandboxes>>().cloned();
    sandboxes.ok_or_else(|| ApiError::failed("There are no sandboxes"))
}

/// A sandbox, and its user: its owner as far as what it runs goes.
pub struct Entered {
    pub sandbox: Arc<Sandbox>,
    pub caller: Caller,
}

impl FromRequestParts<Arc<AppState>> for Entered {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &Arc<AppState>) -> Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, state).await?;
        let sandboxes = sandboxes_of(parts)?;
        let sandbox = enter(&parts.headers, &caller, &sandboxes, state)?;
        Ok(Self { sandbox, caller })
    }
}

/// The sandbox that a request is for.
///
/// # Errors
/// 401 for the wrong access token; 502 if it is gone, paused, or somebody else's.
pub fn enter(
    headers: &HeaderMap,
    caller: &Caller,
    sandboxes: &Sandboxes,
    state: &AppState,
) -> Result<Arc<Sandbox>, ApiError> {
    let id = headers.get(SANDBOX_ID).and_then(|id| id.to_str().ok());
    let id = id.ok_or_else(|| {
        no_sandbox_inside(
            "Send its id in the header E2b-Sandbox-Id, as clients do with E2B_SANDBOX_URL",
        )
    })?;
    let found = SessionId::parse(id).and_then(|id| sandboxes.find(&id, &state.pool));
    let gone = || {
        no_sandbox_inside(
            "It was killed, its timeout is over, or nobody used it for FAAS_SESSION_TIMEOUT; create another",
        )
    };
    let (sandbox, _) = found.ok_or_else(gone)?;
    // Its token may be good no more.
    if state.settings.needs_token() && !state.tokens.know(&sandbox.owner) {
        return Err(gone());
    }
    let shown = ACCESS_TOKENS.map(|name| headers.get(name));
    let is_shown = |token: &[u8]| sandbox.has_access_token(token);
    if shown
        .iter()
        .flatten()
        .any(|token| is_shown(token.as_bytes()))
    {
        caller.showed_token_of(sandbox.owner.clone(), sandbox.weight);
    } else if state.settings.needs_token() {
        if !shows_key(headers, caller, state) {
            return Err(ApiError::unauthorized(
                "Send the sandbox's access token, as clients do that opened it or are connected to it",
            ));
        }
        if *caller.owner() != sandbox.owner {
            return Err(gone());
        }
    }
    if sandbox.is_paused() {
        return Err(no_sandbox_inside(
            "It is paused: connect to it, which resumes it",
        ));
    }
    // Using one of its contexts keeps all of it.
    let used = state.pool.use_session(&sandbox.id, &sandbox.owner);
    used.map_err(|_| gone())?;
    Ok(sandbox)
}

/// Whether these are the headers of a request with a right token.
fn shows_key(headers: &HeaderMap, caller: &Caller, state: &AppState) -> bool {
    let key = headers.get(API_KEY);
    key.is_some_and(|key| is_token(key.as_bytes(), caller, state))
        || shows_token(headers, caller, state)
}
