//! The supervisor's end of one sandbox.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::OwnedSemaphorePermit;

use super::job_socket::JobSocket;
use super::process::ChildProcess;
use super::process::Exit;
use crate::protocol;
use crate::protocol::SandboxEvent;

/// A sandbox process and its job socket. Dropping it kills the process, whatever it is doing, and
/// has it reaped; its place in the pool is free once that is done.
#[derive(Debug)]
pub struct Sandbox {
    id: String,
    pub socket: JobSocket,
    process: ChildProcess<OwnedSemaphorePermit>,
    /// Resident memory before the job, in bytes.
    base_memory_bytes: u64,
}

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
    Ended(Exit),
}

impl Sandbox {
    /// Takes charge of a forked process and waits until it is ready for a job.
    ///
    /// # Errors
    /// When it cannot be held or breaks off before.
    pub async fn prepare(
        pid: i32,
        socket: OwnedFd,
        place: OwnedSemaphorePermit,
        max_payload_bytes: usize,
    ) -> Result<Self, SandboxError> {
        let process = ChildProcess::adopt(pid, place).map_err(SandboxError::Process)?;
        let socket = JobSocket::new(socket, max_payload_bytes).map_err(SandboxError::Socket)?;
        let mut sandbox = Self {
            id: format!("sandbox-{pid}-{:08x}", random_suffix()),
            socket,
            process,
            base_memory_bytes: 0,
        };
        match sandbox.socket.receive().await? {
            Some(frame) if matches!(protocol::decode(&frame), Ok(SandboxEvent::Ready)) => {
                sandbox.base_memory_bytes = sandbox.process.peak_memory_bytes();
                Ok(sandbox)
            }
            Some(_) => Err(SandboxError::Protocol),
            None => Err(SandboxError::Ended(sandbox.end().await)),
        }
    }

    /// Name of this sandbox in answers and logs.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills the process, unless it ended by itself, and tells how it ended. That its socket closed
    /// does not mean that it ends.
    pub async fn end(&self) -> Exit {
        self.signal(Signal::KILL);
        self.process.reap().await
    }

    /// CPU time used so far.
    pub fn cpu_time(&self) -> Duration {
        self.process.cpu_time()
    }

    /// Highest resident memory so far over that of a sandbox that runs nothing, in bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let peak = self.process.peak_memory_bytes();
        peak.saturating_sub(self.base_memory_bytes)
    }
}

/// Tells sandboxes of the same process number apart.
fn random_suffix() -> u32 {
    getrandom::u32().unwrap_or_default()
}
