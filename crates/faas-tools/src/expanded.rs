//! Schemas without references: what `$ref` refers to is put in its place. So no schema is larger than it looks, none
//! refers to itself, and none is fetched.

use serde_json::Map;
use serde_json::Value;

/// Most values in an expanded schema.
pub const MAX_NODES: usize = 10_000;
/// For how many values a regular expression counts: it is compiled.
const PATTERN_COUNTS: usize = 1000;
/// Deepest nesting of an expanded schema.
const MAX_DEPTH: usize = 100;

/// Why something is no schema that we take: sentences for the caller.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSchema {
    #[error("with its references in their places it has more than {MAX_NODES} values")]
    TooLarge,
    #[error("it is nested too deeply")]
    TooDeep,
    #[error("\"{0}\" is not supported: refer to a part of the same schema, with $ref")]
    Dynamic(String),
    #[error("there is no \"{0}\" in it; $ref may be \"#/$defs/…\", a part of the same schema")]
    Reference(String),
    #[error("{0}")]
    NotASchema(String),
}

/// Keywords whose value is a schema; `items` may be a list of them (draft 7).
const SCHEMA: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value has a schema for each name.
const MAP: [&str; 3] = ["dependentSchemas", "patternProperties", "properties"];
/// Keywords that have done their part when references are gone.
const DROPPED: [&str; 7] = [
    "$anchor",
    "$comment",
    "$defs",
    "$id",
    "$schema",
    "definitions",
    "id",
];
/// Keywords whose meaning depends on where the check came from.
const REFUSED: [&str; 3] = ["$dynamicAnchor", "$dynamicRef", "$recursiveRef"];

/// Expands a schema. What refers to something that it is in becomes a schema that takes anything: what is nested in
/// itself is not checked further down.
///
/// # Errors
/// For references to elsewhere, and for schemas that become too large.
pub fn expand(root: &Value) -> Result<(Value, usize), InvalidSchema> {
    let mut expansion = Expansion {
        root,
        open: Vec::new(),
        nodes: 0,
    };
    let expanded = expansion.schema(root, 0)?;
    Ok((expanded, expansion.nodes))
}

struct Expansion<'a> {
    root: &'a Value,
    /// The references that what is being expanded is in.
    open: Vec<&'a str>,
    nodes: usize,
}

impl<'a> Expansion<'a> {
    fn count(&mut self, more: usize) -> Result<(), InvalidSchema> {
        self.nodes = self.nodes.saturating_add(more);
        match self.nodes <= MAX_NODES {
            true => Ok(()),
            false => Err(InvalidSchema::TooLarge),
        }
    }

    fn schema(&mut self, schema: &'a Value, depth: usize) -> Result<Value, InvalidSchema> {
        self.count(1)?;
        if depth > MAX_DEPTH {
            return Err(InvalidSchema::TooDeep);
        }
        let Value::Object(keywords) = schema else {
            return Ok(schema.clone());
        };
        let mut expanded = Map::new();
        for (keyword, value) in keywords {
            let keyword = keyword.as_str();
            if REFUSED.contains(&keyword) {
                return Err(InvalidSchema::Dynamic(keyword.to_owned()));
            }
            if DROPPED.contains(&keyword) || keyword == "$ref" {
                continue;
            }
            let value = self.keyword(keyword, value, depth + 1)?;
            expanded.insert(keyword.to_owned(), value);
        }
        let Some(reference) = keywords.get("$ref") else {
            return Ok(Value::Object(expanded));
        };
        let target = self.reference(reference, depth + 1)?;
        if expanded.is_empty() {
            return Ok(target);
        }
        // Whatever stands beside a reference holds, too.
        match expanded.get_mut("allOf") {
            Some(Value::Array(all)) => all.push(target),
            _ => drop(expanded.insert("allOf".to_owned(), Value::Array(vec![target]))),
        }
        Ok(Value::Object(expanded))
    }

    fn keyword(
        &mut self,
        keyword: &str,
        value: &'a Value,
        depth: usize,
    ) -> Result<Value, InvalidSchema> {
        match value {
            Value::Object(schemas) if MAP.contains(&keyword) => {
                if keyword == "patternProperties" {
                    self.count(schemas.len().saturating_mul(PATTERN_COUNTS))?;
                }
                let mut expanded = Map::new();
                for (name, schema) in schemas {
                    expanded.insert(name.clone(), self.schema(schema, depth)?);
                }
                Ok(Value::Object(expanded))
            }
            Value::Array(schemas) if LIST.contains(&keyword) || keyword == "items" => {
                let schemas = schemas.iter().map(|schema| self.schema(schema, depth));
                Ok(Value::Array(schemas.collect::<Result<_, _>>()?))
            }
            Value::Object(_) if SCHEMA.contains(&keyword) => self.schema(value, depth),
            data => {
                let patterns = if keyword == "pattern" {
                    PATTERN_COUNTS
                } else {
                    0
                };
                self.count(size_of(data) + patterns)?;
                Ok(data.clone())
            }
        }
    }

    fn reference(&mut self, reference: &'a Value, depth: usize) -> Result<Value, InvalidSchema> {
        let reference = reference.as_str().unwrap_or_default();
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| self.root.pointer(pointer))
            .ok_or_else(|| InvalidSchema::Reference(reference.chars().take(100).collect()))?;
        if reference == "#" || self.open.contains(&reference) {
            return Ok(Value::Bool(true));
        }
        self.open.push(reference);
        let expanded = self.schema(target, depth);
        self.open.pop();
        expanded
    }
}

/// How many values there are in a value.
fn size_of(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(size_of).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(size_of).sum::<usize>(),
        _ => 1,
    }
}
