//! What a job is, and what is known of it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;

use faas_packages::Digest;
use faas_protocol::Owner;
use faas_protocol::Weight;
use faas_telemetry::JobState;

/// Names a job.
pub type JobId = Arc<str>;

/// How often a row is begun. One that ran each time when the service was killed may be why.
pub const MOST_ATTEMPTS: u32 = 5;

/// What a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    /// One program, as `POST /run_code` does.
    Run,
    /// Many, as `POST /run_batch` does.
    Batch,
}

impl JobKind {
    pub const ALL: [Self; 2] = [Self::Run, Self::Batch];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Batch => "batch",
        }
    }
}

/// How far the message about a job's end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookState {
    /// The job has not ended, or the message is to be sent, perhaps again.
    Waiting,
    Delivered,
    /// It was given up.
    Failed,
}

impl WebhookState {
    pub const ALL: [Self; 3] = [Self::Waiting, Self::Delivered, Self::Failed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// The key of a request that may be sent again, and the digest of what came with it.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    pub text: String,
    pub digest: Digest,
}

/// A job that was asked for and checked.
#[derive(Clone, Debug)]
pub struct NewJob {
    pub id: JobId,
    pub owner: Owner,
    pub weight: Weight,
    /// Where the request came from.
    pub address: Option<SocketAddr>,
    pub request_id: String,
    pub kind: JobKind,
    /// What the request says, but its rows: JSON.
    pub head: String,
    /// JSON, one for each row; a program alone has one, which is empty.
    pub rows: Vec<String>,
    pub key: Option<IdempotencyKey>,
    /// Where to say that it has ended.
    pub webhook: Option<String>,
    /// How long it may wait and run, and how long it is kept after its end.
    pub keep_for: Duration,
}

/// What is known of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobInfo {
    pub id: JobId,
    pub owner: Owner,
    pub kind: JobKind,
    pub state: JobState,
    pub request_id: String,
    pub rows: u64,
    /// Rows whose results are there.
    pub done: u64,
    pub created: SystemTime,
    /// When it was taken up first.
    pub began: Option<SystemTime>,
    pub ended: Option<SystemTime>,
    /// When it ends unless it has ended; after its end, when it is forgotten.
    pub expires: SystemTime,
    /// Why it ended with rows left.
    pub problem: Option<Problem>,
    /// The line of its set-up's answer, if that ran; only of a single job.
    pub setup: Option<String>,
    pub webhook: Option<WebhookInfo>,
}

/// Why a job ended with rows left: what went wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub error: String,
    pub details: String,
}

/// What is known of the message about a job's end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookInfo {
    pub url: String,
    pub state: WebhookState,
    pub attempts: u32,
    /// Why the last attempt failed.
    pub error: Option<String>,
}

/// What became of a job that was asked for.
#[derive(Debug)]
pub enum Submitted {
    New(JobInfo),
    /// Its key came before, with the same request: this is the job of then.
    Known(JobInfo),
}

/// What there is of a name.
#[derive(Debug)]
pub enum Found {
    Job(Box<JobInfo>),
    Gone(GoneReason),
    Unknown,
}

/// Why a job is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GoneReason {
    Deleted,
    Expired,
}

impl GoneReason {
    pub(crate) const ALL: [Self; 2] = [Self::Deleted, Self::Expired];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Expired => "expired",
        }
    }
}

/// A job to be run now.
#[derive(Debug)]
pub struct ClaimedJob {
    pub id: JobId,
    pub owner: Owner,
    pub weight: Weight,
    pub address: Option<SocketAddr>,
    pub request_id: String,
    pub kind: JobKind,
    pub head: String,
    /// When it is ended if it has not come to its end.
    pub expires: SystemTime,
}

/// A row without a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRow {
    pub index: u64,
    pub text: String,
    /// How often it was begun.
    pub attempts: u32,
}

/// What happened to rows of a job.
#[derive(Debug, Default)]
pub struct Progress {
    /// Those that begin.
    pub began: Vec<u64>,
    /// Those that ended, with their results: an object of JSON each.
    pub ended: Vec<(u64, String)>,
}

/// A result, as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptResult {
    /// Its place among the results, in the order in which they came, from 0.
    pub position: u64,
    pub index: u64,
    /// An object of JSON.
    pub text: String,
}

/// Results that follow each other.
#[derive(Debug)]
pub struct ResultPage {
    pub results: Vec<KeptResult>,
    /// Whether no more will come.
    pub is_last: bool,
}

/// How a job that ran came to its end.
#[derive(Clone, Debug)]
pub enum JobEnd {
    /// Each row has a result.
    Done,
    /// Rows are left.
    Failed(Problem),
}

/// A message about a job's end that is to be sent now.
#[derive(Debug)]
pub struct DueWebhook {
    pub url: String,
    /// How often it was sent.
    pub attempts: u32,
    pub job: JobInfo,
}
