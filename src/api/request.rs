//! Requests that bring a program: reading the body, checking its fields.

use std::time::Duration;

use axum::body::HttpBody;
use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::header;
use faas_pool::ExecutionRequest;
use faas_pool::MAX_PACKAGES;
use faas_pool::MAX_REQUIREMENT_BYTES;
use faas_pool::PackageSet;
use faas_protocol::Invocation;
use faas_protocol::Job;
use faas_protocol::JobFile;
use faas_protocol::Language;
use faas_protocol::MAX_FILE_NAME_BYTES;
use faas_protocol::Priority;
use faas_protocol::Task;
use futures_util::StreamExt;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Number;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::SchemaType;
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
use crate::settings::Settings;

// Requests as they come. Fields stay text until they are checked, one by one, so that each has an error
// of its own and none takes more memory than was sent; what each must be is said beside it, for the API's
// description. Unknown fields are ignored: callers of the replaced services send some.

/// Most arguments of a program. The limit of the request body bounds their length.
const MAX_ARGUMENTS: usize = 256;
/// Most patterns of files that are handed back.
const MAX_PATTERNS: usize = 64;
/// Longest such pattern, in bytes.
const LONGEST_PATTERN: usize = 256;
/// Deepest nesting of the input of a Python program.
const MAX_INPUT_NESTING: usize = 10_000;
/// Deepest nesting of a body: its parser keeps a byte for each level.
const MAX_NESTING: usize = 2_000_000;
/// Longest string that may be a number or a priority, in bytes of JSON.
const LONGEST_WORD: usize = 64;

/// A program to run. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = RunRequest)]
pub struct RawRequest<'a> {
    #[serde(borrow)]
    #[schema(schema_with = language_schema)]
    language: Option<&'a RawValue>,
    /// The program's text; needed unless there is an `entry_point`.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    code: Option<&'a RawValue>,
    /// Instead of `code`: the name of the one of `files` that is the program.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    entry_point: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = timeout_schema)]
    timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = priority_schema)]
    priority: Option<&'a RawValue>,
    /// Text that the program reads from its standard input.
    #[serde(borrow)]
    #[schema(value_type = Option<String>)]
    stdin: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = args_schema)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    #[schema(schema_with = collect_schema)]
    collect: Option<&'a RawValue>,
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

/// The names of all languages, in any case.
pub fn language_names() -> ObjectBuilder {
    // A pattern has no flag for «in any case».
    let letter = |letter: char| format!("[{}{letter}]", letter.to_ascii_uppercase());
    let any_case = |name: &str| name.chars().map(letter).collect::<String>();
    let names: Vec<String> = Language::ALL
        .into_iter()
        .flat_map(Language::names)
        .map(any_case)
        .collect();
    ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^({})$", names.join("|"))))
}

/// What [`parse_language`] accepts.
fn language_schema() -> Schema {
    language_names()
        .schema_type(or_null(Type::String))
        .description(Some(
            "The program's language, in any case; absent means python, or javascript if only that \
             is served (FAAS_LANGUAGE)",
        ))
        .into()
}

/// What [`parse_timeout`] accepts. Numbers in strings are left out: new callers have no use for them.
fn timeout_schema() -> Schema {
    ObjectBuilder::new()
        .schema_type(or_null(Type::Number))
        .minimum(Some(1))
        .description(Some(
            "Limit on wall time in ms; cut to FAAS_MAX_EXECUTION_TIME",
        ))
        .into()
}

/// What [`parse_priority`] accepts: anything.
fn priority_schema() -> Schema {
    let names: Vec<&str> = Priority::ALL.map(Priority::name).to_vec();
    ObjectBuilder::new()
        .schema_type(SchemaType::AnyValue)
        .examples(names)
        .description(Some(
            "Who runs first when all workers are busy: urgent, high, normal or low; anything else counts \
             as normal",
        ))
        .into()
}

/// What [`parse_arguments`] accepts.
fn args_schema() -> Schema {
    let mut list = ArrayBuilder::new()
        .items(ObjectBuilder::new().schema_type(Type::String))
        .max_items(Some(MAX_ARGUMENTS))
        .description(Some(
            "The program's arguments: `sys.argv[1:]` in Python, `args` in JavaScript",
        ))
        .build();
    list.schema_type = or_null(Type::Array);
    Schema::Array(list)
}

/// What [`parse_collect`] accepts.
fn collect_schema() -> Schema {
    let pattern = ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(LONGEST_PATTERN));
    let mut list = ArrayBuilder::new()
        .items(pattern)
        .max_items(Some(MAX_PATTERNS))
        .description(Some(
            "Patterns such as *.csv or plots/**: files in the working directory of a Python program that are \
             handed back; must be empty for other languages",
        ))
        .build();
    list.schema_type = or_null(Type::Array);
    Schema::Array(list)
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
    refuse_coding(request.headers())?;
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

/// # Errors
/// 415 for a body in a coding such as gzip, which would be much longer than it says (RFC 9110, 8.4).
fn refuse_coding(headers: &HeaderMap) -> Result<(), ApiError> {
    let values = headers.get_all(header::CONTENT_ENCODING);
    let mut codings = values
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    let name: String = String::from_utf8_lossy(coding).chars().take(64).collect();
    Err(ApiError::wrong_coding(format!(
        "Send the body as it is, without the header Content-Encoding: {name} is not decoded here"
    )))
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

/// Parses a body, which may begin with a byte order mark.
///
/// # Errors
/// 400 if it is not a JSON object in UTF-8.
fn parse_body<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, ApiError> {
    if let Some(what) = other_encoding(body) {
        return Err(ApiError::not_json(format!(
            "The request body must be JSON in UTF-8, and this looks like {what}; send it in UTF-8 and \
             uncompressed"
        )));
    }
    let text = std::str::from_utf8(body).map_err(|error| {
        ApiError::not_json(format!(
            "The request body must be JSON in UTF-8, and byte {} of it is not",
            error.valid_up_to() + 1
        ))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if nesting(text) > MAX_NESTING {
        return Err(ApiError::not_json(format!(
            "At most {MAX_NESTING} arrays and objects may be within each other"
        )));
    }
    // serde would take an array for an object's fields in their order, and name its own types in errors.
    if !text.trim_ascii_start().starts_with('{') {
        return Err(match serde_json::from_str::<IgnoredAny>(text) {
            Ok(_) => ApiError::not_json(
                "The request body must be a JSON object, such as {\"code\": \"print(1)\"}",
            ),
            Err(error) => ApiError::not_json(error.to_string()),
        });
    }
    serde_json::from_str(text).map_err(|error| ApiError::not_json(error.to_string()))
}

/// What a body is that is neither JSON in UTF-8 nor meant to be. JSON begins with two characters of ASCII.
fn other_encoding(body: &[u8]) -> Option<&'static str> {
    match body {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, ..] | [_, 0, 0, 0, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, _, ..] | [_, 0, ..] => Some("UTF-16"),
        [0x1f, 0x8b, ..] => Some("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
        [0x78, 0x01 | 0x9c | 0xda, ..] => Some("deflate"),
        _ => None,
    }
}

/// Checks a request. Its body is gone when this returns; the job has what it needs of it.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse(body: Body, settings: &Settings) -> Result<RunRequest, ApiError> {
    let raw: RawRequest = parse_body(&body.bytes)?;
    let language = parse_language(raw.language, settings)?;
    let files = files::parse(raw.files)?;
    let entry_point = parse_entry_point(raw.entry_point)?;
    let code = match &entry_point {
        Some(name) => code_of_entry_point(name, &files, raw.code, settings)?,
        None => parse_code(raw.code, settings)?,
    };
    let timeout = parse_timeout(raw.timeout, settings)?;
    let priority = parse_priority(raw.priority)?;
    let invocation = Invocation {
        stdin: parse_stdin(raw.stdin)?,
        arguments: parse_arguments(raw.args)?,
        entry_point,
        collect: parse_collect(raw.collect, language)?,
    };
    let input = parse_input(raw.input, language)?;
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
            input,
            invocation,
            auto_install: settings.auto_install && settings.packages,
            files,
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
            invocation: Invocation::default(),
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
            "Send the program's text as the string `code`, or `files` and the name of one as `entry_point`",
        ));
    };
    match bounded::parse::<String>(raw, Kind::String)? {
        Some(code) if code.is_empty() => Err(ApiError::bad_request(
            "Missing required parameter: code",
            "The program must not be empty",
        )),
        Some(code) => {
            check_length("Parameter 'code' is too long", &code, settings)?;
            Ok(code)
        }
        None => Err(ApiError::bad_request(
            "Parameter 'code' must be a string",
            "Send the program's text as a JSON string",
        )),
    }
}

fn check_length(error: &str, code: &str, settings: &Settings) -> Result<(), ApiError> {
    let most = settings.max_code_bytes.get();
    if code.len() as u64 <= most {
        return Ok(());
    }
    let details = format!("At most {most} bytes are accepted (FAAS_MAX_CODE_BYTES)");
    Err(ApiError::too_large(error, details))
}

fn parse_entry_point(field: Option<&RawValue>) -> Result<Option<String>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    // Each byte of a name takes six of JSON at most.
    if raw.get().len() > 6 * MAX_FILE_NAME_BYTES + 2 {
        return Err(wrong_entry_point("The name is longer than any file's"));
    }
    match bounded::parse::<String>(raw, Kind::String)? {
        Some(name) => Ok(Some(name)),
        None => Err(wrong_entry_point(
            "Send the name as a string, such as \"main.py\"",
        )),
    }
}

/// The program's text, which is that of one of the files.
fn code_of_entry_point(
    name: &str,
    files: &[JobFile],
    code: Option<&RawValue>,
    settings: &Settings,
) -> Result<String, ApiError> {
    let is_empty = |raw: &RawValue| raw.get() == "\"\"";
    if code.is_some_and(|raw| !is_empty(raw)) {
        return Err(wrong_entry_point(
            "Send either `code` or `entry_point`: both would be the program",
        ));
    }
    // Of two files of one name, the program finds the last.
    let Some(file) = files.iter().rfind(|file| file.name == name) else {
        let name: String = name.chars().take(64).collect();
        return Err(wrong_entry_point(&format!(
            "There is no file \"{name}\"; send its content in `files` under this name"
        )));
    };
    let Ok(code) = std::str::from_utf8(&file.contents) else {
        return Err(wrong_entry_point("The file must be text in UTF-8"));
    };
    let code = code.strip_prefix('\u{feff}').unwrap_or(code);
    if code.is_empty() {
        return Err(wrong_entry_point("The file must not be empty"));
    }
    check_length("The file of 'entry_point' is too long", code, settings)?;
    Ok(code.to_owned())
}

fn wrong_entry_point(details: &str) -> ApiError {
    ApiError::bad_request("Parameter 'entry_point' must name one of 'files'", details)
}

fn parse_stdin(field: Option<&RawValue>) -> Result<Option<String>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    match bounded::parse::<String>(raw, Kind::String)? {
        Some(text) => Ok(Some(text)),
        None => Err(ApiError::bad_request(
            "Parameter 'stdin' must be a string",
            "Send the text that the program reads from its standard input; JSON data goes into `input`",
        )),
    }
}

fn parse_arguments(field: Option<&RawValue>) -> Result<Vec<String>, ApiError> {
    /// One more than allowed shows that there are too many.
    type Arguments = AtMost<String, { MAX_ARGUMENTS + 1 }>;
    let refused =
        |details| ApiError::bad_request("Parameter 'args' must be an array of strings", details);
    let Some(raw) = field else {
        return Ok(Vec::new());
    };
    match bounded::parse::<Arguments>(raw, Kind::Array)? {
        Some(AtMost(arguments)) if arguments.len() > MAX_ARGUMENTS => {
            Err(refused(format!("At most {MAX_ARGUMENTS} are accepted")))
        }
        Some(AtMost(arguments)) => Ok(arguments),
        None => Err(refused(
            "Send an array such as [\"--verbose\", \"3\"]".to_owned(),
        )),
    }
}

fn parse_collect(field: Option<&RawValue>, language: Language) -> Result<Vec<String>, ApiError> {
    /// One more than allowed shows that there are too many.
    type Patterns = AtMost<String, { MAX_PATTERNS + 1 }>;
    let refused = |details| ApiError::bad_request("Invalid parameter 'collect'", details);
    let Some(raw) = field else {
        return Ok(Vec::new());
    };
    let Some(AtMost(patterns)) = bounded::parse::<Patterns>(raw, Kind::Array)? else {
        return Err(refused(
            "Send an array of patterns such as [\"*.csv\", \"plots/**\"]".to_owned(),
        ));
    };
    if patterns.len() > MAX_PATTERNS {
        return Err(refused(format!(
            "At most {MAX_PATTERNS} patterns are accepted"
        )));
    }
    if !patterns.is_empty() && language != Language::Python {
        return Err(refused(
            "Only Python programs have a file system; JavaScript programs hand files back with \
             files.write(name, data)"
                .to_owned(),
        ));
    }
    let is_path = |pattern: &str| {
        pattern.len() <= LONGEST_PATTERN
            && pattern
                .split('/')
                .all(|part| !matches!(part, "" | "." | ".."))
    };
    match patterns.iter().find(|pattern| !is_path(pattern)) {
        None => Ok(patterns),
        Some(_) => Err(refused(format!(
            "A pattern is a path below the working directory, without a leading slash, . and .., of at most \
             {LONGEST_PATTERN} bytes; * and ? stand for characters of a name, ** for directories"
        ))),
    }
}

/// The text of `input`. Python's parser of JSON calls itself for each level, and would run out of stack.
fn parse_input(field: Option<&RawValue>, language: Language) -> Result<Option<String>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    if language == Language::Python && nesting(raw.get()) > MAX_INPUT_NESTING {
        return Err(ApiError::bad_request(
            "Parameter 'input' is nested too deep",
            format!(
                "Python takes at most {MAX_INPUT_NESTING} arrays and objects within each other; send \
                 deeper data as a string in `stdin` or a file"
            ),
        ));
    }
    Ok(Some(raw.get().to_owned()))
}

/// How many arrays and objects of a JSON text are within each other.
fn nesting(json: &str) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    deepest
}

/// Goes behind the quote that ends a string.
fn skip_string(bytes: &mut std::str::Bytes<'_>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => drop(bytes.next()),
            _ => {}
        }
    }
}

fn parse_timeout(field: Option<&RawValue>, settings: &Settings) -> Result<Duration, ApiError> {
    let Some(raw) = field else {
        return Ok(settings.timeout());
    };
    // As `setTimeout`, which the replaced services gave it to: numbers in strings and fractions count.
    let milliseconds = match bounded::kind(raw) {
        Kind::String if raw.get().len() <= LONGEST_WORD => {
            let text = bounded::parse::<String>(raw, Kind::String)?;
            text.and_then(|text| text.trim().parse::<f64>().ok())
        }
        _ => bounded::parse::<Number>(raw, Kind::Number)?.and_then(|number| number.as_f64()),
    };
    match milliseconds {
        Some(milliseconds) if (1.0..=u64::MAX as f64).contains(&milliseconds) => {
            Ok(Duration::from_millis(milliseconds as u64))
        }
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
    // As in the replaced services: what they did not know counted as normal.
    if raw.get().len() > LONGEST_WORD {
        return Ok(Priority::Normal);
    }
    let name = bounded::parse::<String>(raw, Kind::String)?;
    let priority = name.and_then(|name| Priority::from_name(&name));
    Ok(priority.unwrap_or(Priority::Normal))
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
