//! Zygotes with packages installed, one per set of packages, the least recently used given up.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;

use faas_linux::ProcessStatus;
use faas_protocol::ByteSize;
use tokio_util::sync::CancellationToken;

use super::package_budget::PackageBudget;
use super::package_set::PackageSet;
use super::status::ZygoteState;
use super::zygote_pool::ZygotePool;

/// Sets that failed and are remembered, at most.
const MAX_FAILED: usize = 100;
/// How often the memory of the zygotes is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

type Pools = VecDeque<(PackageSet, Arc<ZygotePool>)>;

/// The zygotes.
#[derive(Debug)]
pub struct PackagePools {
    state: Mutex<State>,
    pub budget: Arc<PackageBudget>,
}

#[derive(Debug, Default)]
struct State {
    /// Those that serve or are about to, most recently used first.
    kept: Pools,
    /// Those that could not be installed, the latest first.
    failed: Pools,
    /// Evicted ones, which live on while requests wait for a sandbox of theirs.
    evicted: Vec<Weak<ZygotePool>>,
}

impl PackagePools {
    pub fn new(capacity: usize, memory: ByteSize) -> Self {
        Self {
            state: Mutex::default(),
            budget: Arc::new(PackageBudget::new(capacity, memory)),
        }
    }

    /// Returns the set's zygote, or the smallest of those that serve and cover the set, opening its own if
    /// there is neither. One that failed a moment ago is returned as it is, closed.
    pub fn get_or_open(
        &self,
        set: &PackageSet,
        covers: impl Fn(&PackageSet) -> bool,
        open: impl FnOnce() -> ZygotePool,
    ) -> Arc<ZygotePool> {
        let mut state = self.lock();
        state.sort_out();
        let own = state.kept.iter().find(|(other, _)| other == set);
        if !own.is_some_and(|(_, pool)| is_up(pool))
            && let Some(index) = state.smallest(covers)
            && let Some(entry) = state.kept.remove(index)
        {
            let pool = entry.1.clone();
            state.kept.push_front(entry);
            return pool;
        }
        if let Some((_, pool)) = state.failed.iter().find(|(failed, _)| failed == set)
            && may_not_retry(pool)
        {
            return pool.clone();
        }
        state.failed.retain(|(failed, _)| failed != set);
        let known = state.kept.iter().position(|(other, _)| other == set);
        let known = known.and_then(|index| state.kept.remove(index));
        let entry = known.unwrap_or_else(|| (set.clone(), Arc::new(open())));
        let pool = entry.1.clone();
        state.kept.push_front(entry);
        let given_up = state.limit_coming(self.budget.capacity);
        let evicted = given_up.iter().map(|(_, pool)| Arc::downgrade(pool));
        state.evicted.extend(evicted);
        drop(state);
        // Dropped outside the lock.
        drop(given_up);
        pool
    }

    /// The packages of a zygote, unless it was evicted.
    pub fn set_of(&self, pool: &Arc<ZygotePool>) -> Option<PackageSet> {
        let state = self.lock();
        let entry = state.kept.iter().find(|(_, kept)| Arc::ptr_eq(kept, pool));
        entry.map(|(set, _)| set.clone())
    }

    /// All of them, those that failed included.
    pub fn all(&self) -> Vec<Arc<ZygotePool>> {
        let state = self.lock();
        let pools = state.kept.iter().chain(&state.failed);
        pools.map(|(_, pool)| pool.clone()).collect()
    }

    /// Keeps the zygotes within their budget until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.budget.changed.notified() => {}
                _ = ticks.tick() => {}
            }
            self.evict_for_places();
            self.evict_for_memory();
        }
    }

    /// Evicts the least recently used zygotes until those that want a place can have one.
    fn evict_for_places(&self) {
        let mut state = self.lock();
        state.sort_out();
        let mut evicted = Vec::new();
        while state.serving() > 0
            && state.serving() + self.budget.wanted() > self.budget.capacity
            && let Some(index) = state.kept.iter().rposition(|(_, pool)| is_up(pool))
            && let Some((set, pool)) = state.kept.remove(index)
        {
            tracing::info!(%set, "evicting the least recently used package zygote");
            state.evicted.push(Arc::downgrade(&pool));
            evicted.push(pool);
        }
        drop(state);
        // Dropped outside the lock.
        drop(evicted);
    }

    /// Ends the least recently used zygotes until the others fit into the budget, and at once those
    /// that do not fit alone.
    fn evict_for_memory(&self) {
        let budget = self.budget.memory;
        let mut total = 0;
        let mut alive = Vec::new();
        for pool in self.lock().alive() {
            let grown = grown_by(&pool);
            if grown > budget {
                pool.give_up(format!(
                    "they take {} MiB of memory, and all package sets together may take {} MiB \
                     (FAAS_PACKAGE_ZYGOTES_MEMORY)",
                    grown.get() >> 20,
                    budget.get() >> 20
                ));
                continue;
            }
            total += grown.get();
            alive.push((pool, grown.get()));
        }
        for (pool, grown) in alive {
            if total <= budget.get() {
                break;
            }
            if grown > 0 {
                let zygote = pool.status.name();
                tracing::info!(
                    zygote,
                    grown,
                    total,
                    "evicting a package zygote for its memory"
                );
                pool.retire("it made room for another".to_owned());
                total -= grown;
            }
        }
    }

    pub fn clear(&self) {
        let state = std::mem::take(&mut *self.lock());
        drop(state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts those that failed with the failed, and forgets those that ended.
    fn sort_out(&mut self) {
        for (set, pool) in std::mem::take(&mut self.kept) {
            if !pool.shelf.is_closed() {
                self.kept.push_back((set, pool));
            } else if matches!(pool.status.get(), ZygoteState::Failed { .. }) {
                self.failed.push_front((set, pool));
            }
        }
        self.failed.truncate(MAX_FAILED);
        self.evicted.retain(|pool| pool.strong_count() > 0);
    }

    /// Of the zygotes that serve and whose set is wanted, the one with the fewest packages, which forks fastest.
    fn smallest(&self, wanted: impl Fn(&PackageSet) -> bool) -> Option<usize> {
        let serving = self.kept.iter().enumerate();
        let wanted = serving.filter(|(_, (set, pool))| is_up(pool) && wanted(set));
        let smallest = wanted.min_by_key(|(_, (set, _))| set.requirements().len());
        smallest.map(|(index, _)| index)
    }

    /// Zygotes that serve.
    fn serving(&self) -> usize {
        self.kept.iter().filter(|(_, pool)| is_up(pool)).count()
    }

    /// Takes out the least recently used of those that do not serve yet, if they are more than this.
    /// They are installed all the same while a request waits for them.
    fn limit_coming(&mut self, most: usize) -> Pools {
        let mut coming = 0;
        let (kept, given_up) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(_, pool)| {
                coming += usize::from(!is_up(pool));
                is_up(pool) || coming <= most
            });
        self.kept = kept;
        given_up
    }

    /// Those that have a process which serves, the first to be ended first.
    fn alive(&self) -> Vec<Arc<ZygotePool>> {
        let evicted = self.evicted.iter().filter_map(Weak::upgrade);
        let kept = self.kept.iter().rev().map(|(_, pool)| pool.clone());
        evicted.chain(kept).filter(is_up).collect()
    }
}

fn is_up(pool: &Arc<ZygotePool>) -> bool {
    pool.status.get().pid().is_some()
}

/// Whether a failure is so recent that the set is not tried again.
fn may_not_retry(pool: &ZygotePool) -> bool {
    match pool.status.get() {
        ZygoteState::Failed { retry_at, .. } => retry_at.is_some_and(|at| Instant::now() < at),
        _ => false,
    }
}

/// Memory that a zygote has over what it shared with its base when it was forked.
fn grown_by(pool: &ZygotePool) -> ByteSize {
    let state = pool.status.get();
    let Some(booted) = state.booted() else {
        return ByteSize::default();
    };
    let now = ProcessStatus::of(booted.pid).unwrap_or_default();
    ByteSize::bytes(now.anonymous_bytes).saturating_sub(booted.inherited)
}
