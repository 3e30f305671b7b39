//! Connections: accepting, timeouts, and an orderly stop.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use hyper_util::rt::TokioTimer;
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::AppState;
use super::caller::Peer;

/// Longest head of a request, in bytes; a longer one is answered with 431.
const MAX_HEAD_BYTES: usize = 64 * 1024;
/// Pause after the system failed to accept a connection, as when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

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
        .header_read_timeout(client_timeout)
        .max_buf_size(MAX_HEAD_BYTES);
    let connections = GracefulShutdown::new();
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
        // Answers are written whole; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        let with_peer = router.clone().map_request(move |mut request: Request<_>| {
            request.extensions_mut().insert(Peer(peer));
            request
        });
        let handler = TowerToHyperService::new(with_peer);
        let connection = http.serve_connection(TokioIo::new(stream), handler);
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            // A client that breaks the connection is not an error of the service.
            let _ = connection.await;
        });
    }
    drop(listener);
    state.draining.store(true, Ordering::Relaxed);
    let grace = state.settings.shutdown_grace;
    tracing::info!(grace_ms = grace.as_millis(), "draining");
    let drained = pin!(connections.shutdown());
    if tokio::time::timeout(grace, drained).await.is_err() {
        tracing::warn!("executions were cut off at the end of the grace period");
    }
}
