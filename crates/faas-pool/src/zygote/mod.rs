//! Keeps one zygote alive and its shelf filled.

mod control;
mod down;
mod fork_failures;
mod log;
mod source;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_linux::socket_pair;
use faas_protocol::ByteSize;
use faas_protocol::ZygoteEvent;
use faas_telemetry::Meter;
use rustix::net::SocketType;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::Semaphore;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::kept::ForkGate;
use super::memory_watch::MemoryWatch;
use super::process::ChildProcess;
use super::process::ZygoteProcess;
use super::sandbox::Sandbox;
use super::sandbox_error::SandboxError;
use super::shelf::Refill;
use super::shelf::Shelf;
use super::status::Booted;
use super::status::ZygoteStatus;
use super::wheel::Wheel;
use control::Control;
use control::Pending;
use down::Down;
use down::how_it_ended;
use fork_failures::ForkFailures;
use fork_failures::pause_after;
use source::Started;
use source::Watch;

pub use control::ForkRequest;
pub use down::ANSWERS_WITHIN;
pub use source::InstallLimits;
pub use source::ZygoteSource;

/// Forks asked for and not answered at once, at most: enough to keep the zygote busy.
const FORKS_IN_FLIGHT: usize = 4;
/// After so many failures in a row, of boots or of forks, requests no longer wait.
const PATIENCE: u32 = 3;
/// After so many tries in a row whose sandboxes did not get ready, another zygote is tried: after
/// about six seconds, if they fail at once.
const LAST_SANDBOX: u32 = 7;
/// How often the shelf is looked at for shrinking.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// How long a shelf that nobody waits for looks again for a place for a sandbox. It does not stand in line for one: a
/// place that an idle sandbox gave up is for the program that needs it.
const NO_PLACE: Duration = Duration::from_millis(100);
/// A sandbox that is not ready by then never will be.
const READY_WITHIN: Duration = Duration::from_secs(10);

/// How long a set of packages that could not be brought up is not tried again.
pub const REMEMBER_FAILURE: Duration = Duration::from_secs(60);

/// What a zygote's keeper needs.
pub struct Keeper {
    pub source: ZygoteSource,
    pub boot_within: Duration,
    /// Longest thing that a sandbox may send in one frame.
    pub largest_payload: ByteSize,
    pub shelf: Arc<Shelf>,
    pub status: Arc<ZygoteStatus>,
    pub meter: Meter,
    /// Decides about the forks of sandboxes that are kept.
    pub gate: Arc<ForkGate>,
    /// A permit per sandbox that may be alive, of all zygotes together.
    pub instances: Arc<Semaphore>,
    /// Zygotes that others want forked from this one.
    pub fork_requests: mpsc::Receiver<ForkRequest>,
    /// Whether it ever brought a sandbox.
    pub has_served: bool,
    /// How long its last boot took.
    pub boot_took: Option<Duration>,
    /// Wheels that its zygote unpacked, to be unpacked ahead for the next one.
    pub wheels: Vec<Wheel>,
    pub stop: CancellationToken,
}

/// Waits until a watched process holds more than it may.
async fn until_exceeded(watch: Option<MemoryWatch>) {
    match watch {
        Some(watch) => watch.until_exceeded().await,
        None => std::future::pending().await,
    }
}

impl Keeper {
    /// Runs until `stop`: boots, serves, and starts over whenever the zygote goes down. One with
    /// packages is not started over: what its packages did once they may do again.
    pub async fn run(mut self) {
        let mut failures = 0;
        let mut stalled = None;
        loop {
            let began = Instant::now();
            let mut booted = false;
            let down = match self.serve_one(&mut booted, stalled).await {
                Err(down) => down,
                Ok(never) => match never {},
            };
            stalled = matches!(down, Down::Sandboxes(_)).then(|| down.to_string());
            if matches!(down, Down::Stopped) {
                return self.close();
            }
            match booted {
                true => self.meter.restarted(),
                false => self.meter.boot_failed(),
            }
            // One whose sandboxes do not get ready is no better than one that does not boot.
            let has_served = booted && !matches!(down, Down::Sandboxes(_));
            failures = if has_served { 0 } else { failures + 1 };
            if let Down::NotInstalled(reason) = down {
                // Trying again would bring the same; the next request for it may.
                tracing::warn!(zygote = self.status.name(), "packages cannot be installed");
                self.status.set_failed(reason, None);
                return self.close();
            }
            let is_no_fault_of_packages = matches!(down, Down::NotLaunched(_));
            if self.source.is_fork() && !is_no_fault_of_packages {
                return self.end(&down);
            }
            tracing::error!(zygote = self.status.name(), reason = %down, failures, "zygote down");
            let is_hopeless = failures >= PATIENCE;
            let pause = pause_after(failures);
            // Until it has booted once, it takes as long as it did to fail.
            let boots_within = self.boot_took.unwrap_or_else(|| began.elapsed());
            let expected = Instant::now() + pause + boots_within;
            self.status
                .set_down(down.to_string(), is_hopeless, expected);
            if is_hopeless {
                self.shelf.stall(down.to_string());
            }
            tokio::select! {
                () = self.stop.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn close(&self) {
        self.shelf.close();
    }

    /// Ends after a zygote with packages went down. The next request may have it forked again if it
    /// served; if it never did, not for a while.
    fn end(&self, down: &Down) {
        let zygote = self.status.name();
        if self.has_served {
            tracing::error!(zygote, reason = %down, "package zygote down");
            self.status.set_down(down.to_string(), true, Instant::now());
        } else {
            tracing::warn!(zygote, reason = %down, "gave a package zygote up");
            let reason = format!(
                "the process that installs them was given up: {down}; it is not tried again for {} s",
                REMEMBER_FAILURE.as_secs()
            );
            let retry_at = Instant::now() + REMEMBER_FAILURE;
            self.status.set_failed(reason, Some(retry_at));
        }
        self.close();
    }

    /// `stalled`: why the last zygote brought no sandboxes, if that was its end. Then this one has to
    /// show one before anybody waits for it.
    async fn serve_one(
        &mut self,
        booted: &mut bool,
        stalled: Option<String>,
    ) -> Result<Infallible, Down> {
        let started = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Err(Down::Stopped),
            started = self.source.start(self.status.name(), self.boot_within) => started?,
        };
        *booted = true;
        let Started {
            mut process,
            control,
            version,
            layers,
            no_code_cache,
            kept_forks,
            watch,
            inherited,
            took,
            wheels,
        } = started;
        self.wheels = wheels;
        let cannot_keep = self.watch_kept_forks(kept_forks);
        self.meter.booted(took);
        self.boot_took = Some(took);
        let wanted = self.source.place(&mut process, &self.stop).await?;
        tracing::info!(
            zygote = self.status.name(),
            %version,
            boot_ms = took.as_millis(),
            pid = process.pid(),
            "zygote up"
        );
        self.status.set_up(Booted {
            pid: process.pid(),
            version,
            layers,
            no_code_cache,
            cannot_keep,
            inherited,
            is_warm: !self.source.is_fork(),
        });
        drop(wanted);
        match stalled {
            Some(reason) => self.status.set_stalled(reason, Instant::now()),
            None => self.shelf.resume(),
        }
        let served = tokio::select! {
            served = self.serve(&process, &control) => served,
            () = until_exceeded(watch) => Err(Down::Memory),
        };
        match served {
            Ok(never) => match never {},
            Err(down) => Err(how_it_ended(down, &process).await),
        }
    }

    /// Has the forks of sandboxes that are kept decided about; returns why none can be kept.
    fn watch_kept_forks(&self, watch: Result<Watch, String>) -> Option<String> {
        match watch {
            Ok(Watch::Listener(listener)) => {
                tokio::spawn(self.gate.clone().answer(listener, self.stop.clone()));
            }
            Ok(Watch::Tracer(launcher)) => {
                let zygote = self.status.name();
                tracing::info!(zygote, "forks of its kept sandboxes are traced");
                let followed = self.gate.follow_traced(launcher, self.stop.clone());
                return followed
                    .err()
                    .map(|error| format!("their forks cannot be watched: {error}"));
            }
            Ok(Watch::Inherited) => {}
            Err(reason) => {
                let zygote = self.status.name();
                tracing::warn!(zygote, reason, "its sandboxes cannot be kept as snapshots");
                return Some(reason);
            }
        }
        None
    }

    /// Forks sandboxes as the shelf needs them.
    async fn serve(
        &mut self,
        process: &ZygoteProcess,
        control: &Control,
    ) -> Result<Infallible, Down> {
        let mut pending = VecDeque::<(Instant, Pending)>::new();
        let mut preparing = JoinSet::<Result<Sandbox, SandboxError>>::new();
        let mut housekeeping = tokio::time::interval(HOUSEKEEPING);
        let mut failures = ForkFailures::default();
        // Between two forks, one with packages warms up for as long as it may.
        let mut answers_within = match self.source.is_fork() {
            true => self.boot_within.max(ANSWERS_WITHIN),
            false => ANSWERS_WITHIN,
        };
        loop {
            let refill = self.shelf.refill(pending.len() + preparing.len());
            let pause = failures.pause(Instant::now());
            let may_fork = if failures.any() {
                // It may fail, too, so it is tried alone.
                pause.is_none() && pending.is_empty() && preparing.is_empty()
            } else {
                pending.len() < FORKS_IN_FLIGHT
            };
            let mut wanted = refill == Refill::Now && may_fork;
            let mut no_place = None;
            if wanted && !self.shelf.is_waited_for() {
                match self.instances.clone().try_acquire_owned() {
                    Ok(instance) => {
                        self.ask(control, instance, &mut pending, &mut failures)
                            .await?;
                        continue;
                    }
                    Err(_) => {
                        wanted = false;
                        no_place = Some(NO_PLACE);
                    }
                }
            }
            let look_again = match refill {
                Refill::In(lull) => Some(pause.map_or(lull, |pause| pause.max(lull))),
                // Without a pause what is being tried wakes this up.
                Refill::Now => no_place.or(pause),
                Refill::Full => None,
            };
            let answer_due = pending.front().map(|(asked, _)| *asked + answers_within);
            let answer_due = answer_due.unwrap_or_else(Instant::now).into();
            tokio::select! {
                // The semaphore is never closed.
                Ok(instance) = self.instances.clone().acquire_owned(), if wanted => {
                    self.ask(control, instance, &mut pending, &mut failures).await?;
                }
                Some(request) = self.fork_requests.recv() => {
                    let asked = control.ask_for_zygote(request).await?;
                    pending.push_back((Instant::now(), asked));
                }
                () = self.stop.cancelled() => return Err(Down::Stopped),
                status = process.reap() => return Err(Down::Exited(status)),
                () = self.shelf.demand.notified() => {}
                () = tokio::time::sleep(look_again.unwrap_or_default()), if look_again.is_some() => {}
                () = tokio::time::sleep_until(answer_due), if !pending.is_empty() => {
                    return Err(Down::Silent(answers_within));
                }
                _ = housekeeping.tick() => {
                    let ended = self.shelf.drop_ended();
                    if ended > 0 {
                        let zygote = self.status.name();
                        tracing::warn!(zygote, ended, "sandboxes ended while they waited");
                    }
                    self.shelf.shrink_if_unused();
                }
                event = control.receive() => {
                    let event = event?;
                    if event == ZygoteEvent::WarmedUp {
                        self.warmed_up(process)?;
                        self.source.unpack(std::mem::take(&mut self.wheels));
                        answers_within = ANSWERS_WITHIN;
                        continue;
                    }
                    let (_, fork) = pending.pop_front().ok_or(Down::Protocol)?;
                    match (event, fork) {
                        (ZygoteEvent::Forked { pid }, Pending::Sandbox { socket, instance, starting }) => {
                            let largest_payload = self.largest_payload;
                            let meter = self.meter.clone();
                            preparing.spawn(async move {
                                let ready = Sandbox::prepare(pid, socket, instance, largest_payload);
                                let ready = tokio::time::timeout(READY_WITHIN, ready).await;
                                let sandbox = ready.map_err(|_| SandboxError::NotReady)??;
                                meter.forked(&starting);
                                Ok(sandbox)
                            });
                        }
                        (ZygoteEvent::Forked { pid }, Pending::Zygote { reply, place }) => {
                            if let Err((pid, place)) = reply.send((pid, place)) {
                                // Nobody wants it any more: held for a moment, it dies.
                                drop(ChildProcess::adopt(pid, place));
                            }
                        }
                        (ZygoteEvent::ForkFailed { errno }, _) => {
                            let error = std::io::Error::from_raw_os_error(errno);
                            self.failed(&mut failures, &format!("it cannot fork: {error}"));
                        }
                        (ZygoteEvent::Booted { .. } | ZygoteEvent::WarmedUp, _) => return Err(Down::Protocol),
                    }
                }
                Some(prepared) = preparing.join_next() => match prepared {
                    Ok(Ok(sandbox)) => {
                        if failures.any() {
                            tracing::info!(zygote = self.status.name(), "sandboxes get ready again");
                        }
                        failures.clear();
                        self.has_served = true;
                        self.status.clear_stalled();
                        self.shelf.put(sandbox);
                    }
                    Ok(Err(error)) => {
                        let reason = format!("a sandbox did not get ready: {error}");
                        let in_a_row = self.failed(&mut failures, &reason);
                        if in_a_row >= LAST_SANDBOX && !error.is_shortage() {
                            return Err(Down::Sandboxes(error));
                        }
                    }
                    Err(_) => {}
                },
            }
        }
    }

    /// Asks the zygote for a sandbox.
    async fn ask(
        &self,
        control: &Control,
        instance: OwnedSemaphorePermit,
        pending: &mut VecDeque<(Instant, Pending)>,
        failures: &mut ForkFailures,
    ) -> Result<(), Down> {
        match socket_pair(SocketType::STREAM) {
            Ok(sockets) => {
                let starting = self.meter.starting();
                let asked = control.ask_for_sandbox(sockets, instance, starting).await?;
                pending.push_back((Instant::now(), asked));
            }
            // That descriptors run out is no fault of the zygote.
            Err(error) => {
                self.failed(failures, &format!("it gets no socket: {error}"));
            }
        }
        Ok(())
    }

    /// A zygote has warmed up its packages, which it may do once.
    fn warmed_up(&self, process: &ZygoteProcess) -> Result<(), Down> {
        if !self.status.set_warm() {
            return Err(Down::Protocol);
        }
        InstallLimits::lift(process).map_err(Down::Control)?;
        tracing::info!(zygote = self.status.name(), "packages warmed up");
        // Those that were forked before would be slow.
        while self.shelf.give_up_one() {}
        self.shelf.demand.notify_one();
        Ok(())
    }

    /// Notes that the zygote brought no sandbox; returns how often in a row.
    fn failed(&self, failures: &mut ForkFailures, reason: &str) -> u32 {
        let now = Instant::now();
        let Some(in_a_row) = failures.add(now) else {
            return failures.in_a_row();
        };
        let pause = failures.pause(now).unwrap_or_default();
        let next_try_ms = pause.as_millis();
        tracing::warn!(
            zygote = self.status.name(),
            reason,
            in_a_row,
            next_try_ms,
            "no sandbox"
        );
        if in_a_row >= PATIENCE {
            self.shelf.stall(reason.to_owned());
            self.status.set_stalled(reason.to_owned(), now + pause);
        }
        in_a_row
    }
}

/// Serves by a control socket that a test holds the other end of, until what comes ends it.
#[cfg(test)]
pub async fn serve_liar(
    control: std::os::fd::OwnedFd,
    pid: i32,
    fork_requests: mpsc::Receiver<ForkRequest>,
    sandboxes: usize,
) -> String {
    use faas_packages::Packages;
    use faas_protocol::Runtime;
    use faas_telemetry::SandboxKind;

    use super::package_budget::PackageBudget;
    use super::shelf::ShelfSize;

    let (unused, _) = mpsc::channel(1);
    let packages = faas_packages::PackageSettings {
        enabled: false,
        ..faas_packages::PackageSettings::new("/nowhere".into(), "/nowhere".into())
    };
    let metrics = Arc::new(faas_telemetry::Metrics::new([], []));
    let mut keeper = Keeper {
        source: ZygoteSource::Fork {
            runtime: Runtime::Python,
            base: unused,
            requirements: Vec::new(),
            progress: crate::progress::Progress::of(&[]),
            packages: Packages::open(&packages).unwrap(),
            limits: InstallLimits {
                memory: ByteSize::mib(1),
                cpu: READY_WITHIN,
            },
            budget: Arc::new(PackageBudget::new(1, ByteSize::mib(1))),
            unpacker: mpsc::channel(1).0,
        },
        boot_within: READY_WITHIN,
        largest_payload: ByteSize::kib(1),
        shelf: Arc::new(Shelf::new(ShelfSize {
            min: 3,
            start: 3,
            max: 3,
            idle_after: READY_WITHIN,
        })),
        status: Arc::new(ZygoteStatus::new("liar".to_owned())),
        meter: Meter::new(metrics.clone(), SandboxKind::WithPackages(Runtime::Python)),
        gate: Arc::new(ForkGate::new(metrics.clone())),
        instances: Arc::new(Semaphore::new(sandboxes)),
        fork_requests,
        has_served: false,
        boot_took: None,
        wheels: Vec::new(),
        stop: CancellationToken::new(),
    };
    let process = ChildProcess::adopt(pid, None).unwrap();
    let control = Control::new(control).unwrap();
    match keeper.serve(&process, &control).await {
        Err(down) => down.to_string(),
        Ok(never) => match never {},
    }
}
