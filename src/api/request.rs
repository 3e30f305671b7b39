//! Requests that bring a program: reading the body, checking its fields.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use faas_pool::ExecutionRequest;
use faas_pool::MAX_PACKAGES;
use faas_pool::MAX_REQUIREMENT_BYTES;
use faas_pool::PackageSet;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Priority;
use faas_protocol::Task;
use futures_util::StreamExt;
use serde::Deserialize;
use serde_json::Number;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;

use super::AppState;
use super::bounded;
use super::bounded::AtMost;
use super::bounded::Kind;
use super::bounded::Strings;
use super::budget::Exhausted;
use super::budget::Share;
use super::error::ApiError;
use super::files;
use super::files::or_null;
use super::limits;
use super::limits::RequestedLimits;
use super::words::PriorityWord;
use crate::settings::Settings;

// Requests as they come. Fields stay text until they are checked, one by one, so that each has an error
// of its own and none takes more memory than was sent; what each must be is said beside it, for the API's
// description. Unknown fields are ignored: callers of the replaced services send some.

/// A program to run. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RunRequest)]
pub struct RawRequest<'a> {
    #[serde(borrow)]
    #[schema(schema_with = language_schema)]
    language: Option<&'a RawValue>,
    /// The program's text.
    #[serde(borrow)]
    #[schema(value_type = String, min_length = 1)]
    code: Option<&'a RawValue>,
    /// Limit on wall time in ms; cut to FAAS_MAX_EXECUTION_TIME.
    #[serde(borrow)]
    #[schema(value_type = Option<u64>, minimum = 1)]
    timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(value_type = Option<PriorityWord>)]
    priority: Option<&'a RawValue>,
    /// Any JSON; the program finds it as `input_data`.
    #[serde(borrow)]
    #[schema(value_type = Value, required = false)]
    input: Option<&'a RawValue>,
    /// For the caller's own use.
    #[serde(borrow)]
    #[schema(value_type = Option<HashMap<String, String>>)]
    ext: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = packages_schema)]
    packages: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = files::schema)]
    files: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(value_type = Option<RequestedLimits>)]
    limits: Option<&'a RawValue>,
    /// Whether `metadata.timings` is to say where the time went, in µs.
    #[serde(borrow)]
    #[schema(value_type = Option<bool>)]
    timings: Option<&'a RawValue>,
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

/// What [`parse_language`] accepts.
fn language_schema() -> Schema {
    // A pattern has no flag for «in any case».
    let letter = |letter: char| format!("[{}{letter}]", letter.to_ascii_uppercase());
    let any_case = |name: &str| name.chars().map(letter).collect::<String>();
    let names: Vec<String> = Language::ALL
        .into_iter()
        .flat_map(Language::names)
        .map(any_case)
        .collect();
    ObjectBuilder::new()
        .schema_type(or_null(Type::String))
        .pattern(Some(format!("^({})$", names.join("|"))))
        .description(Some(
            "The program's language, in any case; absent means python, or javascript if only that \
             is served (FAAS_LANGUAGE)",
        ))
        .into()
}

/// What [`parse_packages`] accepts, without the blanks that it also allows.
fn packages_schema() -> Schema {
    let name = "[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?";
    let version = "(===?|~=|!=|<=?|>=?)[A-Za-z0-9._+!*-]+";
    let requirement = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(MAX_REQUIREMENT_BYTES))
        .pattern(Some(format!(
            r"^{name}(\[{name}(,{name})*\])?({version}(,{version})*)?$"
        )));
    let mut list = ArrayBuilder::new()
        .items(requirement)
        .max_items(Some(MAX_PACKAGES))
        .description(Some(
            "Python packages to install first, such as msgpack==1.2.4; must be empty for other \
             languages",
        ))
        .build();
    list.schema_type = or_null(Type::Array);
    Schema::Array(list)
}

/// What a request asks for.
#[derive(Debug)]
pub struct RunRequest {
    pub execution: ExecutionRequest,
    /// Whether the answer includes timings.
    pub timings: bool,
    /// What it holds of FAAS_QUEUE_BYTES, until it has been answered.
    pub share: Share,
}

/// A body that was read, and what it holds of FAAS_QUEUE_BYTES.
#[derive(Debug)]
pub struct Body {
    bytes: Vec<u8>,
    share: Share,
}

/// Reads the body within the time that a client has for it, and within the bytes that all requests
/// together may take.
///
/// # Errors
/// 400, 408, 413 or 429 with what to do about it.
pub async fn read_body(request: Request, state: &AppState) -> Result<Body, ApiError> {
    let patience = state.settings.client_timeout;
    let read = tokio::time::timeout(patience, read_whole_body(request, state));
    read.await.unwrap_or_else(|_| {
        Err(ApiError::too_slow(format!(
            "The request body did not arrive within {} ms (FAAS_CLIENT_TIMEOUT)",
            patience.as_millis()
        )))
    })
}

async fn read_whole_body(request: Request, state: &AppState) -> Result<Body, ApiError> {
    let settings = &state.settings;
    let longest = settings.max_body_bytes.as_usize();
    // Known from Content-Length, before any of the body has arrived; 0 if it comes in chunks.
    let announced = request.body().size_hint().lower();
    if announced > settings.max_body_bytes.get() {
        return Err(body_too_large(settings));
    }
    let no_room = |Exhausted| {
        state.metrics.found_queue_full();
        ApiError::too_many(format!(
            "Requests of {} bytes are being read, waiting or executing already (FAAS_QUEUE_BYTES); \
             try again shortly",
            settings.queue_bytes.get()
        ))
    };
    let mut share = state.requests.share();
    share.grow(announced).map_err(no_room)?;
    // At most FAAS_MAX_BODY_BYTES; the system gives memory only for what is written to it.
    let mut bytes = Vec::with_capacity(announced as usize);
    let mut pieces = request.into_body().into_data_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece
            .map_err(|error| ApiError::bad_request("Unreadable request body", error.to_string()))?;
        if piece.len() > longest - bytes.len() {
            return Err(body_too_large(settings));
        }
        let counted = announced.max(bytes.len() as u64);
        let read = (bytes.len() + piece.len()) as u64;
        share.grow(read.saturating_sub(counted)).map_err(no_room)?;
        bytes.extend_from_slice(&piece);
    }
    Ok(Body { bytes, share })
}

fn body_too_large(settings: &Settings) -> ApiError {
    ApiError::too_large(
        "Request body too large",
        format!(
            "At most {} bytes are accepted (FAAS_MAX_BODY_BYTES)",
            settings.max_body_bytes.get()
        ),
    )
}

/// Parses a body.
///
/// # Errors
/// 400 if it is not a JSON object.
fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::not_json(&error))
}

/// Checks a request. Its body is gone when this returns; the job has what it needs of it.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse(body: Body, settings: &Settings) -> Result<RunRequest, ApiError> {
    let raw: RawRequest = parse_body(&body.bytes)?;
    let language = parse_language(raw.language, settings)?;
    let code = parse_code(raw.code, settings)?;
    let timeout = parse_timeout(raw.timeout, settings)?;
    let priority = parse_priority(raw.priority)?;
    check_ext(raw.ext)?;
    let packages = parse_packages(raw.packages, language)?;
    let mut limits = settings.limits(timeout);
    limits::lower(raw.limits, &mut limits)?;
    let timings = parse_timings(raw.timings)?;
    let execution = ExecutionRequest {
        job: Job {
            task: Task::Run,
            language,
            code,
            input: raw.input.map(|input| input.get().to_owned()),
            auto_install: settings.auto_install && settings.packages,
            files: files::parse(raw.files)?,
            limits,
        },
        priority,
        packages,
        live: None,
    };
    Ok(RunRequest {
        execution,
        timings,
        share: body.share,
    })
}

/// Checks a request for a check.
///
/// # Errors
/// As [`parse`].
pub fn parse_check(body: Body, settings: &Settings) -> Result<(ExecutionRequest, Share), ApiError> {
    let raw: RawCheck = parse_body(&body.bytes)?;
    let language = parse_language(raw.language, settings)?;
    let code = parse_code(raw.code, settings)?;
    let request = check_request(language, code, Priority::Normal, settings);
    Ok((request, body.share))
}

/// The request to analyse a program.
pub fn check_request(
    language: Language,
    code: String,
    priority: Priority,
    settings: &Settings,
) -> ExecutionRequest {
    ExecutionRequest {
        job: Job {
            task: Task::Check,
            language,
            code,
            input: None,
            auto_install: false,
            files: Vec::new(),
            limits: settings.limits(settings.timeout()),
        },
        priority,
        packages: PackageSet::default(),
        live: None,
    }
}

fn parse_language(field: Option<&RawValue>, settings: &Settings) -> Result<Language, ApiError> {
    let mut served = Language::ALL
        .into_iter()
        .filter(|language| settings.serves(*language));
    let name = match field {
        Some(raw) => bounded::parse::<String>(raw, Kind::String)?,
        None => None,
    };
    let found = match (field, &name) {
        // Callers of a service with one language need not name it.
        (None, _) => served.next(),
        (_, Some(name)) => Language::from_name(name).filter(|language| settings.serves(*language)),
        (Some(_), None) => None,
    };
    found.ok_or_else(|| {
        let given = name.as_deref().unwrap_or("not a string");
        let names: Vec<&str> = served.flat_map(Language::names).collect();
        ApiError::bad_request(
            format!(
                "Unsupported language: {}",
                given.chars().take(64).collect::<String>()
            ),
            format!("Supported languages: {}", names.join(", ")),
        )
    })
}

fn parse_code(field: Option<&RawValue>, settings: &Settings) -> Result<String, ApiError> {
    let Some(raw) = field else {
        return Err(ApiError::bad_request(
            "Missing required parameter: code",
            "Send the program's text as the string `code`",
        ));
    };
    match bounded::parse::<String>(raw, Kind::String)? {
        Some(code) if code.is_empty() => Err(ApiError::bad_request(
            "Missing required parameter: code",
            "The program must not be empty",
        )),
        Some(code) if code.len() as u64 > settings.max_code_bytes.get() => {
            Err(ApiError::too_large(
                "Parameter 'code' is too long",
                format!(
                    "At most {} bytes are accepted (FAAS_MAX_CODE_BYTES)",
                    settings.max_code_bytes.get()
                ),
            ))
        }
        Some(code) => Ok(code),
        None => Err(ApiError::bad_request(
            "Parameter 'code' must be a string",
            "Send the program's text as a JSON string",
        )),
    }
}

fn parse_timeout(field: Option<&RawValue>, settings: &Settings) -> Result<Duration, ApiError> {
    let Some(raw) = field else {
        return Ok(settings.timeout());
    };
    let number = bounded::parse::<Number>(raw, Kind::Number)?;
    let milliseconds = number.and_then(|number| {
        // 1000.0 is an integer, too; JavaScript callers cannot tell it from 1000.
        number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            (number.fract() == 0.0 && (1.0..=9e15).contains(&number)).then_some(number as u64)
        })
    });
    match milliseconds {
        Some(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(ApiError::bad_request(
            "Parameter 'timeout' must be a positive integer",
            format!(
                "Send milliseconds, at least 1; values above {} (FAAS_MAX_EXECUTION_TIME) are reduced to it",
                settings.max_execution_time.as_millis()
            ),
        )),
    }
}

fn parse_priority(field: Option<&RawValue>) -> Result<Priority, ApiError> {
    let Some(raw) = field else {
        return Ok(Priority::Normal);
    };
    let name = bounded::parse::<String>(raw, Kind::String)?;
    let priority = name.and_then(|name| Priority::from_name(&name));
    priority.ok_or_else(|| {
        ApiError::bad_request(
            "Unknown priority",
            "Parameter 'priority' must be \"high\", \"normal\" or \"low\"",
        )
    })
}

/// `ext` is for the caller's own use; it only has to have the right shape.
fn check_ext(field: Option<&RawValue>) -> Result<(), ApiError> {
    let Some(raw) = field else {
        return Ok(());
    };
    match bounded::parse::<Strings>(raw, Kind::Object)? {
        Some(Strings) => Ok(()),
        None => Err(ApiError::bad_request(
            "Parameter 'ext' must be an object of strings",
            "Send {\"name\": \"value\", …} or leave it out",
        )),
    }
}

fn parse_packages(field: Option<&RawValue>, language: Language) -> Result<PackageSet, ApiError> {
    /// One more than allowed shows that there are too many.
    type Names = AtMost<String, { MAX_PACKAGES + 1 }>;
    let refused = |details: &str| {
        ApiError::bad_request(
            "Parameter 'packages' must be an array of package names",
            details,
        )
    };
    let names = match field {
        None => Vec::new(),
        Some(raw) if bounded::kind(raw) != Kind::Array => {
            return Err(refused(
                "Send an array such as [\"pydantic\", \"msgpack==1.2.4\"]",
            ));
        }
        Some(raw) => match bounded::parse::<Names>(raw, Kind::Array)? {
            Some(AtMost(names)) => names,
            None => return Err(refused("Each package must be a string")),
        },
    };
    let packages = PackageSet::new(&names).map_err(|error| refused(&error.to_string()))?;
    if !packages.is_empty() && language.runtime().spec().with_packages.is_none() {
        return Err(refused("`packages` is supported for Python only"));
    }
    Ok(packages)
}

fn parse_timings(field: Option<&RawValue>) -> Result<bool, ApiError> {
    let Some(raw) = field else {
        return Ok(false);
    };
    bounded::parse::<bool>(raw, Kind::Bool)?.ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'timings' must be true or false",
            "Send true to get the time of each step, or leave it out",
        )
    })
}
