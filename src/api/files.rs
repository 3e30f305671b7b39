//! Files that come with a request: `"files": [{"name", "content" | "content_base64"}]`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_protocol::JobFile;
use faas_protocol::MAX_FILE_NAME_BYTES;
use faas_protocol::is_file_name;
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::Object;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::OneOfBuilder;
use utoipa::openapi::schema::ArrayItems;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::SchemaType;
use utoipa::openapi::schema::Type;

use super::error::ApiError;

/// Most files of one request. The limit of the request body bounds their size.
const MAX_FILES: usize = 100;

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
pub fn parse(value: Option<Value>) -> Result<Vec<JobFile>, ApiError> {
    let refused = |details: String| {
        let error = "Parameter 'files' must be an array of files";
        Err(ApiError::bad_request(error, details))
    };
    let files: Vec<RawFile> = match value {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(value) => match serde_json::from_value(value) {
            Ok(files) => files,
            Err(error) => {
                let shape = "send [{\"name\": …, \"content\" or \"content_base64\": …}]";
                return refused(format!("{error}; {shape}"));
            }
        },
    };
    if files.len() > MAX_FILES {
        return refused(format!("At most {MAX_FILES} files are accepted"));
    }
    let mut parsed = Vec::with_capacity(files.len());
    for file in files {
        if !is_file_name(&file.name) {
            let name: String = file.name.chars().take(64).collect();
            return refused(format!(
                "\"{name}\" is not a name within the working directory"
            ));
        }
        let contents = match (file.content, file.content_base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(encoded)) => match BASE64.decode(encoded.as_bytes()) {
                Ok(contents) => contents,
                Err(error) => return refused(format!("{}: {error}", file.name)),
            },
            _ => {
                return refused(format!(
                    "{}: send either content or content_base64",
                    file.name
                ));
            }
        };
        parsed.push(JobFile {
            name: file.name,
            contents,
        });
    }
    Ok(parsed)
}
