//! `/sessions`: states that cells of `POST /run_code` go on from, one after the other.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::Request;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use faas_pool::CannotOpen;
use faas_pool::CannotOpenSession;
use faas_pool::CellReport;
use faas_pool::NoSession;
use faas_pool::PoolError;
use faas_pool::Report;
use faas_pool::SessionId;
use faas_pool::SessionInfo;
use faas_pool::SessionRequest;
use faas_pool::Start;
use faas_protocol::FileEntry;
use faas_protocol::FileList;
use faas_protocol::Job;
use faas_protocol::JobFile;
use faas_protocol::Limit;
use faas_protocol::Status;
use faas_protocol::Task;
use faas_protocol::Tending;
use faas_protocol::Unfinished;
use faas_protocol::Variable;
use faas_protocol::VariableList;
use faas_protocol::is_file_name;
use faas_telemetry::SessionEnd;
use faas_telemetry::rfc3339;
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::answer::no_room;
use super::budget::Exhausted;
use super::budget::Share;
use super::caller::Caller;
use super::error::ApiError;
use super::request;
use super::state::AppState;
use super::words::LanguageWord;
use super::words::Named;

/// Most that is told of one variable's name, type or text, in characters.
const LONGEST_TEXT: usize = 200;
/// Most variables, and files, of one answer.
const MOST_LISTED: usize = 1000;

/// The caller's sessions, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionList {
    count: usize,
    sessions: Vec<SessionBody>,
}

/// What cells go on from, one after the other.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionBody {
    /// For `session`.
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    language: LanguageWord,
    packages: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it ends unless it is used before.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it ends in any case.
    #[schema(format = DateTime)]
    ends_at: String,
    /// How many cells its state is made of.
    cells: u64,
    /// How many of them can be undone.
    undo_steps: usize,
    /// What it takes, at most, over what others share with it.
    memory_bytes: u64,
    /// Whether a cell runs.
    running: bool,
    /// Cells that wait for their turn.
    waiting: usize,
}

/// What became of the session of a cell.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionOfCell)]
pub struct CellBody {
    id: String,
    /// The number of the cell, as in `<cell 3>` of a traceback; if the state is `unchanged`, that of the last cell that
    /// was kept.
    cell: u64,
    state: CellState,
    /// Why the session is as it was before the cell; only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    /// When it ends unless it is used before.
    #[schema(format = DateTime)]
    expires_at: String,
    /// When it ends in any case.
    #[schema(format = DateTime)]
    ends_at: String,
}

/// Whether a session has what its cell left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum CellState {
    Kept,
    Unchanged,
}

/// Whether a cell was interrupted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Interrupted {
    /// False if no cell runs.
    interrupted: bool,
}

/// The variables of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Variables)]
pub struct VariablesBody {
    variables: Vec<VariableBody>,
    /// How many more there are.
    more: u64,
}

/// A variable.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Variable)]
pub struct VariableBody {
    name: String,
    /// Of its value.
    r#type: String,
    /// In bytes, without what it refers to; null if the language does not tell.
    #[schema(required)]
    size: Option<u64>,
    /// A short text for it.
    repr: String,
}

/// The files of a session.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SessionFiles)]
pub struct FilesBody {
    files: Vec<FileOfSession>,
    /// How many more there are.
    more: u64,
}

/// A file in the working directory.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileOfSession {
    name: String,
    /// In bytes.
    size: u64,
}

impl From<SessionInfo> for SessionBody {
    fn from(info: SessionInfo) -> Self {
        Self {
            id: info.id.to_string(),
            name: info.name.map(|name| name.as_str().to_owned()),
            language: Named(info.language),
            packages: info.packages.requirements().to_vec(),
            created_at: rfc3339(info.created),
            expires_at: rfc3339(info.expires),
            ends_at: rfc3339(info.ends),
            cells: info.cells,
            undo_steps: info.undo_steps,
            memory_bytes: info.memory.get(),
            running: info.is_running,
            waiting: info.waiting,
        }
    }
}

impl From<Vec<SessionInfo>> for SessionList {
    fn from(all: Vec<SessionInfo>) -> Self {
        Self {
            count: all.len(),
            sessions: all.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<CellReport> for CellBody {
    fn from(report: CellReport) -> Self {
        let state = match &report.kept {
            Ok(()) => CellState::Kept,
            Err(_) => CellState::Unchanged,
        };
        Self {
            id: report.session.id.to_string(),
            cell: report.number,
            state,
            reason: report.kept.err(),
            expires_at: rfc3339(report.session.expires),
            ends_at: rfc3339(report.session.ends),
        }
    }
}

/// Opens a session.
///
/// # Errors
/// [`ApiError`]; 422 if what it is to begin with cannot be made.
pub async fn open(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
) -> Result<(StatusCode, Json<SessionBody>), ApiError> {
    state.refuse_if_draining()?;
    let body = request::read_body(request, &state).await?;
    let (session, _share) = request::parse_new_session(body, &caller, &state.settings)?;
    let opened = open_one(session, &state).await?;
    Ok((StatusCode::CREATED, Json(opened.into())))
}

/// Opens a session that was asked for.
///
/// # Errors
/// As [`open`].
pub async fn open_one(session: SessionRequest, state: &AppState) -> Result<SessionInfo, ApiError> {
    let opened = state.pool.open_session(session).await?;
    opened.map_err(|report: Box<Report>| {
        ApiError::refused("The session could not begin", report.stderr.trim_end())
    })
}

/// Lists the caller's sessions; with `name`, the one of that name.
///
/// # Errors
/// 400.
pub async fn list(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Json<SessionList>, ApiError> {
    let mut all = state.pool.sessions_of(caller.owner());
    for (parameter, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if parameter != "name" {
            let parameter: String = parameter.chars().take(64).collect();
            return Err(ApiError::bad_request(
                format!("Unknown parameter: {parameter}"),
                "The parameter is name",
            ));
        }
        all.retain(|one| one.name.as_ref().is_some_and(|name| name.as_str() == value));
    }
    Ok(Json(all.into()))
}

/// One session. Looking at it is no use of it.
///
/// # Errors
/// 404, or 410 if there was one.
pub async fn get(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionBody>, ApiError> {
    let found = state.pool.session(&parse(id)?, caller.owner())?;
    Ok(Json(found.into()))
}

/// Ends a session. The cell that runs is given up.
///
/// # Errors
/// As [`get`].
pub async fn delete(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, ApiError> {
    state.pool.delete_session(&parse(id)?, caller.owner())?;
    Ok(StatusCode::NO_CONTENT)
}

/// Opens further sessions that go on from where this one is.
///
/// # Errors
/// As [`open`] and [`get`].
pub async fn fork(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<(StatusCode, Json<SessionList>), ApiError> {
    state.refuse_if_draining()?;
    let id = parse(id)?;
    let body = request::read_body(request, &state).await?;
    let count = request::parse_fork(&body)?;
    let forks = state.pool.fork_session(&id, caller.owner(), count)?;
    Ok((StatusCode::CREATED, Json(forks.into())))
}

/// Goes back to what the session was before its last cells.
///
/// # Errors
/// As [`get`]; 409 if not so many can be undone.
pub async fn undo(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<SessionBody>, ApiError> {
    state.refuse_if_draining()?;
    let id = parse(id)?;
    let body = request::read_body(request, &state).await?;
    let steps = request::parse_undo(&body)?;
    let undone = state
        .pool
        .undo_in_session(&id, caller.owner(), steps)
        .await?;
    let undone = undone.map_err(|there| {
        ApiError::conflict(
            "Not so much can be undone",
            format!(
                "{there} steps can be; at most {} are kept (FAAS_SESSION_UNDO), and fewer when memory is short",
                state.pool.undo_steps()
            ),
        )
    })?;
    Ok(Json(undone.into()))
}

/// Goes back to where the session began.
///
/// # Errors
/// As [`get`].
pub async fn restart(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<SessionBody>, ApiError> {
    state.refuse_if_draining()?;
    let id = parse(id)?;
    let restarted = state.pool.restart_session(&id, caller.owner()).await?;
    Ok(Json(restarted.into()))
}

/// Interrupts the cell that runs.
///
/// # Errors
/// As [`get`].
pub async fn interrupt(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Interrupted>, ApiError> {
    let interrupted = state.pool.interrupt_session(&parse(id)?, caller.owner())?;
    Ok(Json(Interrupted { interrupted }))
}

/// Tells of the variables, which are looked at in a fork that is thrown away.
///
/// # Errors
/// As [`get`]; 422 if they cannot be looked at.
pub async fn variables(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<VariablesBody>, ApiError> {
    let report = tend(
        &state,
        &caller,
        &parse(id)?,
        Tending::Variables,
        "",
        Vec::new(),
    )
    .await?;
    let found: VariableList = parsed(&report, "The variables cannot be told")?;
    let unlisted = found.variables.len().saturating_sub(MOST_LISTED) as u64;
    let listed = found.variables.into_iter().take(MOST_LISTED);
    Ok(Json(VariablesBody {
        variables: listed.map(Into::into).collect(),
        more: found.more.saturating_add(unlisted),
    }))
}

impl From<Variable> for VariableBody {
    /// It comes from a sandbox, which may have no measure.
    fn from(variable: Variable) -> Self {
        let short = |text: String| text.chars().take(LONGEST_TEXT).collect();
        Self {
            name: short(variable.name),
            r#type: short(variable.kind),
            size: variable.size,
            repr: short(variable.repr),
        }
    }
}

/// Lists the files in the working directory.
///
/// # Errors
/// As [`variables`].
pub async fn files(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<FilesBody>, ApiError> {
    let FileList { entries, more } = entries_of(&state, &caller, &parse(id)?).await?;
    let files = entries.into_iter().filter_map(|FileEntry { name, size }| {
        let size = size?;
        Some(FileOfSession { name, size })
    });
    let mut files: Vec<_> = files.collect();
    let unlisted = files.len().saturating_sub(MOST_LISTED) as u64;
    files.truncate(MOST_LISTED);
    Ok(Json(FilesBody {
        files,
        more: more.saturating_add(unlisted),
    }))
}

/// What is in the working directory of a session, of files and of directories no more than a hostile list may have.
///
/// # Errors
/// As [`variables`].
pub async fn entries_of(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
) -> Result<FileList, ApiError> {
    let report = tend(state, caller, id, Tending::ListFiles, "", Vec::new()).await?;
    let mut found: FileList = parsed(&report, "The files cannot be listed")?;
    found.entries.retain(|entry| is_file_name(&entry.name));
    found.entries.truncate(2 * MOST_LISTED);
    Ok(found)
}

/// A file's bytes.
///
/// # Errors
/// As [`get`]; 404 if there is no such file, 413 if it is larger than files of an answer may be, 422 if it cannot be
/// read.
pub async fn read_file(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, ApiError> {
    let (id, name) = parse_path(path)?;
    hand_out(contents_of(&state, &caller, &id, &name).await?, &state)
}

/// Answers with a file's bytes.
///
/// # Errors
/// 503 if so much is waiting to be read that there is no room for it.
pub fn hand_out(bytes: Vec<u8>, state: &AppState) -> Result<Response, ApiError> {
    let mut share = state.answers.share();
    let grown = share.grow(bytes.len() as u64);
    grown.map_err(|Exhausted| no_room(state))?;
    let bytes = Bytes::from_owner(Contents {
        bytes,
        _share: share,
    });
    let kind = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((kind, bytes).into_response())
}

/// The bytes of a file of a session.
///
/// # Errors
/// As [`read_file`].
pub async fn contents_of(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
    name: &str,
) -> Result<Vec<u8>, ApiError> {
    let report = tend(state, caller, id, Tending::ReadFile, name, Vec::new()).await?;
    let is_there = report.return_value.as_deref() == Some(Tending::DONE);
    let mut files = report.files.into_iter().filter(|file| file.name == name);
    let file = files.next().filter(|_| is_there);
    file.map(|file| file.contents).ok_or_else(|| match report.status {
        Status::Success => no_file(name),
        Status::Error | Status::Exceeded(Limit::Memory) => ApiError::too_large(
            "The file cannot be handed out",
            format!(
                "It is larger than files of an answer may be, {} bytes (FAAS_MAX_FILES_BYTES), or than the memory that \
                 is left for reading it; have a cell write parts of it into other files",
                state.settings.max_files_bytes.get()
            ),
        ),
        status => ApiError::refused(
            "The file could not be read",
            format!("Reading it ended with the status {}; try again", status.name()),
        ),
    })
}

/// A file on its way to its reader; it holds its part of FAAS_ANSWER_BYTES until then.
struct Contents<T> {
    bytes: T,
    _share: Share,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Contents<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

/// Puts the request's body into a file. That can be undone as a cell can.
///
/// # Errors
/// As [`get`]; 422 if there is no room for it.
pub async fn put_file(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Result<Json<SessionBody>, ApiError> {
    state.refuse_if_draining()?;
    let (id, name) = parse_path(path)?;
    let body = request::read_body(request, &state).await?;
    let (contents, _share) = body.into_parts();
    let file = JobFile { name, contents };
    let changed = put(&state, &caller, &id, vec![file]).await?;
    Ok(Json(changed.into()))
}

/// Puts files into a session, all of them as one change. Their names are file names.
///
/// # Errors
/// As [`put_file`].
pub async fn put(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
    files: Vec<JobFile>,
) -> Result<SessionInfo, ApiError> {
    let report = tend(state, caller, id, Tending::PutFiles, "", files).await?;
    if report.return_value.as_deref() != Some(Tending::DONE) {
        return Err(ApiError::refused(
            "The file was not put",
            "There is no room for it (FAAS_MAX_STORAGE, FAAS_MEMORY_LIMIT), or a directory has its name",
        ));
    }
    changed(report)
}

/// Makes a directory in a session, with those above it. Returns whether there was none of that name.
///
/// # Errors
/// As [`get`].
pub async fn make_directory(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
    name: &str,
) -> Result<bool, ApiError> {
    let report = tend(state, caller, id, Tending::MakeDirectory, name, Vec::new()).await?;
    let is_made = report.return_value.as_deref() == Some(Tending::DONE);
    changed(report).map(|_| is_made)
}

/// Deletes a file. That can be undone as a cell can.
///
/// # Errors
/// As [`read_file`].
pub async fn delete_file(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Json<SessionBody>, ApiError> {
    state.refuse_if_draining()?;
    let (id, name) = parse_path(path)?;
    let changed = delete_one(&state, &caller, &id, &name).await?;
    Ok(Json(changed.into()))
}

/// Deletes a file of a session.
///
/// # Errors
/// As [`delete_file`].
pub async fn delete_one(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
    name: &str,
) -> Result<SessionInfo, ApiError> {
    let report = tend(state, caller, id, Tending::DeleteFile, name, Vec::new()).await?;
    if report.return_value.as_deref() != Some(Tending::DONE) {
        return Err(no_file(name));
    }
    changed(report)
}

/// The session after a change that was made.
fn changed(report: Report) -> Result<SessionInfo, ApiError> {
    let cell = report
        .cell
        .ok_or_else(|| ApiError::failed("There is no session"))?;
    match cell.kept {
        Ok(()) => Ok(cell.session),
        Err(reason) => Err(ApiError::refused("The session was not changed", reason)),
    }
}

fn no_file(name: &str) -> ApiError {
    let name: String = name.chars().take(64).collect();
    ApiError::not_found(
        "No such file",
        format!(
            "The session has no file \"{name}\"; GET /sessions/{{id}}/files lists those that it has"
        ),
    )
}

/// Asks about code that is being written in a session, in a fork that is thrown away. The answer comes from a sandbox.
///
/// # Errors
/// As [`get`]; 422 if that fails.
pub async fn ask<T: DeserializeOwned>(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
    tending: Tending,
    about: &Unfinished,
) -> Result<T, ApiError> {
    let about =
        serde_json::to_string(about).map_err(|error| ApiError::failed(error.to_string()))?;
    let report = tend(state, caller, id, tending, &about, Vec::new()).await?;
    parsed(&report, "That cannot be told")
}

/// Looks into a session, or changes it other than by a cell.
async fn tend(
    state: &AppState,
    caller: &Caller,
    id: &SessionId,
    tending: Tending,
    name: &str,
    files: Vec<JobFile>,
) -> Result<Report, ApiError> {
    let settings = &state.settings;
    let language = state.pool.session(id, caller.owner())?.language;
    let mut job = Job::run(language, name, settings.limits(settings.timeout()));
    job.task = Task::Tend(tending);
    job.files = files;
    let request = request::plain(job, Start::Session(id.clone()), caller);
    let (report, _) = state.pool.execute(request).await?;
    Ok(report)
}

/// What a sandbox says, if it has the right shape.
fn parsed<T: DeserializeOwned>(report: &Report, error: &str) -> Result<T, ApiError> {
    let text = report.return_value.as_deref();
    let text = text.filter(|_| report.status == Status::Success);
    let found = text.and_then(|text| serde_json::from_str(text).ok());
    found.ok_or_else(|| {
        let ended = report.status.name();
        ApiError::refused(
            error,
            format!(
                "Looking at them ended with the status {ended}; have a cell print what you need"
            ),
        )
    })
}

fn parse(id: Result<Path<String>, PathRejection>) -> Result<SessionId, ApiError> {
    let id = id.ok().and_then(|Path(id)| SessionId::parse(&id));
    id.ok_or_else(|| NoSession::Unknown.into())
}

fn parse_path(
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<(SessionId, String), ApiError> {
    let Ok(Path((id, name))) = path else {
        return Err(NoSession::Unknown.into());
    };
    let id = SessionId::parse(&id).ok_or(NoSession::Unknown)?;
    if !is_file_name(&name) {
        return Err(ApiError::bad_request(
            "Not the name of a file",
            "A name is a path below the working directory, without . and .., of at most 255 bytes",
        ));
    }
    Ok((id, name))
}

impl From<NoSession> for ApiError {
    fn from(error: NoSession) -> Self {
        let end = match error {
            NoSession::Unknown => {
                return Self::not_found(
                    "No such session",
                    "None of yours has this id (GET /sessions lists them); all are gone when the service starts \
                     again. POST /sessions opens another",
                );
            }
            NoSession::Elsewhere(replica) => return Self::elsewhere("session", &replica),
            NoSession::Gone(end) => end,
        };
        Self::gone(
            "The session is gone",
            format!(
                "It is gone because {}; POST /sessions opens another",
                why_gone(end)
            ),
        )
    }
}

/// Why a session ended, as the end of a sentence.
pub fn why_gone(end: SessionEnd) -> &'static str {
    match end {
        SessionEnd::Deleted => "it was deleted",
        SessionEnd::Expired => {
            "nobody used it for too long (FAAS_SESSION_TIMEOUT, or its idle_timeout)"
        }
        SessionEnd::TooOld => {
            "it lived for as long as it may (FAAS_SESSION_LIFETIME, or its lifetime)"
        }
        SessionEnd::MadeRoom => {
            "it made room for another caller's, who had fewer (FAAS_SESSIONS, FAAS_SESSIONS_MEMORY)"
        }
        SessionEnd::MemoryShort => "the memory of the machine or of the container was short",
        SessionEnd::Broken => "its process ended",
        SessionEnd::Stopped => "the service ended",
    }
}

impl From<CannotOpenSession> for ApiError {
    fn from(error: CannotOpenSession) -> Self {
        match error {
            CannotOpenSession::Pool(PoolError::CannotKeep(reason)) => Self::not_here(
                "There are no sessions here",
                format!("{reason}; send the request to another instance"),
            ),
            CannotOpenSession::Pool(error) => error.into(),
            CannotOpenSession::Here(CannotOpen::Full { number }) => Self::too_many(format!(
                "There are {number} sessions at most (FAAS_SESSIONS), and none of a caller who has more than you can \
                 make room; delete one of yours"
            )),
            CannotOpenSession::Here(CannotOpen::NameTaken(id)) => Self::conflict(
                "There is a session of this name",
                format!("It is {id}; use or delete it, or choose another name"),
            ),
            CannotOpenSession::Here(CannotOpen::Failed(reason)) => {
                Self::unavailable(format!("The session could not be opened: {reason}"))
            }
        }
    }
}
