//! Counters for metrics.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// What the package store did since it was opened, and what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PackageStats {
    /// Files that were answered from the cache.
    pub cache_hits: u64,
    /// Files that had to be fetched.
    pub cache_misses: u64,
    /// Bytes of files that were fetched and verified.
    pub downloaded_bytes: u64,
    /// Files that were dropped to make room.
    pub evictions: u64,
    /// Files in the cache now.
    pub cached_files: u64,
    /// Their bytes.
    pub cached_bytes: u64,
}

#[derive(Debug, Default)]
pub struct Counters {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub downloaded: AtomicU64,
    pub evictions: AtomicU64,
}

/// Counters are read one by one, so that their order among each other means nothing.
pub fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl Counters {
    pub fn read(&self, (cached_files, cached_bytes): (u64, u64)) -> PackageStats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PackageStats {
            cache_hits: read(&self.hits),
            cache_misses: read(&self.misses),
            downloaded_bytes: read(&self.downloaded),
            evictions: read(&self.evictions),
            cached_files,
            cached_bytes,
        }
    }
}
