//! One snapshot: a sandbox that has run its job and waits to be forked.

use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::Weak;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use faas_linux::socket_pair;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::KeptCommand;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_protocol::SandboxEvent;
use faas_telemetry::Meter;
use rustix::net::SocketType;
use tokio::sync::OwnedSemaphorePermit;

use super::gate::ForkGate;
use crate::memory_watch::held_by;
use crate::package_set::PackageSet;
use crate::sandbox::Sandbox;
use crate::sandbox_error::SandboxError;

/// How long a kept process has to fork, and its fork to get ready. It takes a few ms.
const FORK_WITHIN: Duration = Duration::from_secs(10);

/// CPU time that a kept process may take for being forked.
const CPU_PER_FORK: Duration = Duration::from_millis(200);
/// What a kept process may hold beyond what it held when it came to rest.
const RESTLESS: ByteSize = ByteSize::mib(16);

/// Names a snapshot: `snap-` and 128 random bits in hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SnapshotId(Arc<str>);

impl SnapshotId {
    const PREFIX: &str = "snap-";
    const DIGITS: usize = 32;

    /// # Errors
    /// When the system has no random numbers.
    pub fn random() -> std::io::Result<Self> {
        let mut bits = [0; 16];
        getrandom::fill(&mut bits).map_err(std::io::Error::other)?;
        let number = u128::from_le_bytes(bits);
        let (prefix, digits) = (Self::PREFIX, Self::DIGITS);
        Ok(Self(format!("{prefix}{number:0digits$x}").into()))
    }

    /// `None` if it is no such name.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix(Self::PREFIX)?;
        let is_hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_sane = digits.len() == Self::DIGITS && digits.bytes().all(is_hexadecimal);
        is_sane.then(|| Self(text.into()))
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
    /// What it takes, at most, over what others share with it.
    pub memory: ByteSize,
    pub created: SystemTime,
    /// The snapshots that it descends from, the oldest first, as far as they were there when it was made.
    ancestors: Vec<Weak<Snapshot>>,
    /// How long it may wait for its next use.
    idle: Duration,
    uses: Mutex<Uses>,
    pid: i32,
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
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(
        sandbox: Sandbox,
        origin: Origin,
        lineage: Lineage,
        memory: ByteSize,
        idle: Duration,
    ) -> std::io::Result<Self> {
        let pid = sandbox.pid();
        let Origin {
            owner,
            language,
            packages,
            meter,
        } = origin;
        Ok(Self {
            id: SnapshotId::random()?,
            owner,
            language,
            packages,
            meter,
            memory,
            created: SystemTime::now(),
            ancestors: lineage.0,
            idle,
            uses: Mutex::new(Uses {
                last: Instant::now(),
                programs: 0,
                forks: 0,
                broken: false,
                cpu: sandbox.cpu_time(),
                held: held_by(pid),
            }),
            pid,
            process: tokio::sync::Mutex::new(sandbox),
        })
    }

    /// What its descendants descend from.
    pub fn lineage(self: &Arc<Self>) -> Lineage {
        let mut lineage = Lineage(self.ancestors.clone());
        lineage.0.push(Arc::downgrade(self));
        lineage.0.retain(|ancestor| ancestor.strong_count() > 0);
        lineage
    }

    pub fn info(&self) -> SnapshotInfo {
        let uses = self.uses();
        let left = (uses.last + self.idle).saturating_duration_since(Instant::now());
        SnapshotInfo {
            id: self.id.clone(),
            language: self.language,
            packages: self.packages.clone(),
            memory: self.memory,
            created: self.created,
            expires: SystemTime::now() + left,
            programs: uses.programs,
        }
    }

    pub fn last_used(&self) -> Instant {
        self.uses().last
    }

    pub fn is_expired(&self) -> bool {
        self.last_used().elapsed() >= self.idle
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
        let allowed = gate.allow(self.pid, theirs);
        let mut permission = allowed.map_err(SandboxError::Socket)?;
        let ticket = permission.ticket;
        process.socket.send(&KeptCommand::Fork { ticket }).await?;
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

/// The snapshots that a program descends from, as far as they are alive, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct Lineage(Vec<Weak<Snapshot>>);

impl Lineage {
    /// How many of them are alive.
    pub fn living(&self) -> usize {
        let alive = |ancestor: &&Weak<Snapshot>| ancestor.strong_count() > 0;
        self.0.iter().filter(alive).count()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_a_snapshot_is_128_random_bits_and_nothing_else() {
        let id = SnapshotId::random().unwrap();
        assert_eq!(SnapshotId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(id, SnapshotId::random().unwrap());
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
