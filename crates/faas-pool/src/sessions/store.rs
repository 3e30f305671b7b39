//! All sessions: whose they are, how many there may be, what has to go when memory is short.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use faas_protocol::ByteSize;
use faas_protocol::Owner;
use faas_telemetry::Metrics;
use faas_telemetry::SessionEnd;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::names::SessionId;
use super::names::SessionName;
use super::session::Head;
use super::session::Lifetime;
use super::session::Session;
use super::session::SessionInfo;
use super::session::distinct;
use super::turn::Turn;
use crate::kept::Gone;
use crate::kept::Lineage;
use crate::kept::Origin;
use crate::kept::Snapshot;
use crate::kept::SnapshotId;
use crate::kept::missing_memory;
use crate::kept::own_memory;
use crate::random_id::Replica;
use crate::sandbox::Sandbox;

/// How often sessions are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// In how many such periods the processes of all of them are looked at once: that takes some µs for each.
const ROUND: usize = 10;
/// How long a new head waits for processes that had to go for it to have ended.
const MAKE_ROOM_WITHIN: Duration = Duration::from_secs(10);
/// Processes of one line that may be alive at once, one forked from the other. Only forks of forks of sessions get
/// there: with each, the kernel takes longer to fork the youngest.
const MOST_ANCESTORS: usize = 48;

/// How many sessions there may be, and what they may take.
#[derive(Clone, Debug)]
pub struct SessionSettings {
    /// The name of this server, which ids tell.
    pub replica: Option<Replica>,
    /// At most so many; with 0, there are none.
    pub number: usize,
    /// The most that they hold together.
    pub memory: ByteSize,
    /// The longest that one of them lives.
    pub lifetime: Lifetime,
    /// Steps that can be undone.
    pub undo: usize,
}

/// Why there is no such session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoSession {
    /// It is not known, or somebody else's.
    Unknown,
    /// This replica has it.
    Elsewhere(Replica),
    Gone(SessionEnd),
}

/// Why a session is not opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CannotOpen {
    /// There are so many already, and none of them has to make room.
    Full {
        number: usize,
    },
    /// The owner has one of that name.
    NameTaken(SessionId),
    Failed(String),
}

/// Numbers of sessions.
#[derive(Clone, Copy, Debug, Default)]
pub struct SessionsStats {
    pub number: usize,
    pub processes: usize,
    /// What they hold together, at most.
    pub memory: ByteSize,
}

#[derive(Debug)]
pub struct Sessions {
    pub settings: SessionSettings,
    state: Mutex<State>,
    /// A permit per process, held until it is reaped.
    places: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

#[derive(Debug, Default)]
struct State {
    alive: HashMap<SessionId, Arc<Session>>,
    gone: Gone<SessionId, SessionEnd>,
}

impl SessionSettings {
    /// Processes at most, with so many cells at once: of each session its head, what it began with and what can be
    /// undone, and of each cell what is about to be the head.
    pub fn processes(&self, workers: usize) -> usize {
        match self.number {
            0 => 0,
            number => number * (self.undo + 2) + workers,
        }
    }
}

impl Sessions {
    pub fn new(settings: SessionSettings, workers: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            places: Arc::new(Semaphore::new(settings.processes(workers))),
            settings,
            state: Mutex::default(),
            metrics,
        }
    }

    /// An id for a session of this server.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new_id(&self) -> std::io::Result<SessionId> {
        SessionId::random(self.settings.replica.as_ref())
    }

    /// The session of that id.
    ///
    /// # Errors
    /// When there is none, or it is not this owner's.
    pub fn get(&self, id: &SessionId, owner: &Owner) -> Result<Arc<Session>, NoSession> {
        let state = self.lock();
        let Some(session) = state.alive.get(id) else {
            let gone = state.gone.why(id, owner);
            let elsewhere = || id.elsewhere(self.settings.replica.as_ref());
            return Err(match gone {
                Some(why) => NoSession::Gone(why),
                None => elsewhere().map_or(NoSession::Unknown, NoSession::Elsewhere),
            });
        };
        match session.owner == *owner {
            true => Ok(session.clone()),
            false => Err(NoSession::Unknown),
        }
    }

    /// All of an owner, the oldest first.
    pub fn of(&self, owner: &Owner) -> Vec<SessionInfo> {
        let own = self.all();
        let own = own.iter().filter(|one| one.owner == *owner);
        let mut own: Vec<_> = own.map(|one| one.info()).collect();
        own.sort_by_key(|info| info.created);
        own
    }

    /// Whether an owner may open a session of this name. Others' make room for it only when it is opened.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn can_open(&self, owner: &Owner, name: Option<&SessionName>) -> Result<(), CannotOpen> {
        let room = self.lock().room(owner, name, 1, self.settings.number);
        room.map(drop)
    }

    /// Opens sessions, all or none.
    ///
    /// # Errors
    /// [`CannotOpen`].
    pub fn open(&self, sessions: Vec<Session>) -> Result<Vec<Arc<Session>>, CannotOpen> {
        let sessions: Vec<_> = sessions.into_iter().map(Arc::new).collect();
        let Some(first) = sessions.first() else {
            return Ok(sessions);
        };
        loop {
            let mut state = self.lock();
            let name = first.name.as_ref();
            let room = state.room(&first.owner, name, sessions.len(), self.settings.number)?;
            let Some(has_to_go) = room else {
                let by_id = sessions.iter().map(|one| (one.id.clone(), one.clone()));
                state.alive.extend(by_id);
                drop(state);
                self.metrics.sessions_opened.inc_by(sessions.len() as u64);
                return Ok(sessions);
            };
            drop(state);
            self.end(&has_to_go, SessionEnd::MadeRoom);
        }
    }

    /// Takes charge of a sandbox whose job has ended, to be the head of a session.
    ///
    /// # Errors
    /// Why that cannot be, as a sentence for the caller.
    pub async fn keep(
        &self,
        mut sandbox: Sandbox,
        origin: Origin,
        lineage: Lineage,
    ) -> Result<Arc<Snapshot>, String> {
        if lineage.living() >= MOST_ANCESTORS {
            return Err(format!(
                "{MOST_ANCESTORS} states that it descends from are held by sessions that were forked from each \
                 other; delete some of them"
            ));
        }
        let own = own_memory(sandbox.pid());
        let place = self.places.clone().acquire_owned();
        let place = tokio::time::timeout(MAKE_ROOM_WITHIN, place).await;
        let Ok(Ok(place)) = place else {
            return Err("older states did not make room in time; try again".to_owned());
        };
        // Its place among those that execute is free now.
        drop(sandbox.keep(place));
        let idle = self.settings.lifetime.idle;
        // Nobody ever names it.
        let id = SnapshotId::random(None).map_err(|error| error.to_string())?;
        let head = Snapshot::new(id, sandbox, origin, lineage, own, idle);
        Ok(Arc::new(head))
    }

    /// Makes `head` the head of the session whose turn it is. Earlier heads make room for it, those of who has most
    /// first, and then idle sessions of others who have more.
    ///
    /// # Errors
    /// Why that cannot be, as a sentence for the caller; the session is as it was.
    pub fn advance(&self, turn: &Turn, head: Head) -> Result<(), String> {
        let session = &turn.session;
        if session.why_over().is_some() {
            return Err("the session is over".to_owned());
        }
        let keeps_last = self.make_memory_for(session, head.kept.as_deref())?;
        session.advance(
            head,
            keeps_last && self.settings.undo > 0,
            self.settings.undo,
        );
        Ok(())
    }

    /// Returns whether there is room for the last head as well.
    fn make_memory_for(&self, session: &Session, head: Option<&Snapshot>) -> Result<bool, String> {
        let Some(head) = head else { return Ok(true) };
        loop {
            let shares = self.shares();
            let all: ByteSize = shares.values().copied().sum();
            let limit = self.settings.memory;
            if all.saturating_add(head.memory()) <= limit {
                return Ok(true);
            }
            if self.give_up_one(&shares, &session.owner) {
                continue;
            }
            // Without the last head, whose memory it has then.
            let last = session.head().kept;
            let last_takes = last.as_ref().map(|last| last.memory());
            let last_takes = last_takes.unwrap_or_default();
            let needed = head.memory_without(last.as_deref());
            if all.saturating_sub(last_takes).saturating_add(needed) <= limit {
                return Ok(false);
            }
            return Err(format!(
                "sessions hold {} MiB, and all may hold {} MiB together (FAAS_SESSIONS_MEMORY); delete some, or \
                 let go of large values",
                all.saturating_add(head.memory()).get() >> 20,
                limit.get() >> 20
            ));
        }
    }

    /// Gives up what nobody uses at the moment, of the owner who has most: an earlier head, or a session if that is
    /// not `owner`. Returns whether there was something.
    fn give_up_one(&self, shares: &HashMap<Owner, ByteSize>, owner: &Owner) -> bool {
        let Some((greedy, _)) = shares.iter().max_by_key(|(_, share)| **share) else {
            return false;
        };
        let mut sessions = self.all();
        sessions.retain(|session| session.owner == *greedy);
        sessions.sort_by_key(|session| session.last_used());
        if sessions.iter().any(|session| session.forget_oldest()) {
            return true;
        }
        let idle = sessions.iter().find(|session| !session.is_in_use());
        match idle {
            Some(idle) if greedy != owner => {
                self.end(&idle.id, SessionEnd::MadeRoom);
                true
            }
            _ => false,
        }
    }

    /// Gives up what nobody uses at the moment until so much memory is free: earlier heads, then sessions, those first
    /// that were not used for longest.
    fn relieve(&self, missing: ByteSize) {
        let held = self.stats().memory;
        while held.saturating_sub(self.stats().memory) < missing {
            let mut sessions = self.all();
            sessions.sort_by_key(|session| session.last_used());
            if sessions.iter().any(|session| session.forget_oldest()) {
                continue;
            }
            let mut idle = sessions.iter().filter(|session| !session.is_in_use());
            let Some(idle) = idle.find(|session| !session.processes().is_empty()) else {
                return;
            };
            tracing::warn!(
                missing_mib = missing.get() >> 20,
                "a session goes: memory is short"
            );
            self.end(&idle.id, SessionEnd::MemoryShort);
        }
    }

    /// What the sessions of each owner hold.
    fn shares(&self) -> HashMap<Owner, ByteSize> {
        let mut processes: HashMap<Owner, Vec<Arc<Snapshot>>> = HashMap::new();
        for session in self.all() {
            let of_owner = processes.entry(session.owner.clone()).or_default();
            of_owner.extend(session.processes());
        }
        let sum = |processes| {
            let sizes = distinct(processes).into_iter();
            sizes.map(|process| process.memory()).sum()
        };
        let shares = processes.into_iter();
        shares.map(|(owner, all)| (owner, sum(all))).collect()
    }

    /// Ends a session.
    ///
    /// # Errors
    /// As [`Self::get`].
    pub fn delete(&self, id: &SessionId, owner: &Owner) -> Result<(), NoSession> {
        self.get(id, owner)?;
        self.end(id, SessionEnd::Deleted);
        Ok(())
    }

    /// Ends a session.
    pub fn end(&self, id: &SessionId, why: SessionEnd) {
        let mut state = self.lock();
        let Some(session) = state.alive.remove(id) else {
            return;
        };
        state.gone.remember(id.clone(), session.owner.clone(), why);
        drop(state);
        session.end(why);
        self.metrics.session_ended(why);
    }

    pub fn stats(&self) -> SessionsStats {
        let sessions = self.all();
        let processes = sessions.iter().flat_map(|session| session.processes());
        let processes = distinct(processes.collect());
        let sizes = processes.iter().map(|process| process.memory());
        SessionsStats {
            number: sessions.len(),
            processes: processes.len(),
            memory: sizes.sum(),
        }
    }

    /// Lets go of what is over, until `stop`; then ends them all, and says how many there were.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut period = 0;
        let mut was_short = false;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(PERIOD) => {}
            }
            let missing = missing_memory();
            let is_short = missing > ByteSize::default();
            // Snapshots go first, in the period before.
            if is_short && was_short {
                self.relieve(missing);
            }
            was_short = is_short;
            period = (period + 1) % ROUND;
            for (number, session) in self.all().into_iter().enumerate() {
                if let Some(why) = session.is_due() {
                    self.end(&session.id, why);
                } else if number % ROUND == period && !session.look_after() {
                    self.end(&session.id, SessionEnd::Broken);
                }
            }
        }
        let all = self.all();
        if !all.is_empty() {
            let sessions = all.len();
            tracing::warn!(sessions, "sessions were lost: the service ends");
        }
        for session in all {
            self.end(&session.id, SessionEnd::Stopped);
        }
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.lock().alive.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether there is room for so many sessions more of an owner. Returns the session that has to go for them:
    /// one that nobody uses, of another who would still have more. Nobody's own sessions go for new ones.
    fn room(
        &self,
        owner: &Owner,
        name: Option<&SessionName>,
        count: usize,
        number: usize,
    ) -> Result<Option<SessionId>, CannotOpen> {
        let mut of_owner = self.alive.values().filter(|one| one.owner == *owner);
        if let Some(name) = name
            && let Some(same) = of_owner.find(|one| one.name.as_ref() == Some(name))
        {
            return Err(CannotOpen::NameTaken(same.id.clone()));
        }
        if self.alive.len() + count <= number {
            return Ok(None);
        }
        let mut shares: HashMap<&Owner, usize> = HashMap::new();
        for session in self.alive.values() {
            *shares.entry(&session.owner).or_default() += 1;
        }
        let own = shares.get(owner).copied().unwrap_or(0) + count;
        let most = shares.values().copied().max().unwrap_or(0);
        let greedy = |session: &&Arc<Session>| {
            most > own && shares.get(&session.owner) == Some(&most) && !session.is_in_use()
        };
        let idle = self.alive.values().filter(greedy);
        match idle.min_by_key(|session| session.last_used()) {
            Some(session) => Ok(Some(session.id.clone())),
            None => Err(CannotOpen::Full { number }),
        }
    }
}
