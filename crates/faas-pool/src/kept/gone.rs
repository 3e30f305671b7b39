//! What is remembered of things that are gone: whose they were, and why they went.

use std::collections::HashMap;
use std::collections::VecDeque;
use std::hash::Hash;

use faas_protocol::Owner;

/// How many are remembered.
const REMEMBERED: usize = 10_000;

/// The ids of things that are gone.
#[derive(Debug)]
pub struct Gone<I, E> {
    by_id: HashMap<I, (Owner, E)>,
    /// The oldest first.
    order: VecDeque<I>,
}

impl<I, E> Default for Gone<I, E> {
    fn default() -> Self {
        Self {
            by_id: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<I: Clone + Eq + Hash, E: Copy> Gone<I, E> {
    pub fn remember(&mut self, id: I, owner: Owner, why: E) {
        if self.order.len() >= REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.by_id.insert(id, (owner, why));
    }

    /// Why the thing of that id is gone, if this owner had it.
    pub fn why(&self, id: &I, owner: &Owner) -> Option<E> {
        let gone = self.by_id.get(id).filter(|(of, _)| of == owner);
        gone.map(|&(_, why)| why)
    }
}
