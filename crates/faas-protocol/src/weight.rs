//! How much of the service an owner gets.

use std::num::NonZeroU32;

/// The share of an owner when all are busy: with 3, three times as much as one with 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight(NonZeroU32);

impl Weight {
    pub const MAX: u32 = 1000;

    /// `None` if it is not between 1 and [`Self::MAX`].
    pub fn new(weight: u32) -> Option<Self> {
        let weight = NonZeroU32::new(weight)?;
        (weight.get() <= Self::MAX).then_some(Self(weight))
    }

    pub fn get(self) -> u32 {
        self.0.get()
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self(NonZeroU32::MIN)
    }
}
