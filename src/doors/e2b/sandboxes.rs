//! The sandboxes: what E2B's clients expect of one beyond the sessions that it is made of. A sandbox lives for as long
//! as the session of its default context does, whose id it has.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use faas_pool::Pool;
use faas_pool::SessionId;
use faas_pool::SessionInfo;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_protocol::Weight;
use uuid::Uuid;

use crate::api_token::TokenDigest;

/// What a caller asks of a sandbox, beyond its time.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// A name; there is one template.
    pub template: String,
    pub metadata: BTreeMap<String, String>,
    /// Variables of the environment of all its programs.
    pub environment: Vec<(String, String)>,
}

/// A sandbox.
#[derive(Debug)]
pub struct Sandbox {
    /// That of its default context.
    pub id: SessionId,
    pub owner: Owner,
    pub weight: Weight,
    /// What who uses it shows, in place of the token of who opened it.
    pub access_token: String,
    pub wanted: Wanted,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    is_paused: bool,
    /// The default one first.
    contexts: Vec<Context>,
}

/// What cells go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    pub session: SessionId,
    /// Cells that name no language are in it.
    pub language: Language,
    /// Whether cells that name its language, and no context, run in it.
    pub is_default: bool,
}

impl Sandbox {
    /// One with these contexts; `None` if there are none.
    pub fn new(
        owner: Owner,
        weight: Weight,
        wanted: Wanted,
        contexts: Vec<Context>,
    ) -> Option<Self> {
        Some(Self {
            id: contexts.first()?.session.clone(),
            owner,
            weight,
            // 122 random bits.
            access_token: Uuid::new_v4().simple().to_string(),
            wanted,
            state: Mutex::new(State {
                is_paused: false,
                contexts,
            }),
        })
    }

    /// Whether this is its access token.
    pub fn has_access_token(&self, token: &[u8]) -> bool {
        let own = TokenDigest::of(self.access_token.as_bytes());
        own.is(&TokenDigest::of(token)).into()
    }

    pub fn is_paused(&self) -> bool {
        self.lock().is_paused
    }

    /// Pauses it, or lets it go on; returns whether that changes something.
    pub fn set_paused(&self, is_paused: bool) -> bool {
        std::mem::replace(&mut self.lock().is_paused, is_paused) != is_paused
    }

    /// The default one first.
    pub fn contexts(&self) -> Vec<Context> {
        self.lock().contexts.clone()
    }

    /// The context in which cells of a language run that name none.
    pub fn default_context(&self, language: Language) -> Option<Context> {
        let mut contexts = self.contexts().into_iter();
        contexts.find(|one| one.is_default && one.language.runtime() == language.runtime())
    }

    /// Adds a context, and forgets those whose sessions are gone, so that there are no more than sessions.
    ///
    /// # Errors
    /// The default one of its language, if it is to be that and there is one already.
    pub fn add_context(&self, context: Context, pool: &Pool) -> Result<(), Context> {
        let mut state = self.lock();
        let lives = |one: &Context| pool.session(&one.session, &self.owner).is_ok();
        state.contexts.retain(lives);
        let same =
            |one: &&Context| one.is_default && one.language.runtime() == context.language.runtime();
        if context.is_default
            && let Some(same) = state.contexts.iter().find(same)
        {
            return Err(same.clone());
        }
        state.contexts.push(context);
        Ok(())
    }

    pub fn forget_context(&self, session: &SessionId) {
        let mut state = self.lock();
        state.contexts.retain(|one| one.session != *session);
    }

    /// Has it end after so much time, or with the longest life of a session.
    pub fn end_after(&self, time: Duration, pool: &Pool) {
        for context in self.contexts() {
            // One that is gone already is found to be when it is used.
            let _ = pool.end_session_after(&context.session, &self.owner, time);
        }
    }

    /// Ends all its sessions.
    pub fn end(&self, pool: &Pool) {
        for context in self.contexts() {
            let _ = pool.delete_session(&context.session, &self.owner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All sandboxes. There are no more than sessions.
#[derive(Debug, Default)]
pub struct Sandboxes(Mutex<HashMap<SessionId, Arc<Sandbox>>>);

impl Sandboxes {
    /// Adds one, and forgets those whose sessions are gone.
    pub fn add(&self, sandbox: Sandbox, pool: &Pool) -> Arc<Sandbox> {
        let sandbox = Arc::new(sandbox);
        let mut all = self.lock();
        all.retain(|_, one| default_session(one, pool).is_some());
        all.insert(sandbox.id.clone(), sandbox.clone());
        sandbox
    }

    /// One that lives, with its default session.
    pub fn find(&self, id: &SessionId, pool: &Pool) -> Option<(Arc<Sandbox>, SessionInfo)> {
        let sandbox = self.lock().get(id).cloned()?;
        let session = default_session(&sandbox, pool);
        session.map(|session| (sandbox, session))
    }

    /// Those of an owner that live.
    pub fn of(&self, owner: &Owner, pool: &Pool) -> Vec<(Arc<Sandbox>, SessionInfo)> {
        let all: Vec<_> = self.lock().values().cloned().collect();
        let own = all.into_iter().filter(|one| one.owner == *owner);
        let alive = own.filter_map(|one| {
            let session = default_session(&one, pool)?;
            Some((one, session))
        });
        alive.collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<Sandbox>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn default_session(sandbox: &Sandbox, pool: &Pool) -> Option<SessionInfo> {
    pool.session(&sandbox.id, &sandbox.owner).ok()
}
