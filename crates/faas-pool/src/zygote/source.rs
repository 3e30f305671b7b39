//! How zygotes come to be: booted in a new process, or forked from another and fitted out.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use faas_linux::socket_pair;
use faas_packages::Packages;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::Layers;
use faas_protocol::Runtime;
use faas_protocol::RuntimeVersion;
use faas_protocol::SandboxEvent;
use faas_protocol::ZygoteEvent;
use faas_protocol::ZygoteOptions;
use faas_telemetry::SandboxKind;
use rustix::net::SocketType;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::Down;
use super::control::Control;
use super::how_it_ended;
use crate::job_socket::JobSocket;
use crate::launcher::Launcher;
use crate::package_broker::PackageBroker;
use crate::process::ChildProcess;

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
        packages: Packages,
    },
}

/// A zygote wanted from another one.
pub struct ForkRequest {
    pub requirements: Vec<String>,
    pub job: OwnedFd,
    pub control: OwnedFd,
    /// Takes the new zygote's process id.
    pub reply: oneshot::Sender<i32>,
}

/// A zygote that was started, and what it said when it was ready.
pub struct Started {
    pub process: ChildProcess,
    pub control: Control,
    pub version: RuntimeVersion,
    pub layers: Layers,
}

impl ZygoteSource {
    /// Which kind of sandbox comes from such a zygote.
    pub fn kind(&self) -> SandboxKind {
        match self {
            Self::Boot { options, .. } => SandboxKind::Runtime(options.runtime),
            Self::Fork { runtime, .. } => SandboxKind::WithPackages(*runtime),
        }
    }

    /// Starts a zygote and waits until it is ready. Giving up is dropping the future.
    ///
    /// # Errors
    /// Why it did not get ready.
    pub async fn start(&self) -> Result<Started, Down> {
        let (process, control, mut installation) = match self {
            Self::Boot { launcher, options } => {
                let launched = launcher.launch(options.to_arguments()).await;
                let (process, control) = launched.map_err(Down::NotLaunched)?;
                (process, control, None)
            }
            Self::Fork {
                base,
                requirements,
                packages,
                ..
            } => {
                let (process, control, job) = request_fork(base, requirements).await?;
                let socket = JobSocket::new(job, LONGEST_REASON).map_err(Down::Control)?;
                (
                    process,
                    control,
                    Some((socket, PackageBroker::new(packages))),
                )
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
                event = control.receive() => match event {
                    Ok(event) => event,
                    Err(down) => return Err(how_it_ended(down, &process).await),
                },
                exit = process.reap() => return Err(Down::Exited(exit)),
            };
            let ZygoteEvent::Booted {
                version,
                layers,
                no_code_cache,
            } = event
            else {
                return Err(Down::Protocol);
            };
            if let (Self::Boot { .. }, Some(reason)) = (self, no_code_cache) {
                tracing::warn!(
                    reason,
                    "booted without a code cache, which takes longer; `faas-server compile` makes it"
                );
            }
            return Ok(Started {
                process,
                control,
                version,
                layers,
            });
        }
    }
}

/// Has a zygote forked from another; returns it with the control socket and its job socket.
async fn request_fork(
    base: &mpsc::Sender<ForkRequest>,
    requirements: &[String],
) -> Result<(ChildProcess, OwnedFd, OwnedFd), Down> {
    let (control, their_control) = socket_pair(SocketType::SEQPACKET).map_err(Down::Control)?;
    let (job, their_job) = socket_pair(SocketType::STREAM).map_err(Down::Control)?;
    let (reply, pid) = oneshot::channel();
    let request = ForkRequest {
        requirements: requirements.to_vec(),
        job: their_job,
        control: their_control,
        reply,
    };
    let no_base = || std::io::Error::other("the zygote to fork from is down");
    let sent = base.send(request).await;
    sent.map_err(|_| Down::NotLaunched(no_base()))?;
    let pid = pid.await.map_err(|_| Down::NotLaunched(no_base()))?;
    let process = ChildProcess::adopt(pid, ()).map_err(Down::NotLaunched)?;
    Ok((process, control, job))
}

/// Takes one message of a zygote that installs packages. False once it is done; pends for ever
/// when there is nothing to install. May be given up only together with the installation.
async fn install_step(
    installation: &mut Option<(JobSocket, PackageBroker<'_>)>,
) -> Result<bool, Down> {
    let Some((socket, broker)) = installation else {
        return std::future::pending().await;
    };
    let received = socket.receive().await.map_err(Down::Sandboxes)?;
    let Some(frame) = received else {
        return Ok(false);
    };
    match protocol::decode(&frame) {
        Ok(SandboxEvent::Package(request)) => {
            let answered = broker.answer(request, socket).await;
            answered.map_err(Down::Sandboxes).map(|()| true)
        }
        // What packages print while they are installed is nobody's output.
        Ok(SandboxEvent::Output { .. }) => Ok(true),
        Ok(SandboxEvent::Finished { return_value, .. }) => Err(Down::NotInstalled(
            return_value.unwrap_or("no reason given").to_owned(),
        )),
        _ => Err(Down::Protocol),
    }
}
