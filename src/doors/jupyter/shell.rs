//! Answers the requests of a client, one after the other.

use std::sync::Arc;

use faas_pool::ShownResult;
use faas_protocol::Completeness;
use faas_protocol::Completions;
use faas_protocol::Language;
use faas_protocol::Stream;
use faas_protocol::Tending;
use faas_protocol::Unfinished;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;

use super::control;
use super::kernels::Connection;
use super::kernels::Doing;
use super::kernels::Kernel;
use super::message::Channel;
use super::message::Incoming;
use super::outgoing::Outgoing;
use super::outgoing::PROTOCOL;
use super::words::no_kernel;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::bounded;
use crate::api::bounded::Kind;
use crate::api::caller::Caller;
use crate::api::follow::Told;
use crate::api::follow::follow;
use crate::api::health::python_version;
use crate::api::request::RunRequest;
use crate::api::response::Representations;
use crate::api::sessions;
use crate::doors::cell_error::CellError;
use crate::doors::ours;
use crate::doors::ours::Ours;
use crate::doors::ours::must_be;

/// A request that waits for its answer.
#[derive(Debug)]
pub struct Asked {
    pub message: Incoming,
    /// What it holds of FAAS_QUEUE_BYTES.
    pub share: Share,
    /// Its place among the requests that wait.
    pub place: Option<OwnedSemaphorePermit>,
}

/// Answers one client of a kernel.
pub struct Shell {
    pub kernel: Arc<Kernel>,
    pub caller: Caller,
    pub state: Arc<AppState>,
    pub connection: Connection,
}

#[derive(Deserialize)]
struct Execute<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    silent: Option<&'a RawValue>,
    #[serde(borrow)]
    user_expressions: Option<&'a RawValue>,
    #[serde(borrow)]
    stop_on_error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct About<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    cursor_pos: Option<usize>,
    detail_level: Option<u8>,
}

#[derive(Deserialize)]
struct Shutdown {
    #[serde(default)]
    restart: bool,
}

/// A reply, and what goes with it.
struct Reply {
    content: Value,
    /// Whether cells that wait are not to run.
    stops_others: bool,
}

impl From<Value> for Reply {
    fn from(content: Value) -> Self {
        Self {
            content,
            stops_others: false,
        }
    }
}

impl Shell {
    /// Answers what is asked until nothing more is.
    pub async fn answer_all(self: Arc<Self>, mut questions: mpsc::UnboundedReceiver<Asked>) {
        // How many of those that wait were asked before a cell failed.
        let mut behind_failed = 0_usize;
        while let Some(asked) = questions.recv().await {
            let is_aborted = behind_failed > 0 && asked.message.kind == "execute_request";
            behind_failed = behind_failed.saturating_sub(1);
            if self.answer(asked, is_aborted).await {
                behind_failed = questions.len();
            }
        }
    }

    /// Whether its token is good: it may have been taken away since the client was connected.
    pub fn is_allowed(&self) -> bool {
        let state = &self.state;
        !state.settings.needs_token() || state.tokens.know(&self.kernel.owner)
    }

    /// Ends the connection if the kernel is gone, or its token.
    pub async fn look_after(&self) {
        let (session, owner) = (&self.kernel.session, &self.kernel.owner);
        if self.state.pool.session(session, owner).is_err() {
            control::say_dead(&self.kernel).await;
        } else if !self.is_allowed() {
            self.connection.end.cancel();
        }
    }

    /// Returns when no cell of the kernel runs or waits.
    pub async fn until_idle(&self) {
        const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(50);
        let (session, owner) = (&self.kernel.session, &self.kernel.owner);
        while let Ok(session) = self.state.pool.session(session, owner)
            && (session.is_running || session.waiting > 0)
        {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Answers a request: tells that the kernel is busy, sends the reply, tells that it is idle. A cell that is aborted
    /// does not run. Returns whether cells that wait are not to run.
    pub async fn answer(&self, asked: Asked, is_aborted: bool) -> bool {
        let Asked {
            message,
            share,
            place: _place,
        } = asked;
        let parent = &message.header;
        let is_good =
            !self.state.settings.needs_token() || self.state.tokens.know(&self.kernel.owner);
        if !is_good {
            // Its token was taken away meanwhile.
            self.connection.end.cancel();
            return true;
        }
        let busy = self.kernel.begin();
        self.tell_doing(Doing::Busy, parent).await;
        let reply = if is_aborted {
            json!({ "status": "aborted", "execution_count": self.next_count() }).into()
        } else {
            let replied = self.reply(&message, share).await;
            replied.unwrap_or_else(|error| in_reply(&CellError::of_service(&error)).into())
        };
        if let Some(kind) = reply_to(&message.kind) {
            let session = self.kernel.session.as_str();
            let channel = message.channel;
            let told = Outgoing::new(channel, kind, session, parent.clone(), &reply.content);
            let told = told.hold(self.state.answers.share()).await;
            self.connection.send(Arc::new(told)).await;
        }
        drop(busy);
        self.tell_doing(Doing::Idle, parent).await;
        if message.kind == "shutdown_request" && reply.content["restart"] == false {
            control::say_dead(&self.kernel).await;
        }
        reply.stops_others
    }

    async fn reply(&self, message: &Incoming, share: Share) -> Result<Reply, ApiError> {
        let content = &*message.content;
        let parent = &message.header;
        match message.kind.as_str() {
            // The channel of control is for what does not wait.
            "execute_request" if message.channel == Channel::Shell => {
                self.execute(content, share, parent).await
            }
            "kernel_info_request" => Ok(self.info().into()),
            "complete_request" if message.channel == Channel::Shell => {
                self.complete(content).await.map(Reply::from)
            }
            "inspect_request" if message.channel == Channel::Shell => {
                self.inspect(content).await.map(Reply::from)
            }
            "is_complete_request" if message.channel == Channel::Shell => {
                self.is_complete(content).await.map(Reply::from)
            }
            // Clients keep what their users wrote; history here is that of GET /executions.
            "history_request" => Ok(json!({ "status": "ok", "history": [] }).into()),
            "comm_info_request" => Ok(json!({ "status": "ok", "comms": {} }).into()),
            "interrupt_request" => self.interrupt().map(Reply::from),
            "shutdown_request" => self.shut_down(content).await.map(Reply::from),
            "comm_open" => self.refuse_comm(content, parent).await,
            _ => Err(ApiError::not_here(
                "There is no such request",
                "Kernels here answer execute, kernel_info, complete, inspect, is_complete, history, comm_info, interrupt \
                 and shutdown",
            )),
        }
    }

    /// Runs a cell and tells of it as it goes.
    async fn execute(
        &self,
        content: &RawValue,
        share: Share,
        parent: &Arc<str>,
    ) -> Result<Reply, ApiError> {
        let raw: Execute = bounded::parse(content, Kind::Object)?
            .ok_or_else(|| must_be("content", "that of an execute_request"))?;
        let is_silent = flag("silent", raw.silent)?.unwrap_or(false);
        let stops = flag("stop_on_error", raw.stop_on_error)?.unwrap_or(true);
        let count = self.next_count();
        let code = raw.code.filter(|code| bounded::kind(code) == Kind::String);
        let code = code.ok_or_else(|| must_be("code", "a string"))?;
        let expressions = ours::texts("user_expressions", raw.user_expressions)?;
        let ran = match self.parse(code, share) {
            Ok(request) => {
                if !is_silent {
                    let input = Input {
                        code,
                        execution_count: count,
                    };
                    self.tell("execute_input", &input, parent).await;
                }
                self.run(request, is_silent, count, parent).await
            }
            Err(error) => Err(error),
        };
        let error = match ran {
            Ok(error) => error,
            Err(error) => {
                let error = CellError::of_service(&error);
                self.tell("error", &ErrorContent::of(&error), parent).await;
                Some(error)
            }
        };
        let is_error = error.is_some();
        let mut content = match error {
            Some(error) => in_reply(&error),
            None => json!({ "status": "ok", "payload": [] }),
        };
        content["execution_count"] = count.into();
        content["user_expressions"] = not_evaluated(&expressions);
        Ok(Reply {
            content,
            stops_others: is_error && stops,
        })
    }

    /// A cell of the kernel, with as much time as there is: clients interrupt it when they do not want to wait.
    fn parse(&self, code: &RawValue, share: Share) -> Result<RunRequest, ApiError> {
        self.state.refuse_if_draining()?;
        let session = self
            .state
            .pool
            .session(&self.kernel.session, &self.kernel.owner);
        session.map_err(|_| no_kernel())?;
        let timeout = self.state.settings.max_execution_time;
        let ours = Ours {
            language: self.kernel.spec.language.name(),
            code: Some(ours::program(code)),
            session: Some(self.kernel.session.as_str()),
            timeout: Some(ours::milliseconds(timeout.as_secs_f64())),
            ..Ours::default()
        };
        let mut request = ours.parse(share, &self.caller, &self.state)?;
        let invocation = &mut request.execution.job.invocation;
        invocation.shows_errors = true;
        invocation.environment.clone_from(&self.kernel.environment);
        Ok(request)
    }

    /// Why the cell ended, if not well.
    async fn run(
        &self,
        request: RunRequest,
        is_silent: bool,
        count: u64,
        parent: &Arc<str>,
    ) -> Result<Option<CellError>, ApiError> {
        let caller = self.caller.of_one_program();
        let mut following = follow(self.state.clone(), caller, None, request).await?;
        let mut shown_error = None;
        while let Some(told) = following.next().await {
            match told {
                Told::Output(stream, text) => {
                    let name = match stream {
                        Stream::Stdout => "stdout",
                        Stream::Stderr => "stderr",
                    };
                    let content = json!({ "name": name, "text": text });
                    self.tell("stream", &content, parent).await;
                }
                Told::Shown(result) => match CellError::shown(&result) {
                    Some(error) if shown_error.is_none() => {
                        self.tell("error", &ErrorContent::of(&error), parent).await;
                        shown_error = Some(error);
                    }
                    // What it displays is shown nevertheless, as by other kernels.
                    _ if is_silent && result.is_main => {}
                    _ => self.show(result, count, parent).await,
                },
                Told::Installing(_) | Told::Calls { .. } | Told::Nothing => {}
                Told::Ended(ending) => {
                    let finished = ending?;
                    let mut error = shown_error.take();
                    if error.is_none()
                        && let Some(ended) = CellError::of_report(&finished.report)
                    {
                        self.tell("error", &ErrorContent::of(&ended), parent).await;
                        error = Some(ended);
                    }
                    return Ok(error);
                }
            }
        }
        Err(ApiError::failed("The cell has no end"))
    }

    async fn show(&self, result: Arc<ShownResult>, count: u64, parent: &Arc<str>) {
        let is_main = result.is_main;
        let data = Representations {
            result,
            without: None,
        };
        let shown = Shown {
            data,
            metadata: json!({}),
            execution_count: is_main.then_some(count),
        };
        let kind = if is_main {
            "execute_result"
        } else {
            "display_data"
        };
        self.tell(kind, &shown, parent).await;
    }

    fn info(&self) -> Value {
        let spec = self.kernel.spec;
        let version = match spec.language {
            Language::Python => python_version(&self.state),
            Language::JavaScript | Language::TypeScript => "ES2026".to_owned(),
        };
        let implementation = env!("CARGO_PKG_NAME");
        let (name, own_version) = (spec.language.name(), env!("CARGO_PKG_VERSION"));
        json!({
            "status": "ok",
            "protocol_version": PROTOCOL,
            "implementation": implementation,
            "implementation_version": own_version,
            "language_info": {
                "name": name,
                "version": version,
                "mimetype": spec.media_type,
                "file_extension": spec.file_extension,
                "pygments_lexer": name,
                "codemirror_mode": spec.mode,
                "nbconvert_exporter": if spec.language == Language::Python { "python" } else { "script" },
            },
            "banner": format!("{} in a sandbox of {implementation} {own_version}", spec.name),
            "help_links": [],
            "debugger": false,
            "supported_features": [],
        })
    }

    async fn complete(&self, content: &RawValue) -> Result<Value, ApiError> {
        let about = about(content)?;
        let end = about.cursor;
        let none = Completions {
            matches: Vec::new(),
            start: end,
        };
        let Completions { matches, start } = self.ask(Tending::Complete, &about, none).await?;
        Ok(json!({
            "status": "ok",
            "matches": matches,
            "cursor_start": start.min(end),
            "cursor_end": end,
            "metadata": {},
        }))
    }

    async fn inspect(&self, content: &RawValue) -> Result<Value, ApiError> {
        let about = about(content)?;
        let text: Option<String> = self.ask(Tending::Inspect, &about, None).await?;
        let data = match &text {
            Some(text) => json!({ "text/plain": text }),
            None => json!({}),
        };
        Ok(json!({ "status": "ok", "found": text.is_some(), "data": data, "metadata": {} }))
    }

    async fn is_complete(&self, content: &RawValue) -> Result<Value, ApiError> {
        let unknown = Completeness {
            status: "unknown".to_owned(),
            indent: String::new(),
        };
        let Completeness { status, indent } = self
            .ask(Tending::IsComplete, &about(content)?, unknown)
            .await?;
        Ok(json!({ "status": status, "indent": indent }))
    }

    /// Asks about code that is being written; of a language that does not tell, the answer is `otherwise`.
    async fn ask<T: serde::de::DeserializeOwned>(
        &self,
        tending: Tending,
        about: &Unfinished,
        otherwise: T,
    ) -> Result<T, ApiError> {
        if self.kernel.spec.language != Language::Python {
            return Ok(otherwise);
        }
        let caller = self.caller.of_one_program();
        sessions::ask(&self.state, &caller, &self.kernel.session, tending, about).await
    }

    fn interrupt(&self) -> Result<Value, ApiError> {
        let (session, owner) = (&self.kernel.session, &self.kernel.owner);
        let interrupted = self.state.pool.interrupt_session(session, owner);
        interrupted.map_err(|_| no_kernel())?;
        Ok(json!({ "status": "ok" }))
    }

    async fn shut_down(&self, content: &RawValue) -> Result<Value, ApiError> {
        let Shutdown { restart } = bounded::parse(content, Kind::Object)?
            .ok_or_else(|| must_be("content", "that of a shutdown_request"))?;
        if restart {
            control::restart_kernel(&self.kernel, &self.state).await?;
        } else {
            let (session, owner) = (&self.kernel.session, &self.kernel.owner);
            let deleted = self.state.pool.delete_session(session, owner);
            deleted.map_err(|_| no_kernel())?;
        }
        Ok(json!({ "status": "ok", "restart": restart }))
    }

    /// Widgets have a comm with their kernel; there is no target for one here, which the protocol has said so.
    async fn refuse_comm(&self, content: &RawValue, parent: &Arc<str>) -> Result<Reply, ApiError> {
        #[derive(Deserialize)]
        struct Open {
            comm_id: String,
        }
        if let Some(Open { comm_id }) = bounded::parse(content, Kind::Object)? {
            let comm_id: String = comm_id.chars().take(256).collect();
            let close = json!({ "comm_id": comm_id, "data": {} });
            self.tell("comm_close", &close, parent).await;
        }
        Ok(Value::Null.into())
    }

    /// The number of the cell that is next.
    fn next_count(&self) -> u64 {
        let (session, owner) = (&self.kernel.session, &self.kernel.owner);
        let session = self.state.pool.session(session, owner);
        session.map_or(0, |session| session.cells) + 1
    }

    async fn tell_doing(&self, doing: Doing, parent: &Arc<str>) {
        let content = json!({ "execution_state": doing.name() });
        self.tell("status", &content, parent).await;
    }

    /// Tells all that are connected something about what a message asked for.
    async fn tell(&self, kind: &'static str, content: &impl Serialize, parent: &Arc<str>) {
        let session = self.kernel.session.as_str();
        let message = Outgoing::new(Channel::Iopub, kind, session, parent.clone(), content);
        let message = message.hold(self.state.answers.share()).await;
        self.kernel.tell_all(message, Some(&self.connection)).await;
    }
}

/// The content of `execute_input`.
#[derive(Serialize)]
struct Input<'a> {
    code: &'a RawValue,
    execution_count: u64,
}

/// The content of `execute_result` and `display_data`.
#[derive(Serialize)]
struct Shown {
    data: Representations,
    metadata: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_count: Option<u64>,
}

/// The content of `error`.
#[derive(Serialize)]
struct ErrorContent<'a> {
    ename: &'a str,
    evalue: &'a str,
    /// Its lines: clients put the ends of lines between.
    traceback: Vec<&'a str>,
}

impl<'a> ErrorContent<'a> {
    fn of(error: &'a CellError) -> Self {
        let mut traceback: Vec<_> = error.traceback.lines().collect();
        if traceback.is_empty() {
            // Some clients show nothing else.
            traceback.push(&error.value);
        }
        Self {
            ename: &error.name,
            evalue: &error.value,
            traceback,
        }
    }
}

fn in_reply(error: &CellError) -> Value {
    let ErrorContent {
        ename,
        evalue,
        traceback,
    } = ErrorContent::of(error);
    json!({ "status": "error", "ename": ename, "evalue": evalue, "traceback": traceback })
}

/// Expressions are not evaluated; each is told so.
fn not_evaluated(expressions: &[(String, String)]) -> Value {
    let why = "expressions beside a cell are not evaluated here; make them cells";
    let error = json!({ "status": "error", "ename": "NotImplementedError", "evalue": why, "traceback": [why] });
    let told = expressions
        .iter()
        .map(|(name, _)| (name.clone(), error.clone()));
    Value::Object(told.collect())
}

fn about(content: &RawValue) -> Result<Unfinished, ApiError> {
    let raw: About = bounded::parse(content, Kind::Object)?
        .ok_or_else(|| must_be("content", "an object with `code` and `cursor_pos`"))?;
    let code = ours::required_text("code", raw.code)?;
    let length = code.chars().count();
    Ok(Unfinished {
        cursor: raw.cursor_pos.unwrap_or(length).min(length),
        code,
        is_detailed: raw.detail_level.unwrap_or(0) > 0,
    })
}

fn flag(name: &str, field: Option<&RawValue>) -> Result<Option<bool>, ApiError> {
    let Some(raw) = field.filter(|raw| bounded::kind(raw) != Kind::Null) else {
        return Ok(None);
    };
    let flag = bounded::parse(raw, Kind::Bool)?;
    flag.map(Some).ok_or_else(|| must_be(name, "true or false"))
}

/// The kind of the reply to a message, if it has one.
fn reply_to(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "execute_request" => "execute_reply",
        "kernel_info_request" => "kernel_info_reply",
        "complete_request" => "complete_reply",
        "inspect_request" => "inspect_reply",
        "is_complete_request" => "is_complete_reply",
        "history_request" => "history_reply",
        "comm_info_request" => "comm_info_reply",
        "interrupt_request" => "interrupt_reply",
        "shutdown_request" => "shutdown_reply",
        "debug_request" => "debug_reply",
        "connect_request" => "connect_reply",
        _ => return None,
    })
}
