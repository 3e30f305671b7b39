//! The supervisor's side of executing: admission, sandboxes forked ahead of need, the clock.
//!
//! The way of a job: [`admission`] gives it a turn, a [`zygote_pool`]'s [`shelf`] a waiting sandbox,
//! [`execution`] follows it to its end. [`zygote`] keeps the zygote alive that fills the shelf.
//!
//! Nothing here links V8: the supervisor starts zygotes, and never evaluates a program itself.

mod admission;
mod cells;
mod collector;
mod cpu_watch;
mod execute;
mod execution;
mod fair_queue;
mod handed_back;
mod hidden;
#[cfg(test)]
mod hostile;
mod imports;
mod job_socket;
mod kept;
mod launcher;
mod live;
mod memory_watch;
mod output;
mod package_broker;
mod package_budget;
mod package_pools;
mod package_set;
mod process;
mod progress;
mod random_id;
mod report;
mod request;
mod return_value;
mod sandbox;
mod sandbox_error;
mod sessions;
mod shelf;
mod snapshots;
mod stats;
mod status;
mod time_limit;
mod tools;
mod totals;
mod turn;
mod unpacker;
mod used_sets;
mod wait;
mod waiting;
mod wheel;
mod zygote;
mod zygote_pool;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use faas_packages::Packages;
use faas_protocol::ByteSize;
use faas_protocol::Runtime;
use faas_protocol::ZygoteOptions;
use faas_telemetry::Metrics;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use admission::Admission;
use hidden::Hidden;
use imports::Imports;
use kept::Snapshots;
use launcher::Launcher;
use package_pools::PackagePools;
use progress::Progress;
use sessions::Sessions;
use unpacker::Unpacker;
use used_sets::UsedSets;
use wait::Wait;
use wheel::Wheel;
use zygote::InstallLimits;
use zygote::ZygoteSource;
use zygote_pool::Resources;
use zygote_pool::ZygotePool;

pub use cells::CannotOpenSession;
pub use cells::SessionRequest;
pub use handed_back::ARTIFACT_MEDIA_TYPE;
pub use handed_back::Content;
pub use handed_back::OutputFile;
pub use handed_back::ShownResult;
pub use kept::ForkGate;
pub use kept::Gone;
pub use kept::NoSnapshot;
pub use kept::Permission;
pub use kept::SnapshotHold;
pub use kept::SnapshotId;
pub use kept::SnapshotInfo;
pub use kept::SnapshotSettings;
pub use kept::SnapshotsStats;
pub use kept::Traced;
pub use live::CallMade;
pub use live::CallsMade;
pub use live::InstallProgress;
pub use live::InstallStage;
pub use live::Live;
pub use live::LiveEvent;
pub use live::SoFar;
pub use package_set::BadRequirement;
pub use package_set::MAX_PACKAGES;
pub use package_set::MAX_REQUIREMENT_BYTES;
pub use package_set::PackageSet;
pub use random_id::Replica;
pub use random_id::parse as parse_id;
pub use random_id::random as new_id;
pub use random_id::replica_of;
pub use report::CellReport;
pub use report::Report;
pub use report::Timings;
pub use request::ExecutionRequest;
pub use request::PoolError;
pub use request::Start;
pub use sessions::CannotOpen;
pub use sessions::Lifetime;
pub use sessions::NoSession;
pub use sessions::SessionId;
pub use sessions::SessionInfo;
pub use sessions::SessionName;
pub use sessions::SessionSettings;
pub use sessions::SessionsStats;
pub use shelf::ShelfSize;
pub use stats::Load;
pub use stats::PackageZygote;
pub use stats::PoolStats;
pub use status::Booted;
pub use status::ZygoteState;
pub use tools::ToolLimits;
pub use tools::ToolLine;
pub use tools::ToolLog;
pub use totals::Totals;
pub use turn::RowReports;

/// Sandboxes waiting behind a zygote with packages, to begin with; more when more are wanted.
const PACKAGE_SHELF_START: usize = 2;

/// The zygotes, their sandboxes, and the queue before them.
#[derive(Debug)]
pub struct Pool {
    admission: Arc<Admission>,
    /// The zygotes that booted a runtime.
    bases: BTreeMap<Runtime, Arc<ZygotePool>>,
    /// A zygote per set of packages, forked from one of those.
    package_pools: Arc<PackagePools>,
    /// Which package sets are used most; `None` if none is to be prepared again.
    used_sets: Option<Arc<UsedSets>>,
    prepared_sets: usize,
    install_limits: InstallLimits,
    /// Takes wheels to be unpacked ahead.
    unpacker: mpsc::Sender<Wheel>,
    /// A permit per request that may wait for its packages.
    waiting_for_packages: Semaphore,
    packages: Packages,
    imports: Imports,
    snapshots: Arc<Snapshots>,
    sessions: Arc<Sessions>,
    resources: Resources,
    max_instances: usize,
    queue_size: usize,
    queue_timeout: Option<Duration>,
    shelf_size: ShelfSize,
    pub totals: Totals,
}

/// What the pool is started with.
#[derive(Clone, Debug)]
pub struct PoolSettings {
    /// The zygotes that boot a runtime, one for each.
    pub zygotes: Vec<ZygoteOptions>,
    /// Longest boot of a zygote.
    pub boot_within: Duration,
    /// Longest thing that a sandbox may send in one frame: a return value or a file.
    pub largest_payload: ByteSize,
    /// Sandboxes alive at once, waiting or executing.
    pub max_instances: usize,
    /// Executions at once.
    pub workers: usize,
    /// Requests that may wait for their turn.
    pub queue: usize,
    /// How long each may.
    pub queue_timeout: Option<Duration>,
    /// Sandboxes waiting ahead of need, per runtime.
    pub shelf: ShelfSize,
    /// Sets of packages that keep a zygote of their own.
    pub package_zygotes: usize,
    /// Memory that a set of packages may take when it is installed and imported.
    pub package_memory: ByteSize,
    /// Memory of these zygotes together, over what they share with that of their runtime.
    pub package_zygotes_memory: ByteSize,
    /// The file in which the uses of package sets are counted.
    pub used_sets: PathBuf,
    /// Sets of packages that [`Pool::used_sets`] gives at most; with 0 their uses are not counted.
    pub prepared_sets: usize,
    pub snapshots: SnapshotSettings,
    pub sessions: SessionSettings,
}

impl Pool {
    /// Starts the zygotes. To be called within a tokio runtime.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        settings: PoolSettings,
        packages: Packages,
        metrics: Arc<Metrics>,
    ) -> std::io::Result<Arc<Self>> {
        let launcher = Arc::new(Launcher::start()?);
        let gate = Arc::new(ForkGate::new(metrics.clone()));
        let snapshots = Arc::new(Snapshots::new(settings.snapshots, metrics.clone()));
        let sessions = Sessions::new(settings.sessions, settings.workers, metrics.clone());
        let sessions = Arc::new(sessions);
        let resources = Resources {
            gate,
            boot_within: settings.boot_within,
            largest_payload: settings.largest_payload,
            instances: Arc::new(Semaphore::new(settings.max_instances)),
            stop: CancellationToken::new(),
            keepers: TaskTracker::new(),
            metrics,
        };
        let hidden = Hidden::children_of(launcher.thread());
        let watch = hidden.watch(resources.metrics.clone(), resources.stop.clone());
        resources.keepers.spawn(watch);
        let watch = snapshots.clone().watch(resources.stop.clone());
        resources.keepers.spawn(watch);
        let watch = sessions.clone().watch(resources.stop.clone());
        resources.keepers.spawn(watch);
        let open = |options: ZygoteOptions| {
            let runtime = options.runtime;
            let source = ZygoteSource::Boot {
                launcher: launcher.clone(),
                options,
            };
            let name = runtime.name().to_owned();
            let pool = ZygotePool::open(name, source, settings.shelf, &resources);
            (runtime, Arc::new(pool))
        };
        let capacity = settings.package_zygotes;
        let package_pools = PackagePools::new(capacity, settings.package_zygotes_memory);
        let package_pools = Arc::new(package_pools);
        let watch = package_pools.clone().watch(resources.stop.clone());
        resources.keepers.spawn(watch);
        let used_sets = (settings.prepared_sets > 0).then(|| {
            let used_sets = Arc::new(UsedSets::read(settings.used_sets));
            let keep = used_sets.clone().keep(resources.stop.clone());
            resources.keepers.spawn(keep);
            used_sets
        });
        let admission = Admission::new(settings.workers, settings.queue);
        let memory = settings.zygotes.iter().map(|zygote| zygote.memory).max();
        let bases: BTreeMap<_, _> = settings.zygotes.into_iter().map(open).collect();
        let (unpacker, wheels) = mpsc::channel(unpacker::MOST_WAITING);
        if let Some(base) = bases.get(&Runtime::OF_PACKAGES) {
            let unpacker = Unpacker {
                packages: packages.clone(),
                base: base.clone(),
                admission: admission.clone(),
                memory: memory.unwrap_or_default(),
            };
            let stop = resources.stop.clone();
            let unpack = unpacker.run(wheels);
            resources.keepers.spawn(async move {
                stop.run_until_cancelled(unpack).await;
            });
        }
        Ok(Arc::new(Self {
            admission,
            bases,
            package_pools,
            used_sets,
            unpacker,
            prepared_sets: settings.prepared_sets.min(capacity),
            install_limits: InstallLimits {
                memory: settings.package_memory,
                cpu: settings.boot_within,
            },
            waiting_for_packages: Semaphore::new(settings.workers + settings.queue),
            packages,
            imports: Imports::default(),
            snapshots,
            sessions,
            resources,
            max_instances: settings.max_instances,
            queue_size: settings.queue,
            queue_timeout: settings.queue_timeout,
            shelf_size: settings.shelf,
            totals: Totals::default(),
        }))
    }

    /// The zygote that a job needs.
    fn pool_for(
        &self,
        request: &ExecutionRequest,
        wait: &Wait,
    ) -> Result<Arc<ZygotePool>, PoolError> {
        let runtime = request.job.language.runtime();
        self.pool_of(runtime, &request.packages, wait.any_that_covers)
    }

    fn pool_of(
        &self,
        runtime: Runtime,
        packages: &PackageSet,
        any_that_covers: bool,
    ) -> Result<Arc<ZygotePool>, PoolError> {
        let base = self.bases.get(&runtime);
        let base = base.ok_or_else(|| PoolError::NotReady {
            runtime,
            reason: "it is not enabled".to_owned(),
            retry_after: Duration::ZERO,
        })?;
        let state = base.status.get();
        // Requests wait for one that went down, but not for one that never was up.
        if state.booted().is_none() {
            let reason = state.reason().unwrap_or_default().to_owned();
            return Err(PoolError::not_ready(runtime, reason, &state));
        }
        if packages.is_empty() {
            return Ok(base.clone());
        }
        let covers = |installed: &PackageSet| {
            any_that_covers && package_set::covers(&self.packages, installed, packages)
        };
        Ok(self.package_pools.get_or_open(packages, covers, || {
            let source = ZygoteSource::Fork {
                runtime,
                base: base.fork_requests.clone(),
                requirements: packages.requirements().to_vec(),
                progress: Progress::of(packages.requirements()),
                packages: self.packages.clone(),
                limits: self.install_limits,
                budget: self.package_pools.budget.clone(),
                unpacker: self.unpacker.clone(),
            };
            let size = ShelfSize {
                min: 1,
                start: PACKAGE_SHELF_START.min(self.shelf_size.start),
                ..self.shelf_size
            };
            let name = format!("{} with {packages}", runtime.name());
            ZygotePool::open(name, source, size, &self.resources)
        }))
    }

    /// The package sets that were used most, in this run and earlier ones.
    pub fn used_sets(&self) -> Vec<PackageSet> {
        let used = self.used_sets.as_ref();
        used.map_or_else(Vec::new, |used| used.most_used(self.prepared_sets))
    }

    /// Counts a use of the packages that a zygote has.
    fn count_use(&self, pool: &Arc<ZygotePool>) {
        if let Some(used) = &self.used_sets
            && let Some(set) = self.package_pools.set_of(pool)
        {
            used.count(&set);
        }
    }

    /// Opens the zygote of a set of packages ahead of need, and waits until it serves and is warm.
    ///
    /// # Errors
    /// Why it does not.
    pub async fn preload(&self, packages: &PackageSet) -> Result<(), String> {
        let pool = self.pool_of(Runtime::OF_PACKAGES, packages, false);
        let pool = pool.map_err(|error| error.to_string())?;
        pool.status.until_settled().await
    }

    /// If no further sandbox may live and none of this zygote's waits, takes one from another.
    fn make_room_for(&self, pool: &ZygotePool) {
        if pool.shelf.idle() == 0 {
            self.make_room();
        }
    }

    /// If no further sandbox may live, gives up one that waits.
    fn make_room(&self) {
        if self.resources.instances.available_permits() == 0 {
            let mut pools = self.all_pools().into_iter();
            let _ =
                self.snapshots.give_up_one_ahead() || pools.any(|pool| pool.shelf.give_up_one());
        }
    }

    fn all_pools(&self) -> Vec<Arc<ZygotePool>> {
        let mut pools = self.package_pools.all();
        pools.extend(self.bases.values().cloned());
        pools
    }

    pub fn packages(&self) -> &Packages {
        &self.packages
    }

    /// Waits until every runtime's zygote serves; for ever, if one never does.
    pub async fn until_up(&self) {
        for pool in self.bases.values() {
            pool.status.until_up().await;
        }
    }

    /// Waits until every runtime's zygote serves or will not.
    ///
    /// # Errors
    /// The first that will not, and why.
    pub async fn until_settled(&self) -> Result<(), PoolError> {
        let mut all = Ok(());
        for (&runtime, pool) in &self.bases {
            let settled = pool.status.until_settled().await;
            let not_ready = |reason| PoolError::not_ready(runtime, reason, &pool.status.get());
            all = all.and(settled.map_err(not_ready));
        }
        all
    }

    /// Ends the zygotes and every sandbox that waits; executions under way should be over.
    pub async fn shut_down(&self) {
        self.resources.stop.cancel();
        self.package_pools.clear();
        self.resources.keepers.close();
        self.resources.keepers.wait().await;
        // All instances are free once the last process was reaped.
        let all = u32::try_from(self.max_instances).unwrap_or(u32::MAX);
        let free = self.resources.instances.acquire_many(all);
        let _ = tokio::time::timeout(Duration::from_secs(2), free).await;
    }
}
