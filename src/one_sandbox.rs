//! A pool for commands that run a program or two and end.

use std::collections::BTreeSet;
use std::sync::Arc;

use faas_packages::Packages;
use faas_pool::ExecutionRequest;
use faas_pool::PackageSet;
use faas_pool::Pool;
use faas_pool::Start;
use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_protocol::Priority;
use faas_protocol::Runtime;
use faas_protocol::Weight;
use faas_telemetry::Metrics;

use crate::code_cache;
use crate::settings::Settings;

/// What such a command has executed.
pub fn request(job: Job) -> ExecutionRequest {
    ExecutionRequest {
        job,
        owner: Owner::Everybody,
        weight: Weight::default(),
        priority: Priority::Normal,
        start: Start::Fresh,
        packages: PackageSet::default(),
        live: None,
        rows: None,
        tools: None,
        interrupt: None,
    }
}

/// Starts a pool that keeps one sandbox of each runtime, and waits until they serve.
///
/// # Errors
/// When this machine lacks a layer of protection that is required, or the runtime cannot boot.
pub async fn start(
    settings: &Settings,
    languages: impl IntoIterator<Item = Language>,
    packages: Packages,
) -> Result<Arc<Pool>, Box<dyn std::error::Error>> {
    faas_lockdown::probe_layers().require(settings.require_sandbox)?;
    let one_sandbox = Settings {
        pool_size: Some(1),
        pool_min_size: None,
        pool_max_size: None,
        prepared_sets: 0,
        ..settings.clone()
    };
    let languages: Vec<Language> = languages.into_iter().collect();
    let runtimes = languages.iter().map(|language| language.runtime());
    // Several languages may have one runtime.
    let runtimes: BTreeSet<Runtime> = runtimes.collect();
    let metrics = Arc::new(Metrics::new(languages, runtimes.iter().copied()));
    let pool = Pool::start(one_sandbox.pool_settings(runtimes)?, packages, metrics)?;
    pool.until_settled().await?;
    if let Some(reason) = code_cache::missing(&pool) {
        tracing::warn!(reason, "{}", code_cache::MISSING);
    }
    Ok(pool)
}
