//! What is known of a zygote, for `/health` and for those who wait for its first boot.

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
pub struct ZygoteStatus(watch::Sender<ZygoteState>);

impl ZygoteStatus {
    pub fn new() -> Self {
        Self(watch::Sender::new(ZygoteState {
            reason: "it is booting".to_owned(),
            ..ZygoteState::default()
        }))
    }

    pub fn get(&self) -> ZygoteState {
        self.0.borrow().clone()
    }

    pub fn set_up(&self, version: String, layers: Vec<String>, missing_layers: Vec<String>) {
        self.0.send_modify(|state| {
            state.up = true;
            state.was_up = true;
            state.reason.clear();
            state.version = version;
            state.layers = layers;
            state.missing_layers = missing_layers;
        });
    }

    pub fn set_down(&self, reason: String) {
        self.0.send_modify(|state| {
            state.restarts += u64::from(state.up);
            state.up = false;
            state.reason = reason;
        });
    }

    /// Waits until the zygote serves.
    pub async fn until_up(&self) {
        // The sender is this object, so the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|state| state.up).await;
    }
}
