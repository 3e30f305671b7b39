//! Requests that bring a program: reading the body, checking its fields.

use std::time::Duration;

use axum::body::Bytes;
use axum::body::HttpBody;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use faas_pool::ExecutionRequest;
use faas_pool::MAX_PACKAGES;
use faas_pool::MAX_REQUIREMENT_BYTES;
use faas_pool::PackageSet;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Priority;
use faas_protocol::Task;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;

use super::error::ApiError;
use super::files;
use super::files::or_null;
use super::limits;
use super::limits::RequestedLimits;
use super::words::PriorityWord;
use crate::settings::Settings;

// Requests as they come. Fields are checked one by one, so that each has an error of its own; what each
// must be is said beside it, for the API's description. Unknown fields are ignored: callers of the
// replaced services send some.

/// A program to run. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RunRequest)]
pub struct RawRequest {
    #[schema(schema_with = language_schema)]
    language: Option<Value>,
    /// The program's text.
    #[schema(value_type = String, min_length = 1)]
    code: Option<Value>,
    /// Limit on wall time in ms; cut to FAAS_MAX_EXECUTION_TIME.
    #[schema(value_type = Option<u64>, minimum = 1)]
    timeout: Option<Value>,
    #[schema(value_type = Option<PriorityWord>)]
    priority: Option<Value>,
    /// Any JSON; the program finds it as `input_data`.
    #[schema(value_type = Value, required = false)]
    input: Option<Box<RawValue>>,
    /// For the caller's own use.
    #[schema(value_type = Option<HashMap<String, String>>)]
    ext: Option<Value>,
    #[schema(schema_with = packages_schema)]
    packages: Option<Value>,
    #[schema(schema_with = files::schema)]
    files: Option<Value>,
    #[schema(value_type = Option<RequestedLimits>)]
    limits: Option<Value>,
    /// Whether `metadata.timings` is to say where the time went, in µs.
    #[schema(value_type = Option<bool>)]
    timings: Option<Value>,
}

/// A program to look at. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = CheckRequest)]
pub struct RawCheck {
    #[schema(schema_with = language_schema)]
    language: Option<Value>,
    /// The program's text.
    #[schema(value_type = String, min_length = 1)]
    code: Option<Value>,
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
}

/// Reads the body within the time that a client has for it.
pub async fn read_body(request: Request, settings: &Settings) -> Result<Bytes, ApiError> {
    // Known from Content-Length, before any of the body has arrived.
    if request.body().size_hint().lower() > settings.max_body_bytes.get() {
        return Err(body_too_large(settings));
    }
    match tokio::time::timeout(settings.client_timeout, Bytes::from_request(request, &())).await {
        Ok(body) => body.map_err(|rejection| unreadable_body(&rejection, settings)),
        Err(_) => Err(ApiError::too_slow(format!(
            "The request body did not arrive within {} ms (FAAS_CLIENT_TIMEOUT)",
            settings.client_timeout.as_millis()
        ))),
    }
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

fn unreadable_body(rejection: &BytesRejection, settings: &Settings) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        body_too_large(settings)
    } else {
        ApiError::bad_request("Unreadable request body", rejection.body_text())
    }
}

/// Parses a body.
///
/// # Errors
/// 400 if it is not a JSON object.
fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request("Invalid JSON format", error.to_string()))
}

/// Checks a request body.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse(body: &[u8], settings: &Settings) -> Result<RunRequest, ApiError> {
    let raw: RawRequest = parse_body(body)?;
    let language = parse_language(raw.language.as_ref(), settings)?;
    let code = parse_code(raw.code, settings)?;
    let timeout = parse_timeout(raw.timeout.as_ref(), settings)?;
    let priority = parse_priority(raw.priority.as_ref())?;
    check_ext(raw.ext.as_ref())?;
    let packages = parse_packages(raw.packages.as_ref(), language)?;
    let mut limits = settings.limits(timeout);
    limits::lower(raw.limits, &mut limits)?;
    let timings = parse_timings(raw.timings.as_ref())?;
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
    Ok(RunRequest { execution, timings })
}

/// Checks the body of a request for a check.
///
/// # Errors
/// As [`parse`].
pub fn parse_check(body: &[u8], settings: &Settings) -> Result<ExecutionRequest, ApiError> {
    let raw: RawCheck = parse_body(body)?;
    let language = parse_language(raw.language.as_ref(), settings)?;
    let code = parse_code(raw.code, settings)?;
    Ok(check_request(language, code, Priority::Normal, settings))
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

fn parse_language(value: Option<&Value>, settings: &Settings) -> Result<Language, ApiError> {
    let mut served = Language::ALL
        .into_iter()
        .filter(|language| settings.serves(*language));
    let found = match value {
        // Callers of a service with one language need not name it.
        None | Some(Value::Null) => served.next(),
        Some(Value::String(name)) => {
            Language::from_name(name).filter(|language| settings.serves(*language))
        }
        Some(_) => None,
    };
    found.ok_or_else(|| {
        let given = value.and_then(Value::as_str).unwrap_or("not a string");
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

fn parse_code(value: Option<Value>, settings: &Settings) -> Result<String, ApiError> {
    match value {
        None | Some(Value::Null) => Err(ApiError::bad_request(
            "Missing required parameter: code",
            "Send the program's text as the string `code`",
        )),
        Some(Value::String(code)) if code.is_empty() => Err(ApiError::bad_request(
            "Missing required parameter: code",
            "The program must not be empty",
        )),
        Some(Value::String(code)) if code.len() as u64 > settings.max_code_bytes.get() => {
            Err(ApiError::too_large(
                "Parameter 'code' is too long",
                format!(
                    "At most {} bytes are accepted (FAAS_MAX_CODE_BYTES)",
                    settings.max_code_bytes.get()
                ),
            ))
        }
        Some(Value::String(code)) => Ok(code),
        Some(_) => Err(ApiError::bad_request(
            "Parameter 'code' must be a string",
            "Send the program's text as a JSON string",
        )),
    }
}

fn parse_timeout(value: Option<&Value>, settings: &Settings) -> Result<Duration, ApiError> {
    let milliseconds = match value {
        None | Some(Value::Null) => return Ok(settings.timeout()),
        // 1000.0 is an integer, too; JavaScript callers cannot tell it from 1000.
        Some(Value::Number(number)) => number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            (number.fract() == 0.0 && (1.0..=9e15).contains(&number)).then_some(number as u64)
        }),
        Some(_) => None,
    };
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

fn parse_priority(value: Option<&Value>) -> Result<Priority, ApiError> {
    let priority = match value {
        None | Some(Value::Null) => Some(Priority::Normal),
        Some(value) => value.as_str().and_then(Priority::from_name),
    };
    priority.ok_or_else(|| {
        ApiError::bad_request(
            "Unknown priority",
            "Parameter 'priority' must be \"high\", \"normal\" or \"low\"",
        )
    })
}

/// `ext` is for the caller's own use; it only has to have the right shape.
fn check_ext(value: Option<&Value>) -> Result<(), ApiError> {
    match value {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => Ok(()),
        Some(_) => Err(ApiError::bad_request(
            "Parameter 'ext' must be an object of strings",
            "Send {\"name\": \"value\", …} or leave it out",
        )),
    }
}

fn parse_packages(value: Option<&Value>, language: Language) -> Result<PackageSet, ApiError> {
    let refused = |details: String| {
        ApiError::bad_request(
            "Parameter 'packages' must be an array of package names",
            details,
        )
    };
    let list = match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => {
            return Err(refused(
                "Send an array such as [\"pydantic\", \"msgpack==1.2.4\"]".to_owned(),
            ));
        }
    };
    let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let names = names.ok_or_else(|| refused("Each package must be a string".to_owned()))?;
    let packages = PackageSet::new(&names).map_err(|error| refused(error.to_string()))?;
    if !packages.is_empty() && language.runtime().spec().with_packages.is_none() {
        return Err(refused(
            "`packages` is supported for Python only".to_owned(),
        ));
    }
    Ok(packages)
}

fn parse_timings(value: Option<&Value>) -> Result<bool, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(wanted)) => Ok(*wanted),
        Some(_) => Err(ApiError::bad_request(
            "Parameter 'timings' must be true or false",
            "Send true to get the time of each step, or leave it out",
        )),
    }
}
