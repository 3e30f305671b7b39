//! Who may execute next: a bounded queue with priorities in front of a number of workers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use faas_protocol::Priority;
use tokio::sync::oneshot;

/// What a step in priority is worth in waiting time. A request that waited this much longer than
/// one of the next higher priority goes first, so that none starves.
const PRIORITY_STEP: Duration = Duration::from_secs(5);

/// A turn counts so much less than all before it, for how long turns take.
const WEIGHT_OF_A_TURN: u32 = 8;

/// The queue is full.
#[derive(Debug, PartialEq, Eq)]
pub struct QueueFull;

/// The queue.
#[derive(Debug)]
pub struct Admission {
    state: Mutex<State>,
    workers: usize,
    capacity: usize,
}

#[derive(Debug)]
struct State {
    /// Workers without work. While there is one, nobody waits.
    free: usize,
    /// In the order of [`Priority`].
    waiting: [VecDeque<Waiter>; Priority::ALL.len()],
    /// How long a turn takes, as the last ones did; nothing before the first is over.
    turn: Option<Duration>,
}

#[derive(Debug)]
struct Waiter {
    since: Instant,
    permit: oneshot::Sender<WorkerPermit>,
}

/// The right to execute; gives it on when dropped.
#[derive(Debug)]
pub struct WorkerPermit {
    admission: Option<Arc<Admission>>,
    since: Instant,
}

impl Admission {
    /// `workers` executions at once, `capacity` requests waiting.
    pub fn new(workers: usize, capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: workers,
                waiting: Default::default(),
                turn: None,
            }),
            workers,
            capacity,
        })
    }

    /// Waits for a turn. Giving up is dropping the future.
    ///
    /// # Errors
    /// [`QueueFull`] at once if too many wait already.
    pub async fn enter(self: &Arc<Self>, priority: Priority) -> Result<WorkerPermit, QueueFull> {
        let permit = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return Ok(WorkerPermit::of(self));
            }
            // Those who gave up do not count.
            for queue in &mut state.waiting {
                queue.retain(|waiter| !waiter.permit.is_closed());
            }
            if state.waiting.iter().map(VecDeque::len).sum::<usize>() >= self.capacity {
                return Err(QueueFull);
            }
            let (permit, receiver) = oneshot::channel();
            state.waiting[priority as usize].push_back(Waiter {
                since: Instant::now(),
                permit,
            });
            receiver
        };
        // The sender is dropped only together with the queue, which this call keeps alive.
        permit.await.map_err(|_| QueueFull)
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        let waiters = state.waiting.iter().flatten();
        waiters.filter(|waiter| !waiter.permit.is_closed()).count()
    }

    /// Most executions at once.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Executions under way.
    pub fn executing(&self) -> usize {
        self.workers - self.lock().free
    }

    /// How long a request that comes now would wait for its turn, if turns take as long as the last ones did.
    pub fn expected_wait(&self) -> Duration {
        let state = self.lock();
        if state.free > 0 {
            return Duration::ZERO;
        }
        let waiting = state.waiting.iter().map(VecDeque::len).sum::<usize>();
        let turns = (waiting + 1) as f64 / self.workers as f64;
        state.turn.unwrap_or_default().mul_f64(turns)
    }

    /// Hands a free worker to the next in line, or keeps it. It was busy for so long.
    fn release(self: Arc<Self>, turn: Duration) {
        let mut state = self.lock();
        state.turn = Some(match state.turn {
            None => turn,
            Some(mean) => (mean * (WEIGHT_OF_A_TURN - 1) + turn) / WEIGHT_OF_A_TURN,
        });
        while let Some(waiter) = state.next(Instant::now()) {
            match waiter.permit.send(WorkerPermit::of(&self)) {
                Ok(()) => return,
                // It gave up. Its permit must not come back here through `drop`: the lock is held.
                Err(mut permit) => permit.admission = None,
            }
        }
        state.free += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes out who is next: the head of the queue with the longest wait, after what its priority
    /// is worth.
    fn next(&mut self, now: Instant) -> Option<Waiter> {
        let score = |index: usize, waiter: &Waiter| {
            let steps = self.waiting.len() - 1 - index;
            now.saturating_duration_since(waiter.since) + PRIORITY_STEP * steps as u32
        };
        let heads = self.waiting.iter().enumerate();
        let (_, index) = heads
            .filter_map(|(index, queue)| Some((score(index, queue.front()?), index)))
            // At equal scores the higher priority, which comes first.
            .max_by(|(a, i), (b, j)| a.cmp(b).then(j.cmp(i)))?;
        self.waiting[index].pop_front()
    }
}

impl WorkerPermit {
    fn of(admission: &Arc<Admission>) -> Self {
        Self {
            admission: Some(admission.clone()),
            since: Instant::now(),
        }
    }
}

impl Drop for WorkerPermit {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.release(self.since.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn queue_up(
        admission: &Arc<Admission>,
        order: &Arc<Mutex<Vec<&'static str>>>,
        name: &'static str,
        priority: Priority,
    ) -> tokio::task::JoinHandle<()> {
        let (admission, order) = (admission.clone(), order.clone());
        let before = admission.waiting();
        let task = tokio::spawn({
            let admission = admission.clone();
            async move {
                let _turn = admission.enter(priority).await.unwrap();
                order.lock().unwrap().push(name);
            }
        });
        while admission.waiting() == before {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn priorities_go_first_and_equals_in_order() {
        let admission = Admission::new(1, 10);
        let turn = admission.enter(Priority::Normal).await.unwrap();
        let order = Arc::default();
        let mut tasks = Vec::new();
        for (name, priority) in [
            ("low", Priority::Low),
            ("urgent", Priority::Urgent),
            ("normal 1", Priority::Normal),
            ("high 1", Priority::High),
            ("normal 2", Priority::Normal),
            ("high 2", Priority::High),
        ] {
            tasks.push(queue_up(&admission, &order, name, priority).await);
        }
        drop(turn);
        for task in tasks {
            task.await.unwrap();
        }
        let expected = ["urgent", "high 1", "high 2", "normal 1", "normal 2", "low"];
        assert_eq!(*order.lock().unwrap(), expected);
        assert_eq!(admission.executing(), 0);
    }

    #[test]
    fn who_waited_long_enough_overtakes_a_higher_priority() {
        let start = Instant::now();
        let waiter = |after: u64| Waiter {
            since: start + Duration::from_secs(after),
            permit: oneshot::channel().0,
        };
        let mut state = State {
            free: 0,
            waiting: [
                VecDeque::new(),
                VecDeque::from([waiter(11)]),
                VecDeque::new(),
                VecDeque::from([waiter(0), waiter(2)]),
            ],
            turn: None,
        };
        let now = start + Duration::from_secs(12);
        let since = |waiter: Option<Waiter>| waiter.map(|waiter| (waiter.since - start).as_secs());
        assert_eq!(since(state.next(now)), Some(0));
        assert_eq!(since(state.next(now)), Some(11));
        assert_eq!(since(state.next(now)), Some(2));
        assert_eq!(since(state.next(now)), None);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_one_that_gave_up_makes_room() {
        let admission = Admission::new(1, 1);
        let turn = admission.enter(Priority::Normal).await.unwrap();
        let order = Arc::default();
        let waiting = queue_up(&admission, &order, "gives up", Priority::Normal).await;
        assert_eq!(
            admission.enter(Priority::High).await.unwrap_err(),
            QueueFull
        );
        waiting.abort();
        let _ = waiting.await;
        let next = queue_up(&admission, &order, "next", Priority::Low).await;
        drop(turn);
        next.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["next"]);
    }

    #[tokio::test]
    async fn the_expected_wait_is_what_turns_take_times_those_before_it() {
        let admission = Admission::new(2, 10);
        assert_eq!(admission.expected_wait(), Duration::ZERO);
        let first = admission.enter(Priority::Normal).await.unwrap();
        let second = admission.enter(Priority::Normal).await.unwrap();
        assert_eq!(
            admission.expected_wait(),
            Duration::ZERO,
            "nothing is known yet"
        );
        admission.lock().turn = Some(Duration::from_secs(4));
        assert_eq!(admission.expected_wait(), Duration::from_secs(2));
        let order = Arc::default();
        let waiting = queue_up(&admission, &order, "waits", Priority::Normal).await;
        assert_eq!(admission.expected_wait(), Duration::from_secs(4));
        drop(first);
        waiting.await.unwrap();
        let turn = admission.lock().turn.unwrap();
        assert!(turn < Duration::from_secs(4), "{turn:?}");
        drop(second);
        assert_eq!(
            admission.expected_wait(),
            Duration::ZERO,
            "a worker is free"
        );
    }
}
