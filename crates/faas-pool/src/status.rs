//! What is known of a zygote, for `/health` and for those who wait for it.

use std::time::Instant;

use faas_protocol::ByteSize;
use faas_protocol::Layers;
use faas_protocol::RuntimeVersion;
use tokio::sync::watch;

/// State of one zygote.
#[derive(Clone, Debug)]
pub enum ZygoteState {
    /// It is being started for the first time.
    Booting,
    /// It serves.
    Up(Booted),
    /// It is up, but its sandboxes do not get ready; more are tried.
    Stalled {
        reason: String,
        booted: Booted,
        /// When it may bring sandboxes again.
        expected: Instant,
    },
    /// It went down, or did not boot; it is tried again.
    Down {
        reason: String,
        /// What it was when it last served, if it ever did.
        last: Option<Booted>,
        /// Whether it failed so often in a row that nobody should wait for it.
        is_hopeless: bool,
        /// When it may be up again.
        expected: Instant,
    },
    /// It was given up.
    Failed {
        reason: String,
        /// When another may be tried; `None` if at once.
        retry_at: Option<Instant>,
    },
}

/// What a zygote said of itself when it had booted.
#[derive(Clone, Debug)]
pub struct Booted {
    pub pid: i32,
    pub version: RuntimeVersion,
    /// The lock-down layers of its sandboxes.
    pub layers: Layers,
    /// Why it booted without machine code; `None` if it had it, or has no use for it.
    pub no_code_cache: Option<String>,
    /// Why its sandboxes cannot be kept as snapshots; `None` if they can.
    pub cannot_keep: Option<String>,
    /// Memory that it shared with the zygote it was forked from, when it was forked.
    pub inherited: ByteSize,
    /// Whether what makes it quick is done. One with packages serves before it is.
    pub is_warm: bool,
}

impl ZygoteState {
    pub fn is_up(&self) -> bool {
        matches!(self, Self::Up(_))
    }

    /// What it is, or was when it last served.
    pub fn booted(&self) -> Option<&Booted> {
        match self {
            Self::Up(booted) | Self::Stalled { booted, .. } => Some(booted),
            Self::Down { last, .. } => last.as_ref(),
            Self::Booting | Self::Failed { .. } => None,
        }
    }

    /// Its process, if there is one that has booted.
    pub fn pid(&self) -> Option<i32> {
        match self {
            Self::Up(booted) | Self::Stalled { booted, .. } => Some(booted.pid),
            Self::Booting | Self::Down { .. } | Self::Failed { .. } => None,
        }
    }

    /// When it may serve, if that is known and it does not.
    pub fn expected(&self) -> Option<Instant> {
        match self {
            Self::Booting | Self::Up(_) => None,
            Self::Stalled { expected, .. } | Self::Down { expected, .. } => Some(*expected),
            Self::Failed { retry_at, .. } => *retry_at,
        }
    }

    /// Why it does not serve; `None` if it does.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Booting => Some("it is booting"),
            Self::Up(_) => None,
            Self::Stalled { reason, .. }
            | Self::Down { reason, .. }
            | Self::Failed { reason, .. } => Some(reason),
        }
    }
}

/// The state, to be read and watched.
#[derive(Debug)]
pub struct ZygoteStatus {
    name: String,
    state: watch::Sender<ZygoteState>,
}

impl ZygoteStatus {
    /// `name`: a runtime's, or a package set's.
    pub fn new(name: String) -> Self {
        Self {
            name,
            state: watch::Sender::new(ZygoteState::Booting),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn get(&self) -> ZygoteState {
        self.state.borrow().clone()
    }

    pub fn set_up(&self, booted: Booted) {
        self.state.send_replace(ZygoteState::Up(booted));
    }

    /// A zygote has warmed up. Tells whether it was up and had not said so before.
    pub fn set_warm(&self) -> bool {
        self.state.send_if_modified(|state| match state {
            ZygoteState::Up(booted) | ZygoteState::Stalled { booted, .. } => {
                !std::mem::replace(&mut booted.is_warm, true)
            }
            _ => false,
        })
    }

    /// A zygote that is up brings no sandboxes for now.
    pub fn set_stalled(&self, reason: String, expected: Instant) {
        self.state.send_if_modified(|state| {
            let booted = match state {
                ZygoteState::Up(booted) | ZygoteState::Stalled { booted, .. } => booted.clone(),
                _ => return false,
            };
            *state = ZygoteState::Stalled {
                reason,
                booted,
                expected,
            };
            true
        });
    }

    /// It brings sandboxes again.
    pub fn clear_stalled(&self) {
        self.state.send_if_modified(|state| {
            let ZygoteState::Stalled { booted, .. } = state else {
                return false;
            };
            *state = ZygoteState::Up(booted.clone());
            true
        });
    }

    /// It does not serve; `expected`: when it may be up again.
    pub fn set_down(&self, reason: String, is_hopeless: bool, expected: Instant) {
        self.state.send_modify(|state| {
            *state = ZygoteState::Down {
                reason,
                last: state.booted().cloned(),
                is_hopeless,
                expected,
            };
        });
    }

    /// It is given up; `retry_at`: when another may be tried, if not at once.
    pub fn set_failed(&self, reason: String, retry_at: Option<Instant>) {
        self.state
            .send_replace(ZygoteState::Failed { reason, retry_at });
    }

    /// Waits until the zygote serves; for ever, if it never does.
    pub async fn until_up(&self) {
        // The sender is this object, so the wait cannot fail.
        let _ = self.state.subscribe().wait_for(ZygoteState::is_up).await;
    }

    /// Waits until the zygote serves and is warm, or there is no point in waiting for it.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn until_settled(&self) -> Result<(), String> {
        let verdict = |state: &ZygoteState| match state {
            ZygoteState::Up(booted) if booted.is_warm => Some(Ok(())),
            ZygoteState::Failed { reason, .. }
            | ZygoteState::Stalled { reason, .. }
            | ZygoteState::Down {
                reason,
                is_hopeless: true,
                ..
            } => Some(Err(reason.clone())),
            ZygoteState::Booting | ZygoteState::Up(_) | ZygoteState::Down { .. } => None,
        };
        let mut states = self.state.subscribe();
        let settled = states.wait_for(|state| verdict(state).is_some()).await;
        // As above: the wait does not fail.
        settled
            .ok()
            .and_then(|state| verdict(&state))
            .unwrap_or(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn booted() -> Booted {
        Booted {
            pid: 42,
            version: RuntimeVersion::default(),
            layers: Layers::default(),
            no_code_cache: None,
            cannot_keep: None,
            inherited: ByteSize::default(),
            is_warm: true,
        }
    }

    async fn verdict(status: &ZygoteStatus) -> Option<Result<(), String>> {
        let settled = status.until_settled();
        tokio::time::timeout(Duration::from_millis(20), settled)
            .await
            .ok()
    }

    #[tokio::test]
    async fn waiting_for_a_zygote_ends_when_it_failed_for_good_or_is_hopeless() {
        let status = ZygoteStatus::new("python".to_owned());
        assert_eq!(verdict(&status).await, None);
        status.set_down("no memory".to_owned(), false, Instant::now());
        assert_eq!(verdict(&status).await, None, "it is tried again");
        status.set_down("no memory".to_owned(), true, Instant::now());
        assert_eq!(verdict(&status).await, Some(Err("no memory".to_owned())));
        status.set_up(booted());
        assert_eq!(verdict(&status).await, Some(Ok(())));
        status.set_failed("no such package".to_owned(), None);
        assert_eq!(
            verdict(&status).await,
            Some(Err("no such package".to_owned()))
        );
    }

    #[test]
    fn a_zygote_without_sandboxes_does_not_serve_until_it_has_some() {
        let status = ZygoteStatus::new("python".to_owned());
        status.set_stalled("no memory".to_owned(), Instant::now());
        assert!(matches!(status.get(), ZygoteState::Booting));
        status.set_up(booted());
        status.set_stalled("no memory".to_owned(), Instant::now());
        status.set_stalled("no process".to_owned(), Instant::now());
        let state = status.get();
        assert!(!state.is_up());
        assert_eq!(state.reason(), Some("no process"));
        assert_eq!(state.booted().map(|booted| booted.pid), Some(42));
        status.clear_stalled();
        assert!(status.get().is_up());
        status.set_down("signal 9".to_owned(), false, Instant::now());
        status.clear_stalled();
        assert_eq!(status.get().reason(), Some("signal 9"), "it is still down");
    }

    #[test]
    fn a_zygote_that_went_down_is_remembered_as_it_was() {
        let status = ZygoteStatus::new("python".to_owned());
        status.set_up(booted());
        status.set_down("signal 9".to_owned(), false, Instant::now());
        status.set_down("it did not boot".to_owned(), true, Instant::now());
        let state = status.get();
        assert_eq!(state.booted().map(|booted| booted.pid), Some(42));
        assert_eq!(state.reason(), Some("it did not boot"));
    }
}
