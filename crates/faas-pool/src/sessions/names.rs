//! What sessions are called: by the service, and by their owners.

use std::fmt;
use std::sync::Arc;

use crate::random_id;
use crate::random_id::Replica;

/// Names a session: `sess-`, the replica that has it, if that has a name, and 128 random bits in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionId(Arc<str>);

impl SessionId {
    const PREFIX: &str = "sess-";

    /// # Errors
    /// When the system has no random numbers.
    pub fn random(replica: Option<&Replica>) -> std::io::Result<Self> {
        random_id::random(Self::PREFIX, replica).map(Self)
    }

    /// `None` if it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        random_id::parse(Self::PREFIX, text).map(Self)
    }

    /// The replica that has it, if that has a name.
    pub fn replica(&self) -> Option<Replica> {
        random_id::replica_of(Self::PREFIX, &self.0)
    }

    /// The same, if it is another than this one.
    pub fn elsewhere(&self, here: Option<&Replica>) -> Option<Replica> {
        self.replica().filter(|replica| Some(replica) != here)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What its owner calls a session: by it, it is found, not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionName(Arc<str>);

impl SessionName {
    pub const MAX_BYTES: usize = 128;

    /// `None` if it is empty, too long, or has control characters.
    pub fn parse(text: &str) -> Option<Self> {
        let is_sane =
            (1..=Self::MAX_BYTES).contains(&text.len()) && !text.contains(char::is_control);
        is_sane.then(|| Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_lines() {
        let long = "x".repeat(SessionName::MAX_BYTES + 1);
        for wrong in ["", "a\nb", "\0", &long] {
            assert_eq!(SessionName::parse(wrong), None, "{wrong:?}");
        }
        assert!(SessionName::parse("été 2026").is_some());
    }
}
