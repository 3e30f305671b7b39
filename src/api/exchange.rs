//! What goes between a program and its caller: the calls that are open, and where their results go.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use faas_pool::CallMade;
use faas_pool::CallsMade;
use faas_protocol::ToolAnswer;
use faas_protocol::ToolOutcome;
use faas_tools::ToolSet;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc::UnboundedSender;
use utoipa::ToSchema;

use super::error::ApiError;

/// How ids of calls begin; their numbers follow.
const PREFIX: &str = "call-";

/// A call of a tool.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ToolCall)]
pub struct CallBody {
    /// For its result.
    id: String,
    /// The tool's.
    name: String,
    /// Fits the tool's `input_schema`.
    #[schema(value_type = serde_json::Value)]
    input: Box<RawValue>,
}

/// The number of the call of this id.
pub fn number_of(id: &str) -> Option<u32> {
    id.strip_prefix(PREFIX)?.parse().ok()
}

/// The calls of one program.
#[derive(Debug)]
pub struct Exchange {
    tools: ToolSet,
    answers: UnboundedSender<Vec<ToolAnswer>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    open: BTreeMap<u32, CallMade>,
    /// The number of the last call that was made.
    last: u32,
    /// How many times results were handed on.
    answered: u64,
    /// Of how many of these the program had heard when it began to wait last.
    heard: u64,
}

impl Exchange {
    pub fn new(tools: ToolSet, answers: UnboundedSender<Vec<ToolAnswer>>) -> Self {
        Self {
            tools,
            answers,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes calls that the program made. Returns whether it waits for results now: it may not have heard of the last
    /// ones when it made them.
    pub fn add(&self, made: CallsMade) -> bool {
        let mut state = self.lock();
        for call in made.calls {
            state.last = state.last.max(call.number);
            state.open.insert(call.number, call);
        }
        state.heard = made.answered;
        state.heard == state.answered
    }

    /// Whether the program waits for results that nobody has sent.
    pub fn is_waited_for(&self) -> bool {
        let state = self.lock();
        state.heard == state.answered && !state.open.is_empty()
    }

    /// The calls that are open, in their order.
    pub fn calls(&self) -> Vec<CallBody> {
        self.calls_after(0)
    }

    /// The number of the last call that was made; 0 if none was.
    pub fn last(&self) -> u32 {
        self.lock().last
    }

    /// Those of them with higher numbers than this.
    pub fn calls_after(&self, number: u32) -> Vec<CallBody> {
        let state = self.lock();
        let newer = state.open.range(number.saturating_add(1)..);
        let bodies = newer.filter_map(|(_, call)| {
            Some(CallBody {
                id: format!("{PREFIX}{}", call.number),
                name: call.tool.clone(),
                // The pool has checked that it is JSON.
                input: RawValue::from_string(call.input.clone()).ok()?,
            })
        });
        bodies.collect()
    }

    /// Looks whether these are results of open calls, each once, that fit their tools. With `sent_again` calls that were
    /// answered before will do: their results are dropped.
    ///
    /// # Errors
    /// 400 with the one that does not.
    pub fn check(&self, results: &[(u32, ToolOutcome)], sent_again: bool) -> Result<(), ApiError> {
        let mut seen = BTreeSet::new();
        for (number, outcome) in results {
            let name = format!("Invalid result of \"{PREFIX}{number}\"");
            let (tool, was_made) = {
                let state = self.lock();
                let open = state.open.get(number).map(|call| call.tool.clone());
                (open, *number <= state.last)
            };
            let tool = match tool.filter(|_| seen.insert(*number)) {
                Some(tool) => tool,
                None if sent_again && was_made => continue,
                None => {
                    return Err(ApiError::bad_request(
                        name,
                        "No call of this id is open: send a result once, for one of the `tool_calls` of the last answer",
                    ));
                }
            };
            if let ToolOutcome::Result(json) = outcome {
                let checked = self.tools.check_output(&tool, json);
                checked.map_err(|misfit| {
                    ApiError::bad_request(
                        name,
                        format!("It does not fit the output_schema of \"{tool}\": {misfit}"),
                    )
                })?;
            }
        }
        Ok(())
    }

    /// Hands results on; `false` if the program is over.
    pub fn answer(&self, results: Vec<(u32, ToolOutcome)>) -> bool {
        let mut state = self.lock();
        state.answered += 1;
        let answers = results.into_iter().map(|(number, outcome)| {
            state.open.remove(&number);
            ToolAnswer { number, outcome }
        });
        self.answers.send(answers.collect()).is_ok()
    }
}
