//! The time limit of one execution: what happens, and when, to a program whose time is over.

use std::time::Duration;

use faas_protocol::LONGEST_GRACE;
use tokio::time::Instant;

/// When a program that was asked to stop is asked again: it is then in code that looks at no signal,
/// where V8 can still stop it and say where.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(40);
/// When, after that, it is killed.
const KILL_AFTER: Duration = Duration::from_millis(60);
/// On a busy machine it may not have run at all by then. Each step also waits until it had this much
/// CPU time since it was first asked, but no longer than [`LONGEST_GRACE`].
const ASK_AGAIN_CPU: Duration = Duration::from_millis(35);
const KILL_CPU: Duration = Duration::from_millis(80);

/// What happens to a program whose time is over.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    Ask,
    Wait,
    Kill,
}

/// The time limit of one execution, and the steps that follow it.
pub struct TimeLimit {
    deadline: Instant,
    /// When the next step is due.
    pub due: Instant,
    asked: u32,
    /// CPU time when it was first asked to stop.
    cpu_before: Duration,
}

impl TimeLimit {
    /// For a program whose time is over at `deadline`.
    pub fn new(deadline: Instant) -> Self {
        Self {
            deadline,
            due: deadline,
            asked: 0,
            cpu_before: Duration::ZERO,
        }
    }

    /// The program's clock stood still for so long.
    pub fn put_off(&mut self, by: Duration) {
        self.deadline += by;
        self.due += by;
    }

    /// The step that is due now for a program that has used so much CPU time.
    pub fn step(&mut self, now: Instant, cpu: Duration) -> Step {
        let ran = cpu.saturating_sub(self.cpu_before);
        let (step, pause) = match self.asked {
            0 => {
                self.cpu_before = cpu;
                (Step::Ask, ASK_AGAIN_AFTER)
            }
            _ if now >= self.deadline + LONGEST_GRACE => (Step::Kill, KILL_AFTER),
            1 if ran >= ASK_AGAIN_CPU => (Step::Ask, KILL_AFTER),
            1 => (Step::Wait, ASK_AGAIN_AFTER),
            _ if ran >= KILL_CPU => (Step::Kill, KILL_AFTER),
            _ => (Step::Wait, KILL_AFTER),
        };
        self.asked += u32::from(step == Step::Ask);
        self.due = now + pause;
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deaf_program_is_asked_twice_and_killed_in_a_tenth_of_a_second() {
        let start = Instant::now();
        let mut limit = TimeLimit::new(start);
        let mut steps = Vec::new();
        while steps.last() != Some(&(100, Step::Kill)) {
            let elapsed = limit.due - start;
            let step = limit.step(limit.due, elapsed);
            steps.push((elapsed.as_millis(), step));
        }
        assert_eq!(steps[..2], [(0, Step::Ask), (40, Step::Ask)]);
        assert_eq!(steps.len(), 3);
    }

    #[test]
    fn a_program_that_gets_no_cpu_is_given_time_but_not_for_ever() {
        let start = Instant::now();
        let mut limit = TimeLimit::new(start);
        while limit.step(limit.due, Duration::ZERO) != Step::Kill {
            assert_eq!(limit.asked, 1, "it cannot have heard the first");
        }
        assert!(limit.due >= start + LONGEST_GRACE);
        assert!(limit.due < start + LONGEST_GRACE * 2);
    }
}
