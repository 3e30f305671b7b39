//! Keeps one zygote alive and its shelf filled.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;
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
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::desk::Desk;
use super::job_socket::JobSocket;
use super::launcher::Launcher;
use super::process::ChildProcess;
use super::process::Exit;
use super::sandbox::Sandbox;
use super::sandbox::SandboxError;
use super::shelf::Shelf;
use super::status::ZygoteStatus;
use crate::packages::Packages;
use crate::protocol;
use crate::protocol::MAX_CONTROL_BYTES;
use crate::protocol::SandboxEvent;
use crate::protocol::ZygoteCommand;
use crate::protocol::ZygoteEvent;
use crate::telemetry::Gauged;
use crate::telemetry::Meter;
use crate::telemetry::SandboxKind;
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

/// Longest reason why packages cannot be installed, in bytes.
const MAX_REASON_BYTES: usize = 64 * 1024;

/// What a zygote's keeper needs.
pub struct Keeper {
    pub origin: Origin,
    pub boot_within: Duration,
    /// Longest thing that a sandbox may send in one frame, in bytes.
    pub max_payload_bytes: usize,
    pub shelf: Arc<Shelf>,
    pub status: Arc<ZygoteStatus>,
    pub meter: Meter,
    /// Places for living sandboxes, of all zygotes together.
    pub places: Arc<Semaphore>,
    /// Zygotes that others want forked from this one.
    pub orders: mpsc::Receiver<ZygoteOrder>,
    pub stop: CancellationToken,
}

/// How a zygote comes to be.
pub enum Origin {
    /// A runtime is booted in a new process.
    Boot {
        runtime: Runtime,
        launcher: Arc<Launcher>,
        arguments: Vec<OsString>,
    },
    /// Another zygote is forked and packages are installed in the fork.
    Fork {
        base: mpsc::Sender<ZygoteOrder>,
        requirements: Vec<String>,
        packages: Packages,
    },
}

/// A zygote wanted from another one.
pub struct ZygoteOrder {
    requirements: Vec<String>,
    job: OwnedFd,
    control: OwnedFd,
    /// Takes the new zygote's process id.
    reply: oneshot::Sender<i32>,
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
    #[error("its packages cannot be installed: {0}")]
    NotInstalled(String),
}

/// A fork asked for.
enum Pending {
    Sandbox {
        socket: OwnedFd,
        place: OwnedSemaphorePermit,
        starting: Gauged,
    },
    Zygote(oneshot::Sender<i32>),
}

/// A zygote that was started, and what it said when it was ready.
struct Started {
    process: ChildProcess,
    control: Control,
    version: String,
    layers: Vec<String>,
    missing_layers: Vec<String>,
}

impl Keeper {
    /// Runs until `stop`: boots, serves, and starts over whenever the zygote goes down.
    pub async fn run(mut self) {
        let mut failures = 0;
        loop {
            let mut booted = false;
            let down = match self.serve_one(&mut booted).await {
                Err(down) => down,
                Ok(never) => match never {},
            };
            if matches!(down, Down::Stopped) {
                return self.close();
            }
            self.status.set_down(down.to_string());
            if booted {
                self.meter.restarted();
            }
            failures = if booted { 0 } else { failures + 1 };
            if let Down::NotInstalled(reason) = down {
                // Trying again would bring the same; the next request for it may.
                tracing::warn!(zygote = self.status.name(), "packages cannot be installed");
                self.status.set_failed(reason);
                return self.close();
            }
            tracing::error!(zygote = self.status.name(), reason = %down, failures, "zygote down");
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

    fn close(&self) {
        self.shelf.close();
    }

    async fn serve_one(&mut self, booted: &mut bool) -> Result<Infallible, Down> {
        let began = Instant::now();
        let started = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Down::Stopped),
            started = tokio::time::timeout(self.boot_within, self.origin.start()) => {
                started.map_err(|_| Down::TooSlow(self.boot_within))??
            }
        };
        *booted = true;
        self.meter.booted(began.elapsed());
        let Started {
            process,
            control,
            version,
            layers,
            missing_layers,
        } = started;
        tracing::info!(
            zygote = self.status.name(),
            version,
            boot_ms = began.elapsed().as_millis(),
            pid = process.pid(),
            "zygote up"
        );
        self.status
            .set_up(process.pid(), version, layers, missing_layers);
        self.serve(&process, &control).await
    }

    /// Forks sandboxes as the shelf needs them.
    async fn serve(
        &mut self,
        process: &ChildProcess,
        control: &Control,
    ) -> Result<Infallible, Down> {
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
                    let starting = self.meter.starting();
                    pending.push_back(control.ask_for_sandbox(place, starting).await?);
                }
                Some(order) = self.orders.recv() => {
                    pending.push_back(control.ask_for_zygote(order).await?);
                }
                () = self.stop.cancelled() => return Err(Down::Stopped),
                status = process.reap() => return Err(Down::Exited(status)),
                () = self.shelf.demand.notified() => {}
                _ = housekeeping.tick() => self.shelf.shrink_if_unused(),
                event = control.receive() => {
                    let event = event?;
                    let fork = pending.pop_front().ok_or(Down::Protocol)?;
                    match (event, fork) {
                        (ZygoteEvent::Forked { pid }, Pending::Sandbox { socket, place, starting }) => {
                            let max_payload_bytes = self.max_payload_bytes;
                            let meter = self.meter.clone();
                            preparing.spawn(async move {
                                let ready = Sandbox::prepare(pid, socket, place, max_payload_bytes);
                                let ready = tokio::time::timeout(READY_WITHIN, ready).await;
                                let sandbox = ready.map_err(|_| SandboxError::NotReady)??;
                                meter.forked(&starting);
                                Ok(sandbox)
                            });
                        }
                        (ZygoteEvent::Forked { pid }, Pending::Zygote(reply)) => {
                            if reply.send(pid).is_err() {
                                // Nobody wants it any more: held for a moment, it dies.
                                drop(ChildProcess::adopt(pid, ()));
                            }
                        }
                        (ZygoteEvent::ForkFailed { errno }, _) => {
                            let error = std::io::Error::from_raw_os_error(errno);
                            tracing::warn!(zygote = self.status.name(), %error, "fork failed");
                            tokio::time::sleep(FIRST_PAUSE).await;
                        }
                        (ZygoteEvent::Booted { .. }, _) => return Err(Down::Protocol),
                    }
                }
                Some(prepared) = preparing.join_next() => match prepared {
                    Ok(Ok(sandbox)) => {
                        failures = 0;
                        self.shelf.put(sandbox);
                    }
                    Ok(Err(error)) => {
                        failures += 1;
                        tracing::warn!(zygote = self.status.name(), %error, "sandbox not ready");
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

impl Origin {
    /// Which kind of sandbox comes from such a zygote.
    pub fn kind(&self) -> SandboxKind {
        match self {
            Self::Boot { runtime, .. } => SandboxKind::Runtime(*runtime),
            Self::Fork { .. } => SandboxKind::PythonPackages,
        }
    }

    /// Starts a zygote and waits until it is ready. Giving up is dropping the future.
    async fn start(&self) -> Result<Started, Down> {
        let (process, control, mut installation) = match self {
            Self::Boot {
                launcher,
                arguments,
                ..
            } => {
                let launched = launcher.launch(arguments.clone()).await;
                let (process, control) = launched.map_err(Down::NotLaunched)?;
                (process, control, None)
            }
            Self::Fork {
                base,
                requirements,
                packages,
            } => {
                let (process, control, job) = order_fork(base, requirements).await?;
                let socket = JobSocket::new(job, MAX_REASON_BYTES).map_err(Down::Control)?;
                (process, control, Some((socket, Desk::new(packages))))
            }
        };
        let control = Control::new(control).map_err(Down::Control)?;
        loop {
            let event = tokio::select! {
                // A zygote that cannot install says why before it ends.
                biased;
                still_installing = install_step(&mut installation) => {
                    if !still_installing? {
                        installation = None;
                    }
                    continue;
                }
                event = control.receive() => event?,
                exit = process.reap() => return Err(Down::Exited(exit)),
            };
            let ZygoteEvent::Booted {
                version,
                layers,
                missing_layers,
            } = event
            else {
                return Err(Down::Protocol);
            };
            return Ok(Started {
                process,
                control,
                version,
                layers,
                missing_layers,
            });
        }
    }
}

/// Has a zygote forked from another; returns it with the control socket and its job socket.
async fn order_fork(
    base: &mpsc::Sender<ZygoteOrder>,
    requirements: &[String],
) -> Result<(ChildProcess, OwnedFd, OwnedFd), Down> {
    let (control, their_control) = socket_pair(SocketType::SEQPACKET).map_err(Down::Control)?;
    let (job, their_job) = socket_pair(SocketType::STREAM).map_err(Down::Control)?;
    let (reply, pid) = oneshot::channel();
    let order = ZygoteOrder {
        requirements: requirements.to_vec(),
        job: their_job,
        control: their_control,
        reply,
    };
    let no_base = || std::io::Error::other("the zygote to fork from is down");
    let ordered = base.send(order).await;
    ordered.map_err(|_| Down::NotLaunched(no_base()))?;
    let pid = pid.await.map_err(|_| Down::NotLaunched(no_base()))?;
    let process = ChildProcess::adopt(pid, ()).map_err(Down::NotLaunched)?;
    Ok((process, control, job))
}

/// Takes one message of a zygote that installs packages. False once it is done; pends for ever
/// when there is nothing to install. May be given up only together with the installation.
async fn install_step(installation: &mut Option<(JobSocket, Desk<'_>)>) -> Result<bool, Down> {
    let Some((socket, desk)) = installation else {
        return std::future::pending().await;
    };
    let received = socket.receive().await.map_err(Down::Sandboxes)?;
    let Some(frame) = received else {
        return Ok(false);
    };
    match protocol::decode(&frame) {
        Ok(SandboxEvent::Package(request)) => {
            let answered = desk.answer(request, socket).await;
            answered.map_err(Down::Sandboxes).map(|()| true)
        }
        // What packages print while they are installed is nobody's output.
        Ok(SandboxEvent::Stdout(_) | SandboxEvent::Stderr(_)) => Ok(true),
        Ok(SandboxEvent::Finished { return_value, .. }) => Err(Down::NotInstalled(
            return_value.unwrap_or("no reason given").to_owned(),
        )),
        _ => Err(Down::Protocol),
    }
}

fn socket_pair(kind: SocketType) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        kind,
        flags,
        None,
    )?)
}

/// The supervisor's end of the control socket.
struct Control(AsyncFd<OwnedFd>);

impl Control {
    fn new(socket: OwnedFd) -> std::io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // SAFETY: an OwnedFd keeps its one descriptor open until it is dropped.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    async fn ask_for_sandbox(
        &self,
        place: OwnedSemaphorePermit,
        starting: Gauged,
    ) -> Result<Pending, Down> {
        let (ours, theirs) = socket_pair(SocketType::STREAM).map_err(Down::Control)?;
        self.send(&ZygoteCommand::Fork, &[theirs.as_fd()]).await?;
        Ok(Pending::Sandbox {
            socket: ours,
            place,
            starting,
        })
    }

    async fn ask_for_zygote(&self, order: ZygoteOrder) -> Result<Pending, Down> {
        let command = ZygoteCommand::ForkZygote {
            packages: order.requirements,
        };
        self.send(&command, &[order.job.as_fd(), order.control.as_fd()])
            .await?;
        Ok(Pending::Zygote(order.reply))
    }

    async fn send(
        &self,
        command: &ZygoteCommand,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Down> {
        let packet = protocol::encode(command).map_err(|_| Down::Protocol)?;
        let send = |socket: &OwnedFd| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            let slices = [IoSlice::new(&packet)];
            Ok(rustix::net::sendmsg(
                socket,
                &slices,
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )?)
        };
        let sent = self.0.async_io(Interest::WRITABLE, send).await;
        sent.map_err(Down::Control).map(|_| ())
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

/// Serves by a control socket that a test holds the other end of, until what comes ends it.
#[cfg(test)]
pub async fn serve_liar(control: OwnedFd, pid: i32) -> String {
    use super::shelf::ShelfSize;

    let (_base, orders) = mpsc::channel(1);
    let (unused, _) = mpsc::channel(1);
    let packages = crate::packages::PackageSettings {
        enabled: false,
        ..crate::packages::PackageSettings::new("/nowhere".into(), "/nowhere".into())
    };
    let metrics = crate::telemetry::Metrics::new(std::iter::empty(), &[]);
    let mut keeper = Keeper {
        origin: Origin::Fork {
            base: unused,
            requirements: Vec::new(),
            packages: Packages::open(&packages).unwrap(),
        },
        boot_within: READY_WITHIN,
        max_payload_bytes: 1024,
        shelf: Arc::new(Shelf::new(ShelfSize {
            min: 3,
            start: 3,
            max: 3,
            idle_after: READY_WITHIN,
        })),
        status: Arc::new(ZygoteStatus::new("liar".to_owned())),
        meter: Meter::new(Arc::new(metrics), SandboxKind::PythonPackages),
        places: Arc::new(Semaphore::new(3)),
        orders,
        stop: CancellationToken::new(),
    };
    let process = ChildProcess::adopt(pid, ()).unwrap();
    let control = Control::new(control).unwrap();
    match keeper.serve(&process, &control).await {
        Err(down) => down.to_string(),
        Ok(never) => match never {},
    }
}
