//! Contexts: each is a session. The interpreter's routes for them.

use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::StatusCode;
use faas_protocol::Language;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;

use super::access::Entered;
use super::access::Id;
use super::paths::HOME;
use super::sandboxes::Context;
use super::sandboxes::Sandbox;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::request;
use crate::doors::ours;

/// A context, as clients know it.
#[derive(Debug, Serialize)]
pub struct ContextBody {
    id: String,
    language: &'static str,
    cwd: &'static str,
}

impl From<Context> for ContextBody {
    fn from(context: Context) -> Self {
        Self {
            id: context.session.to_string(),
            language: context.language.name(),
            cwd: HOME,
        }
    }
}

#[derive(Deserialize)]
struct NewContext<'a> {
    #[serde(borrow)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    cwd: Option<&'a RawValue>,
}

/// The language of a sandbox's default context: Python, if the service has it.
pub fn default_language(state: &AppState) -> Language {
    let mut languages = state.settings.languages();
    languages.next().unwrap_or(Language::DEFAULT)
}

/// A language by the name that a request gives.
///
/// # Errors
/// 400 with those that there are.
pub fn language(field: Option<&RawValue>, state: &AppState) -> Result<Option<Language>, ApiError> {
    let Some(name) = ours::text("language", field)? else {
        return Ok(None);
    };
    let language = Language::from_name(&name).filter(|one| state.settings.serves(*one));
    language.map(Some).ok_or_else(|| {
        let name: String = name.chars().take(64).collect();
        let known: Vec<_> = state.settings.languages().map(Language::name).collect();
        ApiError::bad_request(
            format!("There is no language \"{name}\" here"),
            format!("Those that there are: {}", known.join(", ")),
        )
    })
}

/// Opens one more context of a sandbox, which ends when the sandbox does.
///
/// # Errors
/// As [`ours::open_session`].
async fn open(
    language: Language,
    is_default: bool,
    Entered { sandbox, caller }: &Entered,
    state: &AppState,
) -> Result<Context, ApiError> {
    let session = ours::open_session(language, caller, state).await?;
    let context = Context {
        session: session.id,
        language,
        is_default,
    };
    if let Err(same) = sandbox.add_context(context.clone(), &state.pool) {
        // Another request was quicker.
        let _ = state.pool.delete_session(&context.session, &sandbox.owner);
        return Ok(same);
    }
    let ended = state
        .pool
        .session(&sandbox.id, &sandbox.owner)
        .and_then(|of_sandbox| {
            let left = of_sandbox.ends.duration_since(SystemTime::now());
            let left = left.unwrap_or_default();
            state
                .pool
                .end_session_after(&context.session, &sandbox.owner, left)
        });
    if let Err(gone) = ended {
        // The sandbox was killed meanwhile.
        sandbox.forget_context(&context.session);
        let _ = state.pool.delete_session(&context.session, &sandbox.owner);
        return Err(gone.into());
    }
    Ok(context)
}

/// The context in which cells of a language run that name none; it is opened if there is none yet.
///
/// # Errors
/// As [`ours::open_session`].
pub async fn default_context(
    language: Language,
    entered: &Entered,
    state: &AppState,
) -> Result<Context, ApiError> {
    let sandbox = &entered.sandbox;
    if let Some(context) = sandbox.default_context(language) {
        if state.pool.session(&context.session, &sandbox.owner).is_ok() {
            return Ok(context);
        }
        sandbox.forget_context(&context.session);
    }
    open(language, true, entered, state).await
}

/// A context by its id.
///
/// # Errors
/// 404.
pub fn find(id: &str, sandbox: &Sandbox) -> Result<Context, ApiError> {
    let mut contexts = sandbox.contexts().into_iter();
    let found = contexts.find(|one| one.session.as_str() == id);
    found.ok_or_else(no_context)
}

/// 404.
pub fn no_context() -> ApiError {
    ApiError::not_found(
        "There is no such context",
        "It was removed, or nobody used it for FAAS_SESSION_TIMEOUT; GET /contexts lists those that there are",
    )
}

pub async fn create(
    State(state): State<Arc<AppState>>,
    entered: Entered,
    request: Request,
) -> Result<(StatusCode, Json<ContextBody>), Refusal> {
    let (body, _share) = ours::read(request, &state).await?;
    let raw: NewContext = request::parse_body(&body)?;
    let language = language(raw.language, &state)?;
    let cwd = ours::text("cwd", raw.cwd)?;
    if cwd.is_some_and(|cwd| cwd.trim_end_matches('/') != HOME) {
        return Err(Refusal::from(ApiError::bad_request(
            "There is no such working directory",
            format!("All contexts begin in {HOME}; have a cell call os.chdir"),
        )));
    }
    let language = language.unwrap_or_else(|| default_language(&state));
    let context = open(language, false, &entered, &state).await?;
    Ok((StatusCode::CREATED, Json(context.into())))
}

/// Those that live.
pub async fn list(State(state): State<Arc<AppState>>, entered: Entered) -> Json<Vec<ContextBody>> {
    let sandbox = &entered.sandbox;
    let alive = |one: &Context| state.pool.session(&one.session, &sandbox.owner).is_ok();
    let contexts = sandbox.contexts().into_iter().filter(alive);
    Json(contexts.map(Into::into).collect())
}

/// Lets a context begin again. The cell that runs is interrupted.
pub async fn restart(
    State(state): State<Arc<AppState>>,
    entered: Entered,
    Id(id): Id,
) -> Result<StatusCode, Refusal> {
    state.refuse_if_draining()?;
    let sandbox = &entered.sandbox;
    let context = find(&id, sandbox)?;
    let (pool, owner) = (&state.pool, &sandbox.owner);
    pool.interrupt_session(&context.session, owner)
        .map_err(|_| no_context())?;
    let restarted = pool.restart_session(&context.session, owner).await;
    restarted.map_err(ApiError::from)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a context. The default one is the sandbox itself.
pub async fn remove(
    State(state): State<Arc<AppState>>,
    entered: Entered,
    Id(id): Id,
) -> Result<StatusCode, Refusal> {
    let sandbox = &entered.sandbox;
    let context = find(&id, sandbox)?;
    if context.session == sandbox.id {
        return Err(Refusal::from(ApiError::conflict(
            "The default context cannot be removed",
            "Restart it, or kill the sandbox",
        )));
    }
    sandbox.forget_context(&context.session);
    let _ = state.pool.delete_session(&context.session, &sandbox.owner);
    Ok(StatusCode::NO_CONTENT)
}
