//! Whether the client of a connection is still there while it waits for an answer.
//!
//! A client that hung up and one that only has nothing more to send look the same: its side of the
//! connection has ended. They differ in what they answer to further bytes: the system of one that is gone
//! resets the connection. So such a client is sent something that an HTTP client passes over: `100 Continue`
//! before an answer, a comment within a stream of events.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::extract::Request;
use axum::http::Version;
use axum::middleware::Next;
use axum::response::Response;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::event::Timespec;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Pause between looks at a connection whose client waits. hyper does not look while bytes of a next
/// request are there, nor behind them.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Pause after the first probe; each further one is twice as long, up to the longest. A proxy between may
/// need more than one to notice that its own client is gone.
const PROBE_AGAIN: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(16);
/// What a client passes over before its answer (RFC 9110, 15.2).
const PROBE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// A connection's client.
#[derive(Debug)]
pub struct Client {
    pub stream: TcpStream,
    /// Requests and streams that it waits for.
    waits: AtomicUsize,
    /// Heads of requests that came whole.
    heads: AtomicUsize,
    /// Woken when it begins to wait.
    begun: Notify,
    stage: Mutex<Stage>,
    /// Whether all was sent that is to be sent.
    pub is_flushed: AtomicBool,
    /// Its side has ended.
    has_ended: CancellationToken,
    /// Its place among all connections, also when it is one for WebSocket.
    _place: Option<OwnedSemaphorePermit>,
}

/// How far its last request is.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// No answer to it has begun.
    Asked {
        /// Whether it came by HTTP/1.1. Earlier versions know nothing that could be sent before the answer.
        takes_probe: bool,
    },
    Answered,
}

/// A wait of a client, until this is dropped.
#[derive(Debug)]
pub struct Waiting(Arc<Client>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Notes that a client waits until its request is answered.
pub async fn note_wait(request: Request, next: Next) -> Response {
    let Some(client) = request.extensions().get::<Arc<Client>>().cloned() else {
        return next.run(request).await;
    };
    let _waiting = client.wait();
    client.set_stage(Stage::Asked {
        takes_probe: request.version() >= Version::HTTP_11,
    });
    let response = next.run(request).await;
    client.set_stage(Stage::Answered);
    response
}

impl Client {
    pub fn new(stream: TcpStream, place: Option<OwnedSemaphorePermit>) -> Arc<Self> {
        Arc::new(Self {
            stream,
            waits: AtomicUsize::new(0),
            heads: AtomicUsize::new(0),
            begun: Notify::new(),
            stage: Mutex::new(Stage::Answered),
            is_flushed: AtomicBool::new(true),
            has_ended: CancellationToken::new(),
            _place: place,
        })
    }

    /// Notes that a request's head came whole.
    pub fn note_head(&self) {
        self.heads.fetch_add(1, Ordering::Relaxed);
    }

    /// How many came so far.
    pub fn heads(&self) -> usize {
        self.heads.load(Ordering::Relaxed)
    }

    /// Whether it waits for an answer.
    pub fn is_waiting(&self) -> bool {
        self.waits.load(Ordering::Relaxed) > 0
    }

    /// Notes that it waits.
    pub fn wait(self: &Arc<Self>) -> Waiting {
        self.waits.fetch_add(1, Ordering::Relaxed);
        self.begun.notify_one();
        Waiting(self.clone())
    }

    /// Returns once its side has ended; it may be gone.
    pub async fn until_ended(&self) {
        self.has_ended.cancelled().await;
    }

    /// Returns if it is gone while it waits.
    pub async fn until_gone(&self) {
        loop {
            self.begun.notified().await;
            let mut next_probe = Instant::now();
            let mut pause = PROBE_AGAIN;
            while self.waits.load(Ordering::Relaxed) > 0 {
                tokio::time::sleep(LOOK_EVERY).await;
                let state = self.look();
                if state.intersects(PollFlags::HUP | PollFlags::ERR) {
                    return;
                }
                if !state.contains(PollFlags::RDHUP) {
                    continue;
                }
                self.has_ended.cancel();
                if Instant::now() >= next_probe {
                    if !self.probe() {
                        return;
                    }
                    next_probe = Instant::now() + pause;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// What has become of the connection, whatever is still to be read from it.
    fn look(&self) -> PollFlags {
        let mut connection = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let at_once = Timespec::default();
        match rustix::event::poll(&mut connection, Some(&at_once)) {
            Ok(_) => connection[0].revents(),
            Err(_) => PollFlags::empty(),
        }
    }

    /// Sends something to a client whose side has ended, if that fits here. Returns false if it is gone, or
    /// cannot be asked.
    fn probe(&self) -> bool {
        let stage = *self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        match stage {
            Stage::Asked { takes_probe: false } => return false,
            // A stream sends comments by itself.
            Stage::Answered => return true,
            // Not within an answer to a request before.
            Stage::Asked { .. } if !self.is_flushed.load(Ordering::Relaxed) => return true,
            Stage::Asked { .. } => {}
        }
        match self.stream.try_write(PROBE) {
            Ok(length) => length == PROBE.len(),
            Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
        }
    }

    fn set_stage(&self, stage: Stage) {
        *self.stage.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }
}
