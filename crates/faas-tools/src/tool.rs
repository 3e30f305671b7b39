//! A tool that was checked.

use serde_json::Value;
use serde_json::json;

use super::declaration::Declaration;
use super::declaration::Invalid;
use super::declaration::MAX_DESCRIPTION_BYTES;
use super::declaration::MAX_NAME_BYTES;
use super::identifier::identifier_of;
use super::schema::Schema;
use super::shape::Shape;

/// A tool.
#[derive(Debug)]
pub struct Tool {
    pub name: String,
    /// What programs call it.
    pub identifier: String,
    pub description: String,
    pub input: Schema,
    pub output: Option<Schema>,
}

impl Tool {
    /// How many values its schemas have.
    pub fn nodes(&self) -> usize {
        self.input.nodes + self.output.as_ref().map_or(0, |schema| schema.nodes)
    }

    /// Checks a declaration.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(declaration: Declaration) -> Result<Self, Invalid> {
        let Declaration {
            name,
            description,
            input_schema,
            output_schema,
        } = declaration;
        let is_sane = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if !(1..=MAX_NAME_BYTES).contains(&name.len()) || !name.bytes().all(is_sane) {
            return Err(Invalid::Name(name.chars().take(MAX_NAME_BYTES).collect()));
        }
        if description.len() > MAX_DESCRIPTION_BYTES {
            return Err(Invalid::LongDescription(name));
        }
        let invalid = |field, schema: Value| {
            let checked = Schema::new(&schema);
            checked.map_err(|reason| Invalid::Schema {
                tool: name.clone(),
                field,
                reason,
            })
        };
        let input = invalid(
            "input_schema",
            input_schema.unwrap_or_else(|| json!({"type": "object"})),
        )?;
        if !matches!(input.shape, Shape::Object(_) | Shape::Map(_) | Shape::Any) {
            return Err(Invalid::NotAnObject(name));
        }
        let output = output_schema.map(|schema| invalid("output_schema", schema));
        let output = output.transpose()?;
        Ok(Self {
            identifier: identifier_of(&name),
            description: description.trim().to_owned(),
            name,
            input,
            output,
        })
    }
}
