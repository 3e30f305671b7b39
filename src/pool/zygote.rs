//! Keeps one zygote alive and its shelf filled.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use rustix::net::AddressFamily;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use rustix::net::SocketFlags;
use rustix::net::SocketType;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::launcher::Launcher;
use super::process::ChildProcess;
use super::process::Exit;
use super::sandbox::Sandbox;
use super::sandbox::SandboxError;
use super::shelf::Shelf;
use super::status::ZygoteStatus;
use crate::protocol;
use crate::protocol::MAX_CONTROL_BYTES;
use crate::protocol::ZygoteCommand;
use crate::protocol::ZygoteEvent;
use crate::zygote::Runtime;

/// Forks asked for and not answered at once, at most: enough to keep the zygote busy.
const FORKS_IN_FLIGHT: usize = 4;
/// First pause before a zygote that failed to boot is tried again; doubles each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// After so many failed boots in a row, requests no longer wait for it.
const PATIENCE: u32 = 3;
/// How often the shelf is looked at for shrinking.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// A sandbox that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// What a zygote's keeper needs.
pub struct Keeper {
    pub runtime: Runtime,
    pub pyodide: PathBuf,
    pub v8_flags: String,
    /// Memory limit of a program.
    pub memory_bytes: u64,
    pub boot_within: Duration,
    pub max_return_bytes: u64,
    pub launcher: Arc<Launcher>,
    pub shelf: Arc<Shelf>,
    pub status: Arc<ZygoteStatus>,
    /// Places for living sandboxes, of all zygotes together.
    pub places: Arc<Semaphore>,
    pub stop: CancellationToken,
}

/// Why a zygote is no longer served by.
#[derive(Debug, thiserror::Error)]
enum Down {
    #[error("shutting down")]
    Stopped,
    #[error("it did not start: {0}")]
    NotLaunched(std::io::Error),
    #[error("it was not booted after {0:?}")]
    TooSlow(Duration),
    #[error("it ended: {0}")]
    Exited(Exit),
    #[error("its control socket failed: {0}")]
    Control(std::io::Error),
    #[error("it sent something that is not in the protocol")]
    Protocol,
    #[error("its sandboxes do not get ready: {0}")]
    Sandboxes(SandboxError),
}

/// A fork asked for.
struct Pending {
    socket: OwnedFd,
    place: OwnedSemaphorePermit,
}

impl Keeper {
    /// Runs until `stop`: boots, serves, and starts over whenever the zygote goes down.
    pub async fn run(self) {
        let mut failures = 0;
        loop {
            let mut booted = false;
            let down = match self.serve_one(&mut booted).await {
                Err(down) => down,
                Ok(never) => match never {},
            };
            self.shelf.demand.notify_one();
            if matches!(down, Down::Stopped) {
                self.shelf.clear();
                self.shelf.dismiss_waiting();
                return;
            }
            self.status.set_down(down.to_string());
            failures = if booted { 0 } else { failures + 1 };
            tracing::error!(runtime = ?self.runtime, reason = %down, failures, "zygote down");
            if failures >= PATIENCE {
                self.shelf.dismiss_waiting();
            }
            if failures > 0 {
                let pause = FIRST_PAUSE * 2u32.saturating_pow(failures - 1);
                tokio::select! {
                    () = self.stop.cancelled() => {}
                    () = tokio::time::sleep(pause.min(LONGEST_PAUSE)) => {}
                }
            }
        }
    }

    async fn serve_one(&self, booted: &mut bool) -> Result<std::convert::Infallible, Down> {
        if self.stop.is_cancelled() {
            return Err(Down::Stopped);
        }
        let started = Instant::now();
        let arguments = [
            "zygote".into(),
            "--runtime".into(),
            format!("{:?}", self.runtime).to_lowercase().into(),
            "--pyodide".into(),
            self.pyodide.clone().into_os_string(),
            format!("--v8-flags={}", self.v8_flags).into(),
            "--memory-bytes".into(),
            self.memory_bytes.to_string().into(),
        ];
        let launched = self.launcher.launch(arguments.into()).await;
        let (process, control) = launched.map_err(Down::NotLaunched)?;
        let control = Control::new(control).map_err(Down::Control)?;
        let boot = async {
            match control.receive().await? {
                ZygoteEvent::Booted {
                    version,
                    layers,
                    missing_layers,
                } => Ok((version, layers, missing_layers)),
                _ => Err(Down::Protocol),
            }
        };
        let (version, layers, missing_layers) = tokio::select! {
            () = self.stop.cancelled() => return Err(Down::Stopped),
            status = process.reap() => return Err(Down::Exited(status)),
            booted = tokio::time::timeout(self.boot_within, boot) => {
                booted.map_err(|_| Down::TooSlow(self.boot_within))??
            }
        };
        *booted = true;
        let boot_ms = started.elapsed().as_millis();
        tracing::info!(runtime = ?self.runtime, version, boot_ms, pid = process.pid(), "zygote up");
        self.status.set_up(version, layers, missing_layers);
        self.serve(&process, &control).await
    }

    /// Forks sandboxes as the shelf needs them.
    async fn serve(
        &self,
        process: &ChildProcess,
        control: &Control,
    ) -> Result<std::convert::Infallible, Down> {
        let mut pending = VecDeque::<Pending>::new();
        let mut preparing = JoinSet::<Result<Sandbox, SandboxError>>::new();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let mut failures = 0;
        loop {
            let wanted = pending.len() < FORKS_IN_FLIGHT
                && self.shelf.missing(pending.len() + preparing.len()) > 0;
            tokio::select! {
                // The semaphore is never closed.
                Ok(place) = self.places.clone().acquire_owned(), if wanted => {
                    pending.push_back(control.ask_for_fork(place).await?);
                }
                () = self.stop.cancelled() => return Err(Down::Stopped),
                status = process.reap() => return Err(Down::Exited(status)),
                () = self.shelf.demand.notified() => {}
                _ = housekeeping.tick() => self.shelf.shrink_if_unused(),
                event = control.receive() => {
                    let event = event?;
                    let fork = pending.pop_front().ok_or(Down::Protocol)?;
                    match event {
                        ZygoteEvent::Forked { pid } => {
                            let max_return_bytes = self.max_return_bytes;
                            preparing.spawn(async move {
                                let ready = Sandbox::prepare(
                                    pid, fork.socket, fork.place, max_return_bytes,
                                );
                                match tokio::time::timeout(READY_WITHIN, ready).await {
                                    Ok(result) => result,
                                    Err(_) => Err(SandboxError::Protocol),
                                }
                            });
                        }
                        ZygoteEvent::ForkFailed { errno } => {
                            let error = std::io::Error::from_raw_os_error(errno);
                            tracing::warn!(runtime = ?self.runtime, %error, "fork failed");
                            tokio::time::sleep(FIRST_PAUSE).await;
                        }
                        ZygoteEvent::Booted { .. } => return Err(Down::Protocol),
                    }
                }
                Some(prepared) = preparing.join_next() => match prepared {
                    Ok(Ok(sandbox)) => {
                        failures = 0;
                        self.shelf.put(sandbox);
                    }
                    Ok(Err(error)) => {
                        failures += 1;
                        tracing::warn!(runtime = ?self.runtime, %error, "sandbox not ready");
                        if failures >= PATIENCE * 4 {
                            return Err(Down::Sandboxes(error));
                        }
                    }
                    Err(_) => {}
                },
            }
        }
    }
}

/// The supervisor's end of the control socket.
struct Control(AsyncFd<OwnedFd>);

impl Control {
    fn new(socket: OwnedFd) -> std::io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // SAFETY: an OwnedFd keeps its one descriptor open until it is dropped.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    async fn ask_for_fork(&self, place: OwnedSemaphorePermit) -> Result<Pending, Down> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )
        .map_err(|error| Down::Control(error.into()))?;
        let packet = protocol::encode(&ZygoteCommand::Fork).map_err(|_| Down::Protocol)?;
        let send = |socket: &OwnedFd| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors = [theirs.as_fd()];
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            let slices = [IoSlice::new(&packet)];
            Ok(rustix::net::sendmsg(
                socket,
                &slices,
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )?)
        };
        let sent = self.0.async_io(Interest::WRITABLE, send).await;
        sent.map_err(Down::Control)?;
        Ok(Pending {
            socket: ours,
            place,
        })
    }

    async fn receive(&self) -> Result<ZygoteEvent, Down> {
        let mut packet = [0; MAX_CONTROL_BYTES];
        let read = |socket: &OwnedFd| Ok(rustix::io::read(socket, &mut packet)?);
        let length = self.0.async_io(Interest::READABLE, read).await;
        match length.map_err(Down::Control)? {
            0 => Err(Down::Control(std::io::ErrorKind::UnexpectedEof.into())),
            length => protocol::decode(&packet[..length]).map_err(|_| Down::Protocol),
        }
    }
}
