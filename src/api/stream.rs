//! `POST /run_code` with `Accept: text/event-stream`: sends output as it is written, as server-sent
//! events.
//!
//! | event | data |
//! |---|---|
//! | `stdout`, `stderr` | `{"text": …}`: the next piece of what the program wrote |
//! | `progress` | how far the installation of the packages is that the program waits for |
//! | `tool_calls` | what the program wants to know, and a `continuation` for `POST /run_code/continue` |
//! | `display` | a result that it showed, as in the answer's `output.results` |
//! | `result` | the usual answer; the last event |
//! | `error` | `{"error", "details"}` if the execution failed inside the service; then the last event |
//!
//! A request that is refused before the program starts gets its status, as without streaming. Events are
//! numbered from 1 (`id`), so that a client can tell whether it lost one.

use std::convert::Infallible;
use std::sync::Arc;

use axum::http::HeaderName;
use axum::response::IntoResponse;
use axum::response::Response;
use axum::response::Sse;
use axum::response::sse::Event;
use axum::response::sse::KeepAlive;
use faas_protocol::Owner;
use faas_protocol::Stream;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use super::caller::Caller;
use super::client::Client;
use super::continuations::Paused;
use super::error::ApiError;
use super::exchange::CallBody;
use super::execute::Finished;
use super::follow::Following;
use super::follow::Told;
use super::follow::follow;
use super::request::RunRequest;
use super::response::ResultBody;
use super::state::AppState;

/// Tells nginx not to hold an answer back.
pub const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Starts an execution; answers once its program starts, or waits for packages that are installed.
///
/// # Errors
/// [`ApiError`] for a program that was not executed, or whose output there is no room for.
pub async fn run(
    state: Arc<AppState>,
    caller: Caller,
    client: Arc<Client>,
    request: RunRequest,
) -> Result<Response, ApiError> {
    let owner = caller.owner().clone();
    let events = Events {
        owner,
        continuation: None,
        last_told: 0,
        following: follow(state, caller, Some(client), request).await?,
        number: 0,
    };
    let events = stream::unfold(events, async |mut events| {
        let event = events.next().await?;
        Some((Ok::<_, Infallible>(event), events))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::default());
    // nginx would otherwise keep events back until it has a page of them.
    let unbuffered = [(X_ACCEL_BUFFERING, "no")];
    Ok((unbuffered, events).into_response())
}

/// The data of an event `tool_calls`.
#[derive(Serialize)]
struct Asked {
    tool_calls: Vec<CallBody>,
    continuation: String,
}

/// What is told of an execution, as events.
struct Events {
    following: Following,
    owner: Owner,
    /// With which results come, once the program called a tool.
    continuation: Option<Arc<str>>,
    /// The number of the last call that was told.
    last_told: u32,
    /// Number of the last event.
    number: u64,
}

impl Drop for Events {
    fn drop(&mut self) {
        if let Some(last) = &self.continuation {
            self.following.state().continuations.forget(last);
        }
    }
}

impl Events {
    /// The next event, `None` after the last.
    async fn next(&mut self) -> Option<Event> {
        let told = self.following.next().await?;
        let event = match told {
            Told::Nothing => return Some(Event::default().comment("")),
            Told::Output(stream, text) => {
                let name = match stream {
                    Stream::Stdout => "stdout",
                    Stream::Stderr => "stderr",
                };
                self.event(name, &json!({ "text": text }))
            }
            Told::Shown(shown) => self.event("display", &ResultBody::from(shown)),
            Told::Installing(progress) => self.event("progress", &progress),
            Told::Calls { .. } => match self.ask() {
                Ok(Some(asked)) => self.event("tool_calls", &asked),
                // It waits for results of calls that were told before.
                Ok(None) => return Some(Event::default().comment("")),
                Err(error) => self.event("error", error.body()),
            },
            Told::Ended(ending) => match ending.and_then(|finished| self.answer(*finished)) {
                Ok(answer) => {
                    let event = self.numbered().event("result").data(&answer.json);
                    self.following.hold(answer.share);
                    event
                }
                Err(error) => self.event("error", error.body()),
            },
        };
        Some(event)
    }

    /// Asks the caller for results of the calls that it does not know yet.
    fn ask(&mut self) -> Result<Option<Asked>, ApiError> {
        let exchange = self.following.exchange();
        let exchange =
            exchange.ok_or_else(|| ApiError::failed("A program without tools called one"))?;
        let tool_calls = exchange.calls_after(self.last_told);
        self.last_told = exchange.last();
        if tool_calls.is_empty() {
            return Ok(None);
        }
        let continuation = match &self.continuation {
            Some(continuation) => continuation.clone(),
            None => {
                let continuations = &self.following.state().continuations;
                continuations.keep(&self.owner, Paused::streamed(exchange.clone()))?
            }
        };
        self.continuation = Some(continuation.clone());
        Ok(Some(Asked {
            tool_calls,
            continuation: continuation.to_string(),
        }))
    }

    fn answer(&self, finished: Finished) -> Result<Answer, ApiError> {
        let (response, _request) = finished.answer();
        Answer::new(&response, self.following.state())
    }

    fn event(&mut self, name: &str, data: &impl Serialize) -> Event {
        let event = self.numbered().event(name);
        // The data has no maps with keys other than strings, the one thing that JSON cannot express.
        event.clone().json_data(data).unwrap_or(event)
    }

    /// An event with the next number.
    fn numbered(&mut self) -> Event {
        self.number += 1;
        Event::default().id(self.number.to_string())
    }
}
