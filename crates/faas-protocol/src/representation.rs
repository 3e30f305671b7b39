//! What a program shows: results, each a list of representations by media type, as in Jupyter's messages
//! ("display_data").

use serde::Deserialize;
use serde::Serialize;

/// One way to show a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Representation<'a> {
    Text(&'a str),
    /// Text of JSON. The supervisor looks whether it is.
    Json(&'a str),
    Bytes(#[serde(borrow)] &'a [u8]),
}

impl Representation<'_> {
    /// Its size, in bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Most results of an execution.
pub const MAX_RESULTS: usize = 100;
/// Most representations of a result.
pub const MAX_REPRESENTATIONS: usize = 16;
/// Deepest nesting of JSON in a result: parsers of callers give up at different depths, and the whole
/// answer would be lost to them.
pub const MAX_RESULT_NESTING: usize = 100;
/// Longest name of a media type, in bytes.
const MAX_MEDIA_TYPE_BYTES: usize = 127;

/// Whether this is the name of a media type without parameters (RFC 6838, 4.2).
pub fn is_media_type(name: &str) -> bool {
    let is_name = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    name.len() <= MAX_MEDIA_TYPE_BYTES
        && name
            .split_once('/')
            .is_some_and(|(kind, rest)| is_name(kind) && is_name(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types_are_two_names() {
        for name in [
            "text/plain",
            "image/svg+xml",
            "application/vnd.vegalite.v5+json",
            "e2b/chart",
        ] {
            assert!(is_media_type(name), "{name}");
        }
        let long = format!("text/{}", "x".repeat(123));
        for name in [
            "",
            "text",
            "/",
            "text/",
            "/plain",
            "text/a/b",
            "text/+a",
            "text/a b",
            "text/é",
            "text/a;b=c",
            "text/a\n",
            &long,
        ] {
            assert!(!is_media_type(name), "{name:?}");
        }
    }
}
