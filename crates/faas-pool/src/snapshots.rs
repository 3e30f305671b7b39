//! Programs that start from a snapshot, and programs that leave one.

use faas_protocol::Owner;
use faas_protocol::Runtime;
use faas_telemetry::Meter;
use tracing::Instrument;

use super::Pool;
use super::kept::Lineage;
use super::kept::NoSnapshot;
use super::kept::Origin;
use super::kept::Parent;
use super::kept::SnapshotId;
use super::kept::SnapshotInfo;
use super::kept::SnapshotsStats;
use super::request::ExecutionRequest;
use super::request::PoolError;
use super::sandbox::Sandbox;
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
        let Some(id) = &request.from else {
            return Ok(None);
        };
        let snapshot = self.snapshots.get(id, &request.owner);
        let snapshot = snapshot.map_err(PoolError::NoSnapshot)?;
        if snapshot.language.runtime() != runtime {
            let of = snapshot.language;
            return Err(PoolError::OtherLanguage { of });
        }
        Ok(request.job.keep.then(|| Parent::of(&snapshot)))
    }

    /// Waits for a turn, which `wait` keeps, and for a fork of a snapshot.
    pub(super) async fn take_fork_of(
        &self,
        id: &SnapshotId,
        request: &ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Taken, NotTaken> {
        self.enter(request, wait).await?;
        // It may have gone meanwhile: while a program waits, it holds none.
        let snapshot = self.snapshots.get(id, &request.owner);
        let snapshot = snapshot.map_err(PoolError::NoSnapshot)?;
        self.make_room();
        let patience = request.job.limits.wall;
        let place = self.resources.instances.clone().acquire_owned();
        let place = tokio::time::timeout(patience, place).await;
        let Ok(Ok(place)) = place else {
            let reason = format!("no place among FAAS_MAX_INSTANCES within {patience:?}");
            return Err(NotTaken::Again(reason));
        };
        // In a task of its own, since it is not to be given up in the middle.
        let gate = self.resources.gate.clone();
        let (snapshots, metrics) = (self.snapshots.clone(), self.resources.metrics.clone());
        let largest_payload = self.resources.largest_payload;
        let meter = snapshot.meter.clone();
        let fork = tokio::spawn(
            async move {
                let forked = snapshot.fork(&gate, place, largest_payload).await;
                match &forked {
                    Ok(_) => drop(metrics.snapshot_forks.inc()),
                    Err(_) => snapshots.drop_if_useless(&snapshot),
                }
                forked
            }
            .instrument(tracing::info_span!("fork")),
        );
        match fork.await {
            Ok(Ok(sandbox)) => Ok(Taken { sandbox, meter }),
            Ok(Err(error)) => Err(NotTaken::Again(format!("the snapshot: {error}"))),
            Err(error) => Err(NotTaken::Again(error.to_string())),
        }
    }

    /// Keeps what a program left, if its sandbox stays.
    pub(super) async fn keep(
        &self,
        kept: Option<Box<Sandbox>>,
        request: &ExecutionRequest,
        meter: Meter,
        parent: Option<Parent>,
    ) -> Result<SnapshotInfo, String> {
        let sandbox = kept.ok_or(
            "the program did not end in order: it ran into a limit, was stopped, or ended the interpreter",
        )?;
        let Parent { packages, lineage } = parent.unwrap_or_else(|| Parent {
            packages: request.packages.clone(),
            lineage: Lineage::default(),
        });
        let origin = Origin {
            owner: request.owner.clone(),
            language: request.job.language,
            packages,
            meter,
        };
        self.snapshots.keep(*sandbox, origin, lineage).await
    }
}
