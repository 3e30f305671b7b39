//! What Langfuse sends: an evaluator, and the observation that it is to look at.

use faas_protocol::Language;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::evaluation::Code;
use super::evaluation::Failure;
use super::evaluation::LONGEST_RESULT;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::caller::Caller;
use crate::api::request;
use crate::api::request::RunRequest;
use crate::doors::ours::OurLimits;
use crate::doors::ours::Ours;
use crate::doors::ours::Text;
use crate::doors::ours::in_python;
use crate::doors::ours::must_be;
use crate::doors::ours::required_text;
use crate::doors::ours::served;
use crate::doors::ours::served_names;

/// Longest source, in bytes.
const LONGEST_SOURCE: u64 = 256 * 1024;
/// Longest event, in bytes: 5.5 MiB.
pub const LONGEST_EVENT: usize = 11 * 512 * 1024;
/// Longest run, in ms. Langfuse waits 10 s for the answer.
const LONGEST_RUN: u64 = 9_000;

/// Names of runtimes.
const LANGUAGES: [(&str, Language); 2] = [
    ("PYTHON", Language::Python),
    ("TYPESCRIPT", Language::TypeScript),
];

/// Calls `evaluate` of a TypeScript program that stands before it.
const CALL: &str = include_str!("call.ts");

// Langfuse also sends `scope` and `execution`, which name what it will store the scores by.
#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    runtime: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Runtime<'a> {
    #[serde(borrow)]
    language: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Source<'a> {
    #[serde(borrow)]
    source: Option<&'a RawValue>,
}

/// The program that evaluates what an event brings, or why there is none.
///
/// # Errors
/// 400 for what is no event of Langfuse.
pub fn parse(
    event: &[u8],
    share: Share,
    caller: &Caller,
    state: &AppState,
) -> Result<Result<RunRequest, Failure>, ApiError> {
    let event: Event = request::parse_body(event)?;
    let runtime: Runtime = object("runtime", event.runtime)?;
    let code: Source = object("code", event.code)?;
    let name = required_text("runtime.language", runtime.language)?;
    let source = required_text("code.source", code.source)?;
    let is_object = |payload: &&RawValue| bounded::kind(payload) == Kind::Object;
    let payload = event.payload.filter(is_object);
    let payload = payload.ok_or_else(|| must_be("payload", "an object"))?;
    let Some(language) = served(&name, &LANGUAGES, state) else {
        let names = served_names(&LANGUAGES, state);
        let message = format!("This service runs evaluators in {names}");
        return Ok(Err(Failure::new(Code::UnsupportedRuntime, message)));
    };
    let longest = state.settings.max_code_bytes().get().min(LONGEST_SOURCE);
    if source.len() as u64 > longest {
        let message = format!("The source is longer than {longest} bytes");
        return Ok(Err(Failure::new(Code::SourceTooLarge, message)));
    }
    let program = match language {
        // A call of js/python/evaluator.py.
        Language::Python => {
            let source = in_python(&source)?;
            format!("import _faas_evaluator\n_faas_evaluator.run({source}, input_data)")
        }
        _ => format!("{source}\n{CALL}"),
    };
    let ours = Ours {
        language: language.name(),
        code: Some(Text::Made(program)),
        input: Some(payload),
        timeout: Some(LONGEST_RUN),
        limits: OurLimits {
            return_bytes: Some(LONGEST_RESULT),
            ..OurLimits::default()
        },
        ..Ours::default()
    };
    let mut request = ours.parse(share, caller, state)?;
    request.written = Some(source);
    Ok(Ok(request))
}

/// A part of the event that must be an object.
fn object<'a, T: Deserialize<'a>>(name: &str, field: Option<&'a RawValue>) -> Result<T, ApiError> {
    let parsed = match field {
        Some(raw) => bounded::parse(raw, Kind::Object)?,
        None => None,
    };
    parsed.ok_or_else(|| must_be(name, "an object"))
}
