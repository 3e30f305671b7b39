//! Whose turn it is in a session: one at a time, in the order in which they came.

use std::sync::Arc;
use std::time::Duration;

use faas_telemetry::SessionEnd;
use tokio::sync::Notify;
use tokio::sync::OwnedSemaphorePermit;

use super::session::Session;

/// Most that may wait for their turn in one session.
const MOST_WAITING: usize = 64;

/// The turn in a session: nobody else changes it. Dropping it gives the turn to the next.
#[derive(Debug)]
pub struct Turn {
    pub session: Arc<Session>,
    /// Notified when the cell is to be interrupted.
    pub interrupt: Arc<Notify>,
    _turn: OwnedSemaphorePermit,
    _user: User,
}

/// One who uses a session, or waits to do so.
#[derive(Debug)]
struct User(Arc<Session>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Why there is no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTurn {
    /// So many wait already.
    Full {
        waiting: usize,
    },
    /// It did not come in time.
    TooLate {
        limit: Duration,
    },
    Over(SessionEnd),
}

impl Turn {
    /// Waits for the turn, no longer than `within`. Giving up is dropping the future.
    ///
    /// # Errors
    /// [`NoTurn`].
    pub async fn take(session: &Arc<Session>, within: Option<Duration>) -> Result<Self, NoTurn> {
        let over = || session.why_over().unwrap_or(SessionEnd::Deleted);
        let users = session.enter();
        let user = User(session.clone());
        // One of them has its turn.
        let waiting = users.saturating_sub(2);
        if waiting >= MOST_WAITING {
            return Err(NoTurn::Full { waiting });
        }
        let turn = session.turns.clone().acquire_owned();
        let turn = match within {
            None => turn.await,
            Some(limit) => match tokio::time::timeout(limit, turn).await {
                Ok(turn) => turn,
                Err(_) => return Err(NoTurn::TooLate { limit }),
            },
        };
        let turn = turn.map_err(|_| NoTurn::Over(over()))?;
        if session.is_too_old() {
            return Err(NoTurn::Over(SessionEnd::TooOld));
        }
        Ok(Self {
            session: session.clone(),
            interrupt: Arc::default(),
            _turn: turn,
            _user: user,
        })
    }

    /// From now on, interrupts are for this turn's cell.
    pub fn begin_cell(&self) {
        self.session.set_running(Some(self.interrupt.clone()));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.session.set_running(None);
    }
}
