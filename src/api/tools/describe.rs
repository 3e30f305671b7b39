//! `POST /tools/describe`: tools as a prompt tells them to a model.

use std::sync::Arc;

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::error::ApiError;
use crate::api::request;
use crate::api::request::parse_tools;
use crate::api::request::tools_schema;
use crate::api::state::AppState;

/// Tools to describe. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DescribeRequest)]
pub struct RawDescribe<'a> {
    #[serde(borrow)]
    #[schema(schema_with = tools_schema)]
    tools: Option<&'a RawValue>,
}

/// Tools as programs see them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolsDescribed)]
pub struct Described {
    /// Functions of the module `tools`, without bodies.
    python: String,
    /// Declarations, as in a `.d.ts` file; for JavaScript, too.
    typescript: String,
}

/// Describes tools.
///
/// # Errors
/// 400 for tools that no program could have, and those of reading the body.
pub async fn describe_tools(
    State(state): State<Arc<AppState>>,
    request: Request,
) -> Result<Json<Described>, ApiError> {
    let body = request::read_body(request, &state).await?;
    let raw: RawDescribe<'_> = request::parse_body(body.bytes())?;
    let tools = parse_tools(raw.tools)?.ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'tools' is required",
            "Send a list of objects with name, description, input_schema and output_schema",
        )
    })?;
    Ok(Json(Described {
        python: tools.python(),
        typescript: tools.typescript(),
    }))
}
