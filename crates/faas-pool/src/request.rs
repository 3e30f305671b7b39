//! What is asked of the pool, and why it may refuse.

use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_protocol::Job;
use faas_protocol::Language;
use faas_protocol::Owner;
use faas_protocol::Priority;
use faas_protocol::Runtime;
use faas_protocol::Weight;
use tokio::sync::Notify;

use super::fair_queue::Asks;
use super::kept::NoSnapshot;
use super::kept::SnapshotId;
use super::live::Live;
use super::package_set::PackageSet;
use super::sessions::NoSession;
use super::sessions::NoTurn;
use super::sessions::SessionId;
use super::status::ZygoteState;
use super::tools::ToolLine;
use super::turn::RowReports;

/// What to execute, and how.
#[derive(Debug)]
pub struct ExecutionRequest {
    pub job: Job,
    /// Whose it is.
    pub owner: Owner,
    /// What share of the workers the owner has.
    pub weight: Weight,
    pub priority: Priority,
    pub start: Start,
    /// Packages that have to be installed.
    pub packages: PackageSet,
    /// Who is told of the output as it comes.
    pub live: Option<Live>,
    /// Who is told of the inputs of a job that has several: of each but the last that was run, whose report is that of
    /// the execution. Not all need be run; what is left is to be sent once more.
    pub rows: Option<RowReports>,
    /// The tools of its caller that it may call.
    pub tools: Option<ToolLine>,
    /// Notified to interrupt it, which it can handle; set for cells of sessions.
    pub interrupt: Option<Arc<Notify>>,
}

impl ExecutionRequest {
    /// A program that does nothing, to be kept, for the same owner within the same limits.
    pub(super) fn empty_program(&self) -> Self {
        let mut job = Job::run(self.job.language, "", self.job.limits);
        job.keep = true;
        Self {
            job,
            owner: self.owner.clone(),
            weight: self.weight,
            priority: self.priority,
            start: Start::Fresh,
            packages: PackageSet::default(),
            live: None,
            rows: None,
            tools: None,
            interrupt: None,
        }
    }

    /// For whom it wants a turn.
    pub(super) fn asks(&self) -> Asks {
        Asks {
            owner: self.owner.clone(),
            weight: self.weight,
            priority: self.priority,
        }
    }
}

/// What a program starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// A fresh sandbox.
    #[default]
    Fresh,
    Snapshot(SnapshotId),
    /// The head of a session, of which it is the next cell.
    Session(SessionId),
}

impl Start {
    /// The snapshot, if it is one.
    pub fn snapshot(&self) -> Option<&SnapshotId> {
        match self {
            Self::Snapshot(id) => Some(id),
            Self::Fresh | Self::Session(_) => None,
        }
    }

    /// The session, if it is one.
    pub fn session(&self) -> Option<&SessionId> {
        match self {
            Self::Session(id) => Some(id),
            Self::Fresh | Self::Snapshot(_) => None,
        }
    }
}

/// Why a job was not executed.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("{waiting} requests are waiting already")]
    QueueFull {
        waiting: usize,
        /// When a request may find a turn, as far as that can be told.
        retry_after: Duration,
    },
    #[error("no worker was free within the {} ms that requests may wait (FAAS_QUEUE_TIMEOUT)", limit.as_millis())]
    QueueTimeout {
        limit: Duration,
        /// When a request may find a turn, as far as that can be told.
        retry_after: Duration,
    },
    #[error(
        "a worker is expected to be free in {} ms, and requests may wait for {} ms (FAAS_QUEUE_TIMEOUT)",
        retry_after.as_millis(),
        limit.as_millis()
    )]
    QueueTooSlow {
        limit: Duration,
        /// When a request may find a turn, as far as that can be told.
        retry_after: Duration,
    },
    #[error("the {} runtime is not up: {reason}", runtime.name())]
    NotReady {
        runtime: Runtime,
        reason: String,
        /// When it may be up, as far as that can be told.
        retry_after: Duration,
    },
    #[error("there is no such snapshot")]
    NoSnapshot(NoSnapshot),
    /// A snapshot is of another runtime than the program.
    #[error("the snapshot is of a program in {}", of.name())]
    OtherLanguage { of: Language },
    #[error("programs cannot be kept here: {0}")]
    CannotKeep(String),
    #[error("there is no such session")]
    NoSession(NoSession),
    /// A session is of another runtime than the program.
    #[error("the session is of {}", of.name())]
    SessionOfOtherLanguage { of: Language },
    #[error("{waiting} cells wait for their turn in this session already")]
    SessionFull { waiting: usize },
    #[error(
        "the cells before it did not end within the {} ms that requests may wait (FAAS_QUEUE_TIMEOUT)",
        limit.as_millis()
    )]
    SessionTimeout { limit: Duration },
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error("no sandbox could take the program: {0}")]
    Broken(String),
}

impl PoolError {
    /// A runtime does not serve, as its zygote's state says.
    pub fn not_ready(runtime: Runtime, reason: String, state: &ZygoteState) -> Self {
        let expected = state.expected();
        let left = expected.map(|at| at.saturating_duration_since(Instant::now()));
        Self::NotReady {
            runtime,
            reason,
            retry_after: left.unwrap_or_default(),
        }
    }
}

impl From<NoTurn> for PoolError {
    fn from(no_turn: NoTurn) -> Self {
        match no_turn {
            NoTurn::Full { waiting } => Self::SessionFull { waiting },
            NoTurn::TooLate { limit } => Self::SessionTimeout { limit },
            NoTurn::Over(why) => Self::NoSession(NoSession::Gone(why)),
        }
    }
}
