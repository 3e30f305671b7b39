//! What a program asks of the tools that its caller lends it. JSON only, by the tools' names.

use serde::Deserialize;
use serde::Serialize;

/// Sandbox → supervisor, as [`crate::SandboxEvent::CallTool`]: a call. It is not answered before the program waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCall<'a> {
    /// Which call of the program it is, for its answer.
    pub number: u32,
    pub tool: &'a str,
    /// JSON text.
    pub input: &'a str,
}

/// Supervisor → sandbox: the answer to [`crate::SandboxEvent::AwaitTools`], empty if the program has a timer that is due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolAnswers {
    pub answers: Vec<ToolAnswer>,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolAnswer {
    pub number: u32,
    pub outcome: ToolOutcome,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolOutcome {
    /// JSON text.
    Result(String),
    /// Why the tool failed, as its caller says.
    Failed(String),
    /// Why the input was not handed on.
    InvalidInput(String),
}
