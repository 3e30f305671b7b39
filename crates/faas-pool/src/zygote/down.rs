//! How zygotes come to their end.

use std::time::Duration;

use crate::process::ExitStatus;
use crate::process::ZygoteProcess;
use crate::sandbox_error::SandboxError;

/// A zygote that has not answered by then never will.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// How long a zygote that closed its socket may take to end.
const EXITED_WITHIN: Duration = Duration::from_secs(1);

/// Why a zygote stopped serving.
#[derive(Debug, thiserror::Error)]
pub enum Down {
    #[error("shutting down")]
    Stopped,
    #[error("it did not start: {0}")]
    NotLaunched(std::io::Error),
    #[error("it was not booted after {0:?}")]
    TooSlow(Duration),
    #[error("it did not answer within {0:?}")]
    Silent(Duration),
    #[error("it ended: {0}")]
    Exited(ExitStatus),
    #[error("its control socket failed: {0}")]
    Control(std::io::Error),
    #[error("it sent something that is not in the protocol")]
    Protocol,
    #[error("its sandboxes do not get ready: {0}")]
    Sandboxes(SandboxError),
    #[error("it took more memory than a zygote with packages may have")]
    Memory,
    #[error("its packages cannot be installed: {0}")]
    NotInstalled(String),
}

/// A zygote that closed its socket has mostly ended, and how says more.
pub async fn how_it_ended(down: Down, process: &ZygoteProcess) -> Down {
    match down {
        Down::Control(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            let ended = tokio::time::timeout(EXITED_WITHIN, process.reap()).await;
            ended.map_or(Down::Control(error), Down::Exited)
        }
        down => down,
    }
}
