//! How many package zygotes may be alive, and how much memory they may take together.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

use faas_protocol::ByteSize;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;

/// Package sets that are installed at once. More wait, so that installing leaves CPU time to programs.
const INSTALLS: usize = 2;

/// What all package zygotes share.
#[derive(Debug)]
pub struct PackageBudget {
    /// A permit per zygote that installs its packages.
    installs: Arc<Semaphore>,
    /// A permit per zygote that serves. Both kinds are held until the process is reaped.
    places: Arc<Semaphore>,
    /// Zygotes that have installed their packages and wait for a place.
    wanted: AtomicUsize,
    pub capacity: usize,
    pub memory: ByteSize,
    /// Woken when a zygote wants a place, and when one serves.
    pub changed: Notify,
}

/// A place for a zygote that serves.
pub struct Place<'a> {
    pub permit: OwnedSemaphorePermit,
    /// Counts as wanted until the zygote counts as one that serves.
    pub wanted: Wanted<'a>,
}

/// A zygote that wants a place.
pub struct Wanted<'a>(&'a PackageBudget);

impl PackageBudget {
    pub fn new(capacity: usize, memory: ByteSize) -> Self {
        Self {
            installs: Arc::new(Semaphore::new(INSTALLS)),
            places: Arc::new(Semaphore::new(capacity)),
            wanted: AtomicUsize::new(0),
            capacity,
            memory,
            changed: Notify::new(),
        }
    }

    /// Waits until a zygote may be forked to install packages. `None` never happens: the semaphore is
    /// not closed.
    pub async fn install(&self) -> Option<OwnedSemaphorePermit> {
        self.installs.clone().acquire_owned().await.ok()
    }

    /// Waits until a zygote may serve. Another one is evicted for it if need be.
    pub async fn place(&self) -> Option<Place<'_>> {
        self.wanted.fetch_add(1, Ordering::SeqCst);
        let wanted = Wanted(self);
        self.changed.notify_one();
        let permit = self.places.clone().acquire_owned().await.ok()?;
        Some(Place { permit, wanted })
    }

    pub fn wanted(&self) -> usize {
        self.wanted.load(Ordering::SeqCst)
    }
}

impl Drop for Wanted<'_> {
    fn drop(&mut self) {
        self.0.wanted.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}
