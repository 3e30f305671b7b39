//! Ids that nobody guesses: a prefix, and 128 random bits in hexadecimal digits.

use std::sync::Arc;

const DIGITS: usize = 32;

/// A new id.
///
/// # Errors
/// When the system has no random numbers.
pub fn random(prefix: &str) -> std::io::Result<Arc<str>> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
    let number = u128::from_le_bytes(bits);
    Ok(format!("{prefix}{number:0DIGITS$x}").into())
}

/// The id that a text is, with this prefix; `None` for any other text.
pub fn parse(prefix: &str, text: &str) -> Option<Arc<str>> {
    let digits = text.strip_prefix(prefix)?;
    let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_sane = digits.len() == DIGITS && digits.bytes().all(is_hexadecimal);
    is_sane.then(|| text.into())
}
