//! Programs that wait for their callers, by the ids that their callers got for going on.

use std::collections::HashMap;
use std::collections::hash_map;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use faas_pool::Gone;
use faas_pool::Replica;
use faas_pool::new_id;
use faas_pool::parse_id;
use faas_pool::replica_of;
use faas_protocol::Owner;
use faas_protocol::ToolOutcome;

use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::error::ApiError;
use super::exchange::Exchange;

const PREFIX: &str = "cont-";
/// How much longer than its program waits a continuation is known: its caller then hears how the program ended.
const KNOWN_LONGER: Duration = Duration::from_secs(30);

/// A program that waits. Dropping this ends it, unless its output is streamed.
#[derive(Debug)]
pub struct Paused {
    exchange: Arc<Exchange>,
    /// Who hands results on and answers; `None` if what comes of them goes into a stream.
    resume: Option<oneshot::Sender<Resume>>,
}

/// Results for a program, and where its answer goes, as JSON.
#[derive(Debug)]
pub struct Resume {
    pub results: Vec<(u32, ToolOutcome)>,
    pub reply: Reply,
}

/// Who waits for an answer, as JSON. Closed if nobody does any more.
pub type Reply = oneshot::Sender<Result<String, ApiError>>;

/// Where results went.
pub enum Resumed {
    /// To a program that answers here.
    Answers(oneshot::Receiver<Result<String, ApiError>>),
    /// To one whose stream goes on.
    Streamed,
    /// Nowhere: the program is over.
    Over,
}

impl Paused {
    /// A program of which each request tells a round.
    pub fn in_rounds(exchange: Arc<Exchange>, resume: oneshot::Sender<Resume>) -> Self {
        Self {
            exchange,
            resume: Some(resume),
        }
    }

    /// One whose stream goes on.
    pub fn streamed(exchange: Arc<Exchange>) -> Self {
        Self {
            exchange,
            resume: None,
        }
    }

    fn is_streamed(&self) -> bool {
        self.resume.is_none()
    }

    /// Hands results on.
    pub fn resume(self, results: Vec<(u32, ToolOutcome)>) -> Resumed {
        match self.resume {
            Some(resume) => {
                let (reply, answer) = oneshot::channel();
                match resume.send(Resume { results, reply }) {
                    Ok(()) => Resumed::Answers(answer),
                    Err(_) => Resumed::Over,
                }
            }
            None if self.exchange.answer(results) => Resumed::Streamed,
            None => Resumed::Over,
        }
    }
}

/// Why a continuation is good no more.
#[derive(Clone, Copy, Debug)]
enum Over {
    Used,
    Expired,
}

/// All that are open.
#[derive(Debug)]
pub struct Continuations {
    replica: Option<Replica>,
    /// How long each is good.
    lifetime: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct Entry {
    owner: Owner,
    paused: Paused,
    /// Ends it when its time is over.
    _expiry: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct State {
    open: HashMap<Arc<str>, Entry>,
    over: Gone<Arc<str>, Over>,
}

impl Continuations {
    /// Programs wait for `wait` at most.
    pub fn new(replica: Option<Replica>, wait: Duration) -> Arc<Self> {
        Arc::new(Self {
            replica,
            lifetime: wait + KNOWN_LONGER,
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a program until its caller answers, or does not; returns the id.
    ///
    /// # Errors
    /// 500 if the system has no random numbers.
    pub fn keep(self: &Arc<Self>, owner: &Owner, paused: Paused) -> Result<Arc<str>, ApiError> {
        let id = new_id(PREFIX, self.replica.as_ref());
        let id = id.map_err(|error| ApiError::failed(error.to_string()))?;
        let (all, of) = (self.clone(), id.clone());
        let lasts = paused.is_streamed();
        let expiry = tokio::spawn(async move {
            // A stream forgets its own.
            if lasts {
                return;
            }
            tokio::time::sleep(all.lifetime).await;
            drop(all.end(&of, Over::Expired));
        });
        let entry = Entry {
            owner: owner.clone(),
            paused,
            _expiry: AbortOnDropHandle::new(expiry),
        };
        self.lock().open.insert(id.clone(), entry);
        Ok(id)
    }

    /// Forgets one, whose program is over or has a newer one.
    pub fn forget(&self, id: &Arc<str>) {
        drop(self.end(id, Over::Used));
    }

    /// Takes one out. What it stood for is dropped outside of the lock.
    fn end(&self, id: &Arc<str>, why: Over) -> Option<Entry> {
        let mut state = self.lock();
        let entry = state.open.remove(id)?;
        state.over.remember(id.clone(), entry.owner.clone(), why);
        Some(entry)
    }

    /// Takes the program that goes on with this id, if `check` finds that it can, which is told whether it is streamed;
    /// else it stays. A stream's continuation stays in any case.
    ///
    /// # Errors
    /// 404, 410 with the reason, or what `check` says.
    pub fn take(
        &self,
        text: &str,
        owner: &Owner,
        check: impl FnOnce(&Exchange, bool) -> Result<(), ApiError>,
    ) -> Result<Paused, ApiError> {
        let Some(id) = parse_id(PREFIX, text) else {
            return Err(unknown());
        };
        let found = {
            let state = self.lock();
            let entry = state.open.get(&id).filter(|entry| entry.owner == *owner);
            entry.map(|entry| (entry.paused.exchange.clone(), entry.paused.is_streamed()))
        };
        if let Some((exchange, is_streamed)) = found {
            // Others must not wait for it.
            check(&exchange, is_streamed)?;
            if is_streamed {
                return Ok(Paused::streamed(exchange));
            }
        }
        let mut state = self.lock();
        if let hash_map::Entry::Occupied(entry) = state.open.entry(id.clone())
            && entry.get().owner == *owner
        {
            let Entry { owner, paused, .. } = entry.remove();
            state.over.remember(id, owner, Over::Used);
            return Ok(paused);
        }
        let of = replica_of(PREFIX, &id);
        if let Some(of) = of.filter(|of| self.replica.as_ref() != Some(of)) {
            return Err(ApiError::elsewhere("continuation", &of));
        }
        match state.over.why(&id, owner) {
            None => Err(unknown()),
            Some(Over::Used) => Err(ApiError::gone(
                "The continuation was used",
                "Each is good for one request; go on with that of its answer, or run the program again",
            )),
            Some(Over::Expired) => Err(ApiError::gone(
                "The continuation has expired",
                "The results did not come in time (FAAS_TOOL_TIMEOUT), and the program was ended; run it again",
            )),
        }
    }
}

fn unknown() -> ApiError {
    ApiError::not_found(
        "No such continuation",
        "None of your programs waits with this id; all are gone when the service starts again. If it did, run the \
         program again",
    )
}
