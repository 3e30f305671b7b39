//! The field `tools` of a request.

use faas_tools::Declaration;
use faas_tools::Invalid;
use faas_tools::MAX_DESCRIPTION_BYTES;
use faas_tools::MAX_NAME_BYTES;
use faas_tools::MAX_TOOLS;
use faas_tools::ToolSet;
use serde_json::value::RawValue;
use utoipa::openapi::ArrayBuilder;
use utoipa::openapi::ObjectBuilder;
use utoipa::openapi::schema::Schema;
use utoipa::openapi::schema::Type;

use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::error::ApiError;
use crate::api::files::or_null;

/// Longest list of tools, in bytes of JSON: a value of it takes up to 72 in memory.
const MAX_BYTES: usize = 256 << 10;

/// What [`parse_tools`] accepts.
pub fn tools_schema() -> Schema {
    let name = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some(format!("^[A-Za-z0-9_.-]{{1,{MAX_NAME_BYTES}}}$")));
    let schema = |text: &str| {
        ObjectBuilder::new()
            .schema_type(or_null(Type::Object))
            .description(Some(text.to_owned()))
    };
    let tool = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("name", name)
        .property(
            "description",
            ObjectBuilder::new()
                .schema_type(Type::String)
                .max_length(Some(MAX_DESCRIPTION_BYTES)),
        )
        .property(
            "input_schema",
            schema("JSON Schema of its input, an object"),
        )
        .property("output_schema", schema("JSON Schema of its result"))
        .required("name");
    let mut list = ArrayBuilder::new()
        .items(tool)
        .max_items(Some(MAX_TOOLS))
        .description(Some(
            "Tools of yours that the program may call, as `tools.NAME(…)`; the answer then asks you for what they give",
        ))
        .build();
    list.schema_type = or_null(Type::Array);
    Schema::Array(list)
}

/// # Errors
/// 400 with the tool that is wrong.
pub fn parse_tools(field: Option<&RawValue>) -> Result<Option<ToolSet>, ApiError> {
    let Some(raw) = field.filter(|raw| bounded::kind(raw) != Kind::Null) else {
        return Ok(None);
    };
    if raw.get().len() > MAX_BYTES {
        return Err(invalid(&format!(
            "the list is longer than {MAX_BYTES} bytes"
        )));
    }
    let declarations: Vec<Declaration> = bounded::parse(raw, Kind::Array)?.ok_or_else(|| {
        invalid("send a list of objects with name, description, input_schema and output_schema")
    })?;
    if declarations.is_empty() {
        return Ok(None);
    }
    let tools = ToolSet::new(declarations);
    tools
        .map(Some)
        .map_err(|reason: Invalid| invalid(&reason.to_string()))
}

fn invalid(reason: &str) -> ApiError {
    ApiError::bad_request("Invalid parameter 'tools'", reason)
}
