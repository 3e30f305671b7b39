//! A program with tools of which each request of its caller tells a round. It has a task of its own, which waits between
//! the requests.

use std::sync::Arc;

use faas_pool::SoFar;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_protocol::Stream;
use tokio::sync::oneshot;
use tracing::Instrument;

use crate::api::answer::Answer;
use crate::api::caller::Caller;
use crate::api::continuations::Paused;
use crate::api::continuations::Reply;
use crate::api::error::ApiError;
use crate::api::exchange::Exchange;
use crate::api::follow::Following;
use crate::api::follow::Told;
use crate::api::follow::follow;
use crate::api::request::RunRequest;
use crate::api::response::RunResponse;
use crate::api::response::Waits;
use crate::api::state::AppState;

/// Runs a program until it waits for results, or ends. It is ended if this is dropped.
///
/// # Errors
/// [`ApiError`] for a program that was not executed.
pub async fn begin(
    state: Arc<AppState>,
    caller: Caller,
    request: RunRequest,
) -> Result<Answer, ApiError> {
    let (owner, task_id) = (caller.owner().clone(), request.task_id.clone());
    let language = request.execution.job.language;
    let following = follow(state.clone(), caller, None, request).await?;
    let exchange = following.exchange().cloned();
    let exchange =
        exchange.ok_or_else(|| ApiError::failed("A program without tools has no rounds"))?;
    let conversation = Conversation {
        following,
        exchange,
        owner,
        task_id,
        language,
        stdout: String::new(),
        stderr: String::new(),
    };
    let (reply, answer) = oneshot::channel();
    tokio::spawn(conversation.hold(reply).in_current_span());
    answered(answer, &state).await
}

/// The answer that a conversation gives.
///
/// # Errors
/// As [`begin`].
pub async fn answered(
    answer: oneshot::Receiver<Result<String, ApiError>>,
    state: &AppState,
) -> Result<Answer, ApiError> {
    let answer = answer.await;
    let json = answer.map_err(|_| ApiError::failed("The program ended without an answer"))?;
    Ok(Answer::when_there_is_room(json?, state).await)
}

/// A program. Dropping it ends it.
struct Conversation {
    following: Following,
    exchange: Arc<Exchange>,
    owner: Owner,
    task_id: String,
    language: Language,
    /// What it has written so far.
    stdout: String,
    stderr: String,
}

impl Conversation {
    /// Answers one request after the other, until the program or its caller is gone.
    async fn hold(mut self, mut reply: Reply) {
        loop {
            let so_far = tokio::select! {
                biased;
                // The caller hung up.
                () = reply.closed() => return,
                round = self.round() => match round {
                    Ok(so_far) => so_far,
                    Err(end) => {
                        let _ = reply.send(end);
                        return;
                    }
                },
            };
            let (resume, resumed) = oneshot::channel();
            let paused = Paused::in_rounds(self.exchange.clone(), resume);
            let continuations = self.following.state().continuations.clone();
            let continuation = match continuations.keep(&self.owner, paused) {
                Ok(continuation) => continuation,
                Err(error) => {
                    let _ = reply.send(Err(error));
                    return;
                }
            };
            if reply.send(self.ask(so_far, &continuation)).is_err() {
                continuations.forget(&continuation);
                return;
            }
            let draining = &self.following.state().draining;
            let results = tokio::select! {
                results = resumed => results,
                // Nobody can send results any more.
                () = draining.cancelled() => return,
            };
            // Nobody did in time, if this fails.
            let Ok(results) = results else {
                return;
            };
            self.exchange.answer(results.results);
            reply = results.reply;
        }
    }

    /// Follows the program until it waits for results; returns what is known of it.
    ///
    /// # Errors
    /// Its last answer, once it has ended.
    async fn round(&mut self) -> Result<SoFar, Result<String, ApiError>> {
        let mut waits = None;
        loop {
            // It may have gone on since it called, on a timer.
            let told = match waits {
                None => self.following.next().await,
                Some(_) => self.following.next_of_those_here(),
            };
            match (told, waits.take()) {
                (Some(Told::Calls { so_far, knows_all }), before) => {
                    waits = if knows_all { Some(so_far) } else { before };
                }
                (Some(Told::Ended(ending)), _) => {
                    return Err(ending.and_then(|finished| {
                        let (response, _request) = finished.answer();
                        json_of(&response)
                    }));
                }
                (Some(told), before) => {
                    self.note(told);
                    waits = before;
                }
                (None, Some(so_far)) => return Ok(so_far),
                (None, None) => {
                    let error = ApiError::failed("The program ended without an answer");
                    return Err(Err(error));
                }
            }
        }
    }

    /// Keeps what the program wrote; what it showed is in its last answer.
    fn note(&mut self, told: Told) {
        match told {
            Told::Output(Stream::Stdout, text) => self.stdout.push_str(&text),
            Told::Output(Stream::Stderr, text) => self.stderr.push_str(&text),
            _ => {}
        }
    }

    /// The answer that asks the caller for results.
    fn ask(&self, so_far: SoFar, continuation: &str) -> Result<String, ApiError> {
        let waits = Waits {
            task_id: self.task_id.clone(),
            language: self.language,
            so_far,
            stdout: self.stdout.clone(),
            stderr: self.stderr.clone(),
            calls: self.exchange.calls(),
        };
        let stats = self.following.state().pool.stats();
        json_of(&RunResponse::waiting(waits, continuation.to_owned(), stats))
    }
}

fn json_of(response: &RunResponse) -> Result<String, ApiError> {
    serde_json::to_string(response)
        .map_err(|error| ApiError::failed(format!("The answer cannot be JSON: {error}")))
}
