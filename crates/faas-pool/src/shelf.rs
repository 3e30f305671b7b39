//! The sandboxes of one zygote that wait for a job, and the requests that wait for a sandbox.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Notify;
use tokio::sync::oneshot;

use super::sandbox::Sandbox;

/// How many sandboxes to keep waiting.
#[derive(Clone, Copy, Debug)]
pub struct ShelfSize {
    /// When nobody comes for `idle_after`.
    pub min: usize,
    /// To begin with.
    pub start: usize,
    /// When requests keep finding none.
    pub max: usize,
    pub idle_after: Duration,
}

/// While at least half of the shelf is full, it is not filled up so soon after a sandbox was taken:
/// the fork would take the CPU from the program that has just begun.
pub const LULL: Duration = Duration::from_millis(5);

/// When to fork for the shelf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refill {
    Full,
    Now,
    In(Duration),
}

#[derive(Debug)]
pub struct Shelf {
    state: Mutex<State>,
    size: ShelfSize,
    /// Woken when the zygote should look whether to fork.
    pub demand: Notify,
    /// Woken when there is a sandbox, or a reason not to wait for one.
    news: Notify,
}

#[derive(Debug)]
struct State {
    idle: VecDeque<Sandbox>,
    waiting: VecDeque<oneshot::Sender<Sandbox>>,
    target: usize,
    last_taken: Instant,
    /// Why no sandbox is to be expected for now.
    stalled: Option<String>,
    closed: bool,
}

/// Why there is no sandbox.
#[derive(Debug, PartialEq, Eq)]
pub enum NoSandbox {
    /// The zygote brings none for now, for this reason.
    Stalled(String),
    /// The zygote is gone for good.
    Closed,
}

impl Shelf {
    pub fn new(size: ShelfSize) -> Self {
        Self {
            state: Mutex::new(State {
                idle: VecDeque::new(),
                waiting: VecDeque::new(),
                target: size.start,
                last_taken: Instant::now(),
                stalled: None,
                closed: false,
            }),
            size,
            demand: Notify::new(),
            news: Notify::new(),
        }
    }

    /// Takes a sandbox, waiting for one if need be. Giving up is dropping the future.
    ///
    /// # Errors
    /// [`NoSandbox`] if there will be none soon.
    pub async fn take(&self) -> Result<Sandbox, NoSandbox> {
        let receiver = {
            let mut state = self.lock();
            state.last_taken = Instant::now();
            while let Some(sandbox) = state.idle.pop_front() {
                self.demand.notify_one();
                if !sandbox.has_ended() {
                    return Ok(sandbox);
                }
            }
            state.target = (state.target * 2).min(self.size.max);
            if let Some(reason) = state.no_sandbox() {
                return Err(reason);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            receiver
        };
        self.demand.notify_one();
        let dismissed = |_| self.lock().no_sandbox().unwrap_or(NoSandbox::Closed);
        receiver.await.map_err(dismissed)
    }

    /// Waits until a sandbox is on the shelf, without taking it.
    ///
    /// # Errors
    /// [`NoSandbox`] if there will be none soon.
    pub async fn until_idle(&self) -> Result<(), NoSandbox> {
        loop {
            let news = self.news.notified();
            {
                let mut state = self.lock();
                state.last_taken = Instant::now();
                if !state.idle.is_empty() {
                    return Ok(());
                }
                if let Some(reason) = state.no_sandbox() {
                    return Err(reason);
                }
            }
            news.await;
        }
    }

    /// Gives a sandbox to who waits longest, or puts it on the shelf.
    pub fn put(&self, mut sandbox: Sandbox) {
        let mut state = self.lock();
        state.stalled = None;
        while let Some(waiter) = state.waiting.pop_front() {
            match waiter.send(sandbox) {
                Ok(()) => return,
                Err(returned) => sandbox = returned,
            }
        }
        if !state.closed {
            state.idle.push_back(sandbox);
            self.news.notify_waiters();
        }
    }

    /// Whether to fork a sandbox now, if so many are being prepared.
    pub fn refill(&self, preparing: usize) -> Refill {
        let mut state = self.lock();
        state.waiting.retain(|waiter| !waiter.is_closed());
        if state.target + state.waiting.len() <= state.idle.len() + preparing {
            return Refill::Full;
        }
        let is_scarce = !state.waiting.is_empty() || state.idle.len() < state.target.div_ceil(2);
        let since = state.last_taken.elapsed();
        if is_scarce || since >= LULL {
            Refill::Now
        } else {
            Refill::In(LULL - since)
        }
    }

    /// Whether a request waits for a sandbox.
    pub fn is_waited_for(&self) -> bool {
        let state = self.lock();
        state.waiting.iter().any(|waiter| !waiter.is_closed())
    }

    /// Gives up one waiting sandbox, so that another zygote may fork. Tells whether there was one.
    pub fn give_up_one(&self) -> bool {
        // Dropped outside the lock.
        let sandbox = self.lock().idle.pop_back();
        sandbox.is_some()
    }

    /// Lets all sandboxes go and takes no more requests: the zygote's keeper ends.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.clear();
        let sandboxes = std::mem::take(&mut state.idle);
        drop(state);
        self.news.notify_waiters();
        drop(sandboxes);
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Tells those who wait, and those who come, that there is no sandbox for now; until one is put
    /// on the shelf, or [`Self::resume`] is called.
    pub fn stall(&self, reason: String) {
        let mut state = self.lock();
        state.stalled = Some(reason);
        state.waiting.clear();
        self.news.notify_waiters();
    }

    /// Sandboxes are to be expected again.
    pub fn resume(&self) {
        self.lock().stalled = None;
    }

    pub fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// Lets go of sandboxes that ended while they waited, so that others take their places. Tells how many.
    /// To be called now and then.
    pub fn drop_ended(&self) -> usize {
        let mut state = self.lock();
        let waiting = std::mem::take(&mut state.idle);
        let (ended, alive): (VecDeque<_>, VecDeque<_>) =
            waiting.into_iter().partition(Sandbox::has_ended);
        state.idle = alive;
        drop(state);
        ended.len()
    }

    /// Shrinks the shelf after a while without requests. To be called now and then.
    pub fn shrink_if_unused(&self) {
        let mut state = self.lock();
        if state.last_taken.elapsed() < self.size.idle_after || state.target <= self.size.min {
            return;
        }
        state.target = (state.target / 2).max(self.size.min);
        state.last_taken = Instant::now();
        let surplus = state.idle.len().saturating_sub(state.target);
        let gone: Vec<_> = state.idle.drain(..surplus).collect();
        drop(state);
        drop(gone);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Why nobody should wait for a sandbox; `None` if one may.
    fn no_sandbox(&self) -> Option<NoSandbox> {
        if self.closed {
            return Some(NoSandbox::Closed);
        }
        self.stalled.clone().map(NoSandbox::Stalled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf() -> Shelf {
        Shelf::new(ShelfSize {
            min: 1,
            start: 1,
            max: 1,
            idle_after: Duration::from_secs(60),
        })
    }

    #[tokio::test]
    async fn requests_that_wait_for_a_zygote_that_cannot_fork_are_told_why() {
        let shelf = shelf();
        let (taken, ()) = tokio::join!(shelf.take(), async {
            tokio::task::yield_now().await;
            shelf.stall("no memory".to_owned());
        });
        let stalled = NoSandbox::Stalled("no memory".to_owned());
        assert_eq!(taken.unwrap_err(), stalled);
        assert_eq!(
            shelf.take().await.unwrap_err(),
            stalled,
            "nor does the next one wait"
        );
        shelf.resume();
        let waits = tokio::time::timeout(Duration::from_millis(20), shelf.take()).await;
        assert!(waits.is_err(), "it may hope again");
        shelf.close();
        assert_eq!(shelf.take().await.unwrap_err(), NoSandbox::Closed);
    }
}
