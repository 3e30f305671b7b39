//! The session that a call's program is a cell of: a model goes on in one by its handle, or begins one.

use std::sync::Arc;

use faas_pool::NoSession;
use faas_pool::SessionId;
use faas_protocol::Language;
use faas_protocol::Owner;
use rmcp::model::JsonObject;
use serde_json::Value;
use serde_json::json;

use super::tools::BEGIN;
use super::tools::Kind;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::caller::Caller;
use crate::api::request;
use crate::api::sessions;

/// The session of a call.
pub struct Session {
    pub id: SessionId,
    /// Whether it was begun for this call and nobody knows its handle yet: then dropping this ends it.
    is_unknown: bool,
    owner: Owner,
    state: Arc<AppState>,
}

impl Session {
    /// The session that the arguments of a call name, which then have its id; `None` if they name none. It is begun
    /// if they want a new one, with the packages that they ask for. `share` is what the message holds.
    ///
    /// # Errors
    /// What the model should send instead.
    pub async fn of(
        arguments: &mut JsonObject,
        kind: Kind,
        share: Share,
        caller: &Caller,
        state: &Arc<AppState>,
    ) -> Result<Option<Self>, ApiError> {
        let wanted = arguments.remove("session");
        // Some models fill in what they leave out.
        let wanted = wanted.filter(|wanted| !wanted.is_null() && wanted != "");
        let (Some(wanted), Some(language)) = (wanted, kind.language()) else {
            return Ok(None);
        };
        let (id, is_unknown) = if wanted == BEGIN {
            let packages = arguments.remove("packages");
            let id = begin(language, packages, share, caller, state).await?;
            (id, true)
        } else {
            let id = wanted.as_str().and_then(SessionId::parse);
            let id = id.ok_or_else(no_handle)?;
            go_on(&id, language, arguments, caller, state)?;
            (id, false)
        };
        arguments.insert("session".to_owned(), id.as_str().into());
        Ok(Some(Self {
            id,
            is_unknown,
            owner: caller.owner().clone(),
            state: state.clone(),
        }))
    }

    /// Notes that the answer has its handle.
    pub fn told(&mut self) {
        self.is_unknown = false;
    }

    /// The error of a call, in a model's words if there is no such session.
    pub fn error(&self, error: ApiError) -> ApiError {
        match self.state.pool.session(&self.id, &self.owner) {
            Err(gone) => no_session(gone),
            Ok(_) => error,
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_unknown {
            let _ = self.state.pool.delete_session(&self.id, &self.owner);
        }
    }
}

async fn begin(
    language: Language,
    packages: Option<Value>,
    share: Share,
    caller: &Caller,
    state: &AppState,
) -> Result<SessionId, ApiError> {
    let mut wanted = json!({ "language": language.name() });
    if let Some(packages) = packages {
        wanted["packages"] = packages;
    }
    let body = request::Body::of(wanted.to_string().into_bytes(), share, state)?;
    let (session, _share) = request::parse_new_session(body, caller, &state.settings)?;
    let opened = sessions::open_one(session, state).await;
    opened.map(|session| session.id).map_err(|error| {
        if error.status() != axum::http::StatusCode::TOO_MANY_REQUESTS {
            return error;
        }
        ApiError::too_many(format!(
            "No session can be begun now, {}. Go on in one that you have, by its handle, or leave `session` out",
            error.details()
        ))
    })
}

/// Checks that a session can be gone on in. Packages that it began with may be named again.
fn go_on(
    id: &SessionId,
    language: Language,
    arguments: &mut JsonObject,
    caller: &Caller,
    state: &AppState,
) -> Result<(), ApiError> {
    let session = state.pool.session(id, caller.owner());
    let session = session.map_err(no_session)?;
    if session.language.runtime() != language.runtime() {
        let tools = [Kind::RunPython, Kind::RunJavaScript];
        let of_runtime = |tool: &Kind| {
            let language = tool.language();
            language.is_some_and(|language| language.runtime() == session.language.runtime())
        };
        let tool = tools.into_iter().find(of_runtime).map_or("", Kind::name);
        return Err(ApiError::bad_request(
            "The session is of another language",
            format!("Its calls are those of {tool}"),
        ));
    }
    let there = session.packages.requirements();
    match arguments.get("packages") {
        Some(Value::Array(wanted)) if wanted.iter().all(|one| there.iter().any(|it| one == it)) => {
            arguments.remove("packages");
            Ok(())
        }
        Some(_) => Err(ApiError::bad_request(
            "A session that goes on takes no `packages`",
            "Leave them out, and begin `code` with the line: %pip install NAME",
        )),
        None => Ok(()),
    }
}

fn no_handle() -> ApiError {
    ApiError::bad_request(
        "Invalid argument 'session'",
        format!(
            "Send \"{BEGIN}\" to begin a session, the handle (sess-…) that its answer had to go on in it, or leave it out"
        ),
    )
}

fn no_session(error: NoSession) -> ApiError {
    let again = format!(
        "its variables are lost. Send \"{BEGIN}\" as `session` to begin another, and run again what the program needs"
    );
    match error {
        NoSession::Unknown => ApiError::not_found(
            "There is no session of this handle",
            format!("Copy it from the answer that began it; if that was this one, {again}"),
        ),
        NoSession::Gone(end) => {
            let why = sessions::why_gone(end);
            ApiError::gone(
                "The session is gone",
                format!("It ended because {why}; {again}"),
            )
        }
        elsewhere @ NoSession::Elsewhere(_) => elsewhere.into(),
    }
}
