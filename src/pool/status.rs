//! What is known of a zygote, for `/health` and for those who wait for it.

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::sync::watch;

/// State of one zygote.
#[derive(Clone, Debug, Default)]
pub struct ZygoteState {
    /// Whether it serves.
    pub up: bool,
    /// Whether it ever did.
    pub was_up: bool,
    /// Why it is not up.
    pub reason: String,
    /// Its process id while it is up, else 0.
    pub pid: i32,
    /// Version of its runtime.
    pub version: String,
    /// Lock-down layers of its sandboxes.
    pub layers: Vec<String>,
    /// Layers that this machine lacks.
    pub missing_layers: Vec<String>,
    /// How often it went down.
    pub restarts: u64,
}

/// The state, to be read and watched.
#[derive(Debug)]
pub struct ZygoteStatus {
    name: String,
    state: watch::Sender<ZygoteState>,
    /// Why it never will be up.
    failure: Mutex<Option<String>>,
}

impl ZygoteStatus {
    /// `name`: a runtime's, or a package set's.
    pub fn new(name: String) -> Self {
        Self {
            name,
            state: watch::Sender::new(ZygoteState {
                reason: "it is booting".to_owned(),
                ..ZygoteState::default()
            }),
            failure: Mutex::new(None),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn get(&self) -> ZygoteState {
        self.state.borrow().clone()
    }

    pub fn set_up(
        &self,
        pid: i32,
        version: String,
        layers: Vec<String>,
        missing_layers: Vec<String>,
    ) {
        self.state.send_modify(|state| {
            state.up = true;
            state.was_up = true;
            state.reason.clear();
            state.pid = pid;
            state.version = version;
            state.layers = layers;
            state.missing_layers = missing_layers;
        });
    }

    pub fn set_down(&self, reason: String) {
        self.state.send_modify(|state| {
            state.restarts += u64::from(state.up);
            state.up = false;
            state.pid = 0;
            state.reason = reason;
        });
    }

    /// It will not be tried again.
    pub fn set_failed(&self, reason: String) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason);
    }

    pub fn failure(&self) -> Option<String> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the zygote serves.
    pub async fn until_up(&self) {
        // The sender is this object, so the wait cannot fail.
        let _ = self.state.subscribe().wait_for(|state| state.up).await;
    }
}
