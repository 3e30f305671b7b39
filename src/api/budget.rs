//! Budgets in bytes: what the server holds for its callers, all of them together.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use faas_protocol::ByteSize;

/// Pause between looks whether others gave enough back.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// How many bytes may be held at once, and how many are.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    held: AtomicU64,
}

/// The part of a budget that one caller has. Dropping it gives it back.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

/// The others hold too much.
#[derive(Debug, PartialEq, Eq)]
pub struct Exhausted;

impl Budget {
    pub fn new(limit: ByteSize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.get(),
            held: AtomicU64::new(0),
        })
    }

    /// Bytes that are held now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// A share of nothing yet.
    pub fn share(self: &Arc<Self>) -> Share {
        Share {
            budget: self.clone(),
            bytes: 0,
        }
    }
}

impl Share {
    /// A further share of the same budget, of nothing yet.
    pub fn of_nothing(&self) -> Self {
        self.budget.share()
    }

    /// Takes more of the budget. One caller alone may have any amount: else what is larger than the
    /// whole budget could never be served.
    ///
    /// # Errors
    /// [`Exhausted`] if others hold so much that this does not fit.
    pub fn grow(&mut self, bytes: u64) -> Result<(), Exhausted> {
        let Budget { limit, held } = &*self.budget;
        let grown = |now: u64| {
            let then = now.saturating_add(bytes);
            (then <= *limit || now == self.bytes).then_some(then)
        };
        held.fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .map_err(|_| Exhausted)?;
        self.bytes = self.bytes.saturating_add(bytes);
        Ok(())
    }

    /// Takes as much more as makes it so many bytes, if it is less.
    ///
    /// # Errors
    /// As [`Self::grow`].
    pub fn grow_to(&mut self, bytes: u64) -> Result<(), Exhausted> {
        match bytes.checked_sub(self.bytes) {
            Some(more @ 1..) => self.grow(more),
            _ => Ok(()),
        }
    }

    /// As [`Self::grow_to`], when others hold little enough.
    pub async fn wait_to_grow_to(&mut self, bytes: u64) {
        while self.grow_to(bytes).is_err() {
            tokio::time::sleep(LOOK_AGAIN_AFTER).await;
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_fits_beside_the_others_or_not_at_all_and_comes_back_whole() {
        let budget = Budget::new(ByteSize::bytes(10));
        let (mut first, mut second) = (budget.share(), budget.share());
        assert_eq!(first.grow(4), Ok(()));
        assert_eq!(second.grow(6), Ok(()));
        assert_eq!(second.grow(1), Err(Exhausted));
        drop(first);
        assert_eq!(second.grow(4), Ok(()));
        drop(second);
        assert_eq!(budget.held.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_is_larger_than_the_budget_is_held_if_nothing_else_is() {
        let budget = Budget::new(ByteSize::bytes(10));
        let (mut first, mut second) = (budget.share(), budget.share());
        assert_eq!(first.grow(100), Ok(()));
        assert_eq!(first.grow(100), Ok(()));
        assert_eq!(second.grow(1), Err(Exhausted));
        drop(first);
        assert_eq!(second.grow(11), Ok(()));
    }
}
