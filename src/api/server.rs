//! Connections: accepting, timeouts, and an orderly stop.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use axum::Router;
use axum::http::Request;
use axum::http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::service::TowerToHyperService;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
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
/// Time that a client without a place has to show that it is a probe.
const PROBE_WITHIN: Duration = Duration::from_millis(250);
/// Time to answer a probe that has no place.
const PROBE_ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// What probes ask for, with these methods. They are answered also when no place is free: else a full service
/// would look like a dead one.
const PROBED: [&[u8]; 3] = [b"/health", b"/ready", b"/metrics"];
const PROBE_METHODS: [&[u8]; 2] = [b"GET ", b"HEAD "];

/// Serves until `stop`, then lets running executions finish within the grace period, those of `jobs` as well.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    state: Arc<AppState>,
    stop: CancellationToken,
    jobs: JoinHandle<()>,
) {
    let mut places = Places::new(&state, router);
    let http = places.service.http(true);
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
        let Some((stream, place)) = places.seat(stream, peer) else {
            continue;
        };
        let (client, connection) = places.service.connect(&http, stream, peer, Some(place));
        tokio::spawn(async move { until_over(connection, &client).await });
    }
    drop(listener);
    state.draining.cancel();
    let grace = state.settings.shutdown_grace;
    tracing::info!(grace_ms = grace.as_millis(), "draining");
    let all_places = places.service.room.free.clone();
    // Connections end once their request is answered, those for WebSocket by themselves when nothing runs.
    let connections = all_places.acquire_many(state.settings.max_connections);
    let mut drained = pin!(async { tokio::join!(connections, jobs) });
    if tokio::time::timeout(grace, &mut drained).await.is_err() {
        tracing::warn!("executions were cut off at the end of the grace period");
        state.cut_off.cancel();
        let _ = tokio::time::timeout(TELL_WITHIN, drained).await;
    }
}

/// What connections are served with.
struct Service {
    router: Router,
    client_timeout: Duration,
    keep_alive: Duration,
    room: Arc<Room>,
    draining: CancellationToken,
}

impl Service {
    /// The protocol, for connections that may be kept after a request, or not.
    fn http(&self, is_kept: bool) -> http1::Builder {
        // Not HTTP/2: telling the two apart waits for the first bytes, for which there is no timeout.
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .keep_alive(is_kept)
            // While nothing comes. `Connection` sees to it that what has begun comes to its end sooner.
            .header_read_timeout(self.keep_alive)
            // A client that has sent all that it will gets its answer; `client` finds out who is gone.
            .half_close(true)
            .max_buf_size(MAX_HEAD_BYTES);
        http
    }

    fn connect(
        &self,
        http: &http1::Builder,
        stream: TcpStream,
        peer: SocketAddr,
        place: Option<OwnedSemaphorePermit>,
    ) -> (Arc<Client>, impl Future<Output = ()> + Send + use<>) {
        let client = Client::new(stream, place);
        let of_client = client.clone();
        let router = self.router.clone();
        let with_peer = router.map_request(move |mut request: Request<_>| {
            of_client.note_head();
            request.extensions_mut().insert(Peer(peer));
            request.extensions_mut().insert(of_client.clone());
            request
        });
        let handler = TowerToHyperService::new(with_peer);
        let connection = Connection::new(client.clone(), self.client_timeout, self.room.clone());
        let connection = http.serve_connection(TokioIo::new(connection), handler);
        let connection = connection.with_upgrades();
        let draining = self.draining.clone();
        let served = async move {
            let mut connection = pin!(connection);
            tokio::select! {
                _ = connection.as_mut() => return,
                () = draining.cancelled() => connection.as_mut().graceful_shutdown(),
            }
            // A client that breaks the connection is not an error of the service.
            let _ = connection.await;
        };
        (client, served)
    }
}

async fn until_over(connection: impl Future<Output = ()>, client: &Client) {
    tokio::select! {
        () = connection => {}
        () = client.until_gone() => {}
    }
}

/// The places for connections. A client that finds none is told so, rather than left to wait in the system's
/// queue, where a full service looks like a broken network.
struct Places {
    state: Arc<AppState>,
    service: Arc<Service>,
    refusals: Arc<Semaphore>,
    /// When the log said so last.
    told: Option<Instant>,
}

impl Places {
    fn new(state: &Arc<AppState>, router: Router) -> Self {
        let settings = &state.settings;
        let all = settings.max_connections as usize;
        let free = Arc::new(Semaphore::new(all));
        Self {
            state: state.clone(),
            service: Arc::new(Service {
                router,
                client_timeout: settings.client_timeout,
                keep_alive: settings.keep_alive,
                room: Arc::new(Room { free, all }),
                draining: state.draining.clone(),
            }),
            refusals: Arc::new(Semaphore::new(MAX_REFUSALS)),
            told: None,
        }
    }

    /// Gives the connection back with a place. Without one, only probes are answered.
    fn seat(
        &mut self,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<(TcpStream, OwnedSemaphorePermit)> {
        if let Ok(place) = self.service.room.free.clone().try_acquire_owned() {
            return Some((stream, place));
        }
        let most = self.state.settings.max_connections;
        if self.told.is_none_or(|told| told.elapsed() > TELL_EVERY) {
            self.told = Some(Instant::now());
            tracing::warn!(most, "refusing connections (FAAS_MAX_CONNECTIONS)");
        }
        let Ok(turn) = self.refusals.clone().try_acquire_owned() else {
            note_refusal(&self.state);
            return None;
        };
        let (state, service) = (self.state.clone(), self.service.clone());
        tokio::spawn(async move {
            if is_probe(&stream).await {
                let (client, connection) =
                    service.connect(&service.http(false), stream, peer, None);
                let answered = until_over(connection, &client);
                let _ = tokio::time::timeout(PROBE_ANSWERED_WITHIN, answered).await;
            } else {
                note_refusal(&state);
                let answer = ApiError::unavailable(format!(
                    "There are {most} connections already (FAAS_MAX_CONNECTIONS); try again shortly, over a \
                     connection that you keep"
                ));
                let refused = refuse(stream, answer.to_http());
                let _ = tokio::time::timeout(REFUSE_WITHIN, refused).await;
            }
            drop(turn);
        });
        None
    }
}

fn note_refusal(state: &AppState) {
    let (method, status) = ("other", StatusCode::SERVICE_UNAVAILABLE);
    let metrics = &state.metrics;
    metrics.answered("other", method, status.as_u16(), Duration::ZERO);
}

/// Whether the first bytes that come begin a probe's request. They stay to be read.
async fn is_probe(stream: &TcpStream) -> bool {
    let mut bytes = [0; 16];
    let begun = tokio::time::timeout(PROBE_WITHIN, stream.peek(&mut bytes));
    let Ok(Ok(length)) = begun.await else {
        return false;
    };
    let begun = &bytes[..length];
    let target = PROBE_METHODS
        .iter()
        .find_map(|method| begun.strip_prefix(*method));
    target.is_some_and(|target| PROBED.iter().any(|path| target.starts_with(path)))
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
