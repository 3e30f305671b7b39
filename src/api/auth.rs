//! `FAAS_API_TOKEN`: who may use the API.

use std::fmt;
use std::sync::Arc;

use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use sha2::Digest;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use super::Service;
use super::error::ApiError;
use super::observe::Caller;

/// Open to all: load balancers and orchestrators ask it, and it tells nothing of any program.
const OPEN_PATH: &str = "/health";

/// The secret that callers must send. Kept as its SHA-256: comparing digests takes the same time
/// whatever was sent, also for another length, and a log line cannot give it away.
#[derive(Clone)]
pub struct ApiToken([u8; 32]);

impl ApiToken {
    /// Parses the setting.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "allowed are visible ASCII characters without spaces, at least one; \
                        unset it to let everybody in"
                    .to_owned(),
            );
        }
        Ok(Self::digest(text.as_bytes()))
    }

    fn digest(text: &[u8]) -> Self {
        Self(Sha256::digest(text).into())
    }

    fn is(&self, sent: &[u8]) -> bool {
        self.0.ct_eq(&Self::digest(sent).0).into()
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiToken(…)")
    }
}

/// Lets a request pass if it may. Runs before anything of the request's body is read.
pub async fn authorize(
    State(service): State<Arc<Service>>,
    mut request: Request,
    next: Next,
) -> Response {
    let Some(token) = &service.settings.api_token else {
        return next.run(request).await;
    };
    if request.uri().path() == OPEN_PATH {
        return next.run(request).await;
    }
    match sent_token(request.headers()) {
        Some(sent) if token.is(sent) => {
            if let Some(caller) = request.extensions_mut().get_mut::<Caller>() {
                caller.by_token = true;
            }
            next.run(request).await
        }
        Some(_) => ApiError::unauthorized("The token is wrong").into_response(),
        None => ApiError::unauthorized(
            "This service needs a token; send the header Authorization: Bearer <token>",
        )
        .into_response(),
    }
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
    fn the_scheme_may_be_in_any_case() {
        assert_eq!(token_of(b"Bearer abc"), Some(b"abc".to_vec()));
        assert_eq!(token_of(b"bEARER  abc "), Some(b"abc".to_vec()));
        assert_eq!(token_of(b"Basic abc"), None);
        assert_eq!(token_of(b"Bearer"), None);
        assert_eq!(token_of(b"\xff\xfe"), None);
    }

    #[test]
    fn only_the_very_token_is_right() {
        let token = ApiToken::parse("secret").unwrap();
        assert!(token.is(b"secret"));
        for wrong in [&b""[..], b"secre", b"secret ", b"Secret", b"secretsecret"] {
            assert!(!token.is(wrong));
        }
    }

    #[test]
    fn it_cannot_be_empty_nor_have_spaces_nor_be_printed() {
        for wrong in ["", " ", "a b", "a\n", "é"] {
            assert!(ApiToken::parse(wrong).is_err(), "{wrong:?}");
        }
        let token = ApiToken::parse("secret").unwrap();
        assert_eq!(format!("{token:?}"), "ApiToken(…)");
    }
}
