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
const LULL: Duration = Duration::from_millis(5);

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
}

#[derive(Debug)]
struct State {
    idle: VecDeque<Sandbox>,
    waiting: VecDeque<oneshot::Sender<Sandbox>>,
    target: usize,
    last_taken: Instant,
    closed: bool,
}

/// The zygote will not bring a sandbox any time soon.
#[derive(Debug, PartialEq, Eq)]
pub struct NoZygote;

impl Shelf {
    pub fn new(size: ShelfSize) -> Self {
        Self {
            state: Mutex::new(State {
                idle: VecDeque::new(),
                waiting: VecDeque::new(),
                target: size.start,
                last_taken: Instant::now(),
                closed: false,
            }),
            size,
            demand: Notify::new(),
        }
    }

    /// Takes a sandbox, waiting for one if need be. Giving up is dropping the future.
    ///
    /// # Errors
    /// [`NoZygote`] if the shelf is closed, or if [`Self::dismiss_waiting`] is called meanwhile.
    pub async fn take(&self) -> Result<Sandbox, NoZygote> {
        let receiver = {
            let mut state = self.lock();
            state.last_taken = Instant::now();
            if let Some(sandbox) = state.idle.pop_front() {
                self.demand.notify_one();
                return Ok(sandbox);
            }
            state.target = (state.target * 2).min(self.size.max);
            if state.closed {
                return Err(NoZygote);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            receiver
        };
        self.demand.notify_one();
        receiver.await.map_err(|_| NoZygote)
    }

    /// Gives a sandbox to who waits longest, or puts it on the shelf.
    pub fn put(&self, mut sandbox: Sandbox) {
        let mut state = self.lock();
        while let Some(waiter) = state.waiting.pop_front() {
            match waiter.send(sandbox) {
                Ok(()) => return,
                Err(returned) => sandbox = returned,
            }
        }
        if !state.closed {
            state.idle.push_back(sandbox);
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
        drop(sandboxes);
    }

    pub fn is_closed(&self) -> bool {
        self.lock().closed
    }

    /// Tells those who wait that nothing will come.
    pub fn dismiss_waiting(&self) {
        self.lock().waiting.clear();
    }

    pub fn idle(&self) -> usize {
        self.lock().idle.len()
    }

    /// Shrinks the shelf if nobody came for a while. To be called now and then.
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
