//! The supervisor's side of executing: admission, sandboxes forked ahead of need, the clock.
//!
//! The way of a job: [`admission`] gives it a turn, a [`lane`]'s [`shelf`] a waiting sandbox,
//! [`execution`] follows it to its end. [`zygote`] keeps the zygote alive that fills the shelf.

mod admission;
mod desk;
mod execution;
#[cfg(test)]
mod hostile;
mod job_socket;
mod lane;
mod launcher;
mod output;
mod package_sets;
mod process;
mod report;
mod return_value;
mod sandbox;
mod shelf;
mod status;
mod time_limit;
mod zygote;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;
use tracing::field;

use crate::packages::Packages;
use crate::protocol::Job;
use crate::protocol::Language;
use crate::protocol::Task;
use crate::settings::Settings;
use crate::telemetry::Limit;
use crate::telemetry::Metrics;
use crate::telemetry::SandboxKind;
use crate::zygote::Runtime;
use admission::Admission;
use lane::Lane;
use lane::Shared;
use launcher::Launcher;
use package_sets::PackageLanes;
use shelf::ShelfSize;
use zygote::Origin;

pub use admission::Priority;
pub use output::Live;
pub use output::LiveEvent;
pub use package_sets::BadRequirement;
pub use package_sets::PackageSet;
pub use report::Limits;
pub use report::OutputFile;
pub use report::Report;
pub use report::Status;
pub use report::Timings;
pub use report::Usage;
pub use status::ZygoteState;
pub use time_limit::LONGEST_GRACE;

/// How many sandboxes may break under a job, before its program starts, until the job is given up.
const ATTEMPTS: usize = 3;

/// Sandboxes waiting behind a zygote with packages, to begin with; more when more are wanted.
const PACKAGE_SHELF_START: usize = 2;

/// Why a job was not executed.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("{0} requests are waiting already")]
    QueueFull(usize),
    #[error("the {runtime} runtime is not up: {reason}")]
    NotReady {
        runtime: &'static str,
        reason: String,
    },
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error("no sandbox could take the program: {0}")]
    Broken(String),
}

/// Numbers of sandboxes at this moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStats {
    /// Alive: waiting, executing, starting or ending.
    pub total: usize,
    /// Waiting for a job.
    pub idle: usize,
    /// Executing.
    pub active: usize,
    /// Requests waiting for their turn.
    pub queued: usize,
}

/// Executions since the start; looking at a program is none.
#[derive(Debug, Default)]
pub struct Totals {
    pub started: AtomicU64,
    pub completed: AtomicU64,
    /// Those of the completed that did not end in success.
    pub failed: AtomicU64,
    /// Wall time of the completed, in µs.
    pub wall_us: AtomicU64,
}

/// The zygotes, their sandboxes, and the queue before them.
#[derive(Debug)]
pub struct Pool {
    admission: Arc<Admission>,
    /// A zygote per runtime.
    lanes: BTreeMap<&'static str, Arc<Lane>>,
    /// A zygote per set of packages, forked from Python's.
    package_lanes: PackageLanes,
    packages: Packages,
    shared: Shared,
    max_instances: usize,
    queue_size: usize,
    shelf_size: ShelfSize,
    pub totals: Totals,
}

/// What to execute, and how.
#[derive(Debug)]
pub struct Order {
    pub job: Job,
    pub limits: Limits,
    pub priority: Priority,
    /// Packages that have to be installed.
    pub packages: PackageSet,
    /// Who is told of the output as it comes.
    pub live: Option<Live>,
}

impl Runtime {
    /// Its name in errors and `/health`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Python => "python",
            Self::JavaScript => "javascript",
        }
    }

    /// The runtime that executes a language.
    pub fn of(language: Language) -> Self {
        match language {
            Language::Python => Self::Python,
            Language::JavaScript | Language::TypeScript => Self::JavaScript,
        }
    }
}

impl Pool {
    /// Starts the zygotes. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        settings: &Settings,
        runtimes: &[Runtime],
        pyodide: &Path,
        packages: Packages,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Arc<Self>> {
        let max_instances = settings.max_instances as usize;
        let launcher = Arc::new(Launcher::start()?);
        let shared = Shared {
            boot_within: Duration::from_millis(settings.preload_timeout),
            max_payload_bytes: settings.max_return_bytes.max(settings.max_files_bytes) as usize,
            places: Arc::new(Semaphore::new(max_instances)),
            stop: CancellationToken::new(),
            keepers: TaskTracker::new(),
            metrics,
        };
        let shelf_size = ShelfSize {
            min: settings.pool_min_size() as usize,
            start: settings.pool_size() as usize,
            max: settings.pool_max_size() as usize,
            idle_after: Duration::from_millis(settings.pool_idle_timeout),
        };
        let open = |&runtime: &Runtime| {
            let origin = Origin::Boot {
                runtime,
                launcher: launcher.clone(),
                arguments: zygote_arguments(runtime, pyodide, settings),
            };
            let name = runtime.name();
            let lane = Lane::open(name.to_owned(), origin, shelf_size, &shared);
            (name, Arc::new(lane))
        };
        let lanes = runtimes.iter().map(open).collect();
        Ok(Arc::new(Self {
            admission: Admission::new(
                settings.worker_count() as usize,
                settings.queue_size as usize,
            ),
            lanes,
            package_lanes: PackageLanes::new(settings.package_zygotes as usize),
            packages,
            shared,
            max_instances,
            queue_size: settings.queue_size as usize,
            shelf_size,
            totals: Totals::default(),
        }))
    }

    /// Executes a job in a fresh sandbox, and tells the pool's numbers at its end. Dropping the
    /// future kills the sandbox.
    ///
    /// # Errors
    /// When the job was not started: too many wait, no zygote, shutting down. A program that fails
    /// is a [`Report`], also one whose packages cannot be installed.
    pub async fn execute(&self, order: Order) -> Result<(Report, PoolStats), PoolError> {
        let asked = Instant::now();
        let span = tracing::info_span!("queue");
        let entered = self.admission.enter(order.priority).instrument(span);
        let entered = entered.await;
        let _turn = entered.map_err(|_| {
            self.shared.metrics.hit(Limit::Queue);
            PoolError::QueueFull(self.queue_size)
        })?;
        let queue = asked.elapsed();
        self.count_begun(order.job.task);
        let mut last_error = String::new();
        for _ in 0..ATTEMPTS {
            if self.shared.stop.is_cancelled() {
                return Err(PoolError::ShuttingDown);
            }
            let lane = self.lane(order.job.language, &order.packages)?;
            self.make_room_for(&lane);
            let fork = tracing::info_span!("fork");
            let Ok(sandbox) = lane.shelf.take().instrument(fork).await else {
                if let Some(reason) = lane.status.failure() {
                    let report = Report::not_installed(&reason, asked.elapsed());
                    self.count_ended(order.job.task, &report);
                    return Ok((report, self.stats()));
                }
                last_error = lane.status.get().reason;
                continue;
            };
            let waited = asked.elapsed();
            self.shared.metrics.waited(waited);
            let _active = lane.meter.active();
            let Order { job, limits, .. } = &order;
            let live = order.live.as_ref();
            let executed = execution::execute(sandbox, job, *limits, &self.packages, live);
            let language = job.language.name();
            let run = tracing::info_span!("run", language, status = field::Empty);
            match executed.instrument(run.clone()).await {
                Ok(mut report) => {
                    run.record("status", report.status.name());
                    report.timings.queue = queue;
                    report.timings.sandbox = waited.saturating_sub(queue);
                    self.count_ended(job.task, &report);
                    return Ok((report, self.stats()));
                }
                Err(error) => {
                    tracing::warn!(%error, "a sandbox broke before the program started");
                    last_error = error.to_string();
                }
            }
        }
        Err(PoolError::Broken(last_error))
    }

    /// The zygote that a job needs.
    fn lane(&self, language: Language, packages: &PackageSet) -> Result<Arc<Lane>, PoolError> {
        let runtime = Runtime::of(language).name();
        let not_ready = |reason| PoolError::NotReady { runtime, reason };
        let base = self.lanes.get(runtime);
        let base = base.ok_or_else(|| not_ready("it is not enabled".to_owned()))?;
        let state = base.status.get();
        if !state.was_up {
            return Err(not_ready(state.reason));
        }
        if packages.is_empty() {
            return Ok(base.clone());
        }
        Ok(self.package_lanes.get_or_open(packages, || {
            let origin = Origin::Fork {
                base: base.orders.clone(),
                requirements: packages.requirements().to_vec(),
                packages: self.packages.clone(),
            };
            let size = ShelfSize {
                min: 1,
                start: PACKAGE_SHELF_START.min(self.shelf_size.start),
                ..self.shelf_size
            };
            Lane::open(
                format!("python with {packages}"),
                origin,
                size,
                &self.shared,
            )
        }))
    }

    /// Opens the zygote of a set of packages ahead of need.
    pub async fn preload(&self, packages: &PackageSet) {
        self.until_up().await;
        if let Ok(lane) = self.lane(Language::Python, packages) {
            lane.status.until_up().await;
        }
    }

    /// If no place is left for a fork and this lane has no sandbox waiting, takes one from another.
    fn make_room_for(&self, lane: &Lane) {
        if lane.shelf.idle() > 0 || self.shared.places.available_permits() > 0 {
            return;
        }
        let mut others = self.all_lanes().into_iter();
        others.any(|other| !Arc::ptr_eq(&other.shelf, &lane.shelf) && other.shelf.give_up_one());
    }

    fn all_lanes(&self) -> Vec<Arc<Lane>> {
        let mut lanes = self.package_lanes.all();
        lanes.extend(self.lanes.values().cloned());
        lanes
    }

    fn count_begun(&self, task: Task) {
        if task == Task::Run {
            self.totals.started.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn count_ended(&self, task: Task, report: &Report) {
        if task != Task::Run {
            return;
        }
        let totals = &self.totals;
        let failed = report.status != Status::Success;
        let wall = u64::try_from(report.usage.wall.as_micros()).unwrap_or(u64::MAX);
        totals.completed.fetch_add(1, Ordering::Relaxed);
        totals
            .failed
            .fetch_add(u64::from(failed), Ordering::Relaxed);
        totals.wall_us.fetch_add(wall, Ordering::Relaxed);
    }

    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    pub fn stats(&self) -> PoolStats {
        PoolStats {
            total: self.max_instances - self.shared.places.available_permits(),
            idle: self.all_lanes().iter().map(|lane| lane.shelf.idle()).sum(),
            active: self.admission.executing(),
            queued: self.admission.waiting(),
        }
    }

    /// Sandboxes of a kind that wait for a job.
    pub fn idle(&self, kind: SandboxKind) -> usize {
        let lanes = self.all_lanes();
        let same_kind = lanes.iter().filter(|lane| lane.meter.kind() == kind);
        same_kind.map(|lane| lane.shelf.idle()).sum()
    }

    /// State of each zygote by its runtime's name.
    pub fn zygotes(&self) -> BTreeMap<&'static str, ZygoteState> {
        let lanes = self.lanes.iter();
        lanes
            .map(|(name, lane)| (*name, lane.status.get()))
            .collect()
    }

    /// State of each zygote with packages, by what `/health` calls it.
    pub fn package_zygotes(&self) -> Vec<(String, ZygoteState)> {
        let lanes = self.package_lanes.all();
        let state = |lane: &Arc<Lane>| (lane.status.name().to_owned(), lane.status.get());
        lanes.iter().map(state).collect()
    }

    /// Waits until every runtime's zygote serves.
    pub async fn until_up(&self) {
        for lane in self.lanes.values() {
            lane.status.until_up().await;
        }
    }

    /// Ends the zygotes and every sandbox that waits; executions under way should be over.
    pub async fn shut_down(&self) {
        self.shared.stop.cancel();
        self.package_lanes.clear();
        self.shared.keepers.close();
        self.shared.keepers.wait().await;
        // All places are free once the last process was reaped.
        let all = u32::try_from(self.max_instances).unwrap_or(u32::MAX);
        let free = self.shared.places.acquire_many(all);
        let _ = tokio::time::timeout(Duration::from_secs(2), free).await;
    }
}

/// The command line of a zygote that boots a runtime.
fn zygote_arguments(runtime: Runtime, pyodide: &Path, settings: &Settings) -> Vec<OsString> {
    let mut arguments = vec![
        "zygote".into(),
        "--runtime".into(),
        runtime.name().into(),
        "--pyodide".into(),
        pyodide.as_os_str().to_owned(),
        format!("--v8-flags={}", settings.v8_flags).into(),
        "--memory-bytes".into(),
        (settings.memory_limit << 20).to_string().into(),
    ];
    if let Some(lock) = settings.distribution_lock(pyodide) {
        arguments.extend(["--lock".into(), lock.into_os_string()]);
    }
    arguments
}
