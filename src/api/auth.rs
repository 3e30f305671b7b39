//! `FAAS_API_TOKEN`: who may use the API.

use std::sync::Arc;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;

use super::caller::Caller;
use super::error::ApiError;
use super::state::AppState;
use crate::settings::Settings;

/// Open to all: load balancers and orchestrators use them. Callers with the token see more.
const OPEN_PATHS: [&str; 2] = ["/health", "/ready"];

/// Passes a request on if it has the token. Runs before any of the request body is read.
pub async fn authorize(
    State(state): State<Arc<AppState>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = &state.settings.api_token else {
        return next.run(request).await;
    };
    let is_open = OPEN_PATHS.contains(&request.uri().path());
    match sent_token(request.headers()) {
        Some(sent) if token.is(sent) => {
            if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
                caller.by_token = true;
            }
            next.run(request).await
        }
        _ if is_open => next.run(request).await,
        Some(_) => ApiError::unauthorized("The token is wrong").into_response(),
        None => ApiError::unauthorized(
            "This service needs a token; send the header Authorization: Bearer <token>",
        )
        .into_response(),
    }
}

/// Whether these are the headers of a request with the token, if there is one to send.
pub fn shows_token(headers: &HeaderMap, settings: &Settings) -> bool {
    let token = settings.api_token.as_ref();
    token.is_some_and(|token| sent_token(headers).is_some_and(|sent| token.is(sent)))
}

/// The token of `Authorization: Bearer <token>`; the scheme in any case (RFC 9110, 11.1).
fn sent_token(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at_checked(b"bearer ".len())?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token_of(value: &[u8]) -> Option<Vec<u8>> {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.try_into().unwrap());
        sent_token(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn the_bearer_scheme_may_be_in_any_case() {
        assert_eq!(token_of(b"Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(token_of(b"bEARER  abc "), Some(b"abc".to_vec()));
        assert_eq!(token_of(b"Basic abc"), None);
        assert_eq!(token_of(b"Bearer"), None);
        assert_eq!(token_of(b"\xff\xfe"), None);
    }
}
