//! The kernels: what clients expect of one beyond the session that it is. A kernel lives for as long as that does.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::SystemTime;

use faas_pool::Pool;
use faas_pool::SessionId;
use faas_pool::SessionInfo;
use faas_protocol::Owner;
use faas_telemetry::rfc3339;
use serde_json::Value;
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::outgoing::Outgoing;
use super::specs::Spec;

/// Most clients that are connected to one kernel.
pub const MOST_CONNECTIONS: usize = 8;
/// Most requests that wait for their answers: cells of a notebook that is run as a whole.
const MOST_ASKED: usize = 1024;

/// A kernel.
#[derive(Debug)]
pub struct Kernel {
    /// As Jupyter has them: five parts with dashes between. Its own handlers take no other.
    pub id: String,
    pub session: SessionId,
    pub owner: Owner,
    pub spec: &'static Spec,
    /// Variables of the environment of all its cells.
    pub environment: Vec<(String, String)>,
    /// Places for requests of all its clients that wait for their answers.
    pub asked: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    connections: Vec<Connection>,
    /// How many requests are being answered.
    busy: usize,
    last_activity: SystemTime,
}

/// A request that is answered.
pub struct Busy<'a>(&'a Kernel);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.last_activity = SystemTime::now();
        state.busy -= 1;
    }
}

/// The way to a client that is connected.
#[derive(Clone, Debug)]
pub struct Connection {
    pub messages: mpsc::Sender<Unread>,
    /// How much it may leave unread, in units of [`UNIT`].
    pub room: Arc<Semaphore>,
    /// Cancelled when it has to end: it does not read, or its kernel is gone.
    pub end: CancellationToken,
}

/// A message that a client has not read, and its place among those.
pub struct Unread {
    pub message: Arc<Outgoing>,
    _place: OwnedSemaphorePermit,
}

/// In what unread messages are counted, in bytes.
const UNIT: usize = 1024;
/// Most that one client may leave unread, in units; a longer message is left alone.
pub const MOST_UNREAD: u32 = 4096;

impl Connection {
    /// Sends a message when there is room for it.
    pub async fn send(&self, message: Arc<Outgoing>) {
        let place = self.room.clone().acquire_many_owned(units(&message)).await;
        if let Ok(_place) = place {
            // The client may be gone.
            let _ = self.messages.send(Unread { message, _place }).await;
        }
    }

    /// Sends a message if there is room for it now.
    fn try_send(&self, message: Arc<Outgoing>) -> bool {
        let place = self.room.clone().try_acquire_many_owned(units(&message));
        place.is_ok_and(|_place| self.messages.try_send(Unread { message, _place }).is_ok())
    }
}

fn units(message: &Outgoing) -> u32 {
    let units = message.bytes().div_ceil(UNIT);
    u32::try_from(units).map_or(MOST_UNREAD, |units| units.min(MOST_UNREAD))
}

/// Whether a kernel does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Busy,
    Idle,
    Restarting,
    Dead,
}

impl Doing {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Restarting => "restarting",
            Self::Dead => "dead",
        }
    }
}

impl Kernel {
    pub fn new(
        session: SessionId,
        owner: Owner,
        spec: &'static Spec,
        environment: Vec<(String, String)>,
    ) -> Self {
        Self {
            id: id_of(&session),
            session,
            owner,
            spec,
            environment,
            asked: Arc::new(Semaphore::new(MOST_ASKED)),
            state: Mutex::new(State {
                connections: Vec::new(),
                busy: 0,
                last_activity: SystemTime::now(),
            }),
        }
    }

    /// As clients read it.
    pub fn body(&self) -> Value {
        let state = self.lock();
        let doing = match state.busy {
            0 => Doing::Idle,
            _ => Doing::Busy,
        };
        json!({
            "id": self.id,
            "name": self.spec.name,
            "last_activity": rfc3339(state.last_activity),
            "execution_state": doing.name(),
            "connections": state.connections.len(),
        })
    }

    /// Whether one more client may be connected.
    pub fn has_room(&self) -> bool {
        self.lock().connections.len() < MOST_CONNECTIONS
    }

    pub fn connect(&self, connection: Connection) {
        self.lock().connections.push(connection);
    }

    pub fn disconnect(&self, connection: &Connection) {
        let mut state = self.lock();
        let is_other = |one: &Connection| !one.messages.same_channel(&connection.messages);
        state.connections.retain(is_other);
    }

    /// Ends all connections.
    pub fn disconnect_all(&self) {
        for connection in &self.lock().connections {
            connection.end.cancel();
        }
    }

    /// Notes that a request is answered, until what this returns is dropped.
    pub fn begin(&self) -> Busy<'_> {
        let mut state = self.lock();
        state.last_activity = SystemTime::now();
        state.busy += 1;
        Busy(self)
    }

    /// Sends a message to all that are connected. `own` waits until it has room; another one that has none does not
    /// read, and is ended.
    pub async fn tell_all(&self, message: Outgoing, own: Option<&Connection>) {
        let message = Arc::new(message);
        let all = self.lock().connections.clone();
        let is_own =
            |one: &Connection| own.is_some_and(|own| one.messages.same_channel(&own.messages));
        for other in all.iter().filter(|one| !is_own(one)) {
            if !other.try_send(message.clone()) {
                other.end.cancel();
            }
        }
        if let Some(own) = own {
            own.send(message).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A session's id in the form of a kernel's. The name of a replica is before it, with dashes of its own as `_`.
fn id_of(session: &SessionId) -> String {
    let text = session.as_str();
    let (before, digits) = text.split_at(text.len().saturating_sub(32));
    let replica = match session.replica() {
        Some(_) => before.trim_start_matches("sess-").replace('-', "_"),
        None => String::new(),
    };
    let mut id = replica;
    for (index, digit) in digits.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            id.push('-');
        }
        id.push(digit);
    }
    id
}

/// All kernels. There are no more than sessions.
#[derive(Debug, Default)]
pub struct Kernels(Mutex<HashMap<String, Arc<Kernel>>>);

impl Kernels {
    /// Adds one, and forgets those whose sessions are gone.
    pub fn add(&self, kernel: Kernel, pool: &Pool) -> Arc<Kernel> {
        let kernel = Arc::new(kernel);
        let mut all = self.lock();
        all.retain(|_, one| session_of(one, pool).is_some());
        all.insert(kernel.id.clone(), kernel.clone());
        kernel
    }

    /// An owner's that lives.
    pub fn find(&self, id: &str, owner: &Owner, pool: &Pool) -> Option<Arc<Kernel>> {
        let kernel = self.lock().get(id).cloned()?;
        let is_own = kernel.owner == *owner && session_of(&kernel, pool).is_some();
        is_own.then_some(kernel)
    }

    /// Those of an owner that live.
    pub fn of(&self, owner: &Owner, pool: &Pool) -> Vec<Arc<Kernel>> {
        let mut all: Vec<_> = self.lock().values().cloned().collect();
        all.retain(|one| one.owner == *owner && session_of(one, pool).is_some());
        all
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Kernel>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn session_of(kernel: &Kernel, pool: &Pool) -> Option<SessionInfo> {
    pool.session(&kernel.session, &kernel.owner).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_five_parts_that_jupyter_takes() {
        let digits = "0123456789abcdef0123456789abcdef";
        let grouped = "01234567-89ab-cdef-0123-456789abcdef";
        for (session, id) in [
            (format!("sess-{digits}"), grouped.to_owned()),
            (format!("sess-one-{digits}"), format!("one_{grouped}")),
            (format!("sess-a-1-{digits}"), format!("a_1_{grouped}")),
        ] {
            let session = SessionId::parse(&session).unwrap();
            assert_eq!(id_of(&session), id);
        }
    }
}
