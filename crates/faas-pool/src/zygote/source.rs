//! How zygotes come to be: booted in a new process, or forked from another, with packages installed.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_linux::ProcessStatus;
use faas_linux::socket_pair;
use faas_packages::Packages;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::KeptForks;
use faas_protocol::Layers;
use faas_protocol::Runtime;
use faas_protocol::RuntimeVersion;
use faas_protocol::SandboxEvent;
use faas_protocol::ZygoteEvent;
use faas_protocol::ZygoteOptions;
use faas_telemetry::SandboxKind;
use rustix::net::SocketType;
use rustix::process::Resource;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::control::Control;
use super::control::ForkRequest;
use super::down::Down;
use super::down::how_it_ended;
use super::log;
use crate::job_socket::JobSocket;
use crate::launcher::Launched;
use crate::launcher::Launcher;
use crate::live::InstallStage;
use crate::memory_watch::MemoryWatch;
use crate::package_broker::BrokerError;
use crate::package_broker::PackageBroker;
use crate::package_budget::PackageBudget;
use crate::package_budget::Place;
use crate::package_budget::Wanted;
use crate::process::ChildProcess;
use crate::process::ZygoteProcess;
use crate::progress::Progress;
use crate::wheel::Wheel;

/// Longest reason why packages cannot be installed.
const LONGEST_REASON: ByteSize = ByteSize::kib(64);

/// How a zygote comes to be.
pub enum ZygoteSource {
    /// A runtime is booted in a new process.
    Boot {
        launcher: Arc<Launcher>,
        options: ZygoteOptions,
    },
    /// Another zygote is forked and packages are installed in the fork.
    Fork {
        runtime: Runtime,
        base: mpsc::Sender<ForkRequest>,
        requirements: Vec<String>,
        progress: Progress,
        packages: Packages,
        limits: InstallLimits,
        budget: Arc<PackageBudget>,
        /// Takes the wheels that it had to unpack itself.
        unpacker: mpsc::Sender<Wheel>,
    },
}

/// What installing and importing a set of packages may take.
#[derive(Clone, Copy, Debug)]
pub struct InstallLimits {
    /// Over what the zygote has that is forked for it.
    pub memory: ByteSize,
    pub cpu: Duration,
}

impl InstallLimits {
    /// Has the kernel keep a zygote to them, and watches that it holds no more.
    fn impose(&self, process: &ZygoteProcess) -> std::io::Result<MemoryWatch> {
        let before = process.memory();
        let data = before.data_bytes.saturating_add(self.memory.get());
        process.set_soft_limit(Resource::Data, data)?;
        process.set_soft_limit(Resource::Cpu, self.cpu.as_secs().saturating_add(1))?;
        let held = ByteSize::bytes(before.held_bytes());
        Ok(MemoryWatch::new(process.pid(), held, self.memory))
    }

    /// Lets a zygote go on that has warmed up its packages: its forks have limits of their own, over
    /// what it has now.
    ///
    /// # Errors
    /// The system's.
    pub fn lift(process: &ZygoteProcess) -> std::io::Result<()> {
        process.set_soft_limit(Resource::Data, u64::MAX)?;
        process.set_soft_limit(Resource::Cpu, u64::MAX)
    }

    fn too_much_memory(&self) -> Down {
        Down::NotInstalled(format!(
            "they take more than {} MiB of memory while they are installed and imported \
             (FAAS_PACKAGE_MEMORY)",
            self.memory.get() >> 20
        ))
    }
}

/// A zygote that was started, and what it said when it was ready.
pub struct Started {
    pub process: ZygoteProcess,
    pub control: Control,
    pub version: RuntimeVersion,
    pub layers: Layers,
    /// Why it booted without machine code; `None` if it had it, or has no use for it.
    pub no_code_cache: Option<String>,
    /// How forks of sandboxes that are kept are watched, or why none can be kept.
    pub kept_forks: Result<Watch, String>,
    /// The watch over one that ran code of packages.
    pub watch: Option<MemoryWatch>,
    /// Memory that it shared with the zygote it was forked from.
    pub inherited: ByteSize,
    /// How long that took.
    pub took: Duration,
    /// The wheels that it unpacked itself.
    pub wheels: Vec<Wheel>,
}

/// How forks of a zygote's kept sandboxes are watched.
pub enum Watch {
    /// By this listener.
    Listener(OwnedFd),
    /// By tracing them, on this thread.
    Tracer(Arc<Launcher>),
    /// As those of the zygote that it was forked from.
    Inherited,
}

impl ZygoteSource {
    /// Which kind of sandbox comes from such a zygote.
    pub fn kind(&self) -> SandboxKind {
        match self {
            Self::Boot { options, .. } => SandboxKind::Runtime(options.runtime),
            Self::Fork { runtime, .. } => SandboxKind::WithPackages(*runtime),
        }
    }

    /// Starts a zygote and waits until it is ready, for at most `within` once it is its turn. Giving
    /// up is dropping the future. What it writes is logged under `name`.
    ///
    /// # Errors
    /// Why it did not get ready.
    pub async fn start(&self, name: &str, within: Duration) -> Result<Started, Down> {
        let place = match self {
            Self::Boot { .. } => None,
            Self::Fork {
                budget, progress, ..
            } => {
                progress.begin(InstallStage::Waiting);
                let place = budget.install().await;
                progress.begin(InstallStage::Installing);
                place
            }
        };
        let started = tokio::time::timeout(within, self.start_now(name, place)).await;
        started.map_err(|_| Down::TooSlow(within))?
    }

    /// Waits until a zygote that has booted may serve. It counts as waiting until what is returned is
    /// dropped.
    ///
    /// # Errors
    /// When it ended meanwhile, or nobody wants it any more.
    pub async fn place(
        &self,
        process: &mut ZygoteProcess,
        stop: &CancellationToken,
    ) -> Result<Option<Wanted<'_>>, Down> {
        let Self::Fork { budget, .. } = self else {
            return Ok(None);
        };
        let place = tokio::select! {
            () = stop.cancelled() => None,
            exit = process.reap() => return Err(Down::Exited(exit)),
            place = budget.place() => place,
        };
        let Place { permit, wanted } = place.ok_or(Down::Stopped)?;
        process.keep(Some(permit));
        Ok(Some(wanted))
    }

    /// How far an installation is, if there is something to install.
    pub fn progress(&self) -> Option<&Progress> {
        match self {
            Self::Boot { .. } => None,
            Self::Fork { progress, .. } => Some(progress),
        }
    }

    /// Has wheels unpacked for the zygotes to come, when there is time.
    pub fn unpack(&self, wheels: Vec<Wheel>) {
        if let Self::Fork { unpacker, .. } = self {
            for wheel in wheels {
                // If too many wait, or none is unpacked, the next zygote will do it itself, too.
                let _ = unpacker.try_send(wheel);
            }
        }
    }

    /// Has what will be installed fetched meanwhile, until what is returned is dropped.
    fn fetch_ahead(&self) -> Option<AbortOnDropHandle<()>> {
        let Self::Fork {
            packages,
            requirements,
            ..
        } = self
        else {
            return None;
        };
        let (packages, requirements) = (packages.clone(), requirements.clone());
        let ahead = async move { packages.fetch_ahead(&requirements).await };
        Some(AbortOnDropHandle::new(tokio::spawn(ahead)))
    }

    /// Whether it brings zygotes with packages.
    pub fn is_fork(&self) -> bool {
        matches!(self, Self::Fork { .. })
    }

    async fn start_now(
        &self,
        name: &str,
        place: Option<OwnedSemaphorePermit>,
    ) -> Result<Started, Down> {
        let began = Instant::now();
        let mut inherited = ByteSize::default();
        // It asks for one file after the other. Over a network, most of that would be waiting.
        let _ahead = self.fetch_ahead();
        let (process, control, mut installation, limited) = match (self, place) {
            (Self::Boot { launcher, options }, _) => {
                let launched = launcher.launch(options.to_arguments()).await;
                let launched = launched.map_err(Down::NotLaunched)?;
                log::follow(launched.log, name.to_owned());
                (launched.process, launched.control, None, None)
            }
            (Self::Fork { .. }, None) => return Err(Down::Stopped),
            (
                Self::Fork {
                    base,
                    requirements,
                    progress,
                    packages,
                    limits,
                    ..
                },
                Some(place),
            ) => {
                let forked = request_fork(base, requirements, limits.memory, place);
                let (launched, job) = forked.await?;
                // It has done nothing yet: it waits for the first of its packages.
                let memory = ProcessStatus::of(launched.process.pid()).unwrap_or_default();
                inherited = ByteSize::bytes(memory.anonymous_bytes);
                let watch = limits
                    .impose(&launched.process)
                    .map_err(Down::NotLaunched)?;
                log::follow(launched.log, name.to_owned());
                let socket = JobSocket::new(job, LONGEST_REASON).map_err(Down::Control)?;
                let broker = PackageBroker::for_zygote(packages, progress.clone());
                (
                    launched.process,
                    launched.control,
                    Some((socket, broker)),
                    Some((watch, *limits)),
                )
            }
        };
        let control = Control::new(control).map_err(Down::Control)?;
        let mut wheels = Vec::new();
        loop {
            let (event, descriptor) = tokio::select! {
                // A zygote that cannot install says why before it ends.
                biased;
                limits = exceeded(limited.as_ref()) => return Err(limits.too_much_memory()),
                still_installing = install_step(&mut installation) => {
                    match still_installing? {
                        Installing::GoesOn => {}
                        Installing::Done => {
                            let done = installation.take();
                            wheels = done.map_or_else(Vec::new, |(_, broker)| broker.wheels());
                        }
                        Installing::OutOfMemory => {
                            let limits = limited.map(|(_, limits)| limits);
                            return Err(limits.map_or(Down::Protocol, |limits| limits.too_much_memory()));
                        }
                    }
                    continue;
                }
                event = control.receive_with_descriptor() => match event {
                    Ok(received) => received,
                    Err(down) => return Err(how_it_ended(down, &process).await),
                },
                exit = process.reap() => return Err(Down::Exited(exit)),
            };
            let ZygoteEvent::Booted {
                version,
                layers,
                no_code_cache,
                kept_forks,
            } = event
            else {
                return Err(Down::Protocol);
            };
            // Only a zygote that booted a runtime is trusted to bring one: no other code ran in it.
            let kept_forks = match (self, kept_forks, descriptor) {
                (Self::Boot { .. }, KeptForks::Listener, Some(listener)) => {
                    Ok(Watch::Listener(listener))
                }
                (Self::Boot { launcher, .. }, KeptForks::Tracer, None) => {
                    Ok(Watch::Tracer(launcher.clone()))
                }
                (Self::Fork { .. }, KeptForks::Inherited, None) => Ok(Watch::Inherited),
                (Self::Boot { .. }, KeptForks::Nowhere(reason), None) => Err(reason),
                _ => return Err(Down::Protocol),
            };
            return Ok(Started {
                process,
                control,
                version,
                layers,
                no_code_cache,
                kept_forks,
                watch: limited.map(|(watch, _)| watch),
                inherited,
                took: began.elapsed(),
                wheels,
            });
        }
    }
}

/// Has a zygote forked from another; returns it with its job socket.
async fn request_fork(
    base: &mpsc::Sender<ForkRequest>,
    requirements: &[String],
    storage: ByteSize,
    place: OwnedSemaphorePermit,
) -> Result<(Launched, OwnedFd), Down> {
    let (control, their_control) = socket_pair(SocketType::SEQPACKET).map_err(Down::Control)?;
    let (job, their_job) = socket_pair(SocketType::STREAM).map_err(Down::Control)?;
    let (log, their_log) = std::io::pipe().map_err(Down::Control)?;
    let (reply, pid) = oneshot::channel();
    let request = ForkRequest {
        requirements: requirements.to_vec(),
        storage,
        job: their_job,
        control: their_control,
        log: their_log,
        place,
        reply,
    };
    let no_base = || std::io::Error::other("the zygote to fork from is down");
    let sent = base.send(request).await;
    sent.map_err(|_| Down::NotLaunched(no_base()))?;
    let (pid, place) = pid.await.map_err(|_| Down::NotLaunched(no_base()))?;
    let process = ChildProcess::adopt(pid, Some(place)).map_err(Down::NotLaunched)?;
    let launched = Launched {
        process,
        control,
        log,
    };
    Ok((launched, job))
}

/// Waits until a zygote holds more than it may; returns its limits. Pends for ever without any.
async fn exceeded(limited: Option<&(MemoryWatch, InstallLimits)>) -> InstallLimits {
    let Some((watch, limits)) = limited else {
        return std::future::pending().await;
    };
    watch.until_exceeded().await;
    *limits
}

/// How far an installation is.
enum Installing {
    GoesOn,
    Done,
    OutOfMemory,
}

/// Takes one message of a zygote that installs packages. Pends for ever when there is nothing to
/// install. May be given up only together with the installation.
async fn install_step(
    installation: &mut Option<(JobSocket, PackageBroker)>,
) -> Result<Installing, Down> {
    let Some((socket, broker)) = installation else {
        return std::future::pending().await;
    };
    let received = socket.receive().await.map_err(Down::Sandboxes)?;
    let Some(frame) = received else {
        return Ok(Installing::Done);
    };
    match protocol::decode(&frame) {
        Ok(SandboxEvent::Package(request)) => match broker.answer(request, socket).await {
            Ok(()) => Ok(Installing::GoesOn),
            Err(BrokerError::Gone(error)) => Err(Down::Sandboxes(error)),
            Err(error @ BrokerError::TooManyQuestions) => {
                Err(Down::NotInstalled(error.to_string()))
            }
        },
        // What packages print while they are installed is nobody's output.
        Ok(SandboxEvent::Output { .. }) => Ok(Installing::GoesOn),
        Ok(SandboxEvent::Finished { limit: Some(_), .. }) => Ok(Installing::OutOfMemory),
        Ok(SandboxEvent::Finished { return_value, .. }) => Err(Down::NotInstalled(
            return_value.unwrap_or("no reason given").to_owned(),
        )),
        _ => Err(Down::Protocol),
    }
}
