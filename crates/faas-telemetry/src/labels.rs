//! The sets of labels that metrics have. Each is closed: what a caller sends never becomes a label.

use faas_protocol::Limit;
use faas_protocol::Runtime;
use faas_protocol::Status;
use prometheus_client::encoding::EncodeLabelSet;

/// The label of requests that found the queue full, in addition to those of [`Limit`].
pub const QUEUE: &str = "queue";
/// The label of those for which no turn came in time.
pub const QUEUE_TIME: &str = "queue_time";

/// Which zygote a sandbox comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxKind {
    Runtime(Runtime),
    /// A runtime with a set of packages; all sets together.
    WithPackages(Runtime),
}

impl SandboxKind {
    /// All kinds that this server can have.
    pub fn all() -> impl Iterator<Item = Self> {
        let plain = Runtime::ALL.into_iter().map(Self::Runtime);
        let takes_packages = |runtime: &Runtime| runtime.spec().with_packages.is_some();
        let with_packages = Runtime::ALL.into_iter().filter(takes_packages);
        plain.chain(with_packages.map(Self::WithPackages))
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Runtime(runtime) => runtime.name(),
            Self::WithPackages(runtime) => runtime.spec().with_packages.unwrap_or(runtime.name()),
        }
    }
}

/// What a sandbox is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxState {
    Idle,
    Active,
    Starting,
}

impl SandboxState {
    pub const ALL: [Self; 3] = [Self::Idle, Self::Active, Self::Starting];

    pub fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Active => "active",
            Self::Starting => "starting",
        }
    }
}

/// Why a snapshot is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotEnd {
    /// Its owner deleted it.
    Deleted,
    /// Nobody used it for long.
    Expired,
    /// For a newer one.
    MadeRoom,
    /// Memory was short, of the machine or of the container.
    MemoryShort,
    /// Its process ended, or could not be forked.
    Broken,
}

impl SnapshotEnd {
    pub const ALL: [Self; 5] = [
        Self::Deleted,
        Self::Expired,
        Self::MadeRoom,
        Self::MemoryShort,
        Self::Broken,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::MadeRoom => "made_room",
            Self::MemoryShort => "memory_short",
            Self::Broken => "broken",
        }
    }
}

impl From<SnapshotEnd> for ReasonLabels {
    fn from(end: SnapshotEnd) -> Self {
        Self { reason: end.name() }
    }
}

/// Why a session is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its owner deleted it.
    Deleted,
    /// Nobody used it for long.
    Expired,
    /// It lived for as long as one may.
    TooOld,
    /// For another owner's, who had fewer.
    MadeRoom,
    /// Memory was short, of the machine or of the container.
    MemoryShort,
    /// Its process ended, or could not be forked.
    Broken,
    /// The service ended.
    Stopped,
}

impl SessionEnd {
    pub const ALL: [Self; 7] = [
        Self::Deleted,
        Self::Expired,
        Self::TooOld,
        Self::MadeRoom,
        Self::MemoryShort,
        Self::Broken,
        Self::Stopped,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
            Self::TooOld => "too_old",
            Self::MadeRoom => "made_room",
            Self::MemoryShort => "memory_short",
            Self::Broken => "broken",
            Self::Stopped => "stopped",
        }
    }
}

impl From<SessionEnd> for ReasonLabels {
    fn from(end: SessionEnd) -> Self {
        Self { reason: end.name() }
    }
}

/// What became of a cell's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellEnd {
    /// It has what the cell left.
    Kept,
    /// It is as it was before the cell.
    Unchanged,
}

impl CellEnd {
    pub const ALL: [Self; 2] = [Self::Kept, Self::Unchanged];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Unchanged => "unchanged",
        }
    }
}

impl From<CellEnd> for StateLabels {
    fn from(end: CellEnd) -> Self {
        Self { state: end.name() }
    }
}

/// How a call of a tool ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToolCallEnd {
    /// With a result.
    Answered,
    /// With the caller's error.
    Failed,
    /// Its input does not fit the tool; the caller did not see it.
    Invalid,
    /// There were too many, or too much in them.
    Refused,
    /// The program was over before there was an answer.
    Unanswered,
}

impl ToolCallEnd {
    pub const ALL: [Self; 5] = [
        Self::Answered,
        Self::Failed,
        Self::Invalid,
        Self::Refused,
        Self::Unanswered,
    ];

    /// Its name in metrics and audit log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::Unanswered => "unanswered",
        }
    }
}

impl From<ToolCallEnd> for OutcomeLabels {
    fn from(end: ToolCallEnd) -> Self {
        Self {
            outcome: end.name(),
        }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits to be taken up, or to be taken up again.
    Queued,
    Running,
    /// Each row has a result.
    Done,
    /// It ended with rows left.
    Failed,
    /// Its owner ended it.
    Cancelled,
    /// It had not ended when its time was over.
    Expired,
}

impl JobState {
    pub const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// Whether nothing of it runs or will run.
    pub const fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl From<JobState> for StateLabels {
    fn from(state: JobState) -> Self {
        Self {
            state: state.name(),
        }
    }
}

/// What became of an attempt to send a message about a job's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookEnd {
    Delivered,
    /// It is to be sent again.
    Again,
    GivenUp,
}

impl WebhookEnd {
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Again, Self::GivenUp];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Again => "again",
            Self::GivenUp => "given_up",
        }
    }
}

impl From<WebhookEnd> for OutcomeLabels {
    fn from(end: WebhookEnd) -> Self {
        Self {
            outcome: end.name(),
        }
    }
}

/// What keeps bytes that have a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Requests that are read, wait or are executed.
    Requests,
    /// Answers that their callers have not read.
    Answers,
    /// Package files on disk.
    PackageCache,
    /// Requests and results of jobs.
    Jobs,
}

impl Holder {
    pub const ALL: [Self; 4] = [
        Self::Requests,
        Self::Answers,
        Self::PackageCache,
        Self::Jobs,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Answers => "answers",
            Self::PackageCache => "package_cache",
            Self::Jobs => "jobs",
        }
    }
}

/// Signals that end sandboxes, with their numbers on x86_64 (signal(7)).
pub const SIGNALS: [(i32, &str); 8] = [
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (9, "SIGKILL"),
    (11, "SIGSEGV"),
    (31, "SIGSYS"),
];
/// The label of all other signals.
pub const OTHER_SIGNAL: &str = "other";

pub fn signal_names() -> impl Iterator<Item = &'static str> {
    let known = SIGNALS.iter().map(|(_, name)| *name);
    known.chain([OTHER_SIGNAL])
}

pub fn signal_name(signal: i32) -> &'static str {
    let known = SIGNALS.iter().find(|(number, _)| *number == signal);
    known.map_or(OTHER_SIGNAL, |(_, name)| name)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct BuildLabels {
    pub version: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    pub outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SignalLabels {
    pub signal: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct HolderLabels {
    pub holder: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ExecutionLabels {
    pub language: &'static str,
    pub status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RowLabels {
    status: &'static str,
}

impl RowLabels {
    /// Of a row with this status, or of one that was not executed.
    pub fn of(status: Option<Status>) -> Self {
        Self {
            status: status.map_or("refused", Status::name),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LanguageLabels {
    pub language: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RuntimeLabels {
    pub runtime: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReasonLabels {
    pub reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct StateLabels {
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SandboxLabels {
    pub runtime: &'static str,
    pub state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabels {
    pub limit: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    pub route: String,
    pub method: &'static str,
    pub code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RouteLabels {
    pub route: String,
}

pub fn limit_names() -> impl Iterator<Item = &'static str> {
    Limit::ALL
        .into_iter()
        .map(Limit::name)
        .chain([QUEUE, QUEUE_TIME])
}
