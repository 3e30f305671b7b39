//! envd's calls about processes. There is no shell: of all commands, `pip` is there.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_protocol::Language;
use faas_protocol::Stream;
use futures_util::stream;
use serde::Deserialize;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;

use super::access::Entered;
use super::cell;
use super::connect;
use super::contexts;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::AtMost;
use crate::api::bounded::Kind;
use crate::api::client::Client;
use crate::api::follow::Following;
use crate::api::follow::Told;
use crate::api::follow::follow;
use crate::api::request;
use crate::api::stream::X_ACCEL_BUFFERING;
use crate::doors::cell_error::CellError;
use crate::doors::ours;
use crate::doors::ours::Text;
use crate::doors::ours::must_be;

/// Of all processes: they end before there is another.
const PROCESS_ID: u32 = 1;
/// As a shell has it for a command that there is not.
const NOT_FOUND: i32 = 127;
/// Most words of a command.
const MOST_WORDS: usize = 64;
const NO_SHELL: &str = "there is no shell here: of all commands only `pip install …` is there; run code instead, as \
     with run_code(), and use the files of the sandbox";

#[derive(Deserialize)]
struct Start<'a> {
    #[serde(borrow)]
    process: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Config<'a> {
    #[serde(borrow)]
    cmd: Option<&'a RawValue>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
}

/// Answers a call that is no stream.
///
/// # Errors
/// There are no processes that it could be about.
pub fn call(method: &str) -> Result<Response, ApiError> {
    match method {
        "List" => Ok(axum::Json(json!({ "processes": [] })).into_response()),
        "SendSignal" | "SendInput" | "CloseStdin" | "Update" => Err(ApiError::not_found(
            "There is no such process",
            "There is no shell: no command goes on in the background",
        )),
        _ => Err(ApiError::not_here(
            "There is no such call",
            "Those of process.Process are Start and List",
        )),
    }
}

/// Runs a command and tells of it as it goes. Errors are told at the end of the stream.
pub async fn start(
    state: &Arc<AppState>,
    entered: &Entered,
    client: Arc<Client>,
    request: Request,
) -> Response {
    let pieces = match begin(state, entered, client, request).await {
        Ok(Some(following)) => Pieces::Begun(Box::new(following)),
        Ok(None) => Pieces::Given(vec![told_of_no_shell(), connect::end(None)]),
        Err(error) => Pieces::Given(vec![connect::end(Some(&error))]),
    };
    let pieces = stream::unfold(pieces, async |mut pieces| {
        let piece = pieces.next().await?;
        Some((Ok::<_, Infallible>(piece), pieces))
    });
    let headers = [
        (header::CONTENT_TYPE, connect::STREAM),
        (X_ACCEL_BUFFERING, "no"),
    ];
    (headers, Body::from_stream(pieces)).into_response()
}

/// Starts a command; `None` if there is none of that name.
async fn begin(
    state: &Arc<AppState>,
    entered: &Entered,
    client: Arc<Client>,
    request: Request,
) -> Result<Option<Following>, ApiError> {
    let (body, share) = connect::only_message(request, state).await?;
    let Some(code) = code_of(&command_in(&body)?) else {
        return Ok(None);
    };
    drop(body);
    follow_pip(code, share, state, entered, client).await
}

async fn follow_pip(
    code: String,
    share: Share,
    state: &Arc<AppState>,
    entered: &Entered,
    client: Arc<Client>,
) -> Result<Option<Following>, ApiError> {
    let language = Language::Python;
    if !state.settings.serves(language) {
        return Ok(None);
    }
    let context = contexts::default_context(language, entered, state).await?;
    let code = Some(Text::Made(code));
    let request = cell::cell_of(code, Vec::new(), language, &context, share, entered, state)?;
    let following = follow(state.clone(), entered.caller.clone(), Some(client), request).await?;
    Ok(Some(following))
}

/// The words of a command, as a shell would get them.
fn command_in(body: &[u8]) -> Result<String, ApiError> {
    let start: Start = request::parse_body(body)?;
    let refused = || must_be("process", "an object with `cmd` and `args`");
    let process = start.process.ok_or_else(refused)?;
    let config = bounded::parse::<Config>(process, Kind::Object)?.ok_or_else(refused)?;
    let command = ours::required_text("cmd", config.cmd)?;
    let arguments = match config.args {
        None => Vec::new(),
        Some(raw) => {
            let arguments = bounded::parse::<AtMost<String, MOST_WORDS>>(raw, Kind::Array)?;
            arguments
                .ok_or_else(|| must_be("args", "an array of strings"))?
                .0
        }
    };
    // Clients have a shell run what they are given.
    let mut behind = arguments.iter().skip_while(|word| *word != "-c");
    match behind.nth(1) {
        Some(line) => Ok(line.clone()),
        None => Ok([&[command], arguments.as_slice()].concat().join(" ")),
    }
}

/// A cell that does what a command line asks for, if that is for `pip` and nothing else.
fn code_of(line: &str) -> Option<String> {
    let line = line.trim();
    let arguments = ["pip ", "pip3 ", "python -m pip ", "python3 -m pip "]
        .iter()
        .find_map(|pip| line.strip_prefix(pip))?;
    is_plain(arguments).then(|| format!("%pip {}", arguments.trim_start()))
}

/// Whether a shell would only split these words.
fn is_plain(words: &str) -> bool {
    let mut quote = None;
    for character in words.chars() {
        match (quote, character) {
            (_, '\n' | '\r' | '\0') => return false,
            (Some(open), character) if open == character => quote = None,
            (Some('\''), _) => {}
            (_, '$' | '`' | '\\') => return false,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, ';' | '&' | '|' | '<' | '>' | '(' | ')') => return false,
            (None, _) => {}
        }
    }
    quote.is_none()
}

/// What is sent of a command.
enum Pieces {
    /// In this order.
    Given(Vec<Bytes>),
    /// It runs; nothing was sent yet.
    Begun(Box<Following>),
    Runs(Box<Following>, Option<CellError>),
}

impl Pieces {
    async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(self, Self::Given(Vec::new())) {
            Self::Given(mut pieces) => {
                let next = (!pieces.is_empty()).then(|| pieces.remove(0));
                *self = Self::Given(pieces);
                next
            }
            Self::Begun(following) => {
                *self = Self::Runs(following, None);
                Some(started())
            }
            Self::Runs(following, error) => self.go_on(following, error).await,
        }
    }

    async fn go_on(
        &mut self,
        mut following: Box<Following>,
        mut error: Option<CellError>,
    ) -> Option<Bytes> {
        let piece = match following.next().await? {
            Told::Output(stream, text) => output(stream, &text),
            Told::Shown(result) => {
                error = error.or_else(|| CellError::shown(&result));
                keepalive()
            }
            Told::Installing(_) | Told::Calls { .. } | Told::Nothing => keepalive(),
            Told::Ended(Err(error)) => connect::end(Some(&error)),
            Told::Ended(Ok(finished)) => {
                let error = error.or_else(|| CellError::of_report(&finished.report));
                let error = error.map(|error| format!("ERROR: {}", error.value));
                let said = error
                    .as_ref()
                    .map(|said| output(Stream::Stderr, &format!("{said}\n")));
                let exited = ended(finished.report.exit_code, error.as_deref());
                let last = [said, Some(exited), Some(connect::end(None))];
                return Some(last.into_iter().flatten().flatten().collect());
            }
        };
        *self = Self::Runs(following, error);
        Some(piece)
    }
}

fn event(event: Value) -> Bytes {
    connect::wrapped(&json!({ "event": event }))
}

fn started() -> Bytes {
    event(json!({ "start": { "pid": PROCESS_ID } }))
}

fn keepalive() -> Bytes {
    event(json!({ "keepalive": {} }))
}

fn output(stream: Stream, text: &str) -> Bytes {
    let name = match stream {
        Stream::Stdout => "stdout",
        Stream::Stderr => "stderr",
    };
    event(json!({ "data": { name: BASE64.encode(text) } }))
}

fn ended(exit_code: i32, error: Option<&str>) -> Bytes {
    let status = format!("exit status {exit_code}");
    event(json!({
        "end": { "exitCode": exit_code, "exited": true, "status": status, "error": error }
    }))
}

fn told_of_no_shell() -> Bytes {
    let told = [
        started(),
        output(Stream::Stderr, &format!("{NO_SHELL}\n")),
        ended(NOT_FOUND, Some(NO_SHELL)),
    ];
    told.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pip_becomes_a_cell() {
        for (line, code) in [
            ("pip install numpy", "%pip install numpy"),
            (
                "  pip3 install -q 'pandas>=2' \"a[b]\" ",
                "%pip install -q 'pandas>=2' \"a[b]\"",
            ),
            ("python3 -m pip list", "%pip list"),
        ] {
            assert_eq!(code_of(line).as_deref(), Some(code));
        }
        for line in [
            "ls",
            "pip",
            "pipx install a",
            "pip install a && ls",
            "pip install a; ls",
            "pip install $(ls)",
            "pip install \"$HOME\"",
            "pip install a > log",
            "pip install 'a",
            "pip install a\nimport os",
            "pip install a \\",
        ] {
            assert_eq!(code_of(line), None, "{line}");
        }
    }

    #[test]
    fn the_line_that_a_shell_would_run_is_found() {
        let body = br#"{"process": {"cmd": "/bin/bash", "args": ["-l", "-c", "pip list"]}}"#;
        assert_eq!(command_in(body).unwrap(), "pip list");
        let body = br#"{"process": {"cmd": "pip", "args": ["list"]}}"#;
        assert_eq!(command_in(body).unwrap(), "pip list");
        for wrong in [
            &b"{}"[..],
            b"{\"process\": []}",
            br#"{"process": {"cmd": 1}}"#,
            br#"{"process": {"cmd": "a", "args": "b"}}"#,
        ] {
            assert!(command_in(wrong).is_err());
        }
    }
}
