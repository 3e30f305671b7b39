//! Who is next: start-time fair queueing between owners (P. Goyal, H. M. Vin, H. Cheng, "Start-time Fair Queuing",
//! SIGCOMM 1996; as a scheduler of processors: P. Goyal, X. Guo, H. M. Vin, OSDI 1996), priorities within one.
//!
//! Each owner has a lane, whose tag says how much of the workers' time it has had, divided by its weight. The lane
//! with the lowest tag is next. One that had nothing to do begins at the virtual time, the tag of the turn that was
//! given last: what it did not use is not saved up, and what others used before does not count. How long a turn
//! takes is known at its end; until then it is charged as much as the last ones of its owner took, so that many at
//! once count, too.
//!
//! With one owner only, the order is that of the priorities. Everything takes time that grows with the logarithm of
//! the number of waiters; only who has to leave a full queue is looked for among all lanes. A lane is forgotten when
//! its owner has had no more than others, and all of them when nothing waits or executes: there are no more lanes
//! than tokens that were used since.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::time::Duration;
use std::time::Instant;

use faas_protocol::Owner;
use faas_protocol::Priority;
use faas_protocol::Weight;

/// What a step in priority is worth in waiting time. A request that waited this much longer than
/// one of the next higher priority goes first, so that none starves.
const PRIORITY_STEP: Duration = Duration::from_secs(5);
/// A turn counts so much less than all before it, for how long turns take.
const WEIGHT_OF_A_TURN: u32 = 8;
/// How long the first turn is taken to last.
const FIRST_TURN: Duration = Duration::from_millis(10);

/// Who resumes what it began goes before all that have not begun, which have the ranks behind, by their priorities.
const RESUMES: usize = 0;
const RANKS: usize = 1 + Priority::ALL.len();

/// Time of workers in ns, divided by a weight and multiplied by its maximum, so that nothing is lost by dividing.
type Tag = u128;

/// Who asks for a turn.
#[derive(Clone, Debug)]
pub struct Asks {
    pub owner: Owner,
    pub weight: Weight,
    pub priority: Priority,
}

/// The queue. `W` is what waits.
#[derive(Debug)]
pub struct FairQueue<W> {
    lanes: HashMap<Owner, Lane<W>>,
    /// The lanes in which somebody waits, by their tags; at equal tags the one first that waits for longer.
    order: BTreeMap<(Tag, u64), Owner>,
    virtual_time: Tag,
    waiting: usize,
    executing: usize,
    /// The weights of all lanes in which somebody waits.
    weights: u64,
    next_number: u64,
    turn: MeanTurn,
}

/// An owner's part of the queue.
#[derive(Debug)]
struct Lane<W> {
    weight: Weight,
    tag: Tag,
    /// Its number in `order`; `None` if nobody waits.
    number: Option<u64>,
    /// By their ranks, and within one in the order of arrival.
    waiting: [BTreeMap<u64, Waiter<W>>; RANKS],
    executing: usize,
    turn: MeanTurn,
}

#[derive(Debug)]
struct Waiter<W> {
    since: Instant,
    what: W,
}

/// Where somebody waits.
#[derive(Debug)]
pub struct Place {
    owner: Owner,
    rank: usize,
    number: u64,
}

/// A turn that was given: what its owner was charged for it.
#[derive(Debug)]
pub struct Charge {
    owner: Owner,
    weight: Weight,
    charged: Duration,
}

/// How long turns take, as the last ones did; nothing before the first is over.
#[derive(Clone, Copy, Debug, Default)]
struct MeanTurn(Option<Duration>);

impl<W> FairQueue<W> {
    pub fn new() -> Self {
        Self {
            lanes: HashMap::new(),
            order: BTreeMap::new(),
            virtual_time: 0,
            waiting: 0,
            executing: 0,
            weights: 0,
            next_number: 0,
            turn: MeanTurn::default(),
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Notes a turn of somebody who need not wait.
    pub fn begin(&mut self, asks: &Asks) -> Charge {
        let virtual_time = self.virtual_time;
        let lane = self.lane(asks);
        if lane.number.is_none() {
            lane.tag = lane.tag.max(virtual_time);
        }
        self.charge(&asks.owner)
    }

    /// Lets somebody wait.
    pub fn push(&mut self, asks: &Asks, now: Instant, what: W) -> Place {
        self.push_at(rank_of(asks.priority), asks, now, what)
    }

    /// Lets somebody wait who had a turn before and goes on: next of all of its owner's.
    pub fn push_resuming(&mut self, asks: &Asks, now: Instant, what: W) -> Place {
        self.push_at(RESUMES, asks, now, what)
    }

    fn push_at(&mut self, rank: usize, asks: &Asks, now: Instant, what: W) -> Place {
        let number = self.next_number;
        self.next_number += 1;
        let virtual_time = self.virtual_time;
        let lane = self.lane(asks);
        let waiter = Waiter { since: now, what };
        lane.waiting[rank].insert(number, waiter);
        if lane.number.is_none() {
            lane.number = Some(number);
            lane.tag = lane.tag.max(virtual_time);
            let key = (lane.tag, number);
            self.order.insert(key, asks.owner.clone());
            self.weights += u64::from(asks.weight.get());
        }
        self.waiting += 1;
        Place {
            owner: asks.owner.clone(),
            rank,
            number,
        }
    }

    /// Takes somebody out who waits no longer; `None` if it was not there.
    pub fn remove(&mut self, place: &Place) -> Option<W> {
        let lane = self.lanes.get_mut(&place.owner)?;
        let waiter = lane.waiting[place.rank].remove(&place.number)?;
        self.left(&place.owner);
        Some(waiter.what)
    }

    /// Takes out who is next.
    pub fn pop(&mut self, now: Instant) -> Option<(W, Charge)> {
        let (_, owner) = self.order.first_key_value()?;
        let owner = owner.clone();
        let waiter = self.lanes.get_mut(&owner)?.pop(now)?;
        let charge = self.charge(&owner);
        self.left(&owner);
        Some((waiter.what, charge))
    }

    /// Takes out who has to leave when the queue is full, for somebody else: of the owner who has the most waiters
    /// for its weight, the one who came last with the lowest priority. `None` if that owner is the one who asks.
    ///
    /// So a flood fills the queue for those who send it, and not for others (P. McKenney, "Stochastic Fairness
    /// Queueing", 1990, takes from the longest queue for this reason).
    pub fn make_room_for(&mut self, asks: &Asks) -> Option<W> {
        let lanes = self.order.values().filter_map(|owner| {
            let lane = self.lanes.get(owner)?;
            Some((lane.length(), lane.weight, owner))
        });
        let (length, weight, longest) = lanes.max_by(|(a, a_weight, _), (b, b_weight, _)| {
            let scaled = |length: usize, weight: &Weight| length as u64 * u64::from(weight.get());
            scaled(*a, b_weight).cmp(&scaled(*b, a_weight))
        })?;
        let own = self.lanes.get(&asks.owner).map_or(0, Lane::length);
        // Who comes has no more afterwards, for its weight, than who makes room: else each would push the other out.
        let comes = (own as u64 + 1) * u64::from(weight.get());
        let stays = (length as u64 - 1) * u64::from(asks.weight.get());
        if comes > stays || *longest == asks.owner {
            return None;
        }
        let longest = longest.clone();
        // Not one that resumes: what it began would be lost.
        let queues = self.lanes.get_mut(&longest)?.waiting[1..].iter_mut().rev();
        let (_, waiter) = queues.filter_map(BTreeMap::pop_last).next()?;
        self.left(&longest);
        Some(waiter.what)
    }

    /// Notes how long a turn was.
    pub fn end(&mut self, charge: Charge, took: Duration) {
        self.turn.add(took);
        if let Some(lane) = self.lanes.get_mut(&charge.owner) {
            lane.turn.add(took);
        }
        self.settle(&charge, took);
    }

    /// Takes a turn back that nobody took.
    pub fn take_back(&mut self, charge: &Charge) {
        self.settle(charge, Duration::ZERO);
    }

    /// How long somebody who came now would wait until one of so many workers is free, if turns take as long as the
    /// last ones did: until its owner's own part of the workers is done with those of the owner that go first, and for
    /// the turn that then ends next; no longer than for all who wait.
    pub fn expected_wait(&self, asks: &Asks, workers: usize) -> Duration {
        let lane = self.lanes.get(&asks.owner);
        let ahead = lane.map_or(0, |lane| lane.ahead_of(asks.priority));
        let turn = lane.and_then(|lane| lane.turn.0);
        let own_weight = f64::from(asks.weight.get());
        let waits = lane.is_some_and(|lane| lane.number.is_some());
        let weights = self.weights as f64 + if waits { 0.0 } else { own_weight };
        let turn = turn.unwrap_or(self.turn.or_zero());
        let own = turn.mul_f64(ahead as f64 * weights / own_weight + 1.0);
        own.div_f64(workers as f64).min(self.wait_of_all(workers))
    }

    /// How long all who wait take.
    pub fn wait_of_all(&self, workers: usize) -> Duration {
        let turns = (self.waiting + 1) as f64 / workers as f64;
        self.turn.or_zero().mul_f64(turns)
    }

    /// Has turns be expected to take so long.
    #[cfg(test)]
    pub fn take_turns_to_last(&mut self, turn: Duration) {
        self.turn = MeanTurn(Some(turn));
    }

    /// The lane of an owner, with the weight that it has now.
    fn lane(&mut self, asks: &Asks) -> &mut Lane<W> {
        let lane = self.lanes.entry(asks.owner.clone());
        let lane = lane.or_insert_with(|| Lane {
            weight: asks.weight,
            tag: 0,
            number: None,
            waiting: Default::default(),
            executing: 0,
            turn: MeanTurn::default(),
        });
        // It was changed in the file of tokens.
        if lane.weight != asks.weight {
            if lane.number.is_some() {
                self.weights += u64::from(asks.weight.get());
                self.weights -= u64::from(lane.weight.get());
            }
            lane.weight = asks.weight;
        }
        lane
    }

    /// Gives a turn to the owner of a lane.
    fn charge(&mut self, owner: &Owner) -> Charge {
        self.executing += 1;
        let mut charge = Charge {
            owner: owner.clone(),
            weight: Weight::default(),
            charged: Duration::ZERO,
        };
        if let Some(lane) = self.lanes.get_mut(owner) {
            self.virtual_time = self.virtual_time.max(lane.tag);
            lane.executing += 1;
            charge.weight = lane.weight;
            let known = lane.turn.0.or(self.turn.0);
            charge.charged = known.unwrap_or(FIRST_TURN);
            let cost = cost(charge.charged, charge.weight);
            self.move_lane(owner, |tag| tag.saturating_add(cost));
        }
        charge
    }

    /// Corrects what was charged for a turn that is over.
    fn settle(&mut self, charge: &Charge, took: Duration) {
        self.executing -= 1;
        let (charged, is) = (
            cost(charge.charged, charge.weight),
            cost(took, charge.weight),
        );
        self.move_lane(&charge.owner, |tag| {
            tag.saturating_add(is).saturating_sub(charged)
        });
        if let Some(lane) = self.lanes.get_mut(&charge.owner) {
            lane.executing -= 1;
        }
        self.forget(&charge.owner);
    }

    /// Changes a lane's tag, and with it its place in the order.
    fn move_lane(&mut self, owner: &Owner, change: impl FnOnce(Tag) -> Tag) {
        let Some(lane) = self.lanes.get_mut(owner) else {
            return;
        };
        let before = lane.tag;
        lane.tag = change(before);
        if let Some(number) = lane.number
            && let Some(owner) = self.order.remove(&(before, number))
        {
            self.order.insert((lane.tag, number), owner);
        }
    }

    /// Notes that one of an owner's waiters is gone.
    fn left(&mut self, owner: &Owner) {
        self.waiting -= 1;
        if let Some(lane) = self.lanes.get_mut(owner)
            && lane.length() == 0
            && let Some(number) = lane.number.take()
        {
            self.weights -= u64::from(lane.weight.get());
            self.order.remove(&(lane.tag, number));
        }
        self.forget(owner);
    }

    /// Drops what need not be known any longer.
    fn forget(&mut self, owner: &Owner) {
        if self.executing == 0 && self.waiting == 0 {
            // The next one begins as all others do.
            self.lanes.clear();
            self.virtual_time = 0;
        } else if let Some(lane) = self.lanes.get(owner)
            && lane.executing == 0
            && lane.number.is_none()
            && lane.tag <= self.virtual_time
        {
            self.lanes.remove(owner);
        }
    }
}

impl<W> Lane<W> {
    /// How many wait.
    fn length(&self) -> usize {
        self.waiting.iter().map(BTreeMap::len).sum()
    }

    /// How many of them go before one of this priority that comes now, unless they are overtaken.
    fn ahead_of(&self, priority: Priority) -> usize {
        let queues = self.waiting.iter().take(rank_of(priority) + 1);
        queues.map(BTreeMap::len).sum()
    }

    /// Takes out who is next: one that resumes, or the head of the queue with the longest wait, after what its priority
    /// is worth.
    fn pop(&mut self, now: Instant) -> Option<Waiter<W>> {
        if let Some((_, waiter)) = self.waiting[RESUMES].pop_first() {
            return Some(waiter);
        }
        let score = |index: usize, waiter: &Waiter<W>| {
            let steps = self.waiting.len() - 1 - index;
            now.saturating_duration_since(waiter.since) + PRIORITY_STEP * steps as u32
        };
        let heads = self.waiting.iter().enumerate();
        let (_, index) = heads
            .filter_map(|(index, queue)| {
                let (_, head) = queue.first_key_value()?;
                Some((score(index, head), index))
            })
            // At equal scores the higher priority, which comes first.
            .max_by(|(a, i), (b, j)| a.cmp(b).then(j.cmp(i)))?;
        let (_, waiter) = self.waiting[index].pop_first()?;
        Some(waiter)
    }
}

impl MeanTurn {
    fn add(&mut self, turn: Duration) {
        self.0 = Some(match self.0 {
            None => turn,
            Some(mean) => (mean * (WEIGHT_OF_A_TURN - 1) + turn) / WEIGHT_OF_A_TURN,
        });
    }

    fn or_zero(self) -> Duration {
        self.0.unwrap_or_default()
    }
}

fn rank_of(priority: Priority) -> usize {
    1 + priority as usize
}

/// What a turn of this length adds to a tag.
fn cost(turn: Duration, weight: Weight) -> Tag {
    turn.as_nanos() * Tag::from(Weight::MAX) / Tag::from(weight.get())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn owner(index: usize) -> Owner {
        let name = format!("owner-{index}");
        Owner::Named(faas_protocol::TokenName::parse(&name).unwrap())
    }

    fn asks(index: usize, weight: u32, priority: Priority) -> Asks {
        Asks {
            owner: owner(index),
            weight: Weight::new(weight).unwrap(),
            priority,
        }
    }

    fn normal(index: usize, weight: u32) -> Asks {
        asks(index, weight, Priority::Normal)
    }

    fn any_priority() -> impl Strategy<Value = Priority> {
        (0..Priority::ALL.len()).prop_map(|index| Priority::ALL[index])
    }

    /// The order of one queue with priorities, as simply as it can be said.
    fn plain_order(mut waiting: Vec<(Duration, Priority, usize)>, now: Duration) -> Vec<usize> {
        let mut order = Vec::new();
        while !waiting.is_empty() {
            let score = |(since, priority, _): &(Duration, Priority, usize)| {
                now - *since + PRIORITY_STEP * (Priority::ALL.len() - 1 - *priority as usize) as u32
            };
            let best = (0..waiting.len())
                .max_by_key(|index| {
                    let waiter = &waiting[*index];
                    let number = waiter.2;
                    (
                        score(waiter),
                        std::cmp::Reverse((waiter.1 as usize, number)),
                    )
                })
                .unwrap();
            order.push(waiting.remove(best).2);
        }
        order
    }

    proptest! {
        #[test]
        fn with_one_owner_the_order_is_that_of_priorities_and_waiting(
            waiters in prop::collection::vec((0_u64..30_000, any_priority()), 1..40),
            took in prop::collection::vec(0_u64..10_000, 40),
        ) {
            let mut since: Vec<_> = waiters.iter().map(|(ms, _)| Duration::from_millis(*ms)).collect();
            since.sort();
            let start = Instant::now();
            let now = Duration::from_secs(40);
            let mut queue = FairQueue::new();
            let mut plain = Vec::new();
            for (index, ((_, priority), since)) in waiters.iter().zip(since).enumerate() {
                queue.push(&asks(0, 1, *priority), start + since, index);
                plain.push((since, *priority, index));
            }
            let mut order = Vec::new();
            while let Some((index, charge)) = queue.pop(start + now) {
                order.push(index);
                queue.end(charge, Duration::from_millis(took[index]));
            }
            prop_assert_eq!(order, plain_order(plain, now));
            prop_assert!(queue.lanes.is_empty() && queue.order.is_empty());
        }

        /// The theorem of start-time fair queueing, with a turn more for each worker: what a turn takes is known
        /// only at its end.
        #[test]
        fn owners_who_always_wait_get_time_by_their_weights_however_long_their_turns_are(
            weights in prop::collection::vec(1_u32..10, 2..5),
            longest in prop::collection::vec(1_u64..1_000, 5),
            lengths in prop::collection::vec(0.0_f64..1.0, 600),
            workers in 1_usize..5,
        ) {
            let start = Instant::now();
            let mut queue = FairQueue::new();
            for (index, weight) in weights.iter().enumerate() {
                for _ in 0..lengths.len() {
                    queue.push(&normal(index, *weight), start, index);
                }
            }
            let mut had = vec![0.0; weights.len()];
            // When each worker is free, and what it does until then.
            let mut busy: Vec<(u64, usize, u64, Charge)> = Vec::new();
            let mut now = 0;
            for length in &lengths {
                if busy.len() == workers {
                    let next = (0..workers).min_by_key(|index| busy[*index].0).unwrap();
                    let (until, index, took, charge) = busy.swap_remove(next);
                    now = until;
                    had[index] += took as f64;
                    queue.end(charge, Duration::from_millis(took));
                }
                let (index, charge) = queue.pop(start).unwrap();
                let took = 1 + (length * longest[index] as f64) as u64;
                busy.push((now + took, index, took, charge));
            }
            for (a, weight_a) in weights.iter().enumerate() {
                for (b, weight_b) in weights.iter().enumerate() {
                    let (weight_a, weight_b) = (f64::from(*weight_a), f64::from(*weight_b));
                    let apart = (had[a] / weight_a - had[b] / weight_b).abs();
                    let turn = |index: usize, weight: f64| (longest[index] as f64 + 1.0).max(10.0) / weight;
                    let most_of_all = (0..weights.len())
                        .map(|index| turn(index, f64::from(weights[index])))
                        .fold(0.0, f64::max);
                    let bound = (workers + 1) as f64 * (turn(a, weight_a) + turn(b, weight_b) + most_of_all);
                    prop_assert!(apart <= bound, "{had:?} {weights:?}: {apart} > {bound}");
                }
            }
        }

        #[test]
        fn who_comes_to_a_flood_is_next_but_for_one_turn_of_each_other_owner(
            flood in prop::collection::vec(1_usize..50, 1..6),
            turns in 0_usize..100,
            took in 1_u64..1_000,
        ) {
            let start = Instant::now();
            let mut queue = FairQueue::new();
            for (index, count) in flood.iter().enumerate() {
                for _ in 0..*count {
                    queue.push(&normal(index, 1), start, index);
                }
            }
            let took = Duration::from_millis(took);
            for _ in 0..turns {
                if let Some((_, charge)) = queue.pop(start) {
                    queue.end(charge, took);
                }
            }
            let newcomer = flood.len();
            queue.push(&normal(newcomer, 1), start, newcomer);
            let before = std::iter::from_fn(|| {
                let (index, charge) = queue.pop(start)?;
                queue.end(charge, took);
                Some(index)
            });
            let before: Vec<_> = before.take_while(|index| *index != newcomer).collect();
            let most = (0..flood.len()).map(|index| before.iter().filter(|other| **other == index).count());
            prop_assert!(most.max().unwrap() <= 1, "{before:?}");
        }

        #[test]
        fn nobody_is_lost_or_served_twice_whatever_comes_goes_and_ends(
            steps in prop::collection::vec((0_u8..6, 0_usize..4, 1_u32..4, any_priority(), 0_usize..50), 1..200),
        ) {
            let start = Instant::now();
            let mut queue = FairQueue::new();
            let mut there: Vec<(usize, Place)> = Vec::new();
            let mut executing = Vec::new();
            for (number, (step, index, weight, priority, pick)) in steps.into_iter().enumerate() {
                let asks = asks(index, weight, priority);
                match step {
                    0 | 1 => there.push((number, queue.push(&asks, start, number))),
                    2 if !there.is_empty() => {
                        let (what, place) = there.swap_remove(pick % there.len());
                        prop_assert_eq!(queue.remove(&place), Some(what));
                        prop_assert_eq!(queue.remove(&place), None);
                    }
                    3 => {
                        let popped = queue.pop(start);
                        prop_assert_eq!(popped.is_some(), !there.is_empty());
                        if let Some((what, charge)) = popped {
                            let at = there.iter().position(|(other, _)| *other == what);
                            there.swap_remove(at.unwrap());
                            executing.push(charge);
                        }
                    }
                    4 if !executing.is_empty() => {
                        let charge = executing.swap_remove(pick % executing.len());
                        queue.end(charge, Duration::from_millis(pick as u64));
                    }
                    5 => {
                        let length = queue.waiting();
                        if let Some(what) = queue.make_room_for(&asks) {
                            let at = there.iter().position(|(other, _)| *other == what);
                            let (_, place) = there.swap_remove(at.unwrap());
                            prop_assert!(place.owner != asks.owner);
                            prop_assert_eq!(queue.waiting(), length - 1);
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(queue.waiting(), there.len());
                let weights = queue.order.values().map(|owner| u64::from(queue.lanes[owner].weight.get()));
                prop_assert_eq!(queue.weights, weights.sum::<u64>());
            }
            while let Some((what, charge)) = queue.pop(start) {
                let at = there.iter().position(|(other, _)| *other == what);
                there.swap_remove(at.unwrap());
                queue.end(charge, Duration::ZERO);
            }
            prop_assert!(there.is_empty());
            for charge in executing {
                queue.take_back(&charge);
            }
            prop_assert!(queue.lanes.is_empty(), "{:?}", queue.lanes);
        }
    }

    #[test]
    fn who_waited_long_enough_overtakes_a_higher_priority() {
        let start = Instant::now();
        let mut queue = FairQueue::new();
        for (after, priority) in [(0, Priority::Low), (2, Priority::Low), (11, Priority::High)] {
            let since = start + Duration::from_secs(after);
            queue.push(&asks(0, 1, priority), since, after);
        }
        let now = start + Duration::from_secs(12);
        let order: Vec<_> = std::iter::from_fn(|| Some(queue.pop(now)?.0)).collect();
        assert_eq!(order, [0, 11, 2]);
    }

    #[test]
    fn in_a_full_queue_the_longest_lane_makes_room_for_a_shorter_one_and_for_no_other() {
        let start = Instant::now();
        let mut queue = FairQueue::new();
        for (number, priority) in [
            Priority::High,
            Priority::Low,
            Priority::Normal,
            Priority::Low,
        ]
        .into_iter()
        .enumerate()
        {
            queue.push(&asks(0, 1, priority), start, number);
        }
        assert_eq!(
            queue.make_room_for(&normal(0, 1)),
            None,
            "it is its own flood"
        );
        assert_eq!(
            queue.make_room_for(&normal(1, 1)),
            Some(3),
            "the last of the lowest priority"
        );
        queue.push(&normal(1, 1), start, 10);
        assert_eq!(queue.make_room_for(&normal(1, 1)), Some(1), "two and two");
        queue.push(&normal(1, 1), start, 11);
        assert_eq!(queue.make_room_for(&normal(1, 1)), None, "it has as many");
        assert_eq!(queue.make_room_for(&normal(0, 1)), None);
        assert!(queue.make_room_for(&normal(2, 1)).is_some(), "it has none");
    }

    #[test]
    fn who_did_nothing_has_saved_nothing_up() {
        let start = Instant::now();
        let mut queue = FairQueue::new();
        for number in 0..20 {
            queue.push(&normal(0, 1), start, number);
        }
        let second = Duration::from_secs(1);
        for _ in 0..10 {
            let (_, charge) = queue.pop(start).unwrap();
            queue.end(charge, second);
        }
        for number in 20..40 {
            queue.push(&normal(1, 1), start, number);
        }
        let mut of_new = 0;
        for _ in 0..10 {
            let (number, charge) = queue.pop(start).unwrap();
            of_new += usize::from(number >= 20);
            queue.end(charge, second);
        }
        assert!((5..=6).contains(&of_new), "{of_new}");
    }

    #[test]
    fn the_expected_wait_is_that_of_the_own_part_or_of_all_if_that_is_shorter() {
        let start = Instant::now();
        let mut queue = FairQueue::new();
        assert_eq!(
            queue.expected_wait(&normal(1, 1), 2),
            Duration::ZERO,
            "nothing is known yet"
        );
        for number in 0..9 {
            queue.push(&normal(0, 1), start, number);
        }
        queue.take_turns_to_last(Duration::from_secs(1));
        let wait = |queue: &FairQueue<_>, asks: Asks| queue.expected_wait(&asks, 2).as_millis();
        let urgent = asks(0, 1, Priority::Urgent);
        assert_eq!(wait(&queue, normal(0, 1)), 5_000, "ten turns, two workers");
        assert_eq!(wait(&queue, urgent), 500, "the next of two workers");
        assert_eq!(wait(&queue, normal(1, 1)), 500, "it is next, too");
        queue.push(&normal(1, 1), start, 9);
        assert_eq!(wait(&queue, normal(1, 1)), 1_500, "after one of each");
        queue.push(&normal(2, 2), start, 10);
        assert_eq!(
            wait(&queue, normal(2, 2)),
            1_500,
            "half of the workers are its own"
        );
        assert_eq!(wait(&queue, normal(0, 1)), 6_000, "all");
    }

    #[test]
    fn who_resumes_goes_before_its_owners_others_and_no_other_owner_waits_for_it() {
        let mut queue = FairQueue::new();
        let now = Instant::now();
        let (greedy, other) = (normal(0, 1), normal(1, 1));
        let first = queue.begin(&greedy);
        for n in 0..3 {
            queue.push(&asks(0, 1, Priority::Urgent), now, 10 + n);
            queue.push(&other, now, 20 + n);
        }
        let mut order = Vec::new();
        let mut charge = first;
        // It is there again whenever it had its turn.
        for n in 0..4 {
            queue.push_resuming(&greedy, now, n);
            queue.end(charge, Duration::from_millis(10));
            let (next, given) = queue.pop(now + Duration::from_secs(60)).unwrap();
            order.push(next);
            charge = given;
        }
        assert_eq!(
            order,
            [20, 0, 21, 1],
            "by turns, and those that resume first"
        );
        let place = queue.push_resuming(&greedy, now, 99);
        assert_eq!(queue.remove(&place), Some(99));
    }

    #[test]
    fn nobody_who_resumes_has_to_leave_a_full_queue() {
        let mut queue = FairQueue::new();
        let now = Instant::now();
        for n in 0..5 {
            queue.push_resuming(&normal(0, 1), now, n);
        }
        assert_eq!(queue.make_room_for(&normal(1, 1)), None);
        queue.push(&normal(0, 1), now, 5);
        assert_eq!(queue.make_room_for(&normal(1, 1)), Some(5));
    }
}
