//! A pool for commands that run one program and end.

use std::sync::Arc;

use faas_packages::Packages;
use faas_pool::Pool;
use faas_protocol::Language;
use faas_telemetry::Metrics;

use super::Error;
use crate::code_cache;
use crate::settings::Settings;

/// Starts a pool that keeps one sandbox, and waits until it serves.
///
/// # Errors
/// When this machine lacks a layer of protection that is required, or the runtime cannot boot.
pub async fn start(
    settings: &Settings,
    language: Language,
    packages: Packages,
) -> Result<Arc<Pool>, Error> {
    faas_lockdown::probe_layers().require(settings.require_sandbox)?;
    let one_sandbox = Settings {
        pool_size: Some(1),
        pool_min_size: None,
        pool_max_size: None,
        prepared_sets: 0,
        ..settings.clone()
    };
    let runtimes = [language.runtime()];
    let metrics = Arc::new(Metrics::new(std::iter::once(language), runtimes));
    let pool = Pool::start(one_sandbox.pool_settings(runtimes)?, packages, metrics)?;
    pool.until_settled().await?;
    if let Some(reason) = code_cache::missing(&pool) {
        tracing::warn!(reason, "{}", code_cache::MISSING);
    }
    Ok(pool)
}
