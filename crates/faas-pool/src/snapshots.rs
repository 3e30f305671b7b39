//! Programs that start from a snapshot, and programs that leave one.

use std::sync::Arc;
use std::time::Duration;

use faas_protocol::ByteSize;
use faas_protocol::Owner;
use faas_protocol::Runtime;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument;

use super::Pool;
use super::execute::Kept;
use super::kept::ForkGate;
use super::kept::Lineage;
use super::kept::NoSnapshot;
use super::kept::Origin;
use super::kept::Parent;
use super::kept::Snapshot;
use super::kept::SnapshotHold;
use super::kept::SnapshotId;
use super::kept::SnapshotInfo;
use super::kept::Snapshots;
use super::kept::SnapshotsStats;
use super::request::ExecutionRequest;
use super::request::PoolError;
use super::sandbox::Sandbox;
use super::sandbox_error::SandboxError;
use super::shelf::LULL;
use super::wait::NotTaken;
use super::wait::Taken;
use super::wait::Wait;

impl Pool {
    /// The snapshots of an owner, the oldest first.
    pub fn snapshots_of(&self, owner: &Owner) -> Vec<SnapshotInfo> {
        self.snapshots.of(owner)
    }

    /// # Errors
    /// When there is none of that id, or it is not this owner's.
    pub fn snapshot(&self, id: &SnapshotId, owner: &Owner) -> Result<SnapshotInfo, NoSnapshot> {
        self.snapshots
            .look_up(id, owner)
            .map(|snapshot| snapshot.info())
    }

    /// Keeps a snapshot from expiring until what is returned is dropped; it makes room for newer ones only if nothing
    /// else of its owner's can.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub fn hold_snapshot(
        &self,
        id: &SnapshotId,
        owner: &Owner,
    ) -> Result<SnapshotHold, NoSnapshot> {
        let snapshot = self.snapshots.get(id, owner)?;
        Ok(SnapshotHold::of(&snapshot))
    }

    /// Deletes a snapshot. Programs that started from it go on.
    ///
    /// # Errors
    /// As [`Self::snapshot`].
    pub fn delete_snapshot(&self, id: &SnapshotId, owner: &Owner) -> Result<(), NoSnapshot> {
        self.snapshots.delete(id, owner)
    }

    pub fn snapshots_stats(&self) -> SnapshotsStats {
        self.snapshots.stats()
    }

    /// Why no program of a runtime can be kept; `None` if they can.
    pub fn cannot_keep(&self, runtime: Runtime) -> Option<String> {
        if self.snapshots.settings.number == 0 {
            return Some("FAAS_SNAPSHOTS is 0".to_owned());
        }
        self.cannot_fork_kept(runtime)
    }

    /// Why no sandbox of a runtime can stay to be forked; `None` if they can.
    pub fn cannot_fork_kept(&self, runtime: Runtime) -> Option<String> {
        let state = self.bases.get(&runtime)?.status.get();
        state.booted()?.cannot_keep.clone()
    }

    /// What the snapshot of a program will have of the one that it starts from, if there are to be both.
    ///
    /// # Errors
    /// When it cannot, or what it leaves cannot be kept as it is to be.
    pub(super) fn parent_of(
        &self,
        request: &ExecutionRequest,
    ) -> Result<Option<Parent>, PoolError> {
        let runtime = request.job.language.runtime();
        if request.job.keep
            && let Some(reason) = self.cannot_keep(runtime)
        {
            return Err(PoolError::CannotKeep(reason));
        }
        let snapshot = self.snapshot_to_start_from(request)?;
        let snapshot = snapshot.filter(|_| request.job.keep);
        Ok(snapshot.as_ref().map(Parent::of))
    }

    /// The snapshot that a request names, which is used now.
    ///
    /// # Errors
    /// When there is none, or it is of another runtime.
    pub(super) fn snapshot_to_start_from(
        &self,
        request: &ExecutionRequest,
    ) -> Result<Option<Arc<Snapshot>>, PoolError> {
        let Some(id) = request.start.snapshot() else {
            return Ok(None);
        };
        let snapshot = self.snapshots.get(id, &request.owner);
        let snapshot = snapshot.map_err(PoolError::NoSnapshot)?;
        if snapshot.language.runtime() != request.job.language.runtime() {
            let of = snapshot.language;
            return Err(PoolError::OtherLanguage { of });
        }
        Ok(Some(snapshot))
    }

    /// Whether there is what a request starts from.
    ///
    /// # Errors
    /// What [`Self::execute`] would say of its snapshot.
    pub fn can_start(&self, request: &ExecutionRequest) -> Result<(), PoolError> {
        self.snapshot_to_start_from(request).map(drop)
    }

    /// Waits for a turn, which `wait` keeps, and for a fork of the snapshot that `find` finds then: while a program
    /// waits, it holds none.
    pub(super) async fn take_fork(
        &self,
        find: impl Fn() -> Result<Arc<Snapshot>, NoSnapshot>,
        request: &ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Taken, NotTaken> {
        self.enter(request, wait).await?;
        let snapshot = find().map_err(PoolError::NoSnapshot)?;
        let sandbox = match self.snapshots.take_ahead(&snapshot.id) {
            Some(sandbox) => sandbox,
            None => self.fork_now(&snapshot, request.job.limits.wall).await?,
        };
        self.resources.metrics.snapshot_forks.inc();
        snapshot.count_program();
        // For the next cell of a session, that is done at the end of this one.
        if request.start.snapshot().is_some() {
            self.fork_ahead(&snapshot);
        }
        let meter = snapshot.meter.clone();
        Ok(Taken { sandbox, meter })
    }

    /// Forks a snapshot for who waits for it, if there is a place in time.
    async fn fork_now(
        &self,
        snapshot: &Arc<Snapshot>,
        patience: Duration,
    ) -> Result<Sandbox, NotTaken> {
        self.make_room();
        let place = self.resources.instances.clone().acquire_owned();
        let place = tokio::time::timeout(patience, place).await;
        let Ok(Ok(place)) = place else {
            let reason = format!("no place among FAAS_MAX_INSTANCES within {patience:?}");
            return Err(NotTaken::Again(reason));
        };
        // In a task of its own, since it is not to be given up in the middle.
        let (forks, snapshot) = (self.forks(), snapshot.clone());
        let fork = async move { forks.fork(&snapshot, place).await };
        match tokio::spawn(fork.instrument(tracing::info_span!("fork"))).await {
            Ok(Ok(sandbox)) => Ok(sandbox),
            Ok(Err(error)) => Err(NotTaken::Again(format!("the snapshot: {error}"))),
            Err(error) => Err(NotTaken::Again(error.to_string())),
        }
    }

    /// Forks a snapshot for who comes next, unless places are short.
    pub(super) fn fork_ahead(&self, snapshot: &Arc<Snapshot>) {
        let forks = self.forks();
        let instances = self.resources.instances.clone();
        let stop = self.resources.stop.clone();
        // Waiting for it does not keep the snapshot.
        let snapshot = Arc::downgrade(snapshot);
        tokio::spawn(async move {
            // The program that has just begun goes first.
            tokio::time::sleep(LULL).await;
            let is_unwanted = stop.is_cancelled() || instances.available_permits() < 2;
            let (Some(snapshot), false) = (snapshot.upgrade(), is_unwanted) else {
                return;
            };
            if let Ok(place) = instances.try_acquire_owned()
                && forks.snapshots.wants_ahead(&snapshot.id)
            {
                let fork = forks.fork(&snapshot, place).await;
                forks.snapshots.put_ahead(snapshot, fork.ok());
            }
        });
    }

    fn forks(&self) -> Forks {
        Forks {
            snapshots: self.snapshots.clone(),
            gate: self.resources.gate.clone(),
            largest_payload: self.resources.largest_payload,
        }
    }

    /// Keeps what a program left, if its sandbox stays.
    pub(super) async fn keep(
        &self,
        kept: Option<Kept>,
        request: &ExecutionRequest,
        parent: Option<Parent>,
    ) -> Result<SnapshotInfo, String> {
        let kept = kept.ok_or(
            "the program did not end in order: it ran into a limit, was stopped, or ended the interpreter",
        )?;
        let (sandbox, origin, lineage) = kept.with_origin(request, parent);
        let snapshot = self.snapshots.keep(sandbox, origin, lineage).await?;
        self.fork_ahead(&snapshot);
        Ok(snapshot.info())
    }
}

impl Kept {
    /// The sandbox, and where it comes from.
    pub(super) fn with_origin(
        self,
        request: &ExecutionRequest,
        parent: Option<Parent>,
    ) -> (Sandbox, Origin, Lineage) {
        let Parent { packages, lineage } = parent.unwrap_or_else(|| Parent {
            packages: request.packages.clone(),
            lineage: Lineage::default(),
        });
        let origin = Origin {
            owner: request.owner.clone(),
            language: request.job.language,
            packages,
            meter: self.meter,
        };
        (*self.sandbox, origin, lineage)
    }
}

/// What it takes to fork snapshots.
struct Forks {
    snapshots: Arc<Snapshots>,
    gate: Arc<ForkGate>,
    largest_payload: ByteSize,
}

impl Forks {
    /// Forks a snapshot, and lets it go if it turns out to be of no use. Not to be given up in the middle.
    async fn fork(
        &self,
        snapshot: &Snapshot,
        place: OwnedSemaphorePermit,
    ) -> Result<Sandbox, SandboxError> {
        let forked = snapshot.fork(&self.gate, place, self.largest_payload).await;
        forked.inspect_err(|_| self.snapshots.drop_if_useless(snapshot))
    }
}
