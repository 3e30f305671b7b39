//! A call of a tool: its arguments become a request as `/run_code` has it, and are parsed by the same parser.

use std::sync::Arc;

use axum::http::request::Parts;
use faas_protocol::Language;
use rmcp::ErrorData;
use rmcp::RoleServer;
use rmcp::model::CallToolRequestParams;
use rmcp::model::CallToolResponse;
use rmcp::model::CallToolResult;
use rmcp::model::JsonObject;
use rmcp::model::Tool;
use rmcp::service::RequestContext;
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::content;
use super::progress;
use super::session::Session;
use super::tools::Kind;
use super::within::Within;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::caller::Caller;
use crate::api::check_code;
use crate::api::execute;
use crate::api::request;

/// Calls a tool. What the program or the arguments have wrong is in the result, for the model.
///
/// # Errors
/// When no tool has the name, or the client cancelled the call.
pub async fn call(
    state: &Arc<AppState>,
    tools: &[Tool],
    call: CallToolRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResponse, ErrorData> {
    let tool = tools.iter().find(|tool| tool.name == call.name);
    let (Some(tool), Some(kind)) = (tool, Kind::from_name(&call.name)) else {
        let known: Vec<_> = tools.iter().map(|tool| &*tool.name).collect();
        let message = format!("Unknown tool; the tools are {}", known.join(", "));
        return Err(ErrorData::invalid_params(message, None));
    };
    let arguments = call.arguments.unwrap_or_default();
    if let Some(unknown) = arguments.keys().find(|name| !takes(tool, name)) {
        return Ok(content::of_error(&unknown_argument(kind, unknown)).into());
    }
    let parts = context.extensions.get::<Parts>();
    let within = parts.and_then(|parts| parts.extensions.get::<Within>().cloned());
    let within = within.unwrap_or_default();
    let caller = parts.and_then(|parts| parts.extensions.get::<Caller>().cloned());
    let caller = caller.unwrap_or_else(Caller::local);
    let cancelled = context.ct.clone();
    let answered = answer(state, &caller, kind, arguments, &within, context);
    let result = tokio::select! {
        result = answered.instrument(within.span.clone()) => result,
        () = cancelled.cancelled() => return Err(ErrorData::internal_error("The call was cancelled", None)),
    };
    Ok(result
        .unwrap_or_else(|error| content::of_error(&error))
        .into())
}

async fn answer(
    state: &Arc<AppState>,
    caller: &Caller,
    kind: Kind,
    mut arguments: JsonObject,
    within: &Within,
    context: RequestContext<RoleServer>,
) -> Result<CallToolResult, ApiError> {
    let mut session =
        Session::of(&mut arguments, kind, state.requests.share(), caller, state).await?;
    let body = request::Body::of(body_of(kind, arguments)?, within.message(state), state)?;
    let result = if kind == Kind::CheckCode {
        let checked = check_code::check(state, caller, body).await?;
        structured(serde_json::to_value(checked))?
    } else {
        let parsed = request::parse(body, caller, state);
        let in_words = |error| match &session {
            Some(session) => session.error(error),
            None => error,
        };
        let mut request = parsed.map_err(in_words)?;
        let token = context.meta.get_progress_token();
        let telling = token.map(|token| {
            let (live, events) = mpsc::unbounded_channel();
            request.execution.live = Some(live);
            progress::tell(context.peer.clone(), token, events)
        });
        let running = execute::run(state, caller, request);
        let finished = match telling {
            Some(telling) => tokio::join!(running, telling).0,
            None => running.await,
        };
        let finished = finished.map_err(in_words)?;
        content::of_report(&finished.task_id, finished.report)
    };
    within.hold_answer(&result, state)?;
    if let Some(session) = &mut session {
        session.told();
    }
    Ok(result)
}

/// Whether an argument of this name is one of a tool's.
fn takes(tool: &Tool, argument: &str) -> bool {
    let properties = tool
        .input_schema
        .get("properties")
        .and_then(Value::as_object);
    properties.is_some_and(|properties| properties.contains_key(argument))
}

fn unknown_argument(kind: Kind, name: &str) -> ApiError {
    let name: String = name.chars().take(64).collect();
    ApiError::bad_request(
        format!("Unknown argument '{name}'"),
        format!("See the input schema of {}", kind.name()),
    )
}

/// The arguments as the body of a request.
fn body_of(kind: Kind, mut arguments: JsonObject) -> Result<Vec<u8>, ApiError> {
    if let Some(language) = kind.language() {
        let name = Value::from(language.name());
        let given = arguments.entry("language").or_insert(name);
        let is_typescript =
            language == Language::JavaScript && *given == Language::TypeScript.name();
        if *given != language.name() && !is_typescript {
            return Err(ApiError::bad_request(
                "Invalid argument 'language'",
                "Send javascript or typescript",
            ));
        }
    }
    serde_json::to_vec(&arguments).map_err(|error| ApiError::failed(error.to_string()))
}

fn structured(value: serde_json::Result<Value>) -> Result<CallToolResult, ApiError> {
    value
        .map(CallToolResult::structured)
        .map_err(|error| ApiError::failed(error.to_string()))
}
