//! `FAAS_API_TOKEN` and `FAAS_API_TOKENS_FILE`: who may use the API.

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

/// Open to all: load balancers and orchestrators use them. Callers with a token see more.
const OPEN_PATHS: [&str; 2] = ["/health", "/ready"];

/// Passes a request on if it has a right token. Runs before any of the request body is read.
pub async fn authorize(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let caller = request.extensions().get::<Caller>();
    let is_let_in = !state.settings.needs_token()
        || caller.is_some_and(|caller| shows_token(headers, caller, &state))
        || OPEN_PATHS.contains(&request.uri().path());
    if is_let_in {
        return next.run(request).await;
    }
    let details = match sent_token(headers) {
        Some(_) => "The token is wrong",
        None => "This service needs a token; send the header Authorization: Bearer <token>",
    };
    ApiError::unauthorized(details).into_response()
}

/// Whether these are the headers of a request with a right token; notes with its caller whose it is.
pub fn shows_token(headers: &HeaderMap, caller: &Caller, state: &AppState) -> bool {
    sent_token(headers).is_some_and(|sent| is_token(sent, caller, state))
}

/// Whether this is a right token; notes with its caller whose it is.
pub fn is_token(sent: &[u8], caller: &Caller, state: &AppState) -> bool {
    let Some((owner, weight)) = state.tokens.owner_of(sent) else {
        return false;
    };
    caller.showed_token_of(owner, weight);
    true
}

/// The token of `Authorization: Bearer <token>`.
fn sent_token(headers: &HeaderMap) -> Option<&[u8]> {
    token_of_scheme(headers, b"bearer ")
}

/// The token of `Authorization: <scheme> <token>`; the scheme, which is given with its blank, in any case (RFC 9110,
/// 11.1).
pub fn token_of_scheme<'a>(headers: &'a HeaderMap, scheme: &[u8]) -> Option<&'a [u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (sent, token) = value.split_at_checked(scheme.len())?;
    sent.eq_ignore_ascii_case(scheme)
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
