//! How zygotes come to be: booted in a new process, or forked from another and fitted out.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::net::SocketType;
use tokio::sync::mpsc;
use tokio::sync::oneshot;

use super::Down;
use super::control::Control;
use super::control::socket_pair;
use crate::packages::Packages;
use crate::pool::desk::Desk;
use crate::pool::job_socket::JobSocket;
use crate::pool::launcher::Launcher;
use crate::pool::process::ChildProcess;
use crate::protocol;
use crate::protocol::SandboxEvent;
use crate::protocol::ZygoteEvent;
use crate::telemetry::SandboxKind;
use crate::zygote::Runtime;

/// Longest reason why packages cannot be installed, in bytes.
const MAX_REASON_BYTES: usize = 64 * 1024;

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
    pub version: String,
    pub layers: Vec<String>,
    pub missing_layers: Vec<String>,
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
    ///
    /// # Errors
    /// Why it did not get ready.
    pub async fn start(&self) -> Result<Started, Down> {
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
