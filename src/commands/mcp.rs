//! The `mcp` command: the tools of the service over stdin and stdout, for a client that starts it itself.

use std::process::ExitCode;

use faas_telemetry::start_logging;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;

use super::Error;
use super::parts;
use crate::doors::mcp::Mcp;
use crate::settings::Settings;

/// Serves until the client closes its end, or tells it to stop.
///
/// # Errors
/// When it cannot start: settings, files, a runtime that does not boot; or the client breaks the protocol.
pub fn run(settings: &Settings) -> Result<ExitCode, Error> {
    settings.check()?;
    faas_lockdown::probe_layers().require(settings.require_sandbox)?;
    // Lines go to stderr; stdout is the protocol's.
    start_logging(settings.log_format, &settings.log, None);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(settings.clone()))?;
    // A read of stdin that goes on would hold up the end.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let pool_settings = settings.pool_settings(settings.runtimes())?;
    let state = parts::start(settings, pool_settings, Vec::new())?;
    let served = async {
        state.pool.until_settled().await?;
        Mcp::new(state.clone()).serve_stdio().await
    };
    let result = tokio::select! {
        result = served => result,
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    parts::end(state).await;
    result
}
