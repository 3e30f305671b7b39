//! The request that a call came in.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use rmcp::model::CallToolResult;
use tracing::Span;

use crate::api::ApiError;
use crate::api::AppState;
use crate::api::Share;
use crate::api::no_room;

/// The request that a call came in; an extension of it.
#[derive(Clone)]
pub struct Within {
    pub span: Span,
    held: Arc<Mutex<Held>>,
}

/// What it holds of budgets.
#[derive(Default)]
struct Held {
    /// Of FAAS_QUEUE_BYTES, until the call takes it.
    message: Option<Share>,
    /// Of FAAS_ANSWER_BYTES, until the client has read the answer.
    answer: Option<Share>,
}

impl Default for Within {
    fn default() -> Self {
        Self {
            span: Span::current(),
            held: Arc::default(),
        }
    }
}

impl Within {
    /// Keeps what the message holds.
    pub fn hold_message(&self, share: Share) {
        self.held().message = Some(share);
    }

    /// What the message holds, for the call that it brought: nothing yet, if nobody counted it.
    pub fn message(&self, state: &AppState) -> Share {
        let message = self.held().message.take();
        message.unwrap_or_else(|| state.requests.share())
    }

    /// Takes room for a result.
    ///
    /// # Errors
    /// 503 if callers have left too much unread.
    pub fn hold_answer(&self, result: &CallToolResult, state: &AppState) -> Result<(), ApiError> {
        let mut length = Length(0);
        // A result is always JSON; writing to a counter does not fail.
        let _ = serde_json::to_writer(&mut length, result);
        let mut share = state.answers.share();
        share.grow(length.0).map_err(|_| no_room(state))?;
        self.held().answer = Some(share);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Within {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Within").finish_non_exhaustive()
    }
}

/// Counts what is written to it, in bytes.
struct Length(u64);

impl std::io::Write for Length {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
