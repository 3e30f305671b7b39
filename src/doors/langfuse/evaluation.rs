//! What became of an evaluation: scores, or an error in Langfuse's words.

use faas_pool::Report;
use faas_protocol::Limit;
use faas_protocol::Status;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::api::bounded;
use crate::api::bounded::Kind;

/// Longest result, in bytes.
pub const LONGEST_RESULT: u64 = 256 * 1024;
/// Longest message, in bytes.
const LONGEST_MESSAGE: usize = 4000;

/// Errors that Langfuse knows (`CodeEvalDispatcherErrorCode`), of which it tries some again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    InvalidSource,
    UserCodeError,
    InvalidResult,
    Timeout,
    SourceTooLarge,
    ResultTooLarge,
    UnsupportedRuntime,
}

/// Why there are no scores.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    code: Code,
    message: String,
}

impl Failure {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let mut message = message.into();
        message.truncate(message.floor_char_boundary(LONGEST_MESSAGE));
        Self { code, message }
    }
}

/// What the program around the evaluator returned.
#[derive(Deserialize)]
struct Returned<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Failure>,
}

/// What an evaluator must return.
#[derive(Deserialize)]
struct Scores<'a> {
    #[serde(borrow)]
    scores: Option<&'a RawValue>,
}

/// The result of an evaluation, as JSON. It comes from a sandbox: whatever it is, it must have the right shape.
///
/// # Errors
/// Why there is none.
pub fn result(report: &Report) -> Result<&str, Failure> {
    match report.status {
        Status::Success => {}
        // What the call around it did not catch: it did not compile, or ended before there was `evaluate`.
        Status::Error => {
            return Err(Failure::new(
                Code::InvalidSource,
                format!("Failed to load evaluator source: {}", report.stderr.trim()),
            ));
        }
        Status::Exceeded(Limit::WallTime | Limit::CpuTime) => {
            return Err(Failure::new(Code::Timeout, report.last_line_of_stderr()));
        }
        Status::Exceeded(Limit::ReturnValue) => {
            let message = format!("The result is longer than {LONGEST_RESULT} bytes");
            return Err(Failure::new(Code::ResultTooLarge, message));
        }
        Status::Exceeded(_) | Status::Violation | Status::Killed => {
            return Err(Failure::new(
                Code::UserCodeError,
                report.last_line_of_stderr(),
            ));
        }
    }
    let returned = report.return_value.as_deref();
    let returned = returned.and_then(|json| serde_json::from_str::<Returned>(json).ok());
    let shape = "Evaluator must return an object shaped like { scores: [...] }";
    match returned {
        None => Err(Failure::new(
            Code::InvalidSource,
            "The program ended before its evaluate(ctx) was called, or took return_val for itself",
        )),
        Some(Returned {
            error: Some(Failure { code, message }),
            ..
        }) => Err(Failure::new(code, message)),
        Some(Returned { result, .. }) => result
            .filter(|result| has_scores(result))
            .map(RawValue::get)
            .ok_or_else(|| Failure::new(Code::InvalidResult, shape)),
    }
}

fn has_scores(result: &RawValue) -> bool {
    let scores = bounded::parse::<Scores>(result, Kind::Object);
    let Ok(Some(Scores { scores })) = scores else {
        return false;
    };
    scores.is_some_and(|scores| bounded::kind(scores) == Kind::Array)
}
