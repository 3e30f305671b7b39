//! One snapshot: a sandbox that has run its job and waits to be forked.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::OnceLock;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use faas_linux::socket_pair;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::ForkGuard;
use faas_protocol::KeptCommand;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_protocol::SandboxEvent;
use faas_telemetry::Meter;
use rustix::net::SocketType;
use rustix::process::Signal;
use tokio::sync::OwnedSemaphorePermit;

use super::gate::ForkGate;
use super::gate::Traced;
use crate::memory_watch::held_by;
use crate::package_set::PackageSet;
use crate::random_id;
use crate::random_id::Replica;
use crate::sandbox::Sandbox;
use crate::sandbox_error::SandboxError;

/// How long a kept process has to fork, and its fork to get ready. It takes a few ms.
const FORK_WITHIN: Duration = Duration::from_secs(10);

/// CPU time that a kept process may take for being forked.
const CPU_PER_FORK: Duration = Duration::from_millis(200);
/// What a kept process may hold beyond what it held when it came to rest.
const RESTLESS: ByteSize = ByteSize::mib(16);

/// Names a snapshot: `snap-`, the replica that has it, if that has a name, and 128 random bits in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotId(Arc<str>);

impl SnapshotId {
    const PREFIX: &str = "snap-";

    /// # Errors
    /// When the system has no random numbers.
    pub fn random(replica: Option<&Replica>) -> std::io::Result<Self> {
        random_id::random(Self::PREFIX, replica).map(Self)
    }

    /// `None` if it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        random_id::parse(Self::PREFIX, text).map(Self)
    }

    /// The replica that has it, if it is another than this one.
    pub fn elsewhere(&self, here: Option<&Replica>) -> Option<Replica> {
        random_id::replica_of(Self::PREFIX, &self.0).filter(|replica| Some(replica) != here)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SnapshotId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A sandbox that has run its job and waits to be forked. Dropping it ends its process.
#[derive(Debug)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub owner: Owner,
    /// Of the program that left it.
    pub language: Language,
    /// What its zygote had installed.
    pub packages: PackageSet,
    pub meter: Meter,
    pub created: SystemTime,
    lineage: Lineage,
    /// What it held at rest, over what its root held before its first job: what the line has added.
    added: ByteSize,
    /// How long it may wait for its next use.
    idle: Duration,
    uses: Mutex<Uses>,
    pid: i32,
    /// Who needs it for longer than a use.
    holds: AtomicUsize,
    /// Where its forks are watched by tracing it. Before `process`: it may not be reaped until this is dropped.
    traced: OnceLock<Traced>,
    /// One fork at a time.
    process: tokio::sync::Mutex<Sandbox>,
}

#[derive(Debug)]
struct Uses {
    last: Instant,
    /// Programs that started from it.
    programs: u64,
    /// How often it forked: for those, and ahead of need.
    forks: u64,
    /// Whether it failed to fork, other than for a shortage.
    broken: bool,
    /// CPU time when it came to rest.
    cpu: Duration,
    /// What it held then.
    held: ByteSize,
}

/// What is told of a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotInfo {
    pub id: SnapshotId,
    pub language: Language,
    pub packages: PackageSet,
    pub memory: ByteSize,
    pub created: SystemTime,
    /// When it goes unless it is used before.
    pub expires: SystemTime,
    /// Programs that started from it.
    pub programs: u64,
}

impl Snapshot {
    /// Takes charge of a sandbox that said that it stays.
    pub fn new(
        id: SnapshotId,
        sandbox: Sandbox,
        origin: Origin,
        lineage: Lineage,
        own: ByteSize,
        idle: Duration,
    ) -> Self {
        let pid = sandbox.pid();
        let held = held_by(pid);
        let began = lineage.began.unwrap_or_else(|| sandbox.held_before());
        let copied = own.saturating_sub(held.saturating_sub(sandbox.held_before()));
        let Origin {
            owner,
            language,
            packages,
            meter,
        } = origin;
        Self {
            id,
            owner,
            language,
            packages,
            meter,
            created: SystemTime::now(),
            added: held.saturating_sub(began),
            lineage: Lineage {
                began: Some(began),
                written: lineage.written.saturating_add(own),
                most_copied: lineage.most_copied.max(copied),
                ancestors: lineage.ancestors,
            },
            idle,
            uses: Mutex::new(Uses {
                last: Instant::now(),
                programs: 0,
                forks: 0,
                broken: false,
                cpu: sandbox.cpu_time(),
                held,
            }),
            pid,
            holds: AtomicUsize::new(0),
            traced: OnceLock::new(),
            process: tokio::sync::Mutex::new(sandbox),
        }
    }

    /// What its descendants descend from.
    pub fn lineage(self: &Arc<Self>) -> Lineage {
        let mut lineage = self.lineage.clone();
        lineage.ancestors.push(Arc::downgrade(self));
        let is_alive = |ancestor: &Weak<Self>| ancestor.strong_count() > 0;
        lineage.ancestors.retain(is_alive);
        lineage
    }

    /// What it takes over what others share with it, at most. It has what ancestors left that are gone: for these,
    /// that is what the line has added and the most that one of its jobs has copied, which may be too little if each
    /// copied other pages.
    pub fn memory(&self) -> ByteSize {
        self.memory_without(None)
    }

    /// The same, as if that ancestor was gone, too.
    pub fn memory_without(&self, gone: Option<&Self>) -> ByteSize {
        let mut ancestors = self.lineage.ancestors.iter().rev();
        let nearest = ancestors.find_map(|ancestor| {
            let ancestor = ancestor.upgrade()?;
            let is_gone = gone.is_some_and(|gone| std::ptr::eq(gone, &raw const *ancestor));
            (!is_gone).then(|| ancestor.lineage.written)
        });
        let written = self.lineage.written;
        let own = written.saturating_sub(nearest.unwrap_or_default());
        // Jobs of a line mostly copy the same pages.
        own.min(self.added.saturating_add(self.lineage.most_copied))
    }

    pub fn info(&self) -> SnapshotInfo {
        let uses = self.uses();
        let left = (uses.last + self.idle).saturating_duration_since(Instant::now());
        SnapshotInfo {
            id: self.id.clone(),
            language: self.language,
            packages: self.packages.clone(),
            memory: self.memory(),
            created: self.created,
            expires: SystemTime::now() + left,
            programs: uses.programs,
        }
    }

    pub fn last_used(&self) -> Instant {
        self.uses().last
    }

    /// Whether somebody needs it for longer than a use: then it does not expire, and goes after others.
    pub fn is_held(&self) -> bool {
        self.holds.load(Ordering::Relaxed) > 0
    }

    pub fn is_expired(&self) -> bool {
        !self.is_held() && self.last_used().elapsed() >= self.idle
    }

    /// Whether its process ended, failed to fork, or does anything but wait.
    pub fn is_of_no_use(&self) -> bool {
        let (forks, broken, cpu, held) = {
            let uses = self.uses();
            (uses.forks, uses.broken, uses.cpu, uses.held)
        };
        if broken {
            return true;
        }
        // Who forks it at the moment finds out the rest.
        let Ok(process) = self.process.try_lock() else {
            return false;
        };
        let forks = u32::try_from(forks + 1).unwrap_or(u32::MAX);
        let allowed = CPU_PER_FORK.saturating_mul(forks);
        process.has_ended()
            || process.cpu_time().saturating_sub(cpu) > allowed
            || held_by(self.pid) > held.saturating_add(RESTLESS)
    }

    pub fn touch(&self) {
        self.uses().last = Instant::now();
    }

    /// Notes that a program starts from it.
    pub fn count_program(&self) {
        let mut uses = self.uses();
        uses.programs += 1;
        uses.last = Instant::now();
    }

    /// Forks it; the fork takes a job as any sandbox does.
    ///
    /// Not to be given up in the middle: the process would fork when nobody expects it.
    ///
    /// # Errors
    /// When the process is broken, or forks are short of something.
    pub async fn fork(
        &self,
        gate: &Arc<ForkGate>,
        place: OwnedSemaphorePermit,
        largest_payload: ByteSize,
    ) -> Result<Sandbox, SandboxError> {
        // Others' forks come first, and take their time.
        let mut process = self.process.lock().await;
        let forked = tokio::time::timeout(FORK_WITHIN, self.fork_process(&mut process, gate));
        let forked = forked.await.unwrap_or(Err(SandboxError::NotReady));
        let (pid, socket) = forked.inspect_err(|error| {
            let is_short = matches!(error, SandboxError::Failed { .. }) || error.is_shortage();
            self.uses().broken |= !is_short;
        })?;
        drop(process);
        let ready = Sandbox::prepare(pid, socket, place, largest_payload);
        let ready = tokio::time::timeout(FORK_WITHIN, ready).await;
        let mut sandbox = ready.unwrap_or(Err(SandboxError::NotReady))?;
        sandbox.is_of_line = true;
        Ok(sandbox)
    }

    async fn fork_process(
        &self,
        process: &mut Sandbox,
        gate: &Arc<ForkGate>,
    ) -> Result<(i32, std::os::fd::OwnedFd), SandboxError> {
        let (ours, theirs) = socket_pair(SocketType::STREAM).map_err(SandboxError::Socket)?;
        let guard = process.guard();
        let (given, handed_over) = match guard {
            ForkGuard::Listener => (Some(theirs), None),
            ForkGuard::Tracer => (None, Some(theirs)),
        };
        let allowed = gate.allow(self.pid, given);
        let mut permission = allowed.map_err(SandboxError::Socket)?;
        let ticket = permission.ticket;
        let command = KeptCommand::Fork { ticket };
        match handed_over {
            None => process.socket.send(&command).await?,
            Some(socket) => {
                self.traced.get_or_init(|| {
                    let traced = gate.trace(self.pid);
                    process.signal(Signal::STOP);
                    traced
                });
                process.socket.send_with(&command, &socket).await?;
            }
        }
        let pid = tokio::select! {
            biased;
            pid = &mut permission.forked => pid.map_err(|_| SandboxError::Protocol)?,
            answer = process.socket.receive() => {
                let frame = answer?.ok_or(SandboxError::Protocol)?;
                return Err(match protocol::decode(&frame) {
                    Ok(SandboxEvent::Failed { stage, errno }) => SandboxError::Failed { stage, errno },
                    _ => SandboxError::Protocol,
                });
            }
        };
        self.uses().forks += 1;
        Ok((pid, ours))
    }

    fn uses(&self) -> std::sync::MutexGuard<'_, Uses> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a program descends from.
#[derive(Clone, Debug, Default)]
pub struct Lineage {
    /// The snapshots as far as they were alive, the oldest first.
    ancestors: Vec<Weak<Snapshot>>,
    /// What the first process held before its program; `None` for that program itself.
    began: Option<ByteSize>,
    /// What all of them wrote, each over what it was forked from.
    written: ByteSize,
    /// The most that one of them wrote of what was there before it, which is a copy then.
    most_copied: ByteSize,
}

impl Lineage {
    /// How many of the snapshots are alive.
    pub fn living(&self) -> usize {
        let alive = |ancestor: &&Weak<Snapshot>| ancestor.strong_count() > 0;
        self.ancestors.iter().filter(alive).count()
    }
}

/// What a program has of the snapshot that it started from. It does not hold the snapshot itself, which may have to
/// make room meanwhile.
#[derive(Debug)]
pub struct Parent {
    pub packages: PackageSet,
    pub lineage: Lineage,
}

impl Parent {
    pub fn of(snapshot: &Arc<Snapshot>) -> Self {
        Self {
            packages: snapshot.packages.clone(),
            lineage: snapshot.lineage(),
        }
    }
}

/// Where a snapshot comes from.
#[derive(Debug)]
pub struct Origin {
    pub owner: Owner,
    pub language: Language,
    pub packages: PackageSet,
    pub meter: Meter,
}

/// A snapshot that is needed until this is dropped. It may have to go all the same.
#[derive(Debug)]
pub struct SnapshotHold(Weak<Snapshot>);

impl SnapshotHold {
    pub fn of(snapshot: &Arc<Snapshot>) -> Self {
        snapshot.holds.fetch_add(1, Ordering::Relaxed);
        Self(Arc::downgrade(snapshot))
    }
}

impl Drop for SnapshotHold {
    fn drop(&mut self) {
        if let Some(snapshot) = self.0.upgrade() {
            snapshot.touch();
            snapshot.holds.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_snapshot_is_128_random_bits_and_nothing_else() {
        let id = SnapshotId::random(None).unwrap();
        assert_eq!(SnapshotId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(id, SnapshotId::random(None).unwrap());
        let digits = id.as_str().strip_prefix("snap-").unwrap();
        for wrong in [
            "",
            "snap-",
            digits,
            &id.as_str().to_uppercase(),
            &format!("{id}0"),
            "snap-0123456789abcdef0123456789abcde\n",
        ] {
            assert_eq!(SnapshotId::parse(wrong), None, "{wrong:?}");
        }
    }
}
