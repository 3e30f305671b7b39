//! The supervisor's end of one sandbox.

use std::os::fd::OwnedFd;
use std::time::Duration;

use faas_linux::ProcessStatus;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::ForkGuard;
use faas_protocol::Limits;
use faas_protocol::SandboxEvent;
use rustix::process::Resource;
use rustix::process::Signal;
use tokio::sync::OwnedSemaphorePermit;

use super::cpu_watch::CpuWatch;
use super::job_socket::JobSocket;
use super::memory_watch::MemoryWatch;
use super::process::ChildProcess;
use super::process::ExitStatus;
use super::sandbox_error::SandboxError;

/// How long a sandbox may take after its program to get ready to be forked: it collects garbage, and gathers its memory
/// in huge pages, for which a container whose memory is short may have to find room first.
const REST_WITHIN: Duration = Duration::from_secs(10);

/// A sandbox process and its job socket. Dropping it kills the process, whatever it is doing, and
/// has it reaped; its place in the pool is free once that is done.
#[derive(Debug)]
pub struct Sandbox {
    id: String,
    pub socket: JobSocket,
    process: ChildProcess<OwnedSemaphorePermit>,
    /// Whether it is of a line: other processes are to be forked from it, or it was forked from a kept one.
    pub is_of_line: bool,
    /// Who is asked about its forks, by its own word; one that lies has none.
    guard: ForkGuard,
    /// Its memory before the job.
    before: ProcessStatus,
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
        largest_payload: ByteSize,
    ) -> Result<Self, SandboxError> {
        let process = ChildProcess::adopt(pid, place).map_err(SandboxError::Process)?;
        let socket = JobSocket::new(socket, largest_payload).map_err(SandboxError::Socket)?;
        let mut sandbox = Self {
            id: format!("sandbox-{pid}-{:08x}", random_suffix()),
            socket,
            process,
            is_of_line: false,
            guard: ForkGuard::default(),
            before: ProcessStatus::default(),
        };
        sandbox.expect(&SandboxEvent::Ready).await?;
        sandbox.before = sandbox.process.memory();
        Ok(sandbox)
    }

    /// Waits for this message, which is the next one of an honest sandbox that nothing hinders.
    ///
    /// # Errors
    /// What came instead.
    pub async fn expect(&mut self, wanted: &SandboxEvent<'_>) -> Result<(), SandboxError> {
        let Some(frame) = self.socket.receive().await? else {
            return Err(SandboxError::Ended(self.end().await));
        };
        match protocol::decode(&frame) {
            Ok(event) if event == *wanted => Ok(()),
            Ok(SandboxEvent::Failed { stage, errno }) => Err(SandboxError::Failed { stage, errno }),
            Ok(_) | Err(_) => Err(SandboxError::Protocol),
        }
    }

    /// Replaces its place in the pool; returns the one that it had.
    pub fn keep(&mut self, place: OwnedSemaphorePermit) -> Option<OwnedSemaphorePermit> {
        self.process.keep(place)
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Waits until a sandbox whose program has ended is ready to be forked; tells whether it is.
    pub async fn comes_to_rest(&mut self) -> bool {
        let rest = async {
            // What the program's end still printed is nobody's.
            loop {
                let frame = self.socket.receive().await.ok()??;
                match protocol::decode(&frame) {
                    Ok(SandboxEvent::Kept(stays)) => return Some(stays),
                    Ok(SandboxEvent::Output { .. }) => {}
                    Ok(_) | Err(_) => return None,
                }
            }
        };
        let rests = tokio::time::timeout(REST_WITHIN, rest).await;
        match rests.ok().flatten().flatten() {
            Some(guard) => {
                self.guard = guard;
                true
            }
            None => false,
        }
    }

    pub fn guard(&self) -> ForkGuard {
        self.guard
    }

    /// Name of this sandbox in answers and logs.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether its process is gone, as when the system ran out of memory while it waited.
    pub fn has_ended(&self) -> bool {
        self.process.has_ended()
    }

    pub fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Kills the process, unless it ended by itself, and tells how it ended. That its socket closed
    /// does not mean that it ends.
    pub async fn end(&self) -> ExitStatus {
        self.signal(Signal::KILL);
        self.process.reap().await
    }

    /// CPU time used so far.
    pub fn cpu_time(&self) -> Duration {
        self.process.cpu_time()
    }

    /// Highest resident memory so far over that of a sandbox that runs nothing.
    pub fn peak_memory(&self) -> ByteSize {
        let peak = self.process.memory().peak_resident_bytes;
        ByteSize::bytes(peak.saturating_sub(self.before.peak_resident_bytes))
    }

    /// What it held before its job.
    pub fn held_before(&self) -> ByteSize {
        ByteSize::bytes(self.before.held_bytes())
    }

    /// Has the kernel keep the job to its memory and CPU time. A process of a line passes its hard limits on,
    /// so these stay what they are; then it takes [`Self::watch_cpu`] to end a program that does not heed the
    /// limit.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn limit(&self, limits: &Limits) -> Result<(), SandboxError> {
        let memory = self.before.data_bytes.saturating_add(limits.memory.get());
        // A timer of its own stops the program softly and to the ms; the kernel, in whole seconds, one
        // that does not heed it.
        let seconds = limits.cpu.as_millis().div_ceil(1000).saturating_add(1);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX);
        let data = self.process.set_soft_limit(Resource::Data, memory);
        data.and_then(|()| match self.is_of_line {
            true => self.process.set_soft_limit(Resource::Cpu, seconds),
            false => self.process.set_limit(Resource::Cpu, seconds),
        })
        .map_err(SandboxError::Process)
    }

    /// Watches that it holds no more than `limit` over what it held before its job.
    pub fn watch_memory(&self, limit: ByteSize) -> MemoryWatch {
        MemoryWatch::new(self.process.pid(), self.held_before(), limit)
    }

    /// Watches that it uses no more than `limit` over what it used before its job.
    pub fn watch_cpu(&self, before: Duration, limit: Duration) -> CpuWatch {
        CpuWatch::new(self.process.pid(), before, limit)
    }
}

/// Tells sandboxes of the same process number apart.
fn random_suffix() -> u32 {
    getrandom::u32().unwrap_or_default()
}
