//! The supervisor's end of one sandbox.

use std::os::fd::OwnedFd;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt;
use futures_util::StreamExt;
use rustix::process::Signal;
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::codec::Framed;
use tokio_util::codec::LengthDelimitedCodec;

use super::process::ChildProcess;
use super::process::Exit;
use crate::protocol;
use crate::protocol::FRAME_SLACK_BYTES;
use crate::protocol::Job;
use crate::protocol::MAX_OUTPUT_FRAME_BYTES;
use crate::protocol::SandboxEvent;

/// A sandbox process and its job socket. Dropping it kills the process, whatever it is doing, and
/// has it reaped; its place in the pool is free once that is done.
#[derive(Debug)]
pub struct Sandbox {
    id: String,
    frames: Framed<UnixStream, LengthDelimitedCodec>,
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
        max_return_bytes: u64,
    ) -> Result<Self, SandboxError> {
        let process = ChildProcess::adopt(pid, place).map_err(SandboxError::Process)?;
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true).map_err(SandboxError::Socket)?;
        let socket = UnixStream::from_std(socket).map_err(SandboxError::Socket)?;
        let longest = max_return_bytes as usize + FRAME_SLACK_BYTES;
        let frames = LengthDelimitedCodec::builder()
            .little_endian()
            .length_field_length(protocol::HEADER_BYTES)
            .max_frame_length(longest.max(MAX_OUTPUT_FRAME_BYTES))
            .new_framed(socket);
        let mut sandbox = Self {
            id: format!("sandbox-{pid}-{:08x}", random_suffix()),
            frames,
            process,
            base_memory_bytes: 0,
        };
        match sandbox.receive().await? {
            Some(frame) if matches!(protocol::decode(&frame), Ok(SandboxEvent::Ready)) => {
                sandbox.base_memory_bytes = sandbox.process.peak_memory_bytes();
                Ok(sandbox)
            }
            Some(_) => Err(SandboxError::Protocol),
            None => Err(SandboxError::Ended(sandbox.reap().await)),
        }
    }

    /// Name of this sandbox in answers and logs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Sends the job.
    ///
    /// # Errors
    /// When the sandbox is gone.
    pub async fn send(&mut self, job: &Job) -> Result<(), SandboxError> {
        // A job was built from a request that fits in memory; it always encodes.
        let message = protocol::encode(job).map_err(|_| SandboxError::Protocol)?;
        let sent = self.frames.send(Bytes::from(message)).await;
        sent.map_err(SandboxError::Socket)
    }

    /// The next frame, undecoded; `None` once the sandbox closed its end.
    ///
    /// # Errors
    /// When a frame is too long or the socket fails.
    pub async fn receive(&mut self) -> Result<Option<bytes::BytesMut>, SandboxError> {
        match self.frames.next().await {
            Some(Ok(frame)) => Ok(Some(frame)),
            None => Ok(None),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(SandboxError::Protocol)
            }
            Some(Err(error)) => Err(SandboxError::Socket(error)),
        }
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for the process's end.
    pub async fn reap(&self) -> Exit {
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
