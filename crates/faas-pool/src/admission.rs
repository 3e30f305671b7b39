//! Who may execute next: a bounded queue in front of a number of workers. Its order is that of [`FairQueue`].

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::oneshot;

use super::fair_queue::Asks;
use super::fair_queue::Charge;
use super::fair_queue::FairQueue;
use super::fair_queue::Place;

/// Why there is no turn, and after which time there may be one.
#[derive(Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// Too many wait.
    QueueFull { retry_after: Duration },
    /// None came in time, or none will.
    TooLate { retry_after: Duration, waited: bool },
}

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
    queue: FairQueue<oneshot::Sender<WorkerPermit>>,
}

/// What is before the workers at this moment.
#[derive(Clone, Copy, Debug)]
pub struct QueueState {
    pub waiting: usize,
    pub executing: usize,
    /// How long a request would wait that goes after all of these, if turns take as long as the last ones did.
    pub expected_wait: Duration,
}

/// The right to execute; gives it on when dropped.
#[derive(Debug)]
pub struct WorkerPermit {
    given: Option<(Arc<Admission>, Charge)>,
    since: Instant,
}

/// Leaves the queue when dropped.
struct Waits<'a> {
    admission: &'a Admission,
    /// `None` when its turn has come.
    place: Option<Place>,
}

impl Admission {
    /// `workers` executions at once, `capacity` requests waiting.
    pub fn new(workers: usize, capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                free: workers,
                queue: FairQueue::new(),
            }),
            workers,
            capacity,
        })
    }

    /// Waits for a turn, for no longer than `within`. Giving up is dropping the future.
    ///
    /// # Errors
    /// [`NoTurn`]: at once if too many wait already, or if by what was measured no turn comes in time; later if
    /// it had to make room for another owner's, or none came in time.
    pub async fn enter(
        self: &Arc<Self>,
        asks: &Asks,
        within: Option<Duration>,
    ) -> Result<WorkerPermit, NoTurn> {
        let (receiver, place) = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                let charge = state.queue.begin(asks);
                return Ok(WorkerPermit::of(self, charge));
            }
            let retry_after = state.queue.expected_wait(asks, self.workers);
            if within.is_some_and(|within| retry_after > within) {
                let waited = false;
                return Err(NoTurn::TooLate {
                    retry_after,
                    waited,
                });
            }
            if state.queue.waiting() >= self.capacity && state.queue.make_room_for(asks).is_none() {
                return Err(NoTurn::QueueFull { retry_after });
            }
            let (permit, receiver) = oneshot::channel();
            let place = state.queue.push(asks, Instant::now(), permit);
            (receiver, place)
        };
        let mut waits = Waits {
            admission: self,
            place: Some(place),
        };
        let permit = match within {
            None => receiver.await,
            Some(within) => match tokio::time::timeout(within, receiver).await {
                Ok(permit) => permit,
                Err(_) => {
                    drop(waits);
                    return Err(NoTurn::TooLate {
                        retry_after: self.expected_wait(asks),
                        waited: true,
                    });
                }
            },
        };
        waits.place = None;
        // Its sender is dropped only if it made room for another.
        permit.map_err(|_| NoTurn::QueueFull {
            retry_after: self.expected_wait(asks),
        })
    }

    /// Waits for a worker for an execution that had one before: it goes ahead of its owner's that have not begun. Giving
    /// up is dropping the future.
    pub async fn resume(self: &Arc<Self>, asks: &Asks) -> WorkerPermit {
        loop {
            let (receiver, place) = {
                let mut state = self.lock();
                if state.free > 0 {
                    state.free -= 1;
                    let charge = state.queue.begin(asks);
                    return WorkerPermit::of(self, charge);
                }
                let (permit, receiver) = oneshot::channel();
                let place = state.queue.push_resuming(asks, Instant::now(), permit);
                (receiver, place)
            };
            let mut waits = Waits {
                admission: self,
                place: Some(place),
            };
            let permit = receiver.await;
            waits.place = None;
            // Nobody makes room for others who resumes, so there always is one.
            if let Ok(permit) = permit {
                return permit;
            }
        }
    }

    /// Most executions at once.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Executions under way.
    pub fn executing(&self) -> usize {
        self.workers - self.lock().free
    }

    /// What is before the workers now.
    pub fn queue(&self) -> QueueState {
        let state = self.lock();
        QueueState {
            waiting: state.queue.waiting(),
            executing: self.workers - state.free,
            expected_wait: match state.free {
                0 => state.queue.wait_of_all(self.workers),
                _ => Duration::ZERO,
            },
        }
    }

    /// How long this request would wait for its turn, if turns take as long as the last ones did.
    pub fn expected_wait(&self, asks: &Asks) -> Duration {
        let state = self.lock();
        match state.free {
            0 => state.queue.expected_wait(asks, self.workers),
            _ => Duration::ZERO,
        }
    }

    /// Hands a free worker to the next in line, or keeps it. It was busy for so long.
    fn release(self: Arc<Self>, charge: Charge, turn: Duration) {
        let mut state = self.lock();
        state.queue.end(charge, turn);
        while let Some((waiter, charge)) = state.queue.pop(Instant::now()) {
            match waiter.send(WorkerPermit::of(&self, charge)) {
                Ok(()) => return,
                // It gave up. Its permit must not come back here through `drop`: the lock is held.
                Err(mut permit) => {
                    if let Some((_, charge)) = permit.given.take() {
                        state.queue.take_back(&charge);
                    }
                }
            }
        }
        state.free += 1;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WorkerPermit {
    fn of(admission: &Arc<Admission>, charge: Charge) -> Self {
        Self {
            given: Some((admission.clone(), charge)),
            since: Instant::now(),
        }
    }
}

impl Drop for WorkerPermit {
    fn drop(&mut self) {
        if let Some((admission, charge)) = self.given.take() {
            admission.release(charge, self.since.elapsed());
        }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        if let Some(place) = &self.place {
            self.admission.lock().queue.remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use faas_protocol::Owner;
    use faas_protocol::Priority;
    use faas_protocol::TokenName;
    use faas_protocol::Weight;

    use super::*;

    type Order = Arc<Mutex<Vec<&'static str>>>;

    fn asks(priority: Priority) -> Asks {
        Asks {
            owner: Owner::Everybody,
            weight: Weight::default(),
            priority,
        }
    }

    fn normal() -> Asks {
        asks(Priority::Normal)
    }

    fn of(name: &str) -> Asks {
        Asks {
            owner: Owner::Named(TokenName::parse(name).unwrap()),
            ..normal()
        }
    }

    fn waiting(admission: &Admission) -> usize {
        admission.queue().waiting
    }

    async fn queue_up(
        admission: &Arc<Admission>,
        order: &Order,
        name: &'static str,
        asks: Asks,
    ) -> tokio::task::JoinHandle<Option<NoTurn>> {
        let (admission, order) = (admission.clone(), order.clone());
        let before = waiting(&admission);
        let task = tokio::spawn({
            let admission = admission.clone();
            async move {
                match admission.enter(&asks, None).await {
                    Ok(_turn) => {
                        order.lock().unwrap().push(name);
                        None
                    }
                    Err(no_turn) => Some(no_turn),
                }
            }
        });
        while waiting(&admission) == before && !task.is_finished() {
            tokio::task::yield_now().await;
        }
        task
    }

    #[tokio::test]
    async fn priorities_go_first_and_equals_in_order() {
        let admission = Admission::new(1, 10);
        let turn = admission.enter(&normal(), None).await.unwrap();
        let order = Order::default();
        let mut tasks = Vec::new();
        for (name, priority) in [
            ("low", Priority::Low),
            ("urgent", Priority::Urgent),
            ("normal 1", Priority::Normal),
            ("high 1", Priority::High),
            ("normal 2", Priority::Normal),
            ("high 2", Priority::High),
        ] {
            tasks.push(queue_up(&admission, &order, name, asks(priority)).await);
        }
        drop(turn);
        for task in tasks {
            task.await.unwrap();
        }
        let expected = ["urgent", "high 1", "high 2", "normal 1", "normal 2", "low"];
        assert_eq!(*order.lock().unwrap(), expected);
        assert_eq!(admission.executing(), 0);
    }

    #[tokio::test]
    async fn who_resumes_goes_first_and_one_that_gives_up_costs_no_worker() {
        let admission = Admission::new(1, 5);
        let turn = admission.enter(&normal(), None).await.unwrap();
        let order = Order::default();
        let next = queue_up(&admission, &order, "next", asks(Priority::Urgent)).await;
        let resumes = |name| {
            let (admission, order) = (admission.clone(), order.clone());
            tokio::spawn(async move {
                let _turn = admission.resume(&normal()).await;
                order.lock().unwrap().push(name);
            })
        };
        let (gives_up, goes_on) = (resumes("gives up"), resumes("goes on"));
        while waiting(&admission) < 3 {
            tokio::task::yield_now().await;
        }
        gives_up.abort();
        let _ = gives_up.await;
        drop(turn);
        goes_on.await.unwrap();
        next.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["goes on", "next"]);
        assert_eq!(admission.executing(), 0);
    }

    #[tokio::test]
    async fn a_full_queue_refuses_and_one_that_gave_up_makes_room() {
        let admission = Admission::new(1, 1);
        let turn = admission.enter(&normal(), None).await.unwrap();
        let order = Order::default();
        let waits = queue_up(&admission, &order, "gives up", normal()).await;
        let refused = admission.enter(&asks(Priority::High), None).await;
        assert!(matches!(refused, Err(NoTurn::QueueFull { .. })));
        waits.abort();
        let _ = waits.await;
        assert_eq!(waiting(&admission), 0);
        let next = queue_up(&admission, &order, "next", asks(Priority::Low)).await;
        drop(turn);
        next.await.unwrap();
        assert_eq!(*order.lock().unwrap(), ["next"]);
    }

    #[tokio::test]
    async fn in_a_queue_that_one_owner_filled_another_takes_the_place_of_its_last() {
        let admission = Admission::new(1, 2);
        let turn = admission.enter(&of("flood"), None).await.unwrap();
        let order = Order::default();
        let first = queue_up(&admission, &order, "first of the flood", of("flood")).await;
        let last = queue_up(&admission, &order, "last of the flood", of("flood")).await;
        let refused = admission.enter(&of("flood"), None).await;
        assert!(matches!(refused, Err(NoTurn::QueueFull { .. })));
        let other = tokio::spawn({
            let (admission, order) = (admission.clone(), order.clone());
            async move {
                let _turn = admission.enter(&of("other"), None).await.unwrap();
                order.lock().unwrap().push("other");
            }
        });
        assert!(matches!(
            last.await.unwrap(),
            Some(NoTurn::QueueFull { .. })
        ));
        drop(turn);
        other.await.unwrap();
        assert_eq!(first.await.unwrap(), None);
        let order = order.lock().unwrap().clone();
        assert_eq!(order, ["other", "first of the flood"]);
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_not_waited_for() {
        let admission = Admission::new(1, 10);
        let turn = admission.enter(&normal(), None).await.unwrap();
        // Nothing was measured yet, so it waits.
        let soon = Duration::from_millis(1);
        let late = admission.enter(&normal(), Some(soon)).await;
        let waited = Err(NoTurn::TooLate {
            retry_after: Duration::ZERO,
            waited: true,
        });
        assert_eq!(late.map(|_| ()), waited);
        assert_eq!(waiting(&admission), 0);
        let retry_after = Duration::from_hours(2);
        admission.lock().queue.take_turns_to_last(retry_after);
        let within = Some(Duration::from_hours(1));
        let late = admission.enter(&normal(), within).await;
        let waited = false;
        let at_once = Err(NoTurn::TooLate {
            retry_after,
            waited,
        });
        assert_eq!(late.map(|_| ()), at_once);
        drop(turn);
        assert!(admission.enter(&normal(), within).await.is_ok());
    }

    #[tokio::test]
    async fn the_expected_wait_is_what_turns_take_times_those_before_it() {
        let admission = Admission::new(2, 10);
        let expected_wait = || admission.expected_wait(&normal());
        assert_eq!(expected_wait(), Duration::ZERO);
        let first = admission.enter(&normal(), None).await.unwrap();
        let second = admission.enter(&normal(), None).await.unwrap();
        assert_eq!(expected_wait(), Duration::ZERO, "nothing is known yet");
        let four = Duration::from_secs(4);
        admission.lock().queue.take_turns_to_last(four);
        assert_eq!(expected_wait(), Duration::from_secs(2));
        let order = Order::default();
        let waits = queue_up(&admission, &order, "waits", normal()).await;
        assert_eq!(expected_wait(), four);
        drop(first);
        waits.await.unwrap();
        let third = admission.enter(&normal(), None).await.unwrap();
        let wait = expected_wait();
        assert!(wait < Duration::from_secs(2), "{wait:?}");
        drop((second, third));
        assert_eq!(expected_wait(), Duration::ZERO, "a worker is free");
    }
}
