//! What the pool has at this moment, for `/health` and `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use faas_linux::ProcessStatus;
use faas_protocol::ByteSize;
use faas_protocol::Runtime;
use faas_telemetry::SandboxKind;

use super::Pool;
use super::ZygoteState;
use super::zygote_pool::ZygotePool;

/// Numbers of sandboxes at this moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct PoolStats {
    /// Alive: waiting, executing, starting or ending.
    pub total: usize,
    /// Waiting for a job.
    pub idle: usize,
    /// Executing.
    pub active: usize,
    /// Requests waiting for their turn, or for their packages.
    pub queued: usize,
}

/// What waits in front of the workers.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Requests that wait for their turn.
    pub waiting: usize,
    /// Those that may.
    pub queue: usize,
    /// Requests that have their turn.
    pub executing: usize,
    /// How many may have it at once.
    pub workers: usize,
    /// How long a request that came now would wait for its turn, by how long the last ones took.
    pub expected_wait: Duration,
}

impl Load {
    /// Whether every worker has work.
    pub fn is_busy(&self) -> bool {
        self.executing >= self.workers
    }
}

/// A zygote with packages, for `/health`.
#[derive(Debug)]
pub struct PackageZygote {
    pub name: String,
    pub state: ZygoteState,
    /// Memory that it shares with no other process but its forks.
    pub memory: ByteSize,
}

impl Pool {
    pub fn stats(&self) -> PoolStats {
        let queue = self.admission.queue();
        let on_shelves: usize = self.all_pools().iter().map(|pool| pool.shelf.idle()).sum();
        PoolStats {
            total: self.max_instances - self.resources.instances.available_permits(),
            idle: on_shelves + self.snapshots.ahead(),
            active: queue.executing,
            queued: queue.waiting + self.waiting_for_packages(),
        }
    }

    pub fn load(&self) -> Load {
        let queue = self.admission.queue();
        Load {
            waiting: queue.waiting,
            queue: self.queue_size,
            executing: queue.executing,
            workers: self.admission.workers(),
            expected_wait: queue.expected_wait,
        }
    }

    /// Requests that wait for their packages.
    fn waiting_for_packages(&self) -> usize {
        let most = self.admission.workers() + self.queue_size;
        most - self.waiting_for_packages.available_permits()
    }

    /// Sandboxes of a kind that wait for a job.
    pub fn idle(&self, kind: SandboxKind) -> usize {
        let pools = self.all_pools();
        let same_kind = pools.iter().filter(|pool| pool.meter.kind() == kind);
        same_kind.map(|pool| pool.shelf.idle()).sum()
    }

    /// State of each runtime's zygote.
    pub fn zygotes(&self) -> BTreeMap<Runtime, ZygoteState> {
        let bases = self.bases.iter();
        bases
            .map(|(runtime, pool)| (*runtime, pool.status.get()))
            .collect()
    }

    /// The zygotes with packages.
    pub fn package_zygotes(&self) -> Vec<PackageZygote> {
        let pools = self.package_pools.all();
        let describe = |pool: &Arc<ZygotePool>| {
            let state = pool.status.get();
            let memory = match state.pid() {
                Some(pid) => ProcessStatus::of(pid).unwrap_or_default(),
                None => ProcessStatus::default(),
            };
            PackageZygote {
                name: pool.status.name().to_owned(),
                state,
                memory: ByteSize::bytes(memory.anonymous_bytes),
            }
        };
        pools.iter().map(describe).collect()
    }
}
