//! What goes wrong with sandboxes.

use faas_protocol::Stage;
use rustix::io::Errno;

use super::process::ExitStatus;

/// Why a sandbox did not get ready or broke off.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    #[error("its process cannot be held: {0}")]
    Process(std::io::Error),
    #[error("its socket failed: {0}")]
    Socket(std::io::Error),
    #[error("it sent something that is not in the protocol")]
    Protocol,
    #[error("it was not ready in time")]
    NotReady,
    #[error("it ended: {0}")]
    Ended(ExitStatus),
    #[error("{}{}", stage.advice(), Reason(*errno))]
    Failed { stage: Stage, errno: i32 },
}

impl SandboxError {
    /// Whether the supervisor had no descriptor left for it, which another zygote would not change.
    pub fn is_shortage(&self) -> bool {
        let (Self::Process(error) | Self::Socket(error)) = self else {
            return false;
        };
        let errno = Errno::from_io_error(error);
        matches!(errno, Some(Errno::MFILE | Errno::NFILE))
    }
}

/// The system's words for an error number, if there is one.
struct Reason(i32);

impl std::fmt::Display for Reason {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            0 => Ok(()),
            errno => write!(formatter, ": {}", std::io::Error::from_raw_os_error(errno)),
        }
    }
}
