//! What a program can ask of its caller: calls of tools, and their answers.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use deno_core::OpState;
use deno_core::op2;
use deno_error::JsErrorBox;
use faas_protocol::ToolAnswer;
use faas_protocol::ToolCall;
use faas_protocol::ToolOutcome;

use super::host::HostState;

/// Calls a tool, as the program's call of that number.
#[op2(fast)]
pub fn op_faas_call_tool(
    state: &mut OpState,
    #[smi] number: u32,
    #[string] tool: &str,
    #[string] input: &str,
) -> Result<(), JsErrorBox> {
    let state = state.borrow_mut::<HostState>();
    let call = ToolCall {
        number,
        tool,
        input,
    };
    state.host.call_tool(call).map_err(JsErrorBox::generic)?;
    state.open_calls += 1;
    Ok(())
}

/// Waits for answers to calls of tools, for so many ms at most. Returns them as a JSON list of lists of a call's number,
/// a word of [`outcome`] and a text.
#[op2]
#[string]
pub fn op_faas_await_tools(
    state: Rc<RefCell<OpState>>,
    milliseconds: f64,
) -> Result<String, JsErrorBox> {
    let answers = await_tools(&state, milliseconds).map_err(JsErrorBox::generic)?;
    let answers: Vec<_> = answers
        .iter()
        .map(|answer| (answer.number, outcome(&answer.outcome)))
        .map(|(number, (word, text))| (number, word, text))
        .collect();
    serde_json::to_string(&answers).map_err(|error| JsErrorBox::generic(error.to_string()))
}

/// Waits for answers to calls of tools, for so many ms at most.
///
/// # Errors
/// A sentence for the program.
pub fn await_tools(state: &RefCell<OpState>, milliseconds: f64) -> Result<Vec<ToolAnswer>, String> {
    let host = state.borrow().borrow::<HostState>().host.clone();
    // What is too long for a duration is for ever.
    let within = Duration::try_from_secs_f64(milliseconds.max(0.0) / 1000.0).ok();
    let answers = host.await_tools(within)?;
    let mut state = state.borrow_mut();
    let state = state.borrow_mut::<HostState>();
    state.open_calls = state.open_calls.saturating_sub(answers.len());
    Ok(answers)
}

/// How a call of a tool ended, for the runners.
pub fn outcome(outcome: &ToolOutcome) -> (&'static str, &str) {
    match outcome {
        ToolOutcome::Result(json) => ("result", json),
        ToolOutcome::Failed(reason) => ("failed", reason),
        ToolOutcome::InvalidInput(reason) => ("invalid", reason),
    }
}
