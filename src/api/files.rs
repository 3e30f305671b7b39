//! Files that come with a request: `"files": [{"name", "content" | "content_base64"}]`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_protocol::JobFile;
use faas_protocol::MAX_FILE_NAME_BYTES;
use faas_protocol::is_file_name;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::Object;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::OneOfBuilder;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::Type;

use super::bounded;
use super::bounded::AtMost;
use super::bounded::Kind;
use super::error::ApiError;

/// Most files of one request. The limit of the request body bounds their size.
pub const MAX_FILES: usize = 100;

#[derive(Deserialize)]
struct RawFile {
    name: String,
    content: Option<String>,
    content_base64: Option<String>,
}

/// What [`parse`] accepts, for the API's description.
pub fn schema() -> Schema {
    let text = file("content", "content_base64", string());
    let base64 = string()
        .pattern(Some(
            "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/][AQgw]==|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$",
        ))
        .content_encoding("base64");
    let bytes = file("content_base64", "content", base64);
    let either = OneOfBuilder::new()
        .description(Some("A text, or bytes in base64"))
        .item(text)
        .item(bytes);
    let mut list = ArrayBuilder::new()
        .items(ArrayItems::RefOrSchema(Box::new(either.into())))
        .max_items(Some(MAX_FILES))
        .description(Some("Put into the program's working directory"))
        .build();
    list.schema_type = or_null(Type::Array);
    Schema::Array(list)
}

/// A file that has its contents in one field and not in the other.
fn file(field: &str, other: &str, contents: ObjectBuilder) -> Object {
    // A part of a name is neither empty nor `.` nor `..`.
    let no = "\\u0000-\\u001f\\u007f-\\u009f\\\\/";
    let part = format!("([^.{no}]|\\.[^.{no}]|\\.\\.[^{no}])[^{no}]*");
    let name = string()
        .min_length(Some(1))
        .pattern(Some(format!("^{part}(/{part})*$")))
        .description(Some(format!(
            "At most {MAX_FILE_NAME_BYTES} bytes; parts with / between, none of them empty, . or .."
        )));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("name", name)
        .property(field, contents)
        .property(other, ObjectBuilder::new().schema_type(Type::Null))
        .required("name")
        .required(field)
        .build()
}

fn string() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// The type of a field that is as good as absent when it is null.
pub fn or_null(schema_type: Type) -> SchemaType {
    SchemaType::Array(vec![schema_type, Type::Null])
}

/// Checks the files of a request.
///
/// # Errors
/// 400 that says which file is wrong and why.
pub fn parse(field: Option<&RawValue>) -> Result<Vec<JobFile>, ApiError> {
    /// One more than allowed shows that there are too many.
    type Files<'a> = AtMost<&'a RawValue, { MAX_FILES + 1 }>;
    let Some(raw) = field else {
        return Ok(Vec::new());
    };
    let Some(AtMost(files)) = bounded::parse::<Files>(raw, Kind::Array)? else {
        return Err(refused(SHAPE));
    };
    if files.len() > MAX_FILES {
        return Err(too_many_files());
    }
    files.into_iter().map(parse_file).collect()
}

const SHAPE: &str = "send [{\"name\": …, \"content\" or \"content_base64\": …}]";

fn refused(details: impl Into<String>) -> ApiError {
    ApiError::bad_request("Parameter 'files' must be an array of files", details)
}

/// 400: there are more files than a request may have.
pub fn too_many_files() -> ApiError {
    refused(format!("At most {MAX_FILES} files are accepted"))
}

fn parse_file(raw: &RawValue) -> Result<JobFile, ApiError> {
    // Asked first, since the error for another kind repeats the value, however long.
    if bounded::kind(raw) != Kind::Object {
        return Err(refused(SHAPE));
    }
    let file: RawFile =
        serde_json::from_str(raw.get()).map_err(|error| refused(format!("{error}; {SHAPE}")))?;
    if !is_file_name(&file.name) {
        let name: String = file.name.chars().take(64).collect();
        return Err(refused(format!(
            "\"{name}\" is not a name within the working directory"
        )));
    }
    let contents = match (file.content, file.content_base64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(encoded)) => BASE64
            .decode(encoded)
            .map_err(|error| refused(format!("{}: {error}", file.name)))?,
        _ => {
            return Err(refused(format!(
                "{}: send either content or content_base64",
                file.name
            )));
        }
    };
    Ok(JobFile {
        name: file.name,
        contents,
    })
}
