//! An execution that is followed as it goes: what it writes and shows, and how it ends. [`super::stream`] words it as
//! server-sent events, doors in their own way.

use std::sync::Arc;

use faas_pool::InstallProgress;
use faas_pool::InstallStage;
use faas_pool::LiveEvent;
use faas_pool::ShownResult;
use faas_pool::SoFar;
use faas_pool::ToolLine;
use faas_pool::ToolLog;
use faas_protocol::Stream;
use faas_telemetry::Metrics;
use faas_tools::ToolSet;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument;

use super::answer;
use super::budget::Exhausted;
use super::budget::Share;
use super::caller::Caller;
use super::client::Client;
use super::client::Waiting;
use super::error::ApiError;
use super::exchange::Exchange;
use super::execute;
use super::execute::Finished;
use super::request::RunRequest;
use super::state::AppState;

type Ending = Result<Finished, ApiError>;

/// What is told of an execution.
pub enum Told {
    /// The next piece of what the program wrote.
    Output(Stream, String),
    /// How far the installation of packages is that the program waits for.
    Installing(InstallProgress),
    /// A result that it showed.
    Shown(Arc<ShownResult>),
    /// It waits for results of its caller's tools. It may not have heard of the last results when it began to wait.
    Calls { so_far: SoFar, knows_all: bool },
    /// Nothing, but the client is to be sent something: if it is gone, that makes its system say so.
    Nothing,
    /// How it ended; the last.
    Ended(Result<Box<Finished>, ApiError>),
}

/// An execution whose output is followed. Dropping this, as when the client hangs up, ends it.
#[derive(Debug)]
pub struct Following {
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
    /// How it ended, once it did; output that came before it is told first.
    ending: Option<Ending>,
    stdout: Utf8Pieces,
    stderr: Utf8Pieces,
    is_over: bool,
    /// Who reads what is told as it comes, if somebody does.
    client: Option<(Arc<Client>, Waiting)>,
    /// Whether the client's side of the connection was seen to have ended.
    has_ended: bool,
    /// The calls of tools of its caller, if it has any.
    exchange: Option<Arc<Exchange>>,
    /// Its place, until its caller has its last answer.
    _place: Option<WithTools>,
}

/// Starts an execution; returns once its program starts, or waits for packages that are installed. `client` is who
/// reads what is told as it comes.
///
/// # Errors
/// [`ApiError`] for a program that was not executed, or whose output there is no room for.
pub async fn follow(
    state: Arc<AppState>,
    caller: Caller,
    client: Option<Arc<Client>>,
    mut request: RunRequest,
) -> Result<Following, ApiError> {
    let (live, events) = mpsc::unbounded_channel();
    request.execution.live = Some(live);
    let lent = request.tools.take().map(|tools| lend(&state, tools));
    let (place, exchange) = match lent.transpose()? {
        Some((place, exchange, line)) => {
            request.execution.tools = Some(line);
            (Some(place), Some(Arc::new(exchange)))
        }
        None => (None, None),
    };
    let most_output = request.execution.job.limits.output.get();
    let execution = {
        let state = state.clone();
        async move { execute::run(&state, &caller, request).await }
    };
    let mut following = Following {
        execution: AbortOnDropHandle::new(tokio::spawn(execution.in_current_span())),
        events,
        share: state.answers.share(),
        most_output,
        state,
        next: None,
        progress: None,
        ending: None,
        stdout: Utf8Pieces::default(),
        stderr: Utf8Pieces::default(),
        is_over: false,
        client: client.map(|client| (client.clone(), client.wait())),
        has_ended: false,
        exchange,
        _place: place,
    };
    tokio::select! {
        biased;
        Some(event) = following.events.recv() => match event {
            LiveEvent::Started => following.hold_output()?,
            event => following.next = Some(event),
        },
        ending = &mut following.execution => following.ending = Some(Ok(joined(ending)?)),
    }
    Ok(following)
}

/// A place among the programs with tools, until this is dropped.
#[derive(Debug)]
struct WithTools {
    metrics: Arc<Metrics>,
    _place: OwnedSemaphorePermit,
}

impl Drop for WithTools {
    fn drop(&mut self) {
        self.metrics.programs_with_tools.dec();
    }
}

/// Lends a program its caller's tools.
///
/// # Errors
/// 429 if too many programs have some already.
fn lend(state: &AppState, tools: ToolSet) -> Result<(WithTools, Exchange, ToolLine), ApiError> {
    let settings = &state.settings;
    let place = state.with_tools.clone().try_acquire_owned().map_err(|_| {
        ApiError::too_many(format!(
            "{} programs with tools run or wait for results already (FAAS_TOOL_PROGRAMS); try again shortly",
            settings.tool_programs()
        ))
    })?;
    state.metrics.programs_with_tools.inc();
    let place = WithTools {
        metrics: state.metrics.clone(),
        _place: place,
    };
    let (sender, answers) = mpsc::unbounded_channel();
    let line = ToolLine {
        tools: tools.clone(),
        limits: settings.tool_limits(),
        answers,
        log: ToolLog::default(),
    };
    Ok((place, Exchange::new(tools, sender), line))
}

impl Following {
    /// The calls of its caller's tools, if it has any.
    pub fn exchange(&self) -> Option<&Arc<Exchange>> {
        self.exchange.as_ref()
    }

    /// Takes room for output of the program, which starts now. It may do so again with packages.
    fn hold_output(&mut self) -> Result<(), ApiError> {
        let room = std::mem::take(&mut self.most_output);
        let grown = self.share.grow(room);
        grown.map_err(|Exhausted| answer::no_room(&self.state))
    }

    /// Keeps the last answer's part of FAAS_ANSWER_BYTES, instead of the output's, until this is dropped: then the
    /// client has read it.
    pub fn hold(&mut self, answer: Share) {
        self.share = answer;
    }

    pub fn state(&self) -> &Arc<AppState> {
        &self.state
    }

    fn waits_for_results(&self) -> bool {
        let exchange = self.exchange.as_ref();
        exchange.is_some_and(|exchange| exchange.is_waited_for())
    }

    /// What has come already, without waiting; not the end.
    pub fn next_of_those_here(&mut self) -> Option<Told> {
        loop {
            let event = self.events.try_recv().ok()?;
            if let Some(told) = self.told(event) {
                return Some(told);
            }
        }
    }

    /// What comes next, `None` after the last.
    pub async fn next(&mut self) -> Option<Told> {
        loop {
            if self.is_over {
                return None;
            }
            let next = if let Some(event) = self.next.take() {
                Some(event)
            } else if self.ending.is_some() {
                self.events.try_recv().ok()
            } else {
                tokio::select! {
                    biased;
                    event = self.events.recv() => event,
                    ending = &mut self.execution => {
                        self.ending = Some(joined(ending));
                        continue;
                    }
                    // Results can be sent no more: who stops takes no connections.
                    () = self.state.draining.cancelled(), if self.waits_for_results() => {
                        self.is_over = true;
                        return Some(Told::Ended(Err(ApiError::cut_off())));
                    }
                    () = until_ended(self.client.as_ref()), if !self.has_ended => {
                        self.has_ended = true;
                        return Some(Told::Nothing);
                    }
                }
            };
            match next {
                Some(event) => {
                    if let Some(told) = self.told(event) {
                        return Some(told);
                    }
                }
                None => {
                    let ending = match self.ending.take() {
                        Some(ending) => ending,
                        // The sender is gone; the ending is next.
                        None => joined((&mut self.execution).await),
                    };
                    self.is_over = true;
                    return Some(Told::Ended(ending.map(Box::new)));
                }
            }
        }
    }

    fn told(&mut self, event: LiveEvent) -> Option<Told> {
        match event {
            LiveEvent::Output(stream, bytes) => {
                let pieces = match stream {
                    Stream::Stdout => &mut self.stdout,
                    Stream::Stderr => &mut self.stderr,
                };
                let text = pieces.take(&bytes);
                (!text.is_empty()).then_some(Told::Output(stream, text))
            }
            LiveEvent::Result(shown) => Some(Told::Shown(shown)),
            LiveEvent::Calls(made) => {
                let so_far = made.so_far.clone();
                let exchange = self.exchange.as_ref();
                let knows_all = exchange.is_some_and(|exchange| exchange.add(made));
                Some(Told::Calls { so_far, knows_all })
            }
            LiveEvent::Installing(progress) => {
                self.progress = Some(progress.clone());
                Some(Told::Installing(progress))
            }
            LiveEvent::Started => {
                if let Err(error) = self.hold_output() {
                    self.is_over = true;
                    return Some(Told::Ended(Err(error)));
                }
                let mut progress = self.progress.take()?;
                progress.stage = InstallStage::Ready;
                Some(Told::Installing(progress))
            }
        }
    }
}

/// Waits until the client's side of its connection has ended; for ever if there is none.
async fn until_ended(client: Option<&(Arc<Client>, Waiting)>) {
    match client {
        Some((client, _)) => client.until_ended().await,
        None => std::future::pending().await,
    }
}

/// The ending of an execution's task, which ends without one only by a mistake in this service.
fn joined(ending: Result<Ending, JoinError>) -> Ending {
    ending.unwrap_or_else(|_| {
        Err(ApiError::failed(
            "The execution ended by an internal error; send the request again",
        ))
    })
}

/// Text from pieces of UTF-8 that may end within a character.
#[derive(Debug, Default)]
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
