//! What the settings mean to each part of the service.

use std::path::Path;
use std::path::PathBuf;
use std::time::Duration;

use faas_jobs::JobsSettings;
use faas_jobs::Webhooks;
use faas_packages::Hosts;
use faas_packages::LOCK_FILE;
use faas_packages::PackageSettings;
use faas_packages::Packages;
use faas_pool::Lifetime;
use faas_pool::PoolSettings;
use faas_pool::SessionSettings;
use faas_pool::ShelfSize;
use faas_pool::SnapshotSettings;
use faas_pool::ToolLimits;
use faas_protocol::Runtime;
use faas_protocol::ZygoteOptions;
use faas_telemetry::HistorySettings;

use super::Settings;
use super::SettingsError;
use super::default_sources::DefaultSources;
use super::default_sources::source;

/// The directory beside Pyodide's files for packages that were fetched ahead, as in the image.
const PREPARED_DIRECTORY: &str = "packages";

impl Settings {
    /// What the pool is started with, for these runtimes.
    ///
    /// # Errors
    /// [`SettingsError::NoPyodide`] if one of them needs files that are not there.
    pub fn pool_settings(
        &self,
        runtimes: impl IntoIterator<Item = Runtime>,
    ) -> Result<PoolSettings, SettingsError> {
        let zygotes = runtimes.into_iter().map(|runtime| {
            let pyodide = match runtime.spec().needs_pyodide {
                true => Some(self.pyodide_directory()?),
                false => None,
            };
            let packages = pyodide
                .as_deref()
                .map(|pyodide| self.package_settings(pyodide));
            Ok(ZygoteOptions {
                runtime,
                code_cache: pyodide.is_some().then(|| self.code_cache_directory()),
                lock: packages.and_then(|packages| packages.distribution_lock()),
                pyodide,
                fonts: self.fonts.clone(),
                memory: self.memory_limit,
                v8_flags: self.v8_flags.clone(),
            })
        });
        Ok(PoolSettings {
            zygotes: zygotes.collect::<Result<_, _>>()?,
            boot_within: self.preload_timeout,
            largest_payload: self
                .max_return_bytes
                .max(self.max_files_bytes)
                .max(self.tool_bytes),
            max_instances: self.max_instances as usize,
            workers: self.worker_count() as usize,
            queue: self.queue_size as usize,
            queue_timeout: self.queue_timeout,
            shelf: ShelfSize {
                min: self.pool_min_size() as usize,
                start: self.pool_size() as usize,
                max: self.pool_max_size() as usize,
                idle_after: self.pool_idle_timeout,
            },
            package_zygotes: self.package_zygotes as usize,
            package_memory: self.package_memory,
            package_zygotes_memory: self.package_zygotes_memory,
            used_sets: self.workspace.join("package-sets.json"),
            prepared_sets: self.prepared_sets as usize,
            snapshots: SnapshotSettings {
                replica: self.replica.clone(),
                number: self.snapshots as usize,
                memory: self.snapshots_memory,
                idle: self.snapshot_timeout,
            },
            sessions: self.session_settings(),
        })
    }

    /// What a program may do with its caller's tools.
    pub fn tool_limits(&self) -> ToolLimits {
        ToolLimits {
            calls: self.tool_calls,
            bytes: self.tool_bytes,
            call_wait: self.tool_timeout,
            total_wait: self.tool_wait,
        }
    }

    /// How many sessions there may be, and how long each lives.
    pub fn session_settings(&self) -> SessionSettings {
        SessionSettings {
            replica: self.replica.clone(),
            number: self.sessions as usize,
            memory: self.sessions_memory,
            lifetime: Lifetime {
                idle: self.session_timeout,
                longest: self.session_lifetime,
            },
            undo: self.session_undo as usize,
        }
    }

    /// The package sources for these runtimes; empty if none of them takes packages.
    ///
    /// # Errors
    /// When they cannot be set up, or Pyodide's files are not there.
    pub fn open_packages(
        &self,
        runtimes: impl IntoIterator<Item = Runtime>,
    ) -> Result<Packages, Box<dyn std::error::Error>> {
        let mut runtimes = runtimes.into_iter();
        if !runtimes.any(|runtime| runtime.spec().with_packages.is_some()) {
            return Ok(Packages::none());
        }
        let pyodide = self.pyodide_directory()?;
        faas_linux::prepare_workspace(&self.workspace)?;
        if let Err(problem) = DefaultSources::read(&pyodide) {
            tracing::warn!(problem, "the default sources of packages are not used");
        }
        Ok(Packages::open(&self.package_settings(&pyodide))?)
    }

    /// Where this server keeps the machine code that V8 makes of Pyodide. `faas_linux::prepare_workspace` makes sure
    /// that nobody else can write there.
    pub fn code_cache_directory(&self) -> PathBuf {
        self.workspace.join("compiled")
    }

    /// Where the history is kept, and how much of it.
    pub fn history_settings(&self) -> HistorySettings {
        HistorySettings {
            path: self.workspace.join("history.sqlite3"),
            max_rows: self.history_max,
            max_age: Duration::from_hours(24 * self.history_days),
        }
    }

    /// Where jobs are kept, and how much of them.
    pub fn jobs_settings(&self) -> JobsSettings {
        JobsSettings {
            path: self.workspace.join("jobs.sqlite3"),
            jobs: self.jobs.into(),
            jobs_of_caller: self.jobs_per_caller().into(),
            bytes: self.jobs_bytes.get(),
        }
    }

    /// What tells of the ends of jobs, if there are hosts that may be told.
    ///
    /// # Errors
    /// When a host is not one.
    pub fn webhooks(&self) -> Result<Option<Webhooks>, Box<dyn std::error::Error>> {
        let hosts = names(&self.webhook_hosts);
        match &self.webhook_secret {
            Some(secret) if !hosts.is_empty() => {
                let hosts = Hosts::named("FAAS_WEBHOOK_HOSTS", &hosts)?;
                Ok(Some(Webhooks::new(hosts, secret.clone())?))
            }
            _ => Ok(None),
        }
    }

    /// What the package sources need to know.
    pub fn package_settings(&self, pyodide: &Path) -> PackageSettings {
        // Why they could not be read is logged where the sources are opened.
        let defaults = DefaultSources::read(pyodide).unwrap_or_default();
        PackageSettings {
            enabled: self.packages,
            wheelhouse: self.wheelhouse.clone(),
            distribution: source(self.pyodide_packages.as_deref(), defaults.distribution),
            index: source(self.package_index.as_deref(), defaults.index),
            hosts: names(&self.package_hosts),
            allow: self.package_allow.as_deref().map(names),
            deny: names(&self.package_deny),
            versions: self.versions.wanted(),
            cache_bytes: self.package_cache.get(),
            prepared: Some(pyodide.join(PREPARED_DIRECTORY)),
            ..PackageSettings::new(pyodide.join(LOCK_FILE), self.workspace.join("packages"))
        }
    }
}

/// The names of a list, without those that are empty.
fn names(list: &[String]) -> Vec<String> {
    let names = list.iter().map(|name| name.trim().to_owned());
    names.filter(|name| !name.is_empty()).collect()
}
