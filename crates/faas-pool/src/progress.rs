//! How far the installation of a package set is, for those who wait for it.

use std::convert::Infallible;
use std::time::Duration;

use tokio::sync::watch;

use super::live::InstallProgress;
use super::live::InstallStage;
use super::live::Live;
use super::live::LiveEvent;

/// Shortest time between two messages to one who waits.
const TELL_EVERY: Duration = Duration::from_millis(100);

/// Where an installation says how far it is.
#[derive(Clone, Debug)]
pub struct Progress(watch::Sender<InstallProgress>);

impl Progress {
    pub fn of(requirements: &[String]) -> Self {
        Self(watch::Sender::new(InstallProgress {
            requirements: requirements.into(),
            stage: InstallStage::Waiting,
            file: None,
            files: 0,
            bytes: 0,
        }))
    }

    /// It begins, perhaps again.
    pub fn begin(&self, stage: InstallStage) {
        self.0.send_modify(|now| {
            *now = InstallProgress {
                requirements: now.requirements.clone(),
                stage,
                file: None,
                files: 0,
                bytes: 0,
            }
        });
    }

    pub fn fetch(&self, file: &str) {
        self.0.send_modify(|now| {
            now.stage = InstallStage::Fetching;
            now.file = Some(file.into());
        });
    }

    /// The file is there, with so many bytes, or is not available.
    pub fn fetched(&self, bytes: Option<u64>) {
        self.0.send_modify(|now| {
            now.stage = InstallStage::Installing;
            if let Some(bytes) = bytes {
                now.files = now.files.saturating_add(1);
                now.bytes = now.bytes.saturating_add(bytes);
            }
        });
    }

    /// Tells how far it is, until this is dropped.
    pub async fn tell(&self, live: &Live) -> Infallible {
        let mut progress = self.0.subscribe();
        loop {
            let now = progress.borrow_and_update().clone();
            // Nobody listens any more: the execution is about to be dropped.
            let _ = live.send(LiveEvent::Installing(now));
            tokio::time::sleep(TELL_EVERY).await;
            // `self` has the other end.
            let _ = progress.changed().await;
        }
    }
}
