//! All snapshots: whose they are, how many there may be, which one has to go.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use faas_protocol::ByteSize;
use faas_protocol::Owner;
use faas_telemetry::Metrics;
use faas_telemetry::SnapshotEnd;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::ahead::Ahead;
use super::gone::Gone;
use super::memory::own_memory;
use super::shortage::missing_memory;
use super::snapshot::Lineage;
use super::snapshot::Origin;
use super::snapshot::Snapshot;
use super::snapshot::SnapshotId;
use super::snapshot::SnapshotInfo;
use crate::random_id::Replica;
use crate::sandbox::Sandbox;

/// How often snapshots are looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// How long a new snapshot waits for those that had to go for it to have ended.
const MAKE_ROOM_WITHIN: Duration = Duration::from_secs(10);

/// Snapshots of one line that may be alive at once, one made from the other. With each, the kernel takes longer
/// to fork the youngest: the hundredth takes 20 times as long as the first.
const MOST_ANCESTORS: usize = 16;

/// How many snapshots there may be.
#[derive(Clone, Debug)]
pub struct SnapshotSettings {
    /// The name of this server, which ids tell.
    pub replica: Option<Replica>,
    /// At most so many; with 0, none is kept.
    pub number: usize,
    /// The most that they take together.
    pub memory: ByteSize,
    /// How long one waits for its next use.
    pub idle: Duration,
}

/// Why there is no such snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSnapshot {
    /// It is not known, or somebody else's.
    Unknown,
    /// This replica has it.
    Elsewhere(Replica),
    Gone(SnapshotEnd),
}

/// Numbers of snapshots.
#[derive(Clone, Copy, Debug, Default)]
pub struct SnapshotsStats {
    pub number: usize,
    /// What they take together, at most.
    pub memory: ByteSize,
}

#[derive(Debug)]
pub struct Snapshots {
    pub settings: SnapshotSettings,
    state: Mutex<State>,
    /// A permit per kept process, held until it is reaped.
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    alive: HashMap<SnapshotId, Arc<Snapshot>>,
    gone: Gone<SnapshotId, SnapshotEnd>,
    /// Places for snapshots that are being kept.
    reserved: usize,
    ahead: Ahead,
}

/// A place for a snapshot that is being kept.
struct Reserved<'a>(&'a Snapshots);

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        self.0.lock().reserved -= 1;
    }
}

impl Snapshots {
    pub fn new(settings: SnapshotSettings, metrics: Arc<Metrics>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.number)),
            settings,
            state: Mutex::default(),
            metrics,
        }
    }

    /// Keeps a sandbox that has run its job. Others make room for it, those of who has most first.
    ///
    /// # Errors
    /// Why it is not kept, as a sentence for the caller.
    pub async fn keep(
        &self,
        mut sandbox: Sandbox,
        origin: Origin,
        lineage: Lineage,
    ) -> Result<Arc<Snapshot>, String> {
        // Nobody's has to go for one that is not kept in any case.
        if lineage.living() >= MOST_ANCESTORS {
            return Err(format!(
                "{MOST_ANCESTORS} snapshots that it descends from are there already; delete some"
            ));
        }
        let too_large = |size: ByteSize| {
            let holds = size.get() >> 20;
            format!(
                "it holds {holds} MiB, more than all snapshots may together (FAAS_SNAPSHOTS_MEMORY)"
            )
        };
        let needed = own_memory(sandbox.pid());
        if needed > self.settings.memory {
            return Err(too_large(needed));
        }
        let owner = origin.owner.clone();
        let reserved = self.reserve(&owner);
        let place = self.places.clone().acquire_owned();
        let place = tokio::time::timeout(MAKE_ROOM_WITHIN, place).await;
        let Ok(Ok(place)) = place else {
            return Err("older snapshots did not make room in time; try again".to_owned());
        };
        // Its place among those that execute is free now.
        drop(sandbox.keep(place));
        let id = SnapshotId::random(self.settings.replica.as_ref());
        let id = id.map_err(|error| error.to_string())?;
        let idle = self.settings.idle;
        let snapshot = Arc::new(Snapshot::new(id, sandbox, origin, lineage, needed, idle));
        loop {
            let mut state = self.lock();
            // With each that goes, its descendants have more that is theirs alone.
            let needed = snapshot.memory();
            let all = state.memory().saturating_add(needed);
            let oldest = match all <= self.settings.memory {
                true => None,
                false => state.next_to_go(Some((&owner, needed)), |one| one.memory().get()),
            };
            let Some(id) = oldest else {
                if needed > self.settings.memory {
                    return Err(too_large(needed));
                }
                state.alive.insert(snapshot.id.clone(), snapshot.clone());
                break;
            };
            drop(state);
            self.drop_one(&id, SnapshotEnd::MadeRoom);
        }
        drop(reserved);
        self.metrics.snapshots_kept.inc();
        // Those who came when there was none that could go wait for this one, or another.
        self.make_places(None);
        Ok(snapshot)
    }

    /// Reserves a place, for which another snapshot goes if there is none left.
    fn reserve(&self, owner: &Owner) -> Reserved<'_> {
        self.lock().reserved += 1;
        self.make_places(Some((owner, ByteSize::bytes(1))));
        Reserved(self)
    }

    /// Lets snapshots go as long as there are more, with those that wait for a place, than there may be.
    fn make_places(&self, needed: Option<(&Owner, ByteSize)>) {
        loop {
            let state = self.lock();
            if state.alive.len() + state.reserved <= self.settings.number {
                return;
            }
            let oldest = state.next_to_go(needed, |_| 1);
            drop(state);
            let Some(id) = oldest else { return };
            self.drop_one(&id, SnapshotEnd::MadeRoom);
        }
    }

    /// The snapshot of that id, which is used now.
    ///
    /// # Errors
    /// As [`Self::look_up`].
    pub fn get(&self, id: &SnapshotId, owner: &Owner) -> Result<Arc<Snapshot>, NoSnapshot> {
        let snapshot = self.look_up(id, owner)?;
        snapshot.touch();
        Ok(snapshot)
    }

    /// The snapshot of that id.
    ///
    /// # Errors
    /// When there is none, or it is not this owner's.
    pub fn look_up(&self, id: &SnapshotId, owner: &Owner) -> Result<Arc<Snapshot>, NoSnapshot> {
        let state = self.lock();
        let Some(snapshot) = state.alive.get(id) else {
            let gone = state.gone.why(id, owner);
            let elsewhere = || id.elsewhere(self.settings.replica.as_ref());
            return Err(match gone {
                Some(why) => NoSnapshot::Gone(why),
                None => elsewhere().map_or(NoSnapshot::Unknown, NoSnapshot::Elsewhere),
            });
        };
        if snapshot.owner != *owner {
            return Err(NoSnapshot::Unknown);
        }
        Ok(snapshot.clone())
    }

    /// All of an owner, the oldest first.
    pub fn of(&self, owner: &Owner) -> Vec<SnapshotInfo> {
        let state = self.lock();
        let own = state.alive.values().filter(|one| one.owner == *owner);
        let mut own: Vec<_> = own.map(|one| one.info()).collect();
        drop(state);
        own.sort_by_key(|info| info.created);
        own
    }

    /// Deletes a snapshot.
    ///
    /// # Errors
    /// As [`Self::look_up`].
    pub fn delete(&self, id: &SnapshotId, owner: &Owner) -> Result<(), NoSnapshot> {
        self.look_up(id, owner)?;
        self.drop_one(id, SnapshotEnd::Deleted);
        Ok(())
    }

    /// Lets a snapshot go that is of no use any more.
    pub fn drop_if_useless(&self, snapshot: &Snapshot) {
        if snapshot.is_of_no_use() {
            self.drop_one(&snapshot.id, SnapshotEnd::Broken);
        }
    }

    pub fn stats(&self) -> SnapshotsStats {
        let state = self.lock();
        SnapshotsStats {
            number: state.alive.len(),
            memory: state.memory(),
        }
    }

    /// Lets go of what is over, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PERIOD) => {}
            }
            let gone = self.lock().ahead.without_snapshot();
            drop(gone);
            let all: Vec<_> = self.lock().alive.values().cloned().collect();
            if !all.is_empty() {
                self.relieve(missing_memory());
            }
            for snapshot in all {
                if snapshot.is_expired() {
                    self.drop_one(&snapshot.id, SnapshotEnd::Expired);
                } else {
                    self.drop_if_useless(&snapshot);
                }
            }
        }
        // Processes are ended outside the lock.
        let (alive, ahead) = {
            let mut state = self.lock();
            (
                std::mem::take(&mut state.alive),
                std::mem::take(&mut state.ahead),
            )
        };
        drop((alive, ahead));
    }

    /// The fork of a snapshot that was made ahead, if there is one that is alive.
    pub fn take_ahead(&self, id: &SnapshotId) -> Option<Sandbox> {
        let fork = self.lock().ahead.take(id);
        fork.filter(|fork| !fork.has_ended())
    }

    /// Whether the caller is to fork a snapshot ahead: then [`Self::put_ahead`] takes what came of it.
    pub fn wants_ahead(&self, id: &SnapshotId) -> bool {
        self.lock().ahead.begin(id)
    }

    pub fn put_ahead(&self, snapshot: Arc<Snapshot>, fork: Option<Sandbox>) {
        let mut state = self.lock();
        let surplus = match fork {
            Some(fork) => state.ahead.put(&snapshot, fork),
            None => {
                state.ahead.not_made(&snapshot.id);
                None
            }
        };
        // Processes are ended outside the lock.
        drop(state);
        drop((surplus, snapshot));
    }

    /// How many forks that were made ahead wait.
    pub fn ahead(&self) -> usize {
        self.lock().ahead.len()
    }

    /// Gives up a fork that was made ahead, whose place somebody needs. Tells whether there was one.
    pub fn give_up_one_ahead(&self) -> bool {
        // Dropped outside the lock.
        let fork = self.lock().ahead.give_up_one();
        fork.is_some()
    }

    /// Lets snapshots go until so much memory is free.
    fn relieve(&self, mut missing: ByteSize) {
        while missing > ByteSize::default() {
            let state = self.lock();
            let oldest = state.next_to_go(None, |one| one.memory().get());
            let oldest = oldest.and_then(|id| state.alive.get(&id).cloned());
            drop(state);
            let Some(snapshot) = oldest else { return };
            let freed = snapshot.memory();
            tracing::warn!(
                missing_mib = missing.get() >> 20,
                "a snapshot goes: memory is short"
            );
            self.drop_one(&snapshot.id, SnapshotEnd::MemoryShort);
            missing = missing.saturating_sub(freed);
        }
    }

    fn drop_one(&self, id: &SnapshotId, why: SnapshotEnd) {
        let mut state = self.lock();
        let Some(snapshot) = state.alive.remove(id) else {
            return;
        };
        let ahead = state.ahead.take(id);
        let owner = snapshot.owner.clone();
        state.gone.remember(id.clone(), owner, why);
        // Processes are ended outside the lock.
        drop(state);
        self.metrics.snapshot_gone(why);
        drop((ahead, snapshot));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn memory(&self) -> ByteSize {
        let sizes = self.alive.values().map(|snapshot| snapshot.memory());
        sizes.sum()
    }

    /// The one that was not used for longest, of the owner who has most, with what one of them needs now: nobody's
    /// go for somebody's many. `share` is how much of what is short a snapshot takes.
    fn next_to_go(
        &self,
        needed: Option<(&Owner, ByteSize)>,
        share: impl Fn(&Snapshot) -> u64,
    ) -> Option<SnapshotId> {
        let mut shares: HashMap<&Owner, u64> = HashMap::new();
        for snapshot in self.alive.values() {
            *shares.entry(&snapshot.owner).or_default() += share(snapshot);
        }
        if let Some((owner, needed)) = needed
            && let Some(of_owner) = shares.get_mut(owner)
        {
            *of_owner += needed.get();
        }
        let most = shares.values().copied().max()?;
        let of_greedy = self.alive.values().filter(|one| shares[&one.owner] == most);
        let oldest = of_greedy.min_by_key(|snapshot| (snapshot.is_held(), snapshot.last_used()));
        oldest.map(|snapshot| snapshot.id.clone())
    }
}
