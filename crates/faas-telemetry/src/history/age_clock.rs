//! The clock by which executions get too old.

use std::time::Instant;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

/// How long the wall clock has to go as the monotonic one does before ages are told by it.
const TRUSTED_AFTER: i64 = 24 * 60 * 60 * 1000;
/// What the two may differ by, since the wall clock is corrected little by little. In ms.
const DRIFT: i64 = 60_000;

/// Time as ages are told by it. A wall clock that is ahead must not make all of the history old, so at
/// first this one goes on from the newest execution, as time passes while the service runs. A wall clock
/// that did not jump for a day is believed.
#[derive(Clone, Copy)]
pub struct AgeClock {
    began: Instant,
    /// What the wall clock said then, in ms since 1970.
    wall: i64,
    /// What this one said then.
    from: i64,
}

impl AgeClock {
    /// `newest`: when the newest execution of the history began, in ms since 1970.
    pub fn start(newest: Option<i64>) -> Self {
        let now = milliseconds(SystemTime::now());
        Self {
            began: Instant::now(),
            wall: now,
            from: newest.map_or(now, |newest| newest.min(now)),
        }
    }

    /// In ms since 1970.
    pub fn now(&self) -> i64 {
        let passed = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.at(passed, milliseconds(SystemTime::now()))
    }

    /// What it says after so many ms, when the wall clock says `wall`.
    fn at(&self, passed: i64, wall: i64) -> i64 {
        let jumped = wall.saturating_sub(self.wall).abs_diff(passed);
        if passed >= TRUSTED_AFTER && jumped <= DRIFT.unsigned_abs() {
            return wall;
        }
        wall.min(self.from.saturating_add(passed))
    }
}

/// Since 1970, as the history has times.
pub fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 60 * 60 * 1000;
    const DAY: i64 = 24 * HOUR;

    /// A clock of a service that was down for ten days, or whose clock is ten days ahead: it cannot tell.
    fn ten_days_after_the_newest() -> AgeClock {
        AgeClock {
            began: Instant::now(),
            wall: 100 * DAY,
            from: 90 * DAY,
        }
    }

    #[test]
    fn ages_go_on_from_the_newest_execution_until_the_wall_clock_went_right_for_a_day() {
        let clock = ten_days_after_the_newest();
        assert_eq!(clock.at(HOUR, 100 * DAY + HOUR), 90 * DAY + HOUR);
        assert_eq!(clock.at(DAY, 101 * DAY), 101 * DAY);
        assert_eq!(clock.at(2 * DAY, 102 * DAY + DRIFT), 102 * DAY + DRIFT);
    }

    #[test]
    fn a_wall_clock_that_jumped_makes_nothing_old() {
        let clock = ten_days_after_the_newest();
        assert_eq!(clock.at(2 * DAY, 110 * DAY), 92 * DAY);
        assert_eq!(clock.at(2 * DAY, 91 * DAY), 91 * DAY, "it was set back");
    }
}
