//! A tool as its caller declares it.

use serde::Deserialize;
use serde_json::Value;

use super::expanded::InvalidSchema;

/// Most tools of one program.
pub const MAX_TOOLS: usize = 128;
/// Longest name of a tool, in bytes.
pub const MAX_NAME_BYTES: usize = 64;
/// Longest description of a tool, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 16 << 10;

/// A tool. Unknown fields are ignored: the lists of tools of other protocols have some.
#[derive(Clone, Debug, Deserialize)]
pub struct Declaration {
    pub name: String,
    #[serde(default)]
    pub description: String,
    /// JSON Schema of its input, which is an object; any object without it. MCP calls it `inputSchema`.
    #[serde(default, alias = "inputSchema")]
    pub input_schema: Option<Value>,
    /// JSON Schema of its result.
    #[serde(default, alias = "outputSchema")]
    pub output_schema: Option<Value>,
}

/// Why declarations are refused: sentences for the caller.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("there are {0} tools, more than {MAX_TOOLS}")]
    TooMany(usize),
    #[error("the schemas of all tools together are too large; leave out what programs do not need")]
    TooLarge,
    #[error(
        "\"{0}\" is no name for a tool: send 1 to {MAX_NAME_BYTES} letters, digits, underscores, dashes and dots"
    )]
    Name(String),
    #[error("the tools \"{0}\" and \"{1}\" have the same name in programs: rename one")]
    SameName(String, String),
    #[error("the description of the tool \"{0}\" is longer than {MAX_DESCRIPTION_BYTES} bytes")]
    LongDescription(String),
    #[error("the input_schema of the tool \"{0}\" is not that of an object")]
    NotAnObject(String),
    #[error("the {field} of the tool \"{tool}\" is invalid: {reason}")]
    Schema {
        tool: String,
        field: &'static str,
        reason: InvalidSchema,
    },
}
