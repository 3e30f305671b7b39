//! A program that one sandbox runs over several inputs, one after the other: how long it may go on so.
//!
//! A turn of such a sandbox is to be about as short as that of a program, so that others get theirs. What is left of its
//! inputs, another sandbox takes in another turn.

use std::time::Duration;

use faas_protocol::ByteSize;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::report::Report;

/// How long a sandbox takes further inputs.
const TURN: Duration = Duration::from_millis(200);
/// What its programs may leave until then, together.
const LEFT_IN_A_TURN: ByteSize = ByteSize::mib(1);

/// Takes the reports of all inputs but the last that was run. Unbounded, since what is left in a turn is.
pub type RowReports = mpsc::UnboundedSender<Report>;

/// A turn under way.
pub struct Turn {
    began: Instant,
    /// Bytes that its programs left.
    left: u64,
    /// Inputs that have not been taken.
    further: usize,
}

impl Turn {
    /// For a sandbox with so many inputs beside the first.
    pub fn begin(further: usize) -> Self {
        Self {
            began: Instant::now(),
            left: 0,
            further,
        }
    }

    /// Notes how many bytes a program left; tells whether the sandbox is to go on with the next input.
    pub fn goes_on(&mut self, left: u64) -> bool {
        self.left = self.left.saturating_add(left);
        if self.further == 0 || self.elapsed() >= TURN || self.left >= LEFT_IN_A_TURN.get() {
            return false;
        }
        self.further -= 1;
        true
    }

    /// How long it has lasted.
    pub fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// How much CPU time its sandbox may have used for inputs before the one that it is at.
    pub fn used_before(&self) -> Duration {
        match self.further {
            0 => Duration::ZERO,
            _ => TURN,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_lasts_for_its_inputs_its_time_and_its_bytes() {
        let mut turn = Turn::begin(2);
        assert_eq!([(); 3].map(|()| turn.goes_on(1)), [true, true, false]);
        let mut turn = Turn::begin(10);
        assert!(turn.goes_on(LEFT_IN_A_TURN.get() - 1));
        assert!(!turn.goes_on(1));
        let mut turn = Turn::begin(10);
        turn.began -= TURN;
        assert!(!turn.goes_on(0));
    }
}
