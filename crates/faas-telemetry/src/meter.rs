//! What one zygote and its sandboxes report to the metrics.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use prometheus_client::metrics::gauge::Gauge;

use super::labels::SandboxKind;
use super::labels::SandboxState;
use super::metrics::Metrics;

/// Reports for the zygotes of one kind.
#[derive(Clone, Debug)]
pub struct Meter {
    metrics: Arc<Metrics>,
    kind: SandboxKind,
    starting: Gauge,
    active: Gauge,
}

impl Meter {
    pub fn new(metrics: Arc<Metrics>, kind: SandboxKind) -> Self {
        metrics.open(kind);
        Self {
            starting: metrics.sandboxes(kind, SandboxState::Starting),
            active: metrics.sandboxes(kind, SandboxState::Active),
            kind,
            metrics,
        }
    }

    pub fn kind(&self) -> SandboxKind {
        self.kind
    }

    /// Counts a sandbox as starting until the returned value is dropped.
    pub fn starting(&self) -> Gauged {
        Gauged::new(&self.starting)
    }

    /// Counts a sandbox as executing until the returned value is dropped.
    pub fn active(&self) -> Gauged {
        Gauged::new(&self.active)
    }

    /// Records that a sandbox requested with `starting` is ready.
    pub fn forked(&self, starting: &Gauged) {
        self.metrics.forked(self.kind, starting.since.elapsed());
    }

    pub fn booted(&self, duration: Duration) {
        self.metrics.booted(self.kind, duration);
    }

    /// Records that a zygote did not come up.
    pub fn boot_failed(&self) {
        self.metrics.boot_failed(self.kind);
    }

    /// Records that a zygote that had served went down.
    pub fn restarted(&self) {
        self.metrics.restarted(self.kind);
    }
}

/// Adds one to a gauge until it is dropped.
#[derive(Debug)]
pub struct Gauged {
    gauge: Gauge,
    since: Instant,
}

impl Gauged {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self {
            gauge: gauge.clone(),
            since: Instant::now(),
        }
    }
}

impl Drop for Gauged {
    fn drop(&mut self) {
        self.gauge.dec();
    }
}
