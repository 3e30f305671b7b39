//! One zygote with its sandboxes, and how it is kept.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_protocol::ByteSize;
use faas_telemetry::Meter;
use faas_telemetry::Metrics;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::kept::ForkGate;
use super::progress::Progress;
use super::shelf::Shelf;
use super::shelf::ShelfSize;
use super::status::ZygoteStatus;
use super::zygote::ForkRequest;
use super::zygote::Keeper;
use super::zygote::REMEMBER_FAILURE;
use super::zygote::ZygoteSource;

/// Zygotes wanted from a zygote that is busy or down, at most.
const FORK_REQUESTS_WAITING: usize = 16;

/// What all zygotes use together.
#[derive(Debug)]
pub struct Resources {
    pub boot_within: Duration,
    /// Longest thing that a sandbox may send in one frame.
    pub largest_payload: ByteSize,
    /// Decides about the forks of sandboxes that are kept.
    pub gate: Arc<ForkGate>,
    /// A permit per sandbox that may be alive.
    pub instances: Arc<Semaphore>,
    pub stop: CancellationToken,
    pub keepers: TaskTracker,
    pub metrics: Arc<Metrics>,
}

/// A zygote's sandboxes. Dropping it ends the zygote.
#[derive(Debug)]
pub struct ZygotePool {
    pub shelf: Arc<Shelf>,
    pub status: Arc<ZygoteStatus>,
    pub fork_requests: mpsc::Sender<ForkRequest>,
    pub meter: Meter,
    /// How far the installation of its packages is, if it has some.
    pub progress: Option<Progress>,
    stop: CancellationToken,
}

impl ZygotePool {
    /// Starts the zygote and its keeper. To be called within a tokio runtime.
    pub fn open(
        name: String,
        source: ZygoteSource,
        size: ShelfSize,
        resources: &Resources,
    ) -> Self {
        let (fork_requests, inbox) = mpsc::channel(FORK_REQUESTS_WAITING);
        let pool = Self {
            shelf: Arc::new(Shelf::new(size)),
            status: Arc::new(ZygoteStatus::new(name)),
            fork_requests,
            meter: Meter::new(resources.metrics.clone(), source.kind()),
            progress: source.progress().cloned(),
            stop: resources.stop.child_token(),
        };
        let keeper = Keeper {
            source,
            boot_within: resources.boot_within,
            largest_payload: resources.largest_payload,
            shelf: pool.shelf.clone(),
            status: pool.status.clone(),
            meter: pool.meter.clone(),
            gate: resources.gate.clone(),
            instances: resources.instances.clone(),
            fork_requests: inbox,
            has_served: false,
            boot_took: None,
            wheels: Vec::new(),
            stop: pool.stop.clone(),
        };
        resources.keepers.spawn(keeper.run());
        pool
    }

    /// Ends the zygote for good, and tells those who wait and those who come why.
    pub fn give_up(&self, reason: String) {
        let retry_at = Instant::now() + REMEMBER_FAILURE;
        tracing::warn!(
            zygote = self.status.name(),
            reason,
            "gave a package zygote up"
        );
        self.status.set_failed(reason, Some(retry_at));
        self.end();
    }

    /// Ends the zygote; the next request for it opens it again.
    pub fn retire(&self, reason: String) {
        self.status.set_down(reason, true, Instant::now());
        self.end();
    }

    fn end(&self) {
        self.stop.cancel();
        self.shelf.close();
    }
}

impl Drop for ZygotePool {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
