//! The WebSocket of a kernel: reads the messages of a client, has them answered, and writes what is told to it.

use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::CloseFrame;
use axum::extract::ws::Message as Frame;
use axum::extract::ws::WebSocket;
use axum::extract::ws::close_code;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use futures_util::SinkExt;
use futures_util::StreamExt;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio::time::interval_at;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::control::Named;
use super::kernels::Connection;
use super::kernels::Kernel;
use super::kernels::MOST_CONNECTIONS;
use super::kernels::MOST_UNREAD;
use super::kernels::Unread;
use super::message::Channel;
use super::message::Form;
use super::message::Incoming;
use super::message::V1;
use super::shell::Asked;
use super::shell::Shell;
use super::words::Refusal;
use crate::api::ApiError;
use crate::api::AppState;
use crate::api::caller::Caller;
use crate::api::client::Client;
use crate::api::client::Waiting;

/// Most messages that wait for a client to read them.
const MOST_MESSAGES: usize = 1024;
/// How long a client has to read what is left when its connection is ended.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// What is around the text of the longest program, in bytes.
const AROUND_CODE: usize = 64 * 1024;
/// Pause between pings. A client that answers none of two is gone.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Connects a client to a kernel.
///
/// # Errors
/// 404 if the kernel is gone, 400 for what is no WebSocket.
pub async fn open(
    State(state): State<Arc<AppState>>,
    Named(kernel): Named,
    caller: Caller,
    Extension(client): Extension<Arc<Client>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    state.refuse_if_draining()?;
    let upgrade = upgrade.map_err(|_| {
        Refusal::from(ApiError::bad_request(
            "This route is a WebSocket",
            "Open it with a client for Jupyter, or for WebSocket (version 13)",
        ))
    })?;
    let longest = longest_message(&state);
    let upgrade = upgrade
        .protocols([V1])
        .max_message_size(longest)
        .max_frame_size(longest);
    let form = match upgrade.selected_protocol() {
        Some(_) => Form::V1,
        None => Form::Text,
    };
    if !kernel.has_room() {
        return Err(ApiError::too_many(format!(
            "{MOST_CONNECTIONS} clients are connected to this kernel already; close one of them"
        ))
        .into());
    }
    // Its connection is not one that nobody uses.
    let waiting = client.wait();
    drop(client);
    let span = tracing::Span::current();
    Ok(upgrade.on_upgrade(move |socket| {
        serve(socket, form, kernel, caller, state, waiting).instrument(span)
    }))
}

/// A text may be twice as long in JSON.
fn longest_message(state: &AppState) -> usize {
    let longest_code = state.settings.max_code_bytes().as_usize();
    let longest = longest_code.saturating_mul(2).saturating_add(AROUND_CODE);
    longest.min(state.settings.max_body_bytes.as_usize())
}

async fn serve(
    socket: WebSocket,
    form: Form,
    kernel: Arc<Kernel>,
    caller: Caller,
    state: Arc<AppState>,
    _waiting: Waiting,
) {
    let (messages, unread) = mpsc::channel(MOST_MESSAGES);
    let connection = Connection {
        messages,
        room: Arc::new(Semaphore::new(MOST_UNREAD as usize)),
        end: CancellationToken::new(),
    };
    kernel.connect(connection.clone());
    let (asked, questions) = mpsc::unbounded_channel();
    let shell = Arc::new(Shell {
        kernel: kernel.clone(),
        caller,
        state: state.clone(),
        connection: connection.clone(),
    });
    // In a task of its own: a cell goes on when its client is gone, as those that were sent before that.
    tokio::spawn(shell.clone().answer_all(questions).in_current_span());
    let (sink, stream) = socket.split();
    let (pings, pong) = mpsc::channel(1);
    let why = tokio::select! {
        why = write(sink, form, unread, pong, &connection.end) => why,
        why = read(stream, form, &shell, asked, pings) => why,
        () = last_words(&connection.end) => "it does not read",
    };
    kernel.disconnect(&connection);
    tracing::debug!(why, "a kernel's connection ended");
}

/// Returns when a connection that is to end had its time for that.
async fn last_words(end: &CancellationToken) {
    end.cancelled().await;
    tokio::time::sleep(LAST_WORDS).await;
}

/// Writes what is told to the client, until its connection ends. Says why it did.
async fn write(
    mut sink: impl futures_util::Sink<Frame, Error = axum::Error> + Unpin,
    form: Form,
    mut unread: mpsc::Receiver<Unread>,
    mut frames: mpsc::Receiver<Frame>,
    end: &CancellationToken,
) -> &'static str {
    loop {
        let frame = tokio::select! {
            biased;
            Some(frame) = frames.recv() => frame,
            Some(message) = unread.recv() => {
                // The message's part of FAAS_ANSWER_BYTES is given back when it is written.
                let frame = message.message.frame(form);
                if sink.send(frame).await.is_err() {
                    return "it could not be written to";
                }
                continue;
            }
            () = end.cancelled() => Frame::Close(Some(CloseFrame {
                code: close_code::AWAY,
                reason: "the kernel was ended, or too much was not read".into(),
            })),
        };
        let is_last = matches!(frame, Frame::Close(_));
        if sink.send(frame).await.is_err() || is_last {
            return "it was closed";
        }
    }
}

/// Reads what the client sends, until its connection ends. Says why it did. `frames` are written to it.
async fn read(
    mut stream: impl futures_util::Stream<Item = Result<Frame, axum::Error>> + Unpin,
    form: Form,
    shell: &Arc<Shell>,
    asked: mpsc::UnboundedSender<Asked>,
    frames: mpsc::Sender<Frame>,
) -> &'static str {
    let mut silent_pings = 0;
    let mut pings = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
    loop {
        let frame = tokio::select! {
            frame = stream.next() => frame,
            _ = pings.tick() => {
                if silent_pings == 2 {
                    return "it answers no ping";
                }
                silent_pings += 1;
                shell.look_after().await;
                let _ = frames.send(Frame::Ping(Vec::new().into())).await;
                continue;
            }
            () = shell.state.draining.cancelled() => {
                shell.until_idle().await;
                return close(&frames, close_code::RESTART, "the service is shutting down").await;
            }
        };
        silent_pings = 0;
        let message = match (frame, form) {
            (None | Some(Err(_)), _) => return "the client closed it",
            // Reading on answers a ping, and the client's end.
            (Some(Ok(Frame::Ping(_) | Frame::Pong(_) | Frame::Close(_))), _) => continue,
            (Some(Ok(Frame::Text(text))), Form::Text) => Incoming::of_text(&text),
            (Some(Ok(Frame::Binary(bytes))), Form::V1) => Incoming::of_v1(&bytes),
            (Some(Ok(_)), _) => Err(ApiError::bad_request(
                "Not a message",
                "wrong kind of frame",
            )),
        };
        let message = match message {
            Ok(message) => message,
            Err(error) => return close(&frames, close_code::UNSUPPORTED, &error.sentence()).await,
        };
        let mut share = shell.state.requests.share();
        if share.grow(message.bytes() as u64).is_err() {
            return close(
                &frames,
                close_code::AGAIN,
                "too many bytes wait (FAAS_QUEUE_BYTES)",
            )
            .await;
        }
        match message.channel {
            // These do not wait for cells.
            Channel::Control => {
                let place = None;
                let asked = Asked {
                    message,
                    share,
                    place,
                };
                shell.answer(asked, false).await;
            }
            Channel::Shell => {
                let Ok(place) = shell.kernel.asked.clone().try_acquire_owned() else {
                    return close(&frames, close_code::AGAIN, "too many requests wait").await;
                };
                let place = Some(place);
                // The task that answers lasts as long as this one.
                let _ = asked.send(Asked {
                    message,
                    share,
                    place,
                });
            }
            // Nothing is ever asked of the client.
            Channel::Stdin | Channel::Iopub => {}
        }
    }
}

/// Closes the connection: the writer ends after that, and with it the reader, at the latest after [`LAST_WORDS`].
async fn close(frames: &mpsc::Sender<Frame>, code: u16, reason: &str) -> &'static str {
    // A control frame has room for so much.
    let reason = reason[..reason.floor_char_boundary(120)].into();
    let frame = Frame::Close(Some(CloseFrame { code, reason }));
    let sent = tokio::time::timeout(LAST_WORDS, frames.send(frame));
    if sent.await.is_ok() {
        tokio::time::sleep(LAST_WORDS).await;
    }
    "it was closed, and does not read"
}
