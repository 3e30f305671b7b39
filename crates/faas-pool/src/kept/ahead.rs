//! Forks of snapshots that were made ahead of need. The snapshots that were made or used last have one each, as a
//! zygote has its shelf: the next program finds a process that is ready.

use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Weak;

use super::snapshot::Snapshot;
use super::snapshot::SnapshotId;
use crate::sandbox::Sandbox;

/// How many snapshots have a fork ahead, at most. Each takes a place among FAAS_MAX_INSTANCES, which it gives up when
/// a program needs it.
const MOST: usize = 8;

#[derive(Debug, Default)]
pub struct Ahead {
    /// Those that wait, the oldest first.
    waiting: VecDeque<Fork>,
    /// Those that are being made.
    making: HashSet<SnapshotId>,
}

/// A fork that waits.
#[derive(Debug)]
struct Fork {
    snapshot: SnapshotId,
    /// Whether that is still there.
    alive: Weak<Snapshot>,
    sandbox: Sandbox,
}

impl Ahead {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether one is to be made, which the caller then does: [`Self::put`] or [`Self::not_made`] ends it.
    pub fn begin(&mut self, id: &SnapshotId) -> bool {
        let is_there = self.waiting.iter().any(|fork| fork.snapshot == *id);
        !is_there && self.making.insert(id.clone())
    }

    pub fn not_made(&mut self, id: &SnapshotId) {
        self.making.remove(id);
    }

    /// Returns the one that has to go for it, or itself if its snapshot is gone, of which `snapshot` is the last.
    pub fn put(&mut self, snapshot: &Arc<Snapshot>, sandbox: Sandbox) -> Option<Sandbox> {
        self.making.remove(&snapshot.id);
        if Arc::strong_count(snapshot) == 1 {
            return Some(sandbox);
        }
        self.waiting.push_back(Fork {
            snapshot: snapshot.id.clone(),
            alive: Arc::downgrade(snapshot),
            sandbox,
        });
        match self.waiting.len() > MOST {
            true => self.give_up_one(),
            false => None,
        }
    }

    /// The fork of a snapshot that waits, or that goes with it.
    pub fn take(&mut self, id: &SnapshotId) -> Option<Sandbox> {
        let at = self.waiting.iter().position(|fork| fork.snapshot == *id)?;
        self.waiting.remove(at).map(|fork| fork.sandbox)
    }

    /// The one that has waited for longest.
    pub fn give_up_one(&mut self) -> Option<Sandbox> {
        self.waiting.pop_front().map(|fork| fork.sandbox)
    }

    /// Those whose snapshots are gone.
    pub fn without_snapshot(&mut self) -> Vec<Sandbox> {
        let all = std::mem::take(&mut self.waiting).into_iter();
        let (alive, gone): (VecDeque<_>, VecDeque<_>) =
            all.partition(|fork| fork.alive.strong_count() > 0);
        self.waiting = alive;
        gone.into_iter().map(|fork| fork.sandbox).collect()
    }
}
