//! Forks of snapshots that were made ahead of need. The snapshots that were made or used last have one each, as a
//! zygote has its shelf: the next program finds a process that is ready.

use std::collections::HashSet;
use std::collections::VecDeque;

use super::snapshot::SnapshotId;
use crate::sandbox::Sandbox;

/// How many snapshots have a fork ahead, at most. Each takes a place among FAAS_MAX_INSTANCES, which it gives up when
/// a program needs it.
const MOST: usize = 8;

#[derive(Debug, Default)]
pub struct Ahead {
    /// Those that wait, the oldest first.
    waiting: VecDeque<(SnapshotId, Sandbox)>,
    /// Those that are being made.
    making: HashSet<SnapshotId>,
}

impl Ahead {
    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether one is to be made, which the caller then does: [`Self::put`] or [`Self::not_made`] ends it.
    pub fn begin(&mut self, id: &SnapshotId) -> bool {
        let is_there = self.waiting.iter().any(|(of, _)| of == id);
        !is_there && self.making.insert(id.clone())
    }

    pub fn not_made(&mut self, id: &SnapshotId) {
        self.making.remove(id);
    }

    /// Returns the one that has to go for it.
    pub fn put(&mut self, id: SnapshotId, fork: Sandbox) -> Option<Sandbox> {
        self.making.remove(&id);
        self.waiting.push_back((id, fork));
        match self.waiting.len() > MOST {
            true => self.give_up_one(),
            false => None,
        }
    }

    /// The fork of a snapshot that waits, or that goes with it.
    pub fn take(&mut self, id: &SnapshotId) -> Option<Sandbox> {
        let at = self.waiting.iter().position(|(of, _)| of == id)?;
        self.waiting.remove(at).map(|(_, fork)| fork)
    }

    /// The one that has waited for longest.
    pub fn give_up_one(&mut self) -> Option<Sandbox> {
        self.waiting.pop_front().map(|(_, fork)| fork)
    }
}
