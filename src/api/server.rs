//! Connections: accepting, timeouts, and an orderly stop.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use axum::Router;
use axum::http::Request;
use axum::http::StatusCode;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::caller::Peer;
use super::client::Client;
use super::connection::Connection;
use super::connection::Room;
use super::error::ApiError;
use super::state::AppState;

/// Longest head of a request, in bytes; a longer one is answered with 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Pause after the system failed to accept a connection, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections beyond FAAS_MAX_CONNECTIONS that are being told so; yet more are closed without a word.
const MAX_REFUSALS: usize = 64;
/// Pause between log lines about refused connections, of which there may be thousands.
const TELL_EVERY: Duration = Duration::from_mins(1);
/// Time to tell callers that their programs were cut off at the end of the service.
const TELL_WITHIN: Duration = Duration::from_secs(1);
/// Time that a refused client has to take its answer.
const REFUSE_WITHIN: Duration = Duration::from_secs(1);

/// Serves until `stop`, then lets running executions finish within the grace period.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    state: Arc<AppState>,
    stop: CancellationToken,
) {
    // Not HTTP/2: telling the two apart waits for the first bytes, for which there is no timeout.
    let mut http = Builder::new(TokioExecutor::new()).http1_only();
    let client_timeout = state.settings.client_timeout;
    http.http1()
        .timer(TokioTimer::new())
        // While nothing comes. `Connection` sees to it that what has begun comes to its end sooner.
        .header_read_timeout(state.settings.keep_alive)
        // A client that has sent all that it will gets its answer; `client` finds out who is gone.
        .half_close(true)
        .max_buf_size(MAX_HEAD_BYTES);
    let connections = GracefulShutdown::new();
    let mut places = Places::new(&state);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some((stream, place)) = places.seat(stream) else {
            continue;
        };
        let client = Client::new(stream);
        let of_client = client.clone();
        let with_peer = router.clone().map_request(move |mut request: Request<_>| {
            of_client.note_head();
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(of_client.clone());
            request
        });
        let handler = TowerToHyperService::new(with_peer);
        let stream = TokioIo::new(Connection::new(
            client.clone(),
            client_timeout,
            places.room.clone(),
        ));
        let connection = http.serve_connection(stream, handler);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            tokio::select! {
                // A client that breaks the connection is not an error of the service.
                _ = connection => {}
                () = client.until_gone() => {}
            }
            drop(place);
        });
    }
    drop(listener);
    state.draining.store(true, Ordering::Relaxed);
    let grace = state.settings.shutdown_grace;
    tracing::info!(grace_ms = grace.as_millis(), "draining");
    let mut drained = pin!(connections.shutdown());
    if tokio::time::timeout(grace, &mut drained).await.is_err() {
        tracing::warn!("executions were cut off at the end of the grace period");
        state.cut_off.cancel();
        let _ = tokio::time::timeout(TELL_WITHIN, drained).await;
    }
}

/// The places for connections. A client that finds none is told so, rather than left to wait in the system's
/// queue, where a full service looks like a broken network.
struct Places {
    state: Arc<AppState>,
    room: Arc<Room>,
    refusals: Arc<Semaphore>,
    /// When the log said so last.
    told: Option<Instant>,
}

impl Places {
    fn new(state: &Arc<AppState>) -> Self {
        let all = state.settings.max_connections as usize;
        let free = Arc::new(Semaphore::new(all));
        Self {
            state: state.clone(),
            room: Arc::new(Room { free, all }),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            told: None,
        }
    }

    /// Gives the connection back with a place, or refuses it.
    fn seat(&mut self, stream: TcpStream) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        if let Ok(place) = self.room.free.clone().try_acquire_owned() {
            return Some((stream, place));
        }
        let most = self.state.settings.max_connections;
        if self.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(most, "refusing connections (FAAS_MAX_CONNECTIONS)");
        }
        let (method, status) = ("other", StatusCode::SERVICE_UNAVAILABLE);
        let metrics = &self.state.metrics;
        metrics.answered("other", method, status.as_u16(), Duration::ZERO);
        if let Ok(turn) = self.refusals.clone().try_acquire_owned() {
            let answer = ApiError::unavailable(format!(
                "There are {most} connections already (FAAS_MAX_CONNECTIONS); try again shortly, over a \
                 connection that you keep"
            ));
            tokio::spawn(async move {
                let refused = refuse(stream, answer.to_http());
                let _ = tokio::time::timeout(REFUSE_WITHIN, refused).await;
                drop(turn);
            });
        }
        None
    }
}

/// Answers without reading the request, then waits for the client to close: what it still sends would have
/// the system throw the answer away.
async fn refuse(mut stream: TcpStream, answer: String) -> std::io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
