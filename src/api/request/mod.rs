//! Requests that bring a program: what their fields may be, and what is made of them.

mod body;
mod invocation;
mod options;
mod program;
mod session;
mod tools;

use faas_pool::ExecutionRequest;
use faas_pool::PackageSet;
use faas_pool::SessionId;
use faas_pool::Start;
use faas_protocol::Invocation;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Priority;
use faas_protocol::Task;
use faas_tools::ToolSet;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::budget::Share;
use super::caller::Caller;
use super::error::ApiError;
use super::files;
use super::limits;
use super::limits::RequestedLimits;
use super::state::AppState;
use crate::settings::Settings;

pub use body::Body;
pub use body::no_room;
pub use body::parse_body;
pub use body::read_body;
pub use body::refuse_coding;
pub use invocation::MAX_PATTERNS;
pub use invocation::args_schema;
pub use invocation::collect_schema;
pub use invocation::parse_input;
pub use options::packages_schema;
pub use options::parse_milliseconds;
pub use options::randomness_schema;
pub use options::timeout_schema;
pub use program::language_names;
pub use program::language_schema;
pub use program::parse_language;
pub use session::RawFork;
pub use session::RawSession;
pub use session::RawUndo;
pub use session::parse_fork;
pub use session::parse_new_session;
pub use session::parse_undo;
pub use tools::parse_tools;
pub use tools::tools_schema;

use invocation::parse_arguments;
use invocation::parse_collect;
use invocation::parse_stdin;
use options::check_ext;
use options::parse_keep;
use options::parse_packages;
use options::parse_priority;
use options::parse_randomness;
use options::parse_session;
use options::parse_start;
use options::parse_timeout;
use options::parse_timings;
use options::priority_schema;
use program::code_of_entry_point;
use program::parse_code;
use program::parse_entry_point;

// Requests as they come. Fields stay text until they are checked, one by one, so that each has an error
// of its own and none takes more memory than was sent; what each must be is said beside it, for the API's
// description. Unknown fields are ignored: callers of the replaced services send some.

/// A program to run. Unknown fields are ignored.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(as = RunRequest)]
pub struct RawRequest<'a> {
    #[serde(borrow)]
    #[schema(schema_with = language_schema)]
    pub language: Option<&'a RawValue>,
    /// The program's text; needed unless there is an `entry_point`.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub code: Option<&'a RawValue>,
    /// Instead of `code`: the name of the one of `files` that is the program.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub entry_point: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = timeout_schema)]
    pub timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = priority_schema)]
    pub priority: Option<&'a RawValue>,
    /// Text that the program reads from its standard input.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub stdin: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = args_schema)]
    pub args: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = collect_schema)]
    pub collect: Option<&'a RawValue>,
    /// Any JSON; the program finds it as `input_data`.
    #[serde(borrow)]
    #[schema(value_type = Value, required = false)]
    pub input: Option<&'a RawValue>,
    /// For the caller's own use.
    #[serde(borrow)]
    #[schema(value_type = Option<HashMap<String, String>>)]
    pub ext: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = packages_schema)]
    pub packages: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = files::schema)]
    pub files: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(value_type = Option<RequestedLimits>)]
    pub limits: Option<&'a RawValue>,
    /// Whether what the program leaves is to be kept, so that others can start from it:
    /// `metadata.snapshot` of the answer names it.
    #[serde(borrow)]
    #[schema(value_type = Option<bool>)]
    pub keep: Option<&'a RawValue>,
    /// The id of the snapshot that the program starts from.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub from: Option<&'a RawValue>,
    /// The id of the session that the program is a cell of: it runs in its turn, and what it leaves the next cell
    /// finds.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    pub session: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = randomness_schema)]
    pub random: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = tools_schema)]
    pub tools: Option<&'a RawValue>,
    /// Whether `metadata.timings` is to say where the time went, in µs.
    #[serde(borrow)]
    #[schema(value_type = Option<bool>)]
    pub timings: Option<&'a RawValue>,
}

/// A program to look at. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckRequest)]
pub struct RawCheck<'a> {
    #[serde(borrow)]
    #[schema(schema_with = language_schema)]
    language: Option<&'a RawValue>,
    /// The program's text.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1)]
    code: Option<&'a RawValue>,
}

/// What a request asks for.
#[derive(Debug)]
pub struct RunRequest {
    /// Names the execution in its answer, in history and audit log.
    pub task_id: String,
    pub execution: ExecutionRequest,
    /// What the caller wrote, if the job's program is a door's that runs it: for the limits of complexity, history
    /// and audit log.
    pub written: Option<String>,
    /// Whether the answer includes timings.
    pub timings: bool,
    /// Tools of its caller that it may call.
    pub tools: Option<ToolSet>,
    /// What it holds of FAAS_QUEUE_BYTES, until it has been answered.
    pub share: Share,
}

/// Checks a request. Its body is gone when this returns; the job has what it needs of it.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse(body: Body, caller: &Caller, state: &AppState) -> Result<RunRequest, ApiError> {
    let settings = &state.settings;
    let raw: RawRequest = parse_body(&body.bytes)?;
    let session = parse_session(raw.session)?;
    let language = match &session {
        // Its cells are in its language.
        Some(id) if raw.language.is_none() => state.pool.session(id, caller.owner())?.language,
        _ => parse_language(raw.language, settings)?,
    };
    check_program(raw, (language, session), body.share, caller, settings)
}

/// Checks the fields of a request that is no cell of a session. They hold `share`.
///
/// # Errors
/// As [`parse`].
pub fn check(
    raw: RawRequest<'_>,
    share: Share,
    caller: &Caller,
    settings: &Settings,
) -> Result<RunRequest, ApiError> {
    let language = parse_language(raw.language, settings)?;
    check_program(raw, (language, None), share, caller, settings)
}

fn check_program(
    raw: RawRequest<'_>,
    (language, session): (Language, Option<SessionId>),
    share: Share,
    caller: &Caller,
    settings: &Settings,
) -> Result<RunRequest, ApiError> {
    let files = files::parse(raw.files)?;
    let entry_point = parse_entry_point(raw.entry_point)?;
    let code = match &entry_point {
        Some(name) => code_of_entry_point(name, &files, raw.code, settings)?,
        None => parse_code(raw.code, settings)?,
    };
    let timeout = parse_timeout(raw.timeout, settings)?;
    let priority = parse_priority(raw.priority)?;
    let tools = parse_tools(raw.tools)?;
    let invocation = Invocation {
        tools: tools.as_ref().map(ToolSet::for_runner),
        stdin: parse_stdin(raw.stdin)?,
        arguments: parse_arguments(raw.args)?,
        entry_point,
        collect: parse_collect(raw.collect, language)?,
        ..Invocation::default()
    };
    let input = parse_input(raw.input, language)?;
    check_ext(raw.ext)?;
    let packages = parse_packages(raw.packages, language)?;
    let mut limits = settings.limits(timeout);
    limits::lower(raw.limits, &mut limits)?;
    let timings = parse_timings(raw.timings)?;
    let keep = parse_keep(raw.keep)?;
    let start = parse_start(session, raw.from, &packages)?;
    let randomness = parse_randomness(raw.random)?;
    let job = Job {
        input,
        invocation,
        // A program that starts from a snapshot has its packages.
        auto_install: settings.auto_install && settings.packages && start.snapshot().is_none(),
        files,
        keep,
        randomness,
        ..Job::run(language, code, limits)
    };
    let execution = ExecutionRequest {
        priority,
        packages,
        ..plain(job, start, caller)
    };
    Ok(RunRequest {
        task_id: format!("task-{}", Uuid::new_v4()),
        execution,
        written: None,
        tools,
        timings,
        share,
    })
}

/// Checks a request for a check.
///
/// # Errors
/// As [`parse`].
pub fn parse_check(
    body: Body,
    caller: &Caller,
    settings: &Settings,
) -> Result<(ExecutionRequest, Share), ApiError> {
    let raw: RawCheck = parse_body(&body.bytes)?;
    let language = parse_language(raw.language, settings)?;
    let code = parse_code(raw.code, settings)?;
    let request = check_request(language, code, caller, Priority::Normal, settings);
    Ok((request, body.share))
}

/// The request to analyse a program.
pub fn check_request(
    language: Language,
    code: String,
    caller: &Caller,
    priority: Priority,
    settings: &Settings,
) -> ExecutionRequest {
    let job = Job {
        task: Task::Check,
        ..Job::run(language, code, settings.limits(settings.timeout()))
    };
    ExecutionRequest {
        priority,
        ..plain(job, Start::Fresh, caller)
    }
}

/// A caller's request for a job, without packages.
pub fn plain(job: Job, start: Start, caller: &Caller) -> ExecutionRequest {
    ExecutionRequest {
        job,
        start,
        owner: caller.owner().clone(),
        weight: caller.weight(),
        priority: Priority::Normal,
        packages: PackageSet::default(),
        live: None,
        rows: None,
        tools: None,
        interrupt: None,
    }
}
