//! Tools that the caller of a program lends it: their declarations, the check of what a program gives them and of what
//! its caller answers, and their signatures in Python and TypeScript.
//!
//! Declarations are a caller's, inputs a program's: both are hostile. A schema becomes one without references first, of
//! bounded size, and regular expressions run in linear time; so a check takes no longer than its schema's size times
//! its value's.

mod declaration;
mod expanded;
mod identifier;
mod python;
mod schema;
mod shape;
mod tool;
mod typescript;

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use serde_json::json;

pub use declaration::Declaration;
pub use declaration::Invalid;
pub use declaration::MAX_DESCRIPTION_BYTES;
pub use declaration::MAX_NAME_BYTES;
pub use declaration::MAX_TOOLS;
pub use schema::Misfit;

use tool::Tool;

/// Most values in the schemas of all tools of a program, with references in their places.
pub(crate) const MAX_NODES: usize = 20_000;

/// The tools that one program may call.
#[derive(Clone, Debug)]
pub struct ToolSet(Arc<Tools>);

#[derive(Debug)]
struct Tools {
    all: Vec<Tool>,
    by_name: HashMap<String, usize>,
}

impl ToolSet {
    /// Checks declarations.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub fn new(declarations: Vec<Declaration>) -> Result<Self, Invalid> {
        if declarations.len() > MAX_TOOLS {
            return Err(Invalid::TooMany(declarations.len()));
        }
        let mut all: Vec<Tool> = Vec::with_capacity(declarations.len());
        let mut by_name = HashMap::new();
        let mut nodes = 0;
        for declaration in declarations {
            let tool = Tool::of(declaration)?;
            nodes += tool.nodes();
            if nodes > MAX_NODES {
                return Err(Invalid::TooLarge);
            }
            let is_taken = |other: &Tool| other.identifier == tool.identifier;
            if let Some(other) = all.iter().find(|other| is_taken(other)) {
                return Err(Invalid::SameName(other.name.clone(), tool.name));
            }
            by_name.insert(tool.name.clone(), all.len());
            all.push(tool);
        }
        Ok(Self(Arc::new(Tools { all, by_name })))
    }

    fn find(&self, name: &str) -> Option<&Tool> {
        self.0.all.get(*self.0.by_name.get(name)?)
    }

    /// Whether there is a tool of that name.
    pub fn has(&self, name: &str) -> bool {
        self.0.by_name.contains_key(name)
    }

    /// Whether a tool takes this input, which is JSON text; `None` if there is no such tool.
    pub fn check_input(&self, name: &str, input: &str) -> Option<Result<(), Misfit>> {
        Some(self.find(name)?.input.check(input))
    }

    /// Whether a tool may answer this, which is JSON text; anything, if it does not say.
    ///
    /// # Errors
    /// The first reason why it may not.
    pub fn check_output(&self, name: &str, output: &str) -> Result<(), Misfit> {
        let schema = self.find(name).and_then(|tool| tool.output.as_ref());
        // One that is too long is its caller's own affair.
        let schema = schema.filter(|schema| schema.can_check(output));
        schema.map_or(Ok(()), |schema| schema.check(output))
    }

    /// What the runners make of it that offer the tools to a program, as JSON text: a list of objects with the tool's
    /// `name`, the `identifier` in programs, a `doc`, and `parameters` (`name`, `type`, `required`, `default` as Python
    /// has it); what it calls `others`, if it takes such, and what it `returns`.
    pub fn for_runner(&self) -> String {
        let tools: Vec<Value> = self.0.all.iter().map(for_runner).collect();
        Value::Array(tools).to_string()
    }

    /// The tools as a Python module, without bodies, for a prompt.
    pub fn python(&self) -> String {
        python::stubs(&self.0.all)
    }

    /// The tools as TypeScript declares them, for a prompt.
    pub fn typescript(&self) -> String {
        typescript::declarations(&self.0.all)
    }
}

fn for_runner(tool: &Tool) -> Value {
    let signature = python::Signature::of(tool, &python::camel_case(&tool.identifier));
    let parameters: Vec<Value> = signature
        .parameters
        .iter()
        .map(|parameter| {
            json!({
                "name": parameter.name,
                "type": parameter.annotation,
                "required": parameter.is_required,
                "default": parameter.default,
            })
        })
        .collect();
    json!({
        "name": tool.name,
        "identifier": tool.identifier,
        "doc": signature.doc_with_types(),
        "parameters": parameters,
        "others": signature.others,
        "returns": signature.returns,
    })
}

#[cfg(test)]
mod tests;
