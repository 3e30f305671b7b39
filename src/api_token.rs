//! `FAAS_API_TOKEN`: the secret that callers must send.

use std::fmt;

use faas_packages::Digest;
use subtle::Choice;
use subtle::ConstantTimeEq;

/// The secret that callers must send. Kept as its SHA-256, so that a log line cannot give it away.
#[derive(Clone)]
pub struct ApiToken {
    digest: TokenDigest,
    is_short: bool,
}

/// The SHA-256 of a token. Comparing two takes the same time whatever was sent, also for another length.
#[derive(Clone)]
pub struct TokenDigest(Digest);

impl TokenDigest {
    pub fn of(token: &[u8]) -> Self {
        Self(Digest::of(token))
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        Digest::parse(hex).map(Self)
    }

    /// Whether both are of the same token.
    pub fn is(&self, other: &Self) -> Choice {
        self.0.bytes().ct_eq(other.0.bytes())
    }
}

/// Shorter tokens can be guessed by asking often enough; nothing here slows that down. In characters.
pub const SHORTEST_GOOD_TOKEN: usize = 16;

impl ApiToken {
    /// Parses the setting.
    ///
    /// # Errors
    /// Says what is allowed.
    pub fn parse(text: &str) -> Result<Self, String> {
        // Files of secrets end in a line break.
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(
                "must be visible ASCII characters without spaces, at least one; \
                        unset it to let everybody in"
                    .to_owned(),
            );
        }
        Ok(Self {
            digest: TokenDigest::of(text.as_bytes()),
            is_short: text.len() < SHORTEST_GOOD_TOKEN,
        })
    }

    /// Whether what was sent has this digest.
    pub fn is(&self, sent: &TokenDigest) -> bool {
        self.digest.is(sent).into()
    }

    pub fn digest(&self) -> &TokenDigest {
        &self.digest
    }

    /// Whether it has fewer than [`SHORTEST_GOOD_TOKEN`] characters.
    pub fn is_short(&self) -> bool {
        self.is_short
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ApiToken(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_exact_token_is_accepted() {
        let token = ApiToken::parse("secret").unwrap();
        let is = |sent: &[u8]| token.is(&TokenDigest::of(sent));
        assert!(is(b"secret"));
        for wrong in [&b""[..], b"secre", b"secret ", b"Secret", b"secretsecret"] {
            assert!(!is(wrong));
        }
    }

    #[test]
    fn a_token_of_less_than_16_characters_is_short() {
        let is_short = |text| ApiToken::parse(text).unwrap().is_short();
        assert!(is_short("0123456789abcde"));
        assert!(!is_short("0123456789abcdef"));
    }

    #[test]
    fn a_token_cannot_be_empty_have_spaces_or_be_printed() {
        for wrong in ["", " ", "a b", "\n", "a\nb", "é"] {
            assert!(ApiToken::parse(wrong).is_err(), "{wrong:?}");
        }
        let token = ApiToken::parse("secret").unwrap();
        assert_eq!(format!("{token:?}"), "ApiToken(…)");
    }
}
