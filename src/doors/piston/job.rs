//! `execute`: a program, of which the first file in UTF-8 is what runs.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_pool::Report;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::outcome::Stage;
use super::runtimes;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::caller::Caller;
use crate::api::files::MAX_FILES;
use crate::api::request;
use crate::api::request::RunRequest;
use crate::doors::ours;
use crate::doors::ours::Contents;
use crate::doors::ours::OurFile;
use crate::doors::ours::OurLimits;
use crate::doors::ours::Ours;
use crate::doors::ours::Text;
use crate::doors::ours::must_be;

/// One more than a request may have, which shows that there are too many.
const MOST_FILES: usize = MAX_FILES + 1;

// Clients also send limits of a compilation; nothing is compiled apart from its run.
#[derive(Deserialize)]
struct Execute<'a> {
    #[serde(borrow)]
    language: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    files: Option<&'a RawValue>,
    #[serde(borrow)]
    stdin: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    run_timeout: Option<&'a RawValue>,
    #[serde(borrow)]
    run_cpu_time: Option<&'a RawValue>,
    #[serde(borrow)]
    run_memory_limit: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct RawFile<'a> {
    #[serde(borrow)]
    name: Option<&'a RawValue>,
    #[serde(borrow)]
    content: Option<&'a RawValue>,
    #[serde(borrow)]
    encoding: Option<&'a RawValue>,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Executed {
    language: &'static str,
    version: String,
    run: Stage,
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
) -> Result<(RunRequest, impl FnOnce(Report) -> Executed + use<>), ApiError> {
    let raw: Execute = request::parse_body(body)?;
    let language = ours::required_text("language", raw.language)?;
    let version = ours::required_text("version", raw.version)?;
    let runtime = runtimes::find(&language, &version, state)?;
    let files = files_of(raw.files)?;
    let is_text = |file: &&OurFile<'_>| matches!(file.contents, Contents::Text(_));
    let Some(program) = files.iter().find(is_text) else {
        return Err(ApiError::bad_request(
            "files must include at least one utf8 encoded file",
            "The first of them is the program",
        ));
    };
    let (code, entry_point, files) = if files.len() == 1 && program.name == unnamed(0) {
        // Nothing can want a file that has no name, and for Python to have one takes 6 ms.
        (files.into_iter().find_map(text_of), None, Vec::new())
    } else {
        (None, Some(program.name.clone()), files)
    };
    let limit =
        |name, field| Ok::<_, ApiError>(ours::limit(name, field)?.map(|limit| limit as u64));
    let ours = Ours {
        language: runtime.is.name(),
        code,
        entry_point,
        files,
        stdin: stdin_of(raw.stdin)?,
        args: raw.args,
        timeout: limit("run_timeout", raw.run_timeout)?.map(|limit| limit.max(1)),
        limits: OurLimits {
            cpu_ms: limit("run_cpu_time", raw.run_cpu_time)?.map(|limit| limit.max(1)),
            memory_bytes: limit("run_memory_limit", raw.run_memory_limit)?,
            ..OurLimits::default()
        },
        ..Ours::default()
    };
    let mut request = ours.parse(share, caller, state)?;
    let (live, written) = mpsc::unbounded_channel();
    request.execution.live = Some(live);
    let answer = move |report| Executed {
        language: runtime.language,
        version: runtime.version,
        run: Stage::new(report, written),
    };
    Ok((request, answer))
}

/// What a program reads. As Piston has it, its last line has an end.
fn stdin_of(field: Option<&RawValue>) -> Result<Option<Text<'static>>, ApiError> {
    let text = ours::text("stdin", field)?.filter(|text| !text.is_empty());
    Ok(text.map(|mut text| {
        if !text.ends_with('\n') {
            text.push('\n');
        }
        Text::Made(text)
    }))
}

fn files_of(field: Option<&RawValue>) -> Result<Vec<OurFile<'_>>, ApiError> {
    let files = match field {
        Some(raw) => bounded::parse::<AtMost<&RawValue, MOST_FILES>>(raw, Kind::Array)?,
        None => None,
    };
    let AtMost(files) = files.ok_or_else(|| must_be("files", "an array of files"))?;
    let files = files.into_iter().enumerate();
    files.map(|(index, raw)| file_of(index, raw)).collect()
}

fn file_of(index: usize, raw: &RawValue) -> Result<OurFile<'_>, ApiError> {
    let named = |field: &str| format!("files[{index}].{field}");
    let file = bounded::parse::<RawFile>(raw, Kind::Object)?;
    let file = file.ok_or_else(|| must_be(&format!("files[{index}]"), "an object"))?;
    let name = ours::text(&named("name"), file.name)?.filter(|name| !name.is_empty());
    let encoding = ours::text(&named("encoding"), file.encoding)?;
    let is_string = |content: &&RawValue| bounded::kind(content) == Kind::String;
    let content = file.content.filter(is_string);
    let content = content.ok_or_else(|| must_be(&named("content"), "a string"))?;
    let contents = match encoding.as_deref() {
        Some("base64") => Contents::Base64(Text::Sent(content)),
        Some("hex") => {
            let text = ours::required_text(&named("content"), Some(content))?;
            let bytes = bytes_of(&text).ok_or_else(|| must_be(&named("content"), "hexadecimal"))?;
            Contents::Base64(Text::Made(BASE64.encode(bytes)))
        }
        None | Some("utf8") => Contents::Text(ours::program(content)),
        Some(_) => return Err(must_be(&named("encoding"), "utf8, base64 or hex")),
    };
    Ok(OurFile {
        name: name.unwrap_or_else(|| unnamed(index)),
        contents,
    })
}

/// What a file without a name is called, by its place.
fn unnamed(index: usize) -> String {
    format!("file{index}.code")
}

fn text_of(file: OurFile<'_>) -> Option<Text<'_>> {
    match file.contents {
        Contents::Text(text) => Some(text),
        Contents::Base64(_) => None,
    }
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let (pairs, rest) = hex.as_bytes().as_chunks::<2>();
    let bytes = pairs.iter().map(|[high, low]| {
        let byte = digit(*high)? * 16 + digit(*low)?;
        u8::try_from(byte).ok()
    });
    if rest.is_empty() {
        bytes.collect()
    } else {
        None
    }
}
