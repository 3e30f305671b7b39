//! Keeps one zygote alive and its shelf filled.

mod control;
mod origin;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::process::ChildProcess;
use super::process::Exit;
use super::sandbox::Sandbox;
use super::sandbox::SandboxError;
use super::shelf::Refill;
use super::shelf::Shelf;
use super::status::ZygoteStatus;
use crate::protocol::ZygoteEvent;
use crate::telemetry::Meter;
use control::Control;
use control::Pending;
use origin::Started;

pub use origin::Origin;
pub use origin::ZygoteOrder;

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

/// Why a zygote is no longer served by.
#[derive(Debug, thiserror::Error)]
pub enum Down {
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
            let refill = self.shelf.refill(pending.len() + preparing.len());
            let wanted = refill == Refill::Now && pending.len() < FORKS_IN_FLIGHT;
            let lull = match refill {
                Refill::In(lull) => Some(lull),
                Refill::Full | Refill::Now => None,
            };
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
                () = tokio::time::sleep(lull.unwrap_or_default()), if lull.is_some() => {}
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

/// Serves by a control socket that a test holds the other end of, until what comes ends it.
#[cfg(test)]
pub async fn serve_liar(control: std::os::fd::OwnedFd, pid: i32) -> String {
    use super::shelf::ShelfSize;
    use crate::packages::Packages;
    use crate::telemetry::SandboxKind;

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
