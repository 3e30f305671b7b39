//! `POST /run_code` with `Accept: text/event-stream`: sends output as it is written, as server-sent
//! events.
//!
//! | event | data |
//! |---|---|
//! | `stdout`, `stderr` | `{"text": …}`: the next piece of what the program wrote |
//! | `progress` | how far the installation of the packages is that the program waits for |
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
use faas_pool::InstallProgress;
use faas_pool::InstallStage;
use faas_pool::LiveEvent;
use faas_protocol::Stream;
use futures_util::stream;
use serde::Serialize;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::answer;
use super::answer::Answer;
use super::budget::Exhausted;
use super::budget::Share;
use super::caller::Caller;
use super::client::Client;
use super::client::Waiting;
use super::error::ApiError;
use super::execute::execute;
use super::request::RunRequest;
use super::response::ResultBody;
use super::state::AppState;

/// Tells nginx not to hold an answer back.
pub const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

type Ending = Result<Answer, ApiError>;

/// An execution whose output is streamed. Dropping this, as when the client hangs up, ends it.
struct Following {
    /// In its own task: nothing here is polled while the client does not read, and the time limit
    /// must still hold.
    execution: AbortOnDropHandle<Ending>,
    events: UnboundedReceiver<LiveEvent>,
    /// What the events may take of FAAS_ANSWER_BYTES while the client does not read them. Nothing while
    /// the program waits for its packages.
    share: Share,
    /// What it may take then, in bytes; taken when the program starts.
    most_output: u64,
    state: Arc<AppState>,
    /// An event that came already.
    next: Option<LiveEvent>,
    /// How far the packages were, if the program waits for some.
    progress: Option<InstallProgress>,
    /// The answer, once there is one; output that came before it is sent first.
    answer: Option<Ending>,
    stdout: Utf8Pieces,
    stderr: Utf8Pieces,
    is_over: bool,
    /// Number of the last event.
    number: u64,
    client: Arc<Client>,
    /// Whether its side of the connection was seen to have ended.
    has_ended: bool,
    _waiting: Waiting,
}

/// Starts an execution; answers once its program starts, or waits for packages that are installed.
///
/// # Errors
/// [`ApiError`] for a program that was not executed, or whose output there is no room for.
pub async fn run(
    state: Arc<AppState>,
    caller: Caller,
    client: Arc<Client>,
    mut request: RunRequest,
) -> Result<Response, ApiError> {
    let (live, events) = mpsc::unbounded_channel();
    request.execution.live = Some(live);
    let most_output = request.execution.job.limits.output.get();
    let execution = {
        let state = state.clone();
        async move { execute(&state, &caller, request).await }
    };
    let mut following = Following {
        execution: AbortOnDropHandle::new(tokio::spawn(execution.in_current_span())),
        events,
        share: state.answers.share(),
        most_output,
        state,
        next: None,
        progress: None,
        answer: None,
        stdout: Utf8Pieces::default(),
        stderr: Utf8Pieces::default(),
        is_over: false,
        number: 0,
        _waiting: client.wait(),
        client,
        has_ended: false,
    };
    tokio::select! {
        biased;
        Some(event) = following.events.recv() => match event {
            LiveEvent::Started => following.hold_output()?,
            event => following.next = Some(event),
        },
        answer = &mut following.execution => following.answer = Some(Ok(joined(answer)?)),
    }
    let events = stream::unfold(following, async |mut following| {
        let event = following.next().await?;
        Some((Ok::<_, Infallible>(event), following))
    });
    let events = Sse::new(events).keep_alive(KeepAlive::default());
    // nginx would otherwise keep events back until it has a page of them.
    let unbuffered = [(X_ACCEL_BUFFERING, "no")];
    Ok((unbuffered, events).into_response())
}

impl Following {
    /// Takes room for output of the program, which starts now. It may do so again with packages.
    fn hold_output(&mut self) -> Result<(), ApiError> {
        let room = std::mem::take(&mut self.most_output);
        let grown = self.share.grow(room);
        grown.map_err(|Exhausted| answer::no_room(&self.state))
    }

    /// The next event, `None` after the last.
    async fn next(&mut self) -> Option<Event> {
        loop {
            if self.is_over {
                return None;
            }
            let next = if let Some(event) = self.next.take() {
                Some(event)
            } else if self.answer.is_some() {
                self.events.try_recv().ok()
            } else {
                tokio::select! {
                    biased;
                    event = self.events.recv() => event,
                    answer = &mut self.execution => {
                        self.answer = Some(joined(answer));
                        continue;
                    }
                    // If the client is gone, this makes its system say so.
                    () = self.client.until_ended(), if !self.has_ended => {
                        self.has_ended = true;
                        return Some(Event::default().comment(""));
                    }
                }
            };
            match (next, &self.answer) {
                (Some(LiveEvent::Output(stream, bytes)), _) => {
                    if let Some(event) = self.output(stream, &bytes) {
                        return Some(event);
                    }
                }
                (Some(LiveEvent::Result(shown)), _) => {
                    let shown = ResultBody::from(shown);
                    return Some(event(self.numbered(), "display", &shown));
                }
                (Some(LiveEvent::Installing(progress)), _) => {
                    let told = event(self.numbered(), "progress", &progress);
                    self.progress = Some(progress);
                    return Some(told);
                }
                (Some(LiveEvent::Started), _) => {
                    if let Err(error) = self.hold_output() {
                        self.is_over = true;
                        return Some(event(self.numbered(), "error", error.body()));
                    }
                    if let Some(mut progress) = self.progress.take() {
                        progress.stage = InstallStage::Ready;
                        return Some(event(self.numbered(), "progress", &progress));
                    }
                }
                (None, Some(_)) => return self.last_event(),
                // The sender is gone; the answer is next.
                (None, None) => self.answer = Some(joined((&mut self.execution).await)),
            }
        }
    }

    fn last_event(&mut self) -> Option<Event> {
        self.is_over = true;
        Some(match self.answer.take()? {
            Ok(answer) => {
                let event = self.numbered().event("result").data(&answer.json);
                // This is dropped when the client has read the event.
                self.share = answer.share;
                event
            }
            Err(error) => event(self.numbered(), "error", error.body()),
        })
    }

    fn output(&mut self, stream: Stream, bytes: &[u8]) -> Option<Event> {
        let (name, pieces) = match stream {
            Stream::Stdout => ("stdout", &mut self.stdout),
            Stream::Stderr => ("stderr", &mut self.stderr),
        };
        let text = pieces.take(bytes);
        (!text.is_empty()).then(|| event(self.numbered(), name, &json!({ "text": text })))
    }

    /// An event with the next number.
    fn numbered(&mut self) -> Event {
        self.number += 1;
        Event::default().id(self.number.to_string())
    }
}

/// The answer of an execution's task, which ends without one only by a mistake in this service.
fn joined(answer: Result<Ending, JoinError>) -> Ending {
    answer.unwrap_or_else(|_| {
        Err(ApiError::failed(
            "The execution ended by an internal error; send the request again",
        ))
    })
}

fn event(event: Event, name: &str, data: &impl Serialize) -> Event {
    let event = event.event(name);
    // The data has no maps with keys other than strings, the one thing that JSON cannot express.
    event.clone().json_data(data).unwrap_or(event)
}

/// Text from pieces of UTF-8 that may end within a character.
#[derive(Default)]
struct Utf8Pieces {
    /// The beginning of a character whose rest has not come yet.
    incomplete: Vec<u8>,
}

impl Utf8Pieces {
    /// Takes a piece; returns the text up to its last whole character. Bytes that are not UTF-8
    /// become U+FFFD, as in the whole answer.
    fn take(&mut self, bytes: &[u8]) -> String {
        self.incomplete.extend_from_slice(bytes);
        let whole = self.incomplete.len() - incomplete_tail(&self.incomplete);
        let rest = self.incomplete.split_off(whole);
        let text = String::from_utf8_lossy(&self.incomplete).into_owned();
        self.incomplete = rest;
        text
    }
}

/// Length of an incomplete character at the end of `bytes` that more bytes may complete.
fn incomplete_tail(bytes: &[u8]) -> usize {
    match bytes.utf8_chunks().last() {
        Some(chunk) if bytes.ends_with(chunk.invalid()) => {
            let tail = chunk.invalid();
            let needed = match tail.first() {
                Some(0xc2..=0xdf) => 2,
                Some(0xe0..=0xef) => 3,
                Some(0xf0..=0xf4) => 4,
                _ => 0,
            };
            if tail.len() < needed { tail.len() } else { 0 }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(pieces: &[&[u8]]) -> Vec<String> {
        let mut taker = Utf8Pieces::default();
        pieces.iter().map(|piece| taker.take(piece)).collect()
    }

    #[test]
    fn a_character_cut_in_two_is_sent_with_its_second_half() {
        let smile = "😀".as_bytes();
        assert_eq!(
            texts(&[b"a", &smile[..1], &smile[1..3], &smile[3..]]),
            ["a", "", "", "😀"]
        );
        assert_eq!(texts(&["é€".as_bytes()]), ["é€"]);
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced_and_delay_no_output() {
        assert_eq!(texts(&[b"a\xff", b"b"]), ["a\u{fffd}", "b"]);
        assert_eq!(texts(&[b"\xe2\x82", b"x"]), ["", "\u{fffd}x"]);
        assert_eq!(texts(&[b"\x80\x80"]), ["\u{fffd}\u{fffd}"]);
    }
}
