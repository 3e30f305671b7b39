//! What the service consists of, whichever way its requests come: started together, ended together.

use std::sync::Arc;
use std::time::Duration;

use faas_jobs::Jobs;
use faas_pool::Pool;
use faas_pool::PoolSettings;
use faas_telemetry::AuditLog;
use faas_telemetry::Failures;
use faas_telemetry::History;
use faas_telemetry::Metrics;

use super::Error;
use crate::api::AppState;
use crate::settings::Settings;

/// Time for writing what is left at the end.
pub const FLUSH_WITHIN: Duration = Duration::from_secs(3);

/// Opens package sources, audit log and history, and starts the pool.
///
/// # Errors
/// When one of them cannot be had.
pub fn start(
    settings: Settings,
    pool_settings: PoolSettings,
    warnings: Vec<&'static str>,
) -> Result<Arc<AppState>, Error> {
    let packages = settings.open_packages(settings.runtimes())?;
    let metrics = Arc::new(Metrics::new(settings.languages(), settings.runtimes()));
    let audit = open_audit_log(&settings, &metrics)?;
    let history = start_history(&settings, &metrics)?;
    let jobs = start_jobs(&settings, &metrics)?;
    let pool = Pool::start(pool_settings, packages, metrics.clone())?;
    let state = AppState::new(pool, settings, metrics, audit, history, jobs, warnings);
    Ok(Arc::new(state))
}

/// Ends the sandboxes and has everything written that waits for a disk.
pub async fn end(state: Arc<AppState>) {
    state.pool.shut_down().await;
    flush(state).await;
}

/// Opens the audit log, if there is to be one.
fn open_audit_log(settings: &Settings, metrics: &Metrics) -> Result<Option<AuditLog>, Error> {
    let Some(path) = &settings.audit_log else {
        return Ok(None);
    };
    let failures = Failures::new("audit log", metrics.audit_write_failures.clone());
    let log = AuditLog::open(path, failures).map_err(|error| {
        let path = path.display();
        format!("cannot open the audit log {path}: {error}; set FAAS_AUDIT_LOG to a file that can be written")
    })?;
    Ok(Some(log))
}

/// Starts the history, if there is to be one.
fn start_history(settings: &Settings, metrics: &Metrics) -> Result<Option<History>, Error> {
    if !settings.history {
        return Ok(None);
    }
    faas_linux::prepare_workspace(&settings.workspace)?;
    let failures = Failures::new("history", metrics.history_write_failures.clone());
    let history = History::start(settings.history_settings(), failures)?;
    Ok(Some(history))
}

/// Starts what keeps jobs, if there are to be any. The file is opened by the first who needs it.
fn start_jobs(settings: &Settings, metrics: &Metrics) -> Result<Option<Arc<Jobs>>, Error> {
    if settings.jobs == 0 {
        return Ok(None);
    }
    let failures = Failures::new("jobs", metrics.job_write_failures.clone());
    let jobs = Jobs::start(settings.jobs_settings(), settings.webhooks()?, failures)?;
    Ok(Some(Arc::new(jobs)))
}

/// Has everything written that waits for a disk.
async fn flush(state: Arc<AppState>) {
    let write = move || {
        if let Some(audit) = &state.audit {
            audit.flush(FLUSH_WITHIN);
        }
        if let Some(history) = &state.history {
            history.flush(FLUSH_WITHIN);
        }
    };
    // It does not panic, and is not cancelled.
    let _ = tokio::task::spawn_blocking(write).await;
}
