//! The fields that a program is given or leaves: `stdin`, `args`, `input`, `collect`.

use faas_protocol::Language;
use faas_protocol::nesting;
use serde_json::value::RawValue;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;

use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::error::ApiError;
use crate::api::files::or_null;

/// Most arguments of a program. The limit of the request body bounds their length.
const MAX_ARGUMENTS: usize = 256;
/// Most patterns of files that are handed back.
pub const MAX_PATTERNS: usize = 64;
/// Longest such pattern, in bytes.
const LONGEST_PATTERN: usize = 256;

/// What [`parse_arguments`] accepts.
pub fn args_schema() -> Schema {
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

pub fn parse_arguments(field: Option<&RawValue>) -> Result<Vec<String>, ApiError> {
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

pub fn parse_stdin(field: Option<&RawValue>) -> Result<Option<String>, ApiError> {
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

/// The text of `input`. Python's parser of JSON calls itself for each level, and would run out of stack.
pub fn parse_input(
    field: Option<&RawValue>,
    language: Language,
) -> Result<Option<String>, ApiError> {
    let Some(raw) = field else {
        return Ok(None);
    };
    let runtime = language.runtime().spec();
    if let Some(most) = runtime.max_input_nesting
        && nesting(raw.get()) > most
    {
        return Err(ApiError::bad_request(
            "Parameter 'input' is nested too deep",
            format!(
                "{} takes at most {most} arrays and objects within each other; send deeper data as a string \
                 in `stdin` or a file",
                runtime.title
            ),
        ));
    }
    Ok(Some(raw.get().to_owned()))
}

/// What [`parse_collect`] accepts.
pub fn collect_schema() -> Schema {
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

pub fn parse_collect(
    field: Option<&RawValue>,
    language: Language,
) -> Result<Vec<String>, ApiError> {
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
    if !patterns.is_empty() && !language.runtime().spec().has_file_system {
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
