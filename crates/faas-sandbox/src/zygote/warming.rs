//! A zygote with packages warms up after it has answered: in the pauses between the forks that it is asked
//! for, a part at a time, so that no fork waits long.

use std::time::Duration;

use faas_protocol::ZygoteEvent;

use super::Error;
use super::Zygote;
use super::assert_one_thread;
use super::control::Polled;
use super::prepare;
use crate::memory::OwnProc;
use crate::sandbox;

/// For so long after a fork nothing else is done: the program for which it was has the CPU first, and the
/// next one may come at once.
const LULL: Duration = Duration::from_millis(100);
/// Most time for that, all together: a zygote that is always asked has to warm up, too.
const LULLS: Duration = Duration::from_secs(2);
/// How often the zygote looks for a command meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(2);

impl Zygote<'_> {
    /// Serves as a zygote and warms up meanwhile. Returns whether there is somebody to serve further.
    ///
    /// # Errors
    /// When the runtime or the control socket breaks, or packages used up the CPU time that they may.
    pub(super) fn warm_up_aside(&mut self, own: &OwnProc) -> Result<bool, Error> {
        let mut programs = self.spec.warm_up.iter();
        // The first is for the program that waits for these packages.
        let mut next = self.control.receive()?;
        let mut packages_are_warm = false;
        let mut lulls = LULLS;
        loop {
            let Some(received) = next.take() else {
                return Ok(false);
            };
            let event = self.fork(received);
            self.control.send(&event)?;
            next = match self.next_within(LULL, &mut lulls)? {
                Polled::Command(received) => Some(received),
                Polled::Closed => None,
                Polled::Nothing => loop {
                    if !packages_are_warm {
                        packages_are_warm = !self.engine.warm_packages()?;
                    } else if let Some(&program) = programs.next() {
                        sandbox::rehearse(self.engine, program)?;
                    } else {
                        self.settle(own)?;
                        return Ok(true);
                    }
                    check_cpu_time()?;
                    match self.control.poll()? {
                        Polled::Command(received) => {
                            self.refit(own, self.lockdown.guard())?;
                            break Some(received);
                        }
                        Polled::Closed => break None,
                        Polled::Nothing => {}
                    }
                },
            };
        }
    }

    /// Waits for a command, for a while, which is taken off what is left for waiting.
    fn next_within(&self, time: Duration, left: &mut Duration) -> Result<Polled, Error> {
        let until = left.saturating_sub(time);
        loop {
            let polled = self.control.poll()?;
            if *left <= until || !matches!(polled, Polled::Nothing) {
                return Ok(polled);
            }
            std::thread::sleep(LOOK_EVERY);
            *left = left.saturating_sub(LOOK_EVERY);
        }
    }

    /// Makes memory compact for all forks to come, and tells the supervisor.
    fn settle(&mut self, own: &OwnProc) -> Result<(), Error> {
        self.engine.collect_garbage()?;
        check_cpu_time()?;
        self.lockdown = prepare(own, self.memory, self.lockdown.guard())?;
        assert_one_thread(own)?;
        self.control.send(&ZygoteEvent::WarmedUp)?;
        Ok(())
    }
}

/// Forks would inherit that the limit was reached.
fn check_cpu_time() -> Result<(), Error> {
    match sandbox::cpu_limit_reached() {
        true => Err("packages used up the CPU time for warming them up".into()),
        false => Ok(()),
    }
}
