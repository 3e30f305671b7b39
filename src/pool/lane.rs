//! One zygote with its sandboxes, and how it is kept.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::shelf::Shelf;
use super::shelf::ShelfSize;
use super::status::ZygoteStatus;
use super::zygote::Keeper;
use super::zygote::Origin;
use super::zygote::ZygoteOrder;
use crate::telemetry::Meter;
use crate::telemetry::Metrics;

/// Zygotes ordered from a zygote that is busy or down, at most.
const ORDERS_WAITING: usize = 16;

/// What all zygotes share.
#[derive(Debug)]
pub struct Shared {
    pub boot_within: Duration,
    /// Longest thing that a sandbox may send in one frame, in bytes.
    pub max_payload_bytes: usize,
    /// Places for living sandboxes.
    pub places: Arc<Semaphore>,
    pub stop: CancellationToken,
    pub keepers: TaskTracker,
    pub metrics: Arc<Metrics>,
}

/// A zygote's sandboxes. Dropping it ends the zygote.
#[derive(Debug)]
pub struct Lane {
    pub shelf: Arc<Shelf>,
    pub status: Arc<ZygoteStatus>,
    pub orders: mpsc::Sender<ZygoteOrder>,
    pub meter: Meter,
    stop: CancellationToken,
}

impl Lane {
    /// Starts the zygote and its keeper. To be called within a tokio runtime.
    pub fn open(name: String, origin: Origin, size: ShelfSize, shared: &Shared) -> Self {
        let (orders, inbox) = mpsc::channel(ORDERS_WAITING);
        let lane = Self {
            shelf: Arc::new(Shelf::new(size)),
            status: Arc::new(ZygoteStatus::new(name)),
            orders,
            meter: Meter::new(shared.metrics.clone(), origin.kind()),
            stop: shared.stop.child_token(),
        };
        let keeper = Keeper {
            origin,
            boot_within: shared.boot_within,
            max_payload_bytes: shared.max_payload_bytes,
            shelf: lane.shelf.clone(),
            status: lane.status.clone(),
            meter: lane.meter.clone(),
            places: shared.places.clone(),
            orders: inbox,
            stop: lane.stop.clone(),
        };
        shared.keepers.spawn(keeper.run());
        lane
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
