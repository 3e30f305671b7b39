//! A request on its way to a sandbox.

use std::sync::Arc;
use std::time::Duration;

use faas_telemetry::Meter;
use tokio::time::Instant;

use super::admission::WorkerPermit;
use super::report::Report;
use super::request::PoolError;
use super::sandbox::Sandbox;
use super::zygote_pool::ZygotePool;

/// How long a request has waited, and what it has.
pub struct Wait {
    pub asked: Instant,
    /// How long it waited for turns.
    pub queue: Duration,
    /// `None` until it is its turn.
    pub turn: Option<WorkerPermit>,
    /// Whether a zygote will do that has more packages than the request wants: then it did not name them.
    pub any_that_covers: bool,
}

/// What a request waited for. The worker is free again when this is dropped.
pub struct Taken {
    pub sandbox: Sandbox,
    pub meter: Meter,
}

/// Why there is no sandbox.
pub enum NotTaken {
    /// The zygote ended; another one may be had.
    Again(String),
    /// The program is not run, and this is its report.
    NotRun(Box<Report>),
    /// Its packages cannot be installed, for this reason.
    NotInstalled(String),
    Refused(PoolError),
}

impl Wait {
    pub fn begin() -> Self {
        Self {
            asked: Instant::now(),
            queue: Duration::ZERO,
            turn: None,
            any_that_covers: false,
        }
    }
}

impl Taken {
    pub fn from(sandbox: Sandbox, pool: &Arc<ZygotePool>) -> Self {
        Self {
            sandbox,
            meter: pool.meter.clone(),
        }
    }
}

impl From<PoolError> for NotTaken {
    fn from(error: PoolError) -> Self {
        Self::Refused(error)
    }
}
