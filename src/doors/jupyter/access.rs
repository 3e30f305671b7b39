//! Who may: clients send the token in a header, as `Bearer` or Jupyter's `token`, or as `token` in the query.

use std::sync::Arc;

use axum::extract::Request;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use url::form_urlencoded;

use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::auth::is_token;
use crate::api::auth::shows_token;
use crate::api::auth::token_of_scheme;
use crate::api::caller::Caller;

/// Passes a request on if it has a right token.
pub async fn authorize(
    State(state): State<Arc<AppState>>,
    caller: Caller,
    request: Request,
    next: Next,
) -> Response {
    if !state.settings.needs_token() || shows(&request, &caller, &state) {
        return next.run(request).await;
    }
    Refusal::from(ApiError::unauthorized(
        "This service needs a token, and none or a wrong one came; give it to the client as Jupyter's token",
    ))
    .into_response()
}

fn shows(request: &Request, caller: &Caller, state: &AppState) -> bool {
    let headers = request.headers();
    let of_jupyter = token_of_scheme(headers, b"token ");
    if shows_token(headers, caller, state)
        || of_jupyter.is_some_and(|token| is_token(token, caller, state))
    {
        return true;
    }
    let query = request.uri().query().unwrap_or_default();
    let mut parameters = form_urlencoded::parse(query.as_bytes());
    let token = parameters.find(|(name, _)| name == "token");
    token.is_some_and(|(_, token)| is_token(token.as_bytes(), caller, state))
}
