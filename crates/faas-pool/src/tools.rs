//! Tools of a program's caller, while the program runs: its calls are checked and told, and it waits for the answers.
//! While it waits it holds a sandbox, but no worker, and its clock stands still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::BytesMut;
use faas_protocol::ByteSize;
use faas_protocol::ToolAnswer;
use faas_protocol::ToolAnswers;
use faas_protocol::ToolCall;
use faas_protocol::ToolOutcome;
use faas_telemetry::Metrics;
use faas_telemetry::ToolCallEnd;
use faas_telemetry::ToolCallRecord;
use faas_tools::ToolSet;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use super::admission::Admission;
use super::admission::WorkerPermit;
use super::fair_queue::Asks;
use super::live::CallMade;
use super::live::CallsMade;
use super::live::Live;
use super::live::LiveEvent;
use super::live::SoFar;
use super::report::Stop;
use super::sandbox::Sandbox;

/// How many calls more than it may make a program can try, each of which fails, before it is ended.
const MORE_CALLS: u32 = 1000;
/// How many times the bytes that its calls may have a program can send, until it is ended.
const MORE_BYTES: u64 = 4;
/// How a tool is recorded that there is not.
const UNKNOWN: &str = "(unknown)";
/// Inputs that are longer are checked while others run on this thread's behalf, in bytes.
const LONG_CHECK: usize = 4096;

/// What a program may do with tools.
#[derive(Clone, Copy, Debug)]
pub struct ToolLimits {
    /// Most calls.
    pub calls: u32,
    /// Most bytes of inputs and results, all together.
    pub bytes: ByteSize,
    /// How long a call may wait for its answer.
    pub call_wait: Duration,
    /// How long a program may wait for all of them.
    pub total_wait: Duration,
}

/// The line between a program and who answers its calls.
#[derive(Debug)]
pub struct ToolLine {
    pub tools: ToolSet,
    pub limits: ToolLimits,
    /// Answers; to a number that has none open, they are dropped.
    pub answers: UnboundedReceiver<Vec<ToolAnswer>>,
    pub log: ToolLog,
}

/// What is recorded of the calls of one program.
#[derive(Clone, Debug, Default)]
pub struct ToolLog(Arc<Mutex<Vec<ToolCallRecord>>>);

impl ToolLog {
    fn add(&self, record: ToolCallRecord) {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        records.push(record);
    }

    /// All that was recorded so far.
    pub fn take(&self) -> Vec<ToolCallRecord> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The worker of a program that may wait without it.
pub struct Worker<'a> {
    pub admission: &'a Arc<Admission>,
    pub asks: Asks,
    pub permit: &'a mut Option<WorkerPermit>,
}

/// The calls of a program that runs.
pub struct Calls<'a> {
    line: &'a mut ToolLine,
    worker: Worker<'a>,
    metrics: &'a Metrics,
    live: Option<&'a Live>,
    open: BTreeMap<u32, OpenCall>,
    /// Those that were not told yet.
    made: Vec<CallMade>,
    /// Answers without asking.
    refused: Vec<ToolAnswer>,
    /// Whether answers came since it was told last that the program waits.
    has_answers: bool,
    /// How many times answers have come.
    answered: u64,
    count: u32,
    /// Of inputs that were told and results that were handed on.
    bytes: u64,
    /// Of all inputs.
    sent: u64,
    waited: Duration,
}

struct OpenCall {
    tool: String,
    input_bytes: u64,
    since: Instant,
    /// Ends when the call does.
    _span: tracing::Span,
}

/// A wait that is over.
pub struct Waited {
    pub answers: ToolAnswers,
    /// How long the program's clock stood still.
    pub stood_still: Duration,
    /// Whether the program is to be interrupted, before it hears of the answers.
    pub is_interrupted: bool,
    /// What it said instead of waiting on.
    pub frame: Option<BytesMut>,
}

impl Waited {
    fn at_once(answers: Vec<ToolAnswer>) -> Self {
        Self {
            answers: ToolAnswers { answers },
            stood_still: Duration::ZERO,
            is_interrupted: false,
            frame: None,
        }
    }
}

/// How a wait ended that ends the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitEnd {
    /// Nobody answers any more, or its process is gone.
    Abandoned,
    TooLong,
}

impl<'a> Calls<'a> {
    pub fn new(
        line: &'a mut ToolLine,
        worker: Worker<'a>,
        metrics: &'a Metrics,
        live: Option<&'a Live>,
    ) -> Self {
        Self {
            line,
            worker,
            metrics,
            live,
            open: BTreeMap::new(),
            made: Vec::new(),
            refused: Vec::new(),
            has_answers: false,
            answered: 0,
            count: 0,
            bytes: 0,
            sent: 0,
            waited: Duration::ZERO,
        }
    }

    /// Takes a call.
    ///
    /// # Errors
    /// When the program is to be ended: it does not stop making calls that it may not make.
    pub fn take(&mut self, call: ToolCall<'_>) -> Result<(), Stop> {
        self.count = self.count.saturating_add(1);
        let limits = self.line.limits;
        if self.count > limits.calls.saturating_add(MORE_CALLS) {
            return Err(Stop::Calls);
        }
        let bytes = (call.tool.len() + call.input.len()) as u64;
        self.sent = self.sent.saturating_add(bytes);
        if self.sent / MORE_BYTES > limits.bytes.get() {
            return Err(Stop::Calls);
        }
        let refusal = if self.count > limits.calls {
            Some(ToolOutcome::Failed(format!(
                "the program has made {} calls of tools and may make no more (FAAS_TOOL_CALLS)",
                limits.calls
            )))
        } else if self.open.contains_key(&call.number) {
            Some(ToolOutcome::Failed(
                "there is a call of that number".to_owned(),
            ))
        } else if self.bytes.saturating_add(bytes) > limits.bytes.get() {
            Some(ToolOutcome::Failed(self.too_large()))
        } else {
            let check = || self.line.tools.check_input(call.tool, call.input);
            match in_place(call.input, check) {
                Some(Ok(())) => None,
                Some(Err(misfit)) => Some(ToolOutcome::InvalidInput(misfit.to_string())),
                None => Some(ToolOutcome::InvalidInput(
                    "there is no such tool".to_owned(),
                )),
            }
        };
        match refusal {
            Some(outcome) => {
                let end = match outcome {
                    ToolOutcome::InvalidInput(_) => ToolCallEnd::Invalid,
                    _ => ToolCallEnd::Refused,
                };
                // The program chose another name itself, however long.
                let tool = match self.line.tools.has(call.tool) {
                    true => call.tool,
                    false => UNKNOWN,
                };
                self.record(tool.to_owned(), (bytes, 0), Duration::ZERO, end);
                self.refused.push(ToolAnswer {
                    number: call.number,
                    outcome,
                });
            }
            None => {
                self.bytes += bytes;
                self.make(call);
            }
        }
        Ok(())
    }

    fn make(&mut self, call: ToolCall<'_>) {
        let open = OpenCall {
            tool: call.tool.to_owned(),
            input_bytes: call.input.len() as u64,
            since: Instant::now(),
            _span: tracing::info_span!("tool", tool.name = call.tool),
        };
        self.open.insert(call.number, open);
        self.made.push(CallMade {
            number: call.number,
            tool: call.tool.to_owned(),
            input: call.input.to_owned(),
        });
    }

    fn too_large(&self) -> String {
        format!(
            "the calls of the program and their results are more than {} bytes (FAAS_TOOL_BYTES)",
            self.line.limits.bytes.get()
        )
    }

    /// Waits until the program can go on, which waits for at most `within`, and has a worker for it then. `so_far` is
    /// what is told of it, and asked for if that is news.
    ///
    /// # Errors
    /// When the program is to be ended.
    pub async fn wait(
        &mut self,
        within: Option<Duration>,
        interrupt: Option<&Notify>,
        sandbox: &mut Sandbox,
        so_far: impl FnOnce(&Sandbox) -> SoFar,
    ) -> Result<Waited, WaitEnd> {
        let began = Instant::now();
        if !self.refused.is_empty() || self.open.is_empty() {
            let answers = std::mem::take(&mut self.refused);
            return Ok(Waited::at_once(answers));
        }
        self.tell(|| so_far(sandbox));
        *self.worker.permit = None;
        let given_up_at = self.given_up_at(began);
        let mut is_interrupted = false;
        let mut frame = None;
        let answers = tokio::select! {
            biased;
            answers = self.line.answers.recv() => {
                self.answered += 1;
                self.has_answers = true;
                answers.ok_or(WaitEnd::Abandoned)?
            }
            () = notified(interrupt) => {
                is_interrupted = true;
                Vec::new()
            }
            () = tokio::time::sleep_until(given_up_at) => {
                self.give_up();
                return Err(WaitEnd::TooLong);
            }
            () = until(within.and_then(|within| began.checked_add(within))) => Vec::new(),
            // One that waits says nothing, unless a limit ends it, or it is gone.
            said = sandbox.socket.receive() => {
                frame = Some(said.map_err(|_| WaitEnd::Abandoned)?.ok_or(WaitEnd::Abandoned)?);
                Vec::new()
            }
        };
        let answers = self.accept(answers);
        let waited = began.elapsed();
        self.waited += waited;
        // Who resumes goes ahead of those who have not begun.
        *self.worker.permit = Some(self.worker.admission.resume(&self.worker.asks).await);
        Ok(Waited {
            answers: ToolAnswers { answers },
            stood_still: began.elapsed(),
            is_interrupted,
            frame,
        })
    }

    /// When the wait is over that begins now, answers or not.
    fn given_up_at(&self, now: Instant) -> Instant {
        let limits = &self.line.limits;
        let oldest = self.open.values().map(|call| call.since).min();
        let of_call = oldest.unwrap_or(now) + limits.call_wait;
        of_call.min(now + limits.total_wait.saturating_sub(self.waited))
    }

    /// Tells that the program waits, if that is news.
    fn tell(&mut self, so_far: impl FnOnce() -> SoFar) {
        let calls = std::mem::take(&mut self.made);
        if calls.is_empty() && !self.has_answers {
            return;
        }
        self.has_answers = false;
        if let Some(live) = self.live {
            let made = CallsMade {
                calls,
                so_far: so_far(),
                answered: self.answered,
            };
            // Nobody listens any more: the execution is about to be dropped.
            let _ = live.send(LiveEvent::Calls(made));
        }
    }

    /// Takes answers to calls that are open.
    fn accept(&mut self, answers: Vec<ToolAnswer>) -> Vec<ToolAnswer> {
        let mut accepted = Vec::with_capacity(answers.len());
        for mut answer in answers {
            let Some(call) = self.open.remove(&answer.number) else {
                continue;
            };
            let bytes = match &answer.outcome {
                ToolOutcome::Result(text)
                | ToolOutcome::Failed(text)
                | ToolOutcome::InvalidInput(text) => text.len() as u64,
            };
            self.bytes = self.bytes.saturating_add(bytes);
            let end = if self.bytes > self.line.limits.bytes.get() {
                answer.outcome = ToolOutcome::Failed(self.too_large());
                ToolCallEnd::Refused
            } else {
                match answer.outcome {
                    ToolOutcome::Result(_) => ToolCallEnd::Answered,
                    _ => ToolCallEnd::Failed,
                }
            };
            let wait = call.since.elapsed();
            self.record(call.tool, (call.input_bytes, bytes), wait, end);
            accepted.push(answer);
        }
        accepted
    }

    fn give_up(&mut self) {
        for (_, call) in std::mem::take(&mut self.open) {
            let wait = call.since.elapsed();
            let bytes = (call.input_bytes, 0);
            self.record(call.tool, bytes, wait, ToolCallEnd::Unanswered);
        }
    }

    fn record(
        &self,
        tool: String,
        (input_bytes, result_bytes): (u64, u64),
        wait: Duration,
        end: ToolCallEnd,
    ) {
        self.metrics.tool_called(end, wait);
        self.line.log.add(ToolCallRecord {
            tool,
            input_bytes,
            result_bytes,
            wait,
            end,
        });
    }
}

impl Drop for Calls<'_> {
    /// The program is over, or nobody waits for it any more.
    fn drop(&mut self) {
        self.give_up();
    }
}

/// Does a check, which takes as long as the text that it is of.
fn in_place<T>(text: &str, check: impl FnOnce() -> T) -> T {
    match text.len() > LONG_CHECK {
        true => tokio::task::block_in_place(check),
        false => check(),
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Waits until it is notified; for ever if there is nothing that could be.
pub async fn notified(interrupt: Option<&Notify>) {
    match interrupt {
        Some(interrupt) => interrupt.notified().await,
        None => std::future::pending().await,
    }
}
