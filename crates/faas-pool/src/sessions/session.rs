//! One session: its head, its earlier heads, and who uses it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use faas_protocol::ByteSize;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_telemetry::SessionEnd;
use tokio::sync::Notify;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::names::SessionId;
use super::names::SessionName;
use crate::kept::Snapshot;
use crate::package_set::PackageSet;

/// How long a session lives.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// While nobody uses it.
    pub idle: Duration,
    /// In any case.
    pub longest: Duration,
}

impl Lifetime {
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self {
            idle: self.idle.min(other.idle),
            longest: self.longest.min(other.longest),
        }
    }
}

/// Where the next cell starts.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The process to fork; `None` if nothing ran yet: then a fresh sandbox does.
    pub kept: Option<Arc<Snapshot>>,
    /// How many cells its state is made of.
    pub cells: u64,
}

/// A session. Its processes end when nobody holds it any more, and no other session shares them.
#[derive(Debug)]
pub struct Session {
    pub id: SessionId,
    pub owner: Owner,
    pub name: Option<SessionName>,
    pub language: Language,
    pub created: SystemTime,
    born: Instant,
    pub lifetime: Lifetime,
    /// Where it began.
    first: Head,
    /// Has one permit: the turn. It is closed at the end of the session.
    pub(super) turns: Arc<Semaphore>,
    /// Cancelled at the end of the session.
    pub over: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    head: Head,
    /// The oldest first.
    earlier: VecDeque<Head>,
    last_used: Instant,
    /// When it ends in any case.
    ends: Instant,
    /// Cells that run or wait for their turn, and others who use it.
    users: usize,
    /// Wakes the task that follows the cell that runs.
    running: Option<Arc<Notify>>,
    /// Why it is over.
    end: Option<SessionEnd>,
}

/// What is told of a session.
#[derive(Clone, Debug)]
pub struct SessionInfo {
    pub id: SessionId,
    pub name: Option<SessionName>,
    pub language: Language,
    pub packages: PackageSet,
    pub created: SystemTime,
    /// When it ends unless it is used before.
    pub expires: SystemTime,
    /// When it ends in any case.
    pub ends: SystemTime,
    /// How many cells its state is made of.
    pub cells: u64,
    /// How many of them can be undone.
    pub undo_steps: usize,
    pub memory: ByteSize,
    pub is_running: bool,
    /// Cells that wait for their turn.
    pub waiting: usize,
}

impl Session {
    /// One that begins at `first`.
    pub fn begin(
        id: SessionId,
        owner: Owner,
        name: Option<SessionName>,
        language: Language,
        lifetime: Lifetime,
        first: Head,
    ) -> Self {
        let now = Instant::now();
        Self {
            id,
            owner,
            name,
            language,
            created: SystemTime::now(),
            born: now,
            lifetime,
            first: first.clone(),
            turns: Arc::new(Semaphore::new(1)),
            over: CancellationToken::new(),
            state: Mutex::new(State {
                head: first,
                earlier: VecDeque::new(),
                last_used: now,
                ends: now + lifetime.longest,
                users: 0,
                running: None,
                end: None,
            }),
        }
    }

    /// Another name for the head of this one.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn fork(&self) -> std::io::Result<Self> {
        let (owner, first) = (self.owner.clone(), self.first.clone());
        let id = SessionId::random(self.id.replica().as_ref())?;
        let fork = Self::begin(id, owner, None, self.language, self.lifetime, first);
        {
            // Nobody else has the fork yet.
            let (from, mut to) = (self.lock(), fork.lock());
            to.head = from.head.clone();
            to.earlier = from.earlier.clone();
        }
        Ok(fork)
    }

    pub fn head(&self) -> Head {
        self.lock().head.clone()
    }

    /// The head, which is used now.
    pub fn use_head(&self) -> Head {
        let mut state = self.lock();
        state.last_used = Instant::now();
        state.head.clone()
    }

    /// Makes `head` the head, behind the last one if that is to be there for an undo.
    pub fn advance(&self, head: Head, keeps_last: bool, most_earlier: usize) {
        let dropped = {
            let mut state = self.lock();
            let last = std::mem::replace(&mut state.head, head);
            match keeps_last {
                true => {
                    state.earlier.push_back(last);
                    let surplus = state.earlier.len().saturating_sub(most_earlier);
                    state.earlier.drain(..surplus).collect()
                }
                false => vec![last],
            }
        };
        // Their processes are ended outside the lock.
        drop(dropped);
    }

    /// Goes back by so many heads.
    ///
    /// # Errors
    /// How many there are.
    pub fn undo(&self, steps: usize) -> Result<(), usize> {
        let dropped = {
            let mut state = self.lock();
            let there = state.earlier.len();
            let begin = there.checked_sub(steps).ok_or(there)?;
            let mut undone = state.earlier.split_off(begin);
            if let Some(head) = undone.pop_front() {
                undone.push_back(std::mem::replace(&mut state.head, head));
            }
            undone
        };
        drop(dropped);
        Ok(())
    }

    /// Goes back to where it began. The heads since then are gone.
    pub fn restart(&self) {
        let dropped = {
            let mut state = self.lock();
            let first = self.first.clone();
            let head = std::mem::replace(&mut state.head, first);
            (head, std::mem::take(&mut state.earlier))
        };
        drop(dropped);
    }

    /// Gives up the oldest head that an undo could go back to; returns whether there was one.
    pub fn forget_oldest(&self) -> bool {
        let oldest = self.lock().earlier.pop_front();
        oldest.is_some()
    }

    /// Gives up earlier heads whose processes are of no use. Returns whether the head is of use.
    pub fn look_after(&self) -> bool {
        let (head, first, earlier) = {
            let state = self.lock();
            (
                state.head.clone(),
                self.first.clone(),
                state.earlier.clone(),
            )
        };
        let is_of_use = |head: &Head| head.kept.as_ref().is_none_or(|kept| !kept.is_of_no_use());
        let broken = earlier.iter().rev().find(|head| !is_of_use(head));
        if let Some(broken) = broken.and_then(|head| head.kept.as_ref()) {
            let gone = {
                let mut state = self.lock();
                // The heads may be others by now.
                let is_it = |head: &Head| {
                    let kept = head.kept.as_ref();
                    kept.is_some_and(|kept| Arc::ptr_eq(kept, broken))
                };
                let until = state.earlier.iter().rposition(is_it);
                let until = until.map_or(0, |at| at + 1);
                state.earlier.drain(..until).collect::<Vec<_>>()
            };
            drop(gone);
        }
        is_of_use(&head) && is_of_use(&first)
    }

    /// Asks the cell that runs to stop; returns whether there is one.
    pub fn interrupt(&self) -> bool {
        let state = self.lock();
        if let Some(running) = &state.running {
            running.notify_one();
        }
        state.running.is_some()
    }

    /// Notes that a cell runs, or that none does.
    pub(super) fn set_running(&self, running: Option<Arc<Notify>>) {
        self.lock().running = running;
    }

    /// Counts one who uses it; returns how many do.
    pub(super) fn enter(&self) -> usize {
        let mut state = self.lock();
        state.users += 1;
        state.last_used = Instant::now();
        state.users
    }

    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.users -= 1;
        state.last_used = Instant::now();
    }

    /// Ends it, once: nobody gets a turn any more, and the cell that runs is given up.
    pub fn end(&self, why: SessionEnd) {
        self.lock().end.get_or_insert(why);
        self.turns.close();
        self.over.cancel();
    }

    /// Why it is over; `None` if it is not.
    pub fn why_over(&self) -> Option<SessionEnd> {
        self.lock().end
    }

    /// Why it is to end now, if it is.
    pub fn is_due(&self) -> Option<SessionEnd> {
        let state = self.lock();
        if state.users > 0 {
            return None;
        }
        if state.is_too_old() {
            return Some(SessionEnd::TooOld);
        }
        let is_idle = state.last_used.elapsed() >= self.lifetime.idle;
        is_idle.then_some(SessionEnd::Expired)
    }

    /// Has it end after so much time, or with its longest life. That is a use of it.
    pub fn end_after(&self, time: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        state.last_used = now;
        state.ends = (now + time.min(self.lifetime.longest)).min(self.born + self.lifetime.longest);
    }

    /// Whether its time is over: then no cell is begun.
    pub fn is_too_old(&self) -> bool {
        self.lock().is_too_old()
    }

    pub fn is_in_use(&self) -> bool {
        self.lock().users > 0
    }

    pub fn last_used(&self) -> Instant {
        self.lock().last_used
    }

    /// All its processes: the head's, the first, the earlier ones. Some may be there twice.
    pub fn processes(&self) -> Vec<Arc<Snapshot>> {
        let state = self.lock();
        let heads = [&state.head, &self.first].into_iter().chain(&state.earlier);
        heads.filter_map(|head| head.kept.clone()).collect()
    }

    pub fn info(&self) -> SessionInfo {
        let processes = distinct(self.processes());
        let memory: ByteSize = processes.iter().map(|process| process.memory()).sum();
        let state = self.lock();
        let now = SystemTime::now();
        let idle = state.last_used.elapsed();
        let packages = state.head.kept.as_ref().map(|kept| kept.packages.clone());
        let ends = now + state.ends.saturating_duration_since(Instant::now());
        SessionInfo {
            id: self.id.clone(),
            name: self.name.clone(),
            language: self.language,
            packages: packages.unwrap_or_default(),
            created: self.created,
            expires: ends.min(now + self.lifetime.idle.saturating_sub(idle)),
            ends,
            cells: state.head.cells,
            undo_steps: state.earlier.len(),
            memory,
            is_running: state.running.is_some(),
            waiting: state.users.saturating_sub(1),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_too_old(&self) -> bool {
        Instant::now() >= self.ends
    }
}

/// Each process once.
pub fn distinct(mut processes: Vec<Arc<Snapshot>>) -> Vec<Arc<Snapshot>> {
    processes.sort_by_key(|process| Arc::as_ptr(process) as usize);
    processes.dedup_by(|one, other| Arc::ptr_eq(one, other));
    processes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session() -> Session {
        let lifetime = Lifetime {
            idle: Duration::from_secs(60),
            longest: Duration::from_secs(3600),
        };
        let first = Head::default();
        let id = SessionId::random(None).unwrap();
        Session::begin(
            id,
            Owner::Everybody,
            None,
            Language::Python,
            lifetime,
            first,
        )
    }

    fn advance(session: &Session, cells: u64) {
        session.advance(Head { kept: None, cells }, true, 2);
    }

    #[test]
    fn an_undo_goes_back_as_many_heads_as_are_kept_and_no_further() {
        let session = session();
        for cells in 1..=4 {
            advance(&session, cells);
        }
        assert_eq!(session.undo(3), Err(2));
        assert_eq!(session.head().cells, 4, "a refused undo changes nothing");
        assert_eq!(session.undo(2), Ok(()));
        assert_eq!(session.head().cells, 2);
        assert_eq!(session.undo(1), Err(0));
        assert_eq!(session.undo(0), Ok(()));
    }

    #[test]
    fn the_end_of_a_session_can_be_put_off_within_its_longest_life_and_brought_forward() {
        let session = session();
        let longest = session.info().ends;
        session.end_after(Duration::from_secs(60));
        assert!(session.info().ends < longest);
        session.end_after(Duration::MAX);
        let drift = longest.duration_since(session.info().ends);
        assert!(drift.unwrap_or_default() < Duration::from_secs(1));
        session.end_after(Duration::ZERO);
        assert!(session.is_too_old());
        assert_eq!(session.is_due(), Some(SessionEnd::TooOld));
    }

    #[test]
    fn a_head_that_takes_the_place_of_the_last_one_cannot_be_undone() {
        let session = session();
        advance(&session, 1);
        session.advance(
            Head {
                kept: None,
                cells: 2,
            },
            false,
            2,
        );
        assert_eq!(session.info().undo_steps, 1);
        assert_eq!(session.undo(1), Ok(()));
        assert_eq!(session.head().cells, 0);
    }

    #[test]
    fn a_restart_goes_back_to_the_beginning_and_leaves_nothing_to_undo() {
        let session = session();
        advance(&session, 1);
        session.restart();
        assert_eq!((session.head().cells, session.undo(1)), (0, Err(0)));
    }

    #[test]
    fn a_fork_has_the_head_and_what_came_before_it_and_no_name() {
        let session = session();
        advance(&session, 1);
        advance(&session, 2);
        let fork = session.fork().unwrap();
        advance(&session, 3);
        assert_ne!(fork.id, session.id);
        assert_eq!(fork.head().cells, 2);
        assert_eq!(fork.undo(2), Ok(()));
        assert_eq!(session.head().cells, 3);
    }

    #[test]
    fn a_session_that_is_used_is_not_due_whatever_its_age() {
        let session = session();
        session.end_after(Duration::ZERO);
        session.enter();
        assert_eq!(session.is_due(), None);
        session.leave();
        assert_eq!(session.is_due(), Some(SessionEnd::TooOld));
        assert!(session.is_too_old());
    }
}
