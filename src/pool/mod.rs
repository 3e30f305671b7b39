//! The supervisor's side of executing: admission, sandboxes forked ahead of need, the clock.
//!
//! The way of a job: [`admission`] gives it a turn, [`shelf`] a waiting sandbox, [`execution`]
//! follows it to its end. [`zygote`] keeps the zygote alive that fills the shelf.

mod admission;
mod execution;
mod launcher;
mod output;
mod process;
mod return_value;
mod sandbox;
mod shelf;
mod status;
mod zygote;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::protocol::Job;
use crate::protocol::Language;
use crate::settings::Settings;
use crate::zygote::Runtime;
use admission::Admission;
use launcher::Launcher;
use shelf::Shelf;
use shelf::ShelfSize;
use status::ZygoteStatus;
use zygote::Keeper;

pub use admission::Priority;
pub use execution::Limits;
pub use execution::Report;
pub use execution::Status;
pub use status::ZygoteState;

/// How many sandboxes may break under a job, before its program starts, until the job is given up.
const ATTEMPTS: usize = 3;

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

/// Executions since the start.
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
    lanes: BTreeMap<&'static str, Lane>,
    places: Arc<Semaphore>,
    max_instances: usize,
    queue_size: usize,
    pub totals: Totals,
    stop: CancellationToken,
    keepers: TaskTracker,
}

/// One runtime.
#[derive(Debug)]
struct Lane {
    shelf: Arc<Shelf>,
    status: Arc<ZygoteStatus>,
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
    fn of(language: Language) -> Self {
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
    ) -> std::io::Result<Arc<Self>> {
        let max_instances = settings.max_instances as usize;
        let places = Arc::new(Semaphore::new(max_instances));
        let launcher = Arc::new(Launcher::start()?);
        let stop = CancellationToken::new();
        let keepers = TaskTracker::new();
        let mut lanes = BTreeMap::new();
        for &runtime in runtimes {
            let lane = Lane {
                shelf: Arc::new(Shelf::new(ShelfSize {
                    min: settings.pool_min_size() as usize,
                    start: settings.pool_size as usize,
                    max: settings.pool_max_size() as usize,
                    idle_after: Duration::from_millis(settings.pool_idle_timeout),
                })),
                status: Arc::new(ZygoteStatus::new()),
            };
            let keeper = Keeper {
                runtime,
                pyodide: pyodide.to_owned(),
                v8_flags: settings.v8_flags.clone(),
                memory_bytes: settings.memory_limit << 20,
                boot_within: Duration::from_millis(settings.preload_timeout),
                max_return_bytes: settings.max_return_bytes,
                launcher: launcher.clone(),
                shelf: lane.shelf.clone(),
                status: lane.status.clone(),
                places: places.clone(),
                stop: stop.clone(),
            };
            keepers.spawn(keeper.run());
            lanes.insert(runtime.name(), lane);
        }
        Ok(Arc::new(Self {
            admission: Admission::new(
                settings.worker_count() as usize,
                settings.queue_size as usize,
            ),
            lanes,
            places,
            max_instances,
            queue_size: settings.queue_size as usize,
            totals: Totals::default(),
            stop,
            keepers,
        }))
    }

    /// Executes a job in a fresh sandbox, and tells the pool's numbers at its end. Dropping the
    /// future kills the sandbox.
    ///
    /// # Errors
    /// When the job was not started: too many wait, no zygote, shutting down. A program that fails
    /// is a [`Report`].
    pub async fn execute(
        &self,
        job: Job,
        limits: Limits,
        priority: Priority,
    ) -> Result<(Report, PoolStats), PoolError> {
        let runtime = Runtime::of(job.language).name();
        let lane = self.lanes.get(runtime).ok_or(PoolError::NotReady {
            runtime,
            reason: "it is not enabled".to_owned(),
        })?;
        if !lane.status.get().was_up {
            return Err(lane.not_ready(runtime));
        }
        let entered = self.admission.enter(priority).await;
        let _turn = entered.map_err(|_| PoolError::QueueFull(self.queue_size))?;
        let mut last_error = String::new();
        for _ in 0..ATTEMPTS {
            if self.stop.is_cancelled() {
                return Err(PoolError::ShuttingDown);
            }
            self.make_room_for(lane);
            let taken = lane.shelf.take().await;
            let sandbox = taken.map_err(|_| lane.not_ready(runtime))?;
            self.totals.started.fetch_add(1, Ordering::Relaxed);
            match execution::execute(sandbox, &job, limits).await {
                Ok(report) => {
                    self.count(&report);
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

    /// If no place is left for a fork and this lane has no sandbox waiting, takes one from another.
    fn make_room_for(&self, lane: &Lane) {
        if lane.shelf.idle() > 0 || self.places.available_permits() > 0 {
            return;
        }
        let others = self.lanes.values().map(|other| &other.shelf);
        others
            .filter(|shelf| !Arc::ptr_eq(shelf, &lane.shelf))
            .any(|shelf| shelf.give_up_one());
    }

    fn count(&self, report: &Report) {
        let totals = &self.totals;
        let failed = report.status != Status::Success;
        let wall = u64::try_from(report.usage.wall.as_micros()).unwrap_or(u64::MAX);
        totals.completed.fetch_add(1, Ordering::Relaxed);
        totals
            .failed
            .fetch_add(u64::from(failed), Ordering::Relaxed);
        totals.wall_us.fetch_add(wall, Ordering::Relaxed);
    }

    pub fn stats(&self) -> PoolStats {
        PoolStats {
            total: self.max_instances - self.places.available_permits(),
            idle: self.lanes.values().map(|lane| lane.shelf.idle()).sum(),
            active: self.admission.executing(),
            queued: self.admission.waiting(),
        }
    }

    /// State of each zygote by its runtime's name.
    pub fn zygotes(&self) -> BTreeMap<&'static str, ZygoteState> {
        let lanes = self.lanes.iter();
        lanes
            .map(|(name, lane)| (*name, lane.status.get()))
            .collect()
    }

    /// Waits until every zygote serves.
    pub async fn until_up(&self) {
        for lane in self.lanes.values() {
            lane.status.until_up().await;
        }
    }

    /// Ends the zygotes and every sandbox that waits; executions under way should be over.
    pub async fn shut_down(&self) {
        self.stop.cancel();
        self.keepers.close();
        self.keepers.wait().await;
        // All places are free once the last process was reaped.
        let all = u32::try_from(self.max_instances).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(Duration::from_secs(2), self.places.acquire_many(all)).await;
    }
}

impl Lane {
    fn not_ready(&self, runtime: &'static str) -> PoolError {
        PoolError::NotReady {
            runtime,
            reason: self.status.get().reason,
        }
    }
}
