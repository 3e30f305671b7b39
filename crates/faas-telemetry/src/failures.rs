//! Failures of writing in the background: counted, shown, and logged at intervals.

use std::fmt::Display;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;

/// Pause between two log lines about the same writer.
const PAUSE: Duration = Duration::from_secs(60);

/// The failures of one writer.
#[derive(Debug)]
pub struct Failures {
    /// What is written, in log lines.
    what: &'static str,
    counter: Counter,
    last: Mutex<Last>,
}

/// What `/health` says of them.
#[derive(Clone, Debug)]
pub struct FailureState {
    /// Since the start.
    pub count: u64,
    /// Why the latest failure; empty once writing works again.
    pub reason: String,
}

#[derive(Debug, Default)]
struct Last {
    /// Reason of the latest failure; empty once writing works again.
    reason: String,
    logged: Option<Instant>,
}

impl Failures {
    pub fn new(what: &'static str, counter: Counter) -> Self {
        Self {
            what,
            counter,
            last: Mutex::default(),
        }
    }

    /// Counts items that could not be written.
    pub fn count(&self, things: usize, reason: &dyn Display) {
        self.counter.inc_by(things as u64);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.reason = reason.to_string();
        if last.logged.is_none_or(|logged| logged.elapsed() >= PAUSE) {
            last.logged = Some(Instant::now());
            let total = self.counter.get();
            tracing::error!(
                what = self.what,
                reason = last.reason,
                total,
                "could not write an execution"
            );
        }
    }

    /// Records that writing works again.
    pub fn recovered(&self) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.reason.clear();
    }

    /// How writing goes now.
    pub fn state(&self) -> FailureState {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        FailureState {
            count: self.counter.get(),
            reason: last.reason.clone(),
        }
    }
}
