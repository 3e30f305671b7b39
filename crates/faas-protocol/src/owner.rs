//! Whose a program is.

use std::fmt;
use std::sync::Arc;

/// Whose a program is, as far as the token of its request says. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Owner {
    /// No token was shown: everybody is one owner.
    #[default]
    Everybody,
    /// FAAS_API_TOKEN was shown.
    Token,
    /// A token of FAAS_API_TOKENS_FILE was shown.
    Named(TokenName),
}

impl Owner {
    /// The name of the token, if it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name.as_str()),
            Self::Everybody | Self::Token => None,
        }
    }
}

/// The name of a token: 1 to 64 ASCII letters, digits, `-` and `_`, as TOML has names without quotes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenName(Arc<str>);

impl TokenName {
    const MAX_BYTES: usize = 64;

    /// `None` if it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let is_sane = (1..=Self::MAX_BYTES).contains(&text.len())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        is_sane.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TokenName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tokens_are_safe_in_logs_and_headers() {
        for name in ["a", "evaluator-2", "Team_B", &"x".repeat(64)] {
            assert!(TokenName::parse(name).is_some(), "{name}");
        }
        for wrong in ["", "a b", "a.b", "é", "a\n", "a\"", &"x".repeat(65)] {
            assert!(TokenName::parse(wrong).is_none(), "{wrong:?}");
        }
    }
}
