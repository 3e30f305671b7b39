//! `run_code`: a program with its files.

use std::collections::BTreeMap;

use faas_pool::Report;
use faas_protocol::Language;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;

use super::files;
use super::files::Wanted;
use super::outcome::CommandResult;
use super::outcome::RunStatus;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::caller::Caller;
use crate::api::request;
use crate::api::request::RunRequest;
use crate::doors::ours;
use crate::doors::ours::OurLimits;
use crate::doors::ours::Ours;

/// Names of languages.
const LANGUAGES: [(&str, Language); 3] = [
    ("python", Language::Python),
    ("nodejs", Language::JavaScript),
    ("typescript", Language::TypeScript),
];

// Clients also send `compile_timeout`; nothing is compiled here but by what runs it.
#[derive(Deserialize)]
struct RunCode<'a> {
    #[serde(borrow)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    stdin: Option<&'a RawValue>,
    #[serde(borrow)]
    run_timeout: Option<&'a RawValue>,
    #[serde(borrow, rename = "memory_limit_MB")]
    memory_limit: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    #[serde(borrow)]
    fetch_files: Option<&'a RawValue>,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct RunCodeResponse {
    status: RunStatus,
    message: &'static str,
    /// Always none.
    compile_result: Option<CommandResult>,
    run_result: CommandResult,
    /// Always none.
    executor_pod_name: Option<&'static str>,
    files: BTreeMap<String, String>,
}

/// Checks a request; its program, and how what becomes of that is worded.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
pub fn parse(
    body: &[u8],
    share: Share,
    caller: &Caller,
    state: &AppState,
) -> Result<(RunRequest, impl FnOnce(Report) -> RunCodeResponse + use<>), ApiError> {
    let raw: RunCode = request::parse_body(body)?;
    let language = ours::language("language", raw.language, &LANGUAGES, state)?;
    let wanted = Wanted::parse(raw.fetch_files)?;
    let memory = ours::limit("memory_limit_MB", raw.memory_limit)?;
    let ours = Ours {
        language: language.name(),
        code: raw.code.map(ours::program),
        stdin: raw.stdin.map(ours::Text::Sent),
        files: files::given(raw.files)?,
        collect: wanted.patterns(language),
        timeout: ours::limit("run_timeout", raw.run_timeout)?.map(ours::milliseconds),
        limits: OurLimits {
            memory_bytes: memory.map(|mebibytes| (mebibytes * 1024.0 * 1024.0) as u64),
            ..OurLimits::default()
        },
        ..Ours::default()
    };
    let request = ours.parse(share, caller, state)?;
    let answer = move |mut report: Report| {
        let run_result = CommandResult::of(&mut report);
        RunCodeResponse {
            status: run_result.run_status(),
            message: "",
            compile_result: None,
            run_result,
            executor_pod_name: None,
            files: wanted.of(&report.files),
        }
    };
    Ok((request, answer))
}
