//! The body of `POST /run_code/continue`.

use faas_protocol::ToolOutcome;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::error::ApiError;
use crate::api::exchange::number_of;

/// Results of calls. Unknown fields are ignored.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ContinueRequest)]
pub struct RawContinue<'a> {
    /// As the answer had it that asked for them.
    #[serde(borrow)]
    #[schema(value_type = String)]
    pub continuation: Option<&'a RawValue>,
    /// Of one or more of its calls; the others stay open.
    #[serde(borrow)]
    #[schema(value_type = Vec<RawResult>)]
    pub results: Option<&'a RawValue>,
}

/// The result of a call, or why there is none.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = ToolResult)]
pub struct RawResult<'a> {
    /// As the call had it.
    id: String,
    /// Any JSON.
    #[serde(borrow, default)]
    #[schema(value_type = Option<serde_json::Value>)]
    result: Option<&'a RawValue>,
    /// A sentence, which the program gets as an exception.
    #[serde(borrow, default)]
    #[schema(value_type = Option<String>)]
    error: Option<&'a RawValue>,
}

/// The continuation that a body names.
///
/// # Errors
/// 400.
pub fn continuation_of(raw: &RawContinue<'_>) -> Result<String, ApiError> {
    let text = match raw.continuation {
        Some(raw) => bounded::parse::<String>(raw, Kind::String)?,
        None => None,
    };
    text.ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'continuation' is required",
            "Send the `continuation` of the answer that asked for the results",
        )
    })
}

/// The results that a body brings, by the numbers of their calls.
///
/// # Errors
/// 400.
pub fn results_of(raw: &RawContinue<'_>) -> Result<Vec<(u32, ToolOutcome)>, ApiError> {
    let list = match raw.results {
        Some(raw) => bounded::parse::<Vec<RawResult<'_>>>(raw, Kind::Array)?,
        None => None,
    };
    let list = list.filter(|list| !list.is_empty()).ok_or_else(|| {
        ApiError::bad_request(
            "Parameter 'results' must be a list of results",
            "Send objects with the `id` of a call and its `result`, or an `error`",
        )
    })?;
    list.iter().map(result_of).collect()
}

fn result_of(raw: &RawResult<'_>) -> Result<(u32, ToolOutcome), ApiError> {
    let invalid = |details: &str| {
        let id: String = raw.id.chars().take(64).collect();
        ApiError::bad_request(format!("Invalid result of \"{id}\""), details)
    };
    let number = number_of(&raw.id).ok_or_else(|| invalid("Send the `id` of one of the calls"))?;
    let outcome = match (raw.result, raw.error) {
        // JSON's null is a result.
        (Some(result), None) => ToolOutcome::Result(result.get().to_owned()),
        (None, None) => ToolOutcome::Result("null".to_owned()),
        (None, Some(error)) => {
            let text = bounded::parse::<String>(error, Kind::String)?;
            ToolOutcome::Failed(text.ok_or_else(|| invalid("`error` is a text"))?)
        }
        (Some(_), Some(_)) => return Err(invalid("Send `result` or `error`, not both")),
    };
    Ok((number, outcome))
}
