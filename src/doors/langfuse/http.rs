//! The route that invokes a function, as AWS Lambda has it.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::routing::any;
use axum::routing::post;
use jiff::Timestamp;
use serde_json::json;

use super::evaluation;
use super::evaluation::Code;
use super::evaluation::Failure;
use super::event;
use super::event::LONGEST_EVENT;
use super::signature;
use super::signature::Refused;
use super::signature::Signature;
use crate::api::Answer;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::auth::shows_token;
use crate::api::caller::Caller;
use crate::api::execute;
use crate::doors::ours;

const INVOCATION_TYPE: &str = "x-amz-invocation-type";
const ERROR_TYPE: HeaderName = HeaderName::from_static("x-amzn-errortype");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
const EXECUTED_VERSION: HeaderName = HeaderName::from_static("x-amz-executed-version");

/// The routes of this door. Clients of AWS sign their requests, and cannot send a token.
pub fn routes() -> Router<Arc<AppState>> {
    Router::new()
        .route(
            "/2015-03-31/functions/{name}/invocations",
            post(invoke).fallback(unknown),
        )
        .route("/2015-03-31/{*rest}", any(unknown))
}

async fn unknown() -> Response {
    in_words(ApiError::not_found(
        "Unknown operation",
        "The one that is known is Invoke: POST /2015-03-31/functions/{name}/invocations",
    ))
}

/// Runs an evaluator. The function may have any name: the event says which language it is.
async fn invoke(State(state): State<Arc<AppState>>, caller: Caller, request: Request) -> Response {
    let mut response = match answer(&state, &caller, request).await {
        Ok(answer) => answer.into_response(),
        Err(error) => in_words(error),
    };
    let headers = response.headers_mut();
    headers.insert(EXECUTED_VERSION, HeaderValue::from_static("$LATEST"));
    headers.insert(REQUEST_ID, caller.request_id);
    response
}

async fn answer(
    state: &Arc<AppState>,
    caller: &Caller,
    request: Request,
) -> Result<Answer, ApiError> {
    let (head, body) = request.into_parts();
    let signature = look_at_signature(&head, caller, state)?;
    if head
        .headers
        .get(INVOCATION_TYPE)
        .is_some_and(|kind| kind != "RequestResponse")
    {
        return Err(ApiError::bad_request(
            "Unsupported invocation type",
            "Send the header X-Amz-Invocation-Type: RequestResponse",
        ));
    }
    let whole = Request::from_parts(head.clone(), body);
    let (event, share) = ours::read(whole, state).await?;
    if let Some(signature) = signature {
        signature.check(&event).map_err(denied)?;
    }
    if event.len() > LONGEST_EVENT {
        let details = format!("An event may have at most {LONGEST_EVENT} bytes");
        return Err(ApiError::too_large("Payload too large", details));
    }
    let evaluated = match event::parse(&event, share, caller, state)? {
        Ok(request) => {
            drop(event);
            match execute::run(state, caller, request).await {
                Ok(finished) => evaluation::result(&finished.report).map(str::to_owned),
                Err(error) if error.status() == StatusCode::UNPROCESSABLE_ENTITY => {
                    Err(Failure::new(Code::InvalidSource, error.sentence()))
                }
                Err(error) => return Err(error),
            }
        }
        Err(failure) => Err(failure),
    };
    match evaluated {
        Ok(json) => Answer::of_json(json, state),
        Err(failure) => Answer::new(&json!({ "error": failure }), state),
    }
}

/// Whether a request may be served: it has the token, or is signed with FAAS_LANGFUSE_KEYS, or the service has
/// neither. A signature that was found is to be checked once the body is there.
fn look_at_signature<'a>(
    head: &'a Parts,
    caller: &Caller,
    state: &'a AppState,
) -> Result<Option<Signature<'a>>, ApiError> {
    let settings = &state.settings;
    if shows_token(&head.headers, caller, state) {
        return Ok(None);
    }
    match &settings.langfuse_keys {
        Some(keys) => {
            let signature = signature::check_head(head, keys, Timestamp::now());
            signature.map(Some).map_err(denied)
        }
        None if !settings.needs_token() => Ok(None),
        None => Err(ApiError::forbidden(
            "Access denied",
            "This service has a token, which AWS clients cannot send: set its FAAS_LANGFUSE_KEYS, and give the \
             client the same key pair",
        )),
    }
}

fn denied(refused: Refused) -> ApiError {
    ApiError::forbidden("Access denied", refused.to_string())
}

/// An error as clients of Lambda know it. They, and Langfuse, go by the name.
fn in_words(error: ApiError) -> Response {
    let name = match error.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "AccessDeniedException",
        StatusCode::NOT_FOUND => "ResourceNotFoundException",
        StatusCode::PAYLOAD_TOO_LARGE => "RequestTooLargeException",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "UnsupportedMediaTypeException",
        StatusCode::TOO_MANY_REQUESTS => "TooManyRequestsException",
        status if status.is_server_error() => "ServiceException",
        _ => "InvalidRequestContentException",
    };
    let (status, message) = (error.status(), error.sentence());
    let mut response = error.in_words(status, &json!({ "Type": name, "message": message }));
    let name = HeaderValue::from_static(name);
    response.headers_mut().insert(ERROR_TYPE, name);
    response
}
