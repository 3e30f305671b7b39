//! The fields that say which program: `language`, `code`, `entry_point`.

use faas_protocol::JobFile;
use faas_protocol::Language;
use faas_protocol::MAX_FILE_NAME_BYTES;
use serde_json::value::RawValue;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;

use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::error::ApiError;
use crate::api::files::or_null;
use crate::settings::Settings;

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
pub fn language_schema() -> Schema {
    language_names()
        .schema_type(or_null(Type::String))
        .description(Some(
            "The program's language, in any case; absent means python, or javascript if only that \
             is served (FAAS_LANGUAGE)",
        ))
        .into()
}

pub fn parse_language(field: Option<&RawValue>, settings: &Settings) -> Result<Language, ApiError> {
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

pub fn parse_code(field: Option<&RawValue>, settings: &Settings) -> Result<String, ApiError> {
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
    let most = settings.max_code_bytes().get();
    if code.len() as u64 <= most {
        return Ok(());
    }
    let details = format!("At most {most} bytes are accepted (FAAS_MAX_CODE_BYTES)");
    Err(ApiError::too_large(error, details))
}

pub fn parse_entry_point(field: Option<&RawValue>) -> Result<Option<String>, ApiError> {
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
pub fn code_of_entry_point(
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
