//! The request that a call came in.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
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
    /// What it holds of FAAS_QUEUE_BYTES and FAAS_ANSWER_BYTES, until the client has read the answer.
    held: Arc<Mutex<Vec<Share>>>,
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
    /// Keeps what was taken of a budget.
    pub fn hold(&self, share: Share) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.push(share);
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
        self.hold(share);
        Ok(())
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
