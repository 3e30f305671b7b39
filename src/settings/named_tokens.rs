//! `FAAS_API_TOKENS_FILE`: tokens with names, each in the file by its SHA-256. So the file is no secret: it can be
//! kept with other settings, and no error, backup or diff gives a token away. A token is long and random, which is
//! why one plain hash is enough: there is no list of likely tokens to try.

use std::fmt;
use std::path::Path;

use faas_protocol::TokenName;
use faas_protocol::Weight;
use subtle::ConditionallySelectable;
use toml::Spanned;
use toml::de::DeTable;
use toml::de::DeValue;

use super::lines::line_at;
use super::secret_file;
use super::secret_file::SecretFileError;
use crate::api_token::TokenDigest;

/// Most tokens in a file: each is compared with what a request sends.
const MAX_TOKENS: usize = 1000;
/// Most tokens of one name: an old and a new one, while callers change over, and some to spare.
const MAX_OF_A_NAME: usize = 4;

/// The tokens of a file, at least one. None is there twice.
#[derive(Clone, Default)]
pub struct NamedTokens(Vec<NamedToken>);

/// A token of the file.
#[derive(Clone)]
pub struct NamedToken {
    digest: TokenDigest,
    pub name: TokenName,
    pub weight: Weight,
}

/// Why a file of tokens is not taken. Shows nothing of the file: whatever is in the wrong place may be a token.
#[derive(Debug, thiserror::Error)]
pub enum NamedTokensError {
    #[error("{0}")]
    File(#[from] SecretFileError),
    #[error("line {line} is not valid TOML: {reason}")]
    NotToml { line: usize, reason: String },
    #[error("line {line}: {reason}")]
    Wrong { line: usize, reason: Wrong },
    #[error(
        "it has no token, and nobody could be let in; unset FAAS_API_TOKENS_FILE to do without names"
    )]
    Empty,
    #[error("it has more than {MAX_TOKENS} tokens")]
    TooMany,
}

/// What is wrong at a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wrong {
    #[error("a token's name must be 1 to 64 ASCII letters, digits, - and _")]
    Name,
    #[error(
        "each token is a table with its name: [evaluator], and in the next line sha256 = \"…\""
    )]
    NoTable,
    #[error("a token has sha256, may have weight, and has nothing else")]
    Key,
    #[error("weight must be an integer between 1 and {}", Weight::MAX)]
    Weight,
    #[error(
        "sha256 must be the 64 hexadecimal digits that `printf %s \"$TOKEN\" | sha256sum` prints, or a list of \
         1 to {MAX_OF_A_NAME} of these"
    )]
    Digest,
    #[error("this is the SHA-256 of an empty token")]
    EmptyToken,
    #[error("this token is in the file twice")]
    Twice,
}

impl NamedTokens {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or has something else in it than such tokens.
    pub fn read(path: &Path) -> Result<Self, NamedTokensError> {
        Self::parse(&secret_file::read(path)?)
    }

    fn parse(text: &str) -> Result<Self, NamedTokensError> {
        let table = DeTable::parse(text).map_err(|error| NamedTokensError::NotToml {
            line: line_at(text, error.span().unwrap_or_default().start),
            reason: error.message().to_owned(),
        })?;
        let mut tokens = Self::default();
        for (name, value) in table.get_ref() {
            tokens
                .add(name, value)
                .map_err(|(offset, reason)| NamedTokensError::Wrong {
                    line: line_at(text, offset),
                    reason,
                })?;
        }
        match tokens.0.len() {
            0 => Err(NamedTokensError::Empty),
            1..=MAX_TOKENS => Ok(tokens),
            _ => Err(NamedTokensError::TooMany),
        }
    }

    /// Adds what the file has under a name; says where what is wrong.
    fn add(
        &mut self,
        key: &Spanned<impl AsRef<str>>,
        value: &Spanned<DeValue>,
    ) -> Result<(), (usize, Wrong)> {
        let at_name = |reason| (key.span().start, reason);
        let name = TokenName::parse(key.get_ref().as_ref()).ok_or(at_name(Wrong::Name))?;
        let DeValue::Table(token) = value.get_ref() else {
            return Err(at_name(Wrong::NoTable));
        };
        let mut digests = Vec::new();
        let mut weight = Weight::default();
        for (key, value) in token {
            match key.get_ref().as_ref() {
                "sha256" => digests = parse_digests(value)?,
                "weight" => {
                    weight = parse_weight(value).ok_or((value.span().start, Wrong::Weight))?;
                }
                _ => return Err((key.span().start, Wrong::Key)),
            }
        }
        if digests.is_empty() {
            return Err(at_name(Wrong::NoTable));
        }
        for (offset, digest) in digests {
            if self.find(&digest).is_some() {
                return Err((offset, Wrong::Twice));
            }
            self.0.push(NamedToken {
                digest,
                name: name.clone(),
                weight,
            });
        }
        Ok(())
    }

    /// The token with this digest. Takes the same time whichever it is, and if there is no such token.
    pub fn find(&self, digest: &TokenDigest) -> Option<&NamedToken> {
        let none = u32::MAX;
        let found = (0..).zip(&self.0).fold(none, |found, (index, token)| {
            u32::conditional_select(&found, &index, token.digest.is(digest))
        });
        self.0.get(found as usize)
    }

    /// Whether there is a token of this name.
    pub fn have(&self, name: &TokenName) -> bool {
        self.0.iter().any(|token| token.name == *name)
    }

    /// How many tokens there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

impl fmt::Debug for NamedTokens {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|token| token.name.as_str());
        formatter.debug_list().entries(names).finish()
    }
}

fn parse_weight(value: &Spanned<DeValue>) -> Option<Weight> {
    let DeValue::Integer(number) = value.get_ref() else {
        return None;
    };
    let number = u32::from_str_radix(number.as_str(), number.radix()).ok()?;
    Weight::new(number)
}

/// The digests of a name, each with its place.
fn parse_digests(value: &Spanned<DeValue>) -> Result<Vec<(usize, TokenDigest)>, (usize, Wrong)> {
    let parse = |value: &Spanned<DeValue>| {
        let offset = value.span().start;
        let digest = match value.get_ref() {
            DeValue::String(hex) => TokenDigest::parse(hex),
            _ => None,
        };
        let digest = digest.ok_or((offset, Wrong::Digest))?;
        if bool::from(digest.is(&TokenDigest::of(b""))) {
            return Err((offset, Wrong::EmptyToken));
        }
        Ok((offset, digest))
    };
    match value.get_ref() {
        DeValue::Array(values) if (1..=MAX_OF_A_NAME).contains(&values.len()) => {
            values.iter().map(parse).collect()
        }
        DeValue::Array(_) => Err((value.span().start, Wrong::Digest)),
        _ => Ok(vec![parse(value)?]),
    }
}

#[cfg(test)]
mod tests {
    use faas_packages::Digest;

    use super::*;

    fn sha256(token: &str) -> String {
        Digest::of(token.as_bytes()).to_string()
    }

    fn refused(text: &str) -> String {
        NamedTokens::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_token_is_found_by_what_was_sent_and_by_nothing_else() {
        let (first, old, new) = (sha256("first"), sha256("old"), sha256("new").to_uppercase());
        let text = format!(
            "[a]\nsha256 = \"{first}\"\n[b]\nsha256 = [\"{old}\", \"{new}\"]\nweight = 1000\n"
        );
        let tokens = NamedTokens::parse(&text).unwrap();
        let find = |sent: &str| {
            let token = tokens.find(&TokenDigest::of(sent.as_bytes()))?;
            Some((token.name.as_str(), token.weight.get()))
        };
        assert_eq!(find("first"), Some(("a", 1)));
        assert_eq!(
            (find("old"), find("new")),
            (Some(("b", 1000)), Some(("b", 1000)))
        );
        for wrong in ["", "a", "First", &first] {
            assert_eq!(find(wrong), None, "{wrong}");
        }
        assert_eq!(tokens.count(), 3);
        assert_eq!(format!("{tokens:?}"), r#"["a", "b", "b"]"#);
    }

    #[test]
    fn an_error_in_a_file_of_tokens_names_the_line_and_shows_nothing_of_it() {
        let (good, secret) = (sha256("good"), "0123456789-secret");
        let fine = format!("[fine]\nsha256 = \"{good}\"\n");
        let many = vec![format!("\"{}\"", sha256("x")); 5].join(", ");
        let nothing = sha256("");
        for (rest, line, part) in [
            (
                format!("[\"{secret} x\"]\nsha256 = \"{good}\""),
                3,
                "a token's name",
            ),
            (format!("[{}]", "x".repeat(65)), 3, "a token's name"),
            ("[a]".to_owned(), 3, "table with its name"),
            (format!("[a]\nsha256 = \"{secret}\""), 4, "64 hexadecimal"),
            ("[a]\nsha256 = 1".to_owned(), 4, "64 hexadecimal"),
            ("[a]\nsha256 = []".to_owned(), 4, "64 hexadecimal"),
            (format!("[a]\nsha256 = [{many}]"), 4, "list of 1 to 4"),
            (format!("[a]\nsha256 = [[\"{good}\"]]"), 4, "64 hexadecimal"),
            ("[a]\nweight = 0".to_owned(), 4, "between 1 and 1000"),
            ("[a]\nweight = 1001".to_owned(), 4, "between 1 and 1000"),
            ("[a]\nweight = 1.5".to_owned(), 4, "between 1 and 1000"),
            ("[a]\nweight = 2".to_owned(), 3, "table with its name"),
            (format!("[a]\n{secret} = 1"), 4, "nothing else"),
            (format!("[a]\nsha256 = \"{nothing}\""), 4, "empty token"),
            (format!("[zebra]\nsha256 = \"{good}\""), 4, "twice"),
            (format!("[a]\nsha256 = {secret}"), 4, "not valid TOML"),
            (format!("[a]\n{secret}"), 4, "not valid TOML"),
            (format!("[a]\nsha256 = \"{secret}"), 4, "not valid TOML"),
            ("[fine]".to_owned(), 3, "not valid TOML"),
        ] {
            let said = refused(&format!("{fine}{rest}\n"));
            assert!(said.contains(&format!("line {line}")), "{rest}: {said}");
            assert!(said.contains(part), "{rest}: {said}");
            assert!(!said.contains(secret), "{said}");
        }
        // Name and token the wrong way round.
        let said = refused(&format!("{secret} = \"evaluator\""));
        assert!(said.contains("line 1: each token is a table"), "{said}");
        assert!(!said.contains(secret), "{said}");
    }

    #[test]
    fn a_file_of_tokens_has_at_least_one_and_at_most_a_thousand() {
        assert!(refused("").contains("no token"));
        let file = |count: usize| -> String {
            let token =
                |index| format!("[t{index}]\nsha256 = \"{}\"\n", sha256(&format!("{index}")));
            (0..count).map(token).collect()
        };
        assert_eq!(NamedTokens::parse(&file(1000)).unwrap().count(), 1000);
        assert!(refused(&file(1001)).contains("more than 1000"));
    }
}
