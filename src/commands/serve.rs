//! The `serve` command: the supervisor from its start to its end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use faas_pool::BadRequirement;
use faas_pool::PackageSet;
use faas_pool::Pool;
use faas_pool::PoolSettings;
use faas_telemetry::Traces;
use faas_telemetry::start_logging;
use futures_util::future::join_all;
use rustix::process::Resource;
use tokio::net::TcpListener;
use tokio::net::TcpSocket;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio_util::sync::CancellationToken;

use super::Error;
use super::parts;
use super::parts::FLUSH_WITHIN;
use crate::api;
use crate::api::AppState;
use crate::api_token::ApiToken;
use crate::api_token::SHORTEST_GOOD_TOKEN;
use crate::code_cache;
use crate::doctor::Verdict;
use crate::doctor::look_at_machine;
use crate::doors;
use crate::settings::Settings;
use crate::settings::unknown_variables;

/// Connections that may wait to be accepted.
const WAITING_CONNECTIONS: u32 = 1024;

/// Runs the service until it is told to stop.
///
/// # Errors
/// When it cannot start: settings, files, the port.
pub fn run(settings: &Settings) -> Result<ExitCode, Error> {
    return_large_blocks();
    settings.check()?;
    faas_lockdown::probe_layers().require(settings.require_sandbox)?;
    let pool_settings = settings.pool_settings(settings.runtimes())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let traces = Traces::from_environment(runtime.handle())?;
    start_logging(settings.log_format, &settings.log, traces.as_ref());
    let most_connections = settings.connections(raise_descriptor_limit())?;
    let warnings = warn_of_machine(settings);
    for name in unknown_variables() {
        tracing::warn!(
            name,
            "a variable that is not a setting: see `faas-server --help`"
        );
    }
    if settings.api_token.as_ref().is_some_and(ApiToken::is_short) {
        tracing::warn!(
            "FAAS_API_TOKEN has fewer than {SHORTEST_GOOD_TOKEN} characters and can be guessed: use a longer one"
        );
    }
    let mut settings = settings.clone();
    settings.max_connections = most_connections;
    let result = runtime.block_on(serve(settings, pool_settings, warnings));
    if let Some(traces) = traces {
        traces.flush(FLUSH_WITHIN);
    }
    result
}

/// From this size on, in bytes, the allocator takes memory from the system and gives it back.
const LARGE_BLOCK: libc::c_int = 1 << 20;

/// Has the memory of large bodies go back to the system when they are gone. glibc raises the size from which
/// it does so to that of what was freed last (mallopt(3), M_MMAP_THRESHOLD), and each thread would keep some.
fn return_large_blocks() {
    // SAFETY: it sets a number of the allocator's, in a process that has one thread yet.
    let is_set = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE_BLOCK) };
    debug_assert_eq!(is_set, 1);
}

/// Lets this process have as many descriptors as it may, and returns how many; `None` for any number. Sandboxes
/// lower theirs again.
fn raise_descriptor_limit() -> Option<u64> {
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = rustix::process::setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the number of open files");
    }
    rustix::process::getrlimit(Resource::Nofile).current
}

/// Logs what this machine lacks, and returns the sentences for `/health`.
fn warn_of_machine(settings: &Settings) -> Vec<&'static str> {
    let mut findings = look_at_machine(settings);
    findings.retain(|finding| finding.verdict != Verdict::Holds);
    for finding in &findings {
        let (subject, seen) = (finding.subject, finding.seen.as_str());
        tracing::warn!(subject, seen, "{}", finding.sentence);
    }
    findings.iter().map(|finding| finding.sentence).collect()
}

async fn serve(
    settings: Settings,
    pool_settings: PoolSettings,
    warnings: Vec<&'static str>,
) -> Result<ExitCode, Error> {
    let started = Instant::now();
    let wanted = SocketAddr::new(settings.host, settings.port);
    let cannot_listen = |error: std::io::Error| {
        format!("cannot listen on {wanted}: {error}; set FAAS_HOST and FAAS_PORT")
    };
    let socket = take_address(wanted).map_err(cannot_listen)?;
    let address = socket.local_addr()?;
    tracing::info!(address = %format!("http://{address}"), "booting");
    let preload = preload_sets(&settings)?;
    let state = parts::start(settings.clone(), pool_settings, warnings)?;
    let pool = state.pool.clone();
    let stop = CancellationToken::new();
    watch_signals(&stop)?;
    watch_hangups(&state)?;
    let settled = tokio::select! {
        () = stop.cancelled() => false,
        // Whichever does not boot is told of by the pool; the others serve.
        _ = pool.until_settled() => true,
    };
    if settled {
        let listener = listen(socket).map_err(cannot_listen)?;
        tracing::info!(address = %format!("http://{address}"), "listening");
        let announcement = tokio::spawn({
            let pool = pool.clone();
            async move {
                announce(&pool, &preload, address, started).await;
                prepare_used(&pool, &preload).await;
                code_cache::make_if_missing(&pool, &settings).await;
            }
        });
        let router = api::router(state.clone(), doors::routes(&state));
        let jobs = tokio::spawn(api::run_jobs(state.clone()));
        api::serve(listener, router, state.clone(), stop, jobs).await;
        announcement.abort();
    }
    parts::end(state).await;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Takes the address without listening: who connects is refused, and can try another server.
fn take_address(address: SocketAddr) -> std::io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // Connections that a server before this one closed do not keep it from starting.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    // With it, another could take the address until this one listens.
    socket.set_reuseaddr(false)?;
    Ok(socket)
}

/// Has connections accepted.
fn listen(socket: TcpSocket) -> std::io::Result<TcpListener> {
    // Connections have it from here: without, those of this server would keep the next one from starting.
    socket.set_reuseaddr(true)?;
    socket.listen(WAITING_CONNECTIONS)
}

/// SIGHUP has the audit log reopened and the named tokens read again. It never ends the service, as it would by default: closed terminals and
/// `systemctl reload` send it.
fn watch_hangups(state: &Arc<AppState>) -> std::io::Result<()> {
    let mut hangup = signal(SignalKind::hangup())?;
    let state = state.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            match &state.audit {
                Some(audit) => audit.reopen(),
                None => tracing::info!("SIGHUP: there is no audit log to reopen"),
            }
            let state = state.clone();
            // It does not panic, and is not cancelled.
            let _ = tokio::task::spawn_blocking(move || state.tokens.reload()).await;
        }
    });
    Ok(())
}

/// Says on one line that the service is ready, once it is.
async fn announce(pool: &Pool, preload: &[PackageSet], address: SocketAddr, started: Instant) {
    pool.until_up().await;
    for set in preload {
        if let Err(reason) = pool.preload(set).await {
            tracing::error!(%set, reason, "a package set of FAAS_PRELOAD cannot be prepared");
        }
    }
    let zygotes = pool.zygotes();
    let booted = || {
        zygotes
            .iter()
            .filter_map(|(runtime, zygote)| Some((runtime, zygote.booted()?)))
    };
    let sandboxes: Vec<String> = booted()
        .map(|(runtime, booted)| format!("{} ({})", runtime.name(), booted.version))
        .collect();
    tracing::info!(
        address = %format!("http://{address}"),
        sandboxes = sandboxes.join(", "),
        start_ms = started.elapsed().as_millis(),
        "ready"
    );
}

/// Prepares the package sets that were used before, so that their next program need not wait for that.
async fn prepare_used(pool: &Pool, preloaded: &[PackageSet]) {
    let mut used = pool.used_sets();
    used.retain(|set| !preloaded.contains(set));
    // All at once: the pool installs as many at a time as it does in any case, the first ones first.
    let prepared = used.iter().map(async |set| match pool.preload(set).await {
        Ok(()) => tracing::info!(%set, "prepared a package set that was used before"),
        Err(reason) => {
            tracing::warn!(%set, reason, "a package set that was used before cannot be prepared");
        }
    });
    join_all(prepared).await;
}

/// The sets of packages that FAAS_PRELOAD names.
fn preload_sets(settings: &Settings) -> Result<Vec<PackageSet>, Error> {
    let sets = settings.preload.iter().map(|set| {
        let requirements: Vec<&str> = set
            .split(',')
            .filter(|text| !text.trim().is_empty())
            .collect();
        PackageSet::new(&requirements)
    });
    let sets = sets.collect::<Result<Vec<_>, BadRequirement>>();
    let sets = sets.map_err(|error| format!("FAAS_PRELOAD: {error}"))?;
    Ok(sets.into_iter().filter(|set| !set.is_empty()).collect())
}

/// SIGTERM and SIGINT end the service in order; a second one ends it at once.
fn watch_signals(stop: &CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = stop.clone();
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            stop.cancel();
        }
    });
    Ok(())
}
