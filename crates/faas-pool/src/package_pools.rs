//! Zygotes with packages installed, one per set of packages, the least recently used given up.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::package_set::PackageSet;
use super::zygote_pool::ZygotePool;

/// The zygotes, most recently used first.
#[derive(Debug)]
pub struct PackagePools {
    pools: Mutex<Vec<(PackageSet, Arc<ZygotePool>)>>,
    capacity: usize,
}

impl PackagePools {
    pub fn new(capacity: usize) -> Self {
        Self {
            pools: Mutex::new(Vec::new()),
            capacity,
        }
    }

    /// Returns the set's zygote, opening it if needed; may evict another.
    pub fn get_or_open(
        &self,
        set: &PackageSet,
        open: impl FnOnce() -> ZygotePool,
    ) -> Arc<ZygotePool> {
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let known = pools.iter().position(|(other, _)| other == set);
        let entry = match known.map(|index| pools.remove(index)) {
            Some((set, pool)) if !pool.shelf.is_closed() => (set, pool),
            _ => (set.clone(), Arc::new(open())),
        };
        let pool = entry.1.clone();
        pools.insert(0, entry);
        let kept = pools.len().min(self.capacity);
        let given_up = pools.split_off(kept);
        drop(pools);
        for (set, _) in &given_up {
            tracing::info!(%set, "evicting the least recently used package zygote");
        }
        pool
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<ZygotePool>> {
        let pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.iter().map(|(_, pool)| pool.clone()).collect()
    }

    pub fn clear(&self) {
        let pools = std::mem::take(&mut *self.pools.lock().unwrap_or_else(PoisonError::into_inner));
        drop(pools);
    }
}
