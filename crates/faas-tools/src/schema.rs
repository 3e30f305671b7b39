//! A JSON Schema that was checked, and checks values.

use jsonschema::Draft;
use jsonschema::PatternOptions;
use jsonschema::Validator;
use serde_json::Value;

use super::expanded::InvalidSchema;
use super::expanded::expand;
use super::shape::Shape;

/// Most memory of a compiled regular expression, in bytes.
const MAX_PATTERN_BYTES: usize = 64 << 10;
/// Most work of one check: the values in the schema times the bytes of the value.
const MAX_WORK: usize = 20_000_000;
/// Longest text that is checked, in bytes: parsed, it takes many times as much.
const MAX_CHECKED_BYTES: usize = 1 << 20;
/// Longest text of which it is said why it does not fit, in bytes: that takes memory for each branch of the schema.
const MAX_EXPLAINED_BYTES: usize = 8 << 10;
/// Longest text of a reason, in characters: it may repeat the value.
const LONGEST_REASON: usize = 400;

/// Why a value does not fit a schema: a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(String);

/// A schema.
#[derive(Debug)]
pub struct Schema {
    validator: Validator,
    /// How many values it has.
    pub nodes: usize,
    pub shape: Shape,
}

impl Schema {
    /// # Errors
    /// Why it is not one.
    pub fn new(schema: &Value) -> Result<Self, InvalidSchema> {
        if !schema.is_object() && !schema.is_boolean() {
            return Err(InvalidSchema::NotASchema("it is not an object".to_owned()));
        }
        let (expanded, nodes) = expand(schema)?;
        // Its references are gone, in which the drafts differ most; tuples are the rest.
        let draft = match schema.get("$schema").and_then(Value::as_str) {
            Some(draft) if draft.contains("draft-04") => Draft::Draft4,
            Some(draft) if draft.contains("draft-06") => Draft::Draft6,
            Some(draft) if draft.contains("draft-07") => Draft::Draft7,
            Some(draft) if draft.contains("2019-09") => Draft::Draft201909,
            _ => Draft::Draft202012,
        };
        let patterns = PatternOptions::regex()
            .size_limit(MAX_PATTERN_BYTES)
            .dfa_size_limit(MAX_PATTERN_BYTES);
        let validator = jsonschema::options()
            .with_draft(draft)
            .with_pattern_options(patterns)
            .build(&expanded);
        let validator =
            validator.map_err(|error| InvalidSchema::NotASchema(cut(&error.to_string())))?;
        Ok(Self {
            validator,
            nodes,
            shape: Shape::of(&expanded),
        })
    }

    /// Whether a text is short enough to be checked.
    pub fn can_check(&self, text: &str) -> bool {
        let bytes = text.len();
        bytes <= MAX_CHECKED_BYTES && self.nodes.saturating_mul(bytes) <= MAX_WORK
    }

    /// Whether a value, as JSON text, fits.
    ///
    /// # Errors
    /// The first reason why it does not.
    pub fn check(&self, text: &str) -> Result<(), Misfit> {
        let bytes = text.len();
        if !self.can_check(text) {
            return Err(Misfit(format!(
                "{bytes} bytes are too much to be checked against a schema of {} values",
                self.nodes
            )));
        }
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Misfit(format!("it is not JSON: {error}")))?;
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        if bytes > MAX_EXPLAINED_BYTES {
            return Err(Misfit(
                "it does not fit the schema, and is too long to say where".to_owned(),
            ));
        }
        let checked = self.validator.validate(&value);
        checked.map_err(|error| {
            let path = error.instance_path().to_string();
            let reason = cut(&error.to_string());
            Misfit(match path.strip_prefix('/') {
                Some(path) => format!("{}: {reason}", cut(&path.replace('/', "."))),
                None => reason,
            })
        })
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
