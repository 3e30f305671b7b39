//! Jobs as answers show them.

use std::borrow::Cow;

use faas_jobs::JobInfo;
use faas_jobs::JobKind;
use faas_jobs::KeptResult;
use faas_jobs::Problem;
use faas_jobs::WebhookInfo;
use faas_jobs::WebhookState;
use faas_telemetry::JobState;
use faas_telemetry::rfc3339;
use serde::Deserialize;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::api::batch::RefusedLine;
use crate::api::batch::RowLine;
use crate::api::response::RunResponse;
use crate::api::words::Named;
use crate::api::words::Word;

// The derived schemas do not follow a generic argument; they follow these.
type StatusWord = Named<JobState>;
type KindWord = Named<JobKind>;
type WebhookWord = Named<WebhookState>;

impl Word for JobState {
    const LIST: &'static str = "JobStatus";
    const MEANING: &'static str = "How far a job is: `done` if each row has a result, however its program ended; `failed` if it ended with rows \
         left, `cancelled` if it was deleted before its end, `expired` if its time was over before";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Word for JobKind {
    const LIST: &'static str = "JobKind";
    const MEANING: &'static str = "What a job runs: a program, or a batch";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

impl Word for WebhookState {
    const LIST: &'static str = "WebhookStatus";
    const MEANING: &'static str =
        "Whether the end of a job was told: `waiting` until then, `failed` if it was given up";

    fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }

    fn word(self) -> &'static str {
        self.name()
    }
}

/// The caller's jobs, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    pub count: usize,
    pub jobs: Vec<JobBody>,
    /// Sent as `before`, it gets the jobs that come next; null at the end.
    #[schema(required)]
    pub next: Option<String>,
}

/// A job.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobBody {
    id: String,
    status: StatusWord,
    kind: KindWord,
    progress: JobProgress,
    /// The `X-Request-Id` of the request; programs of the job have it in history and audit log.
    request_id: String,
    #[schema(format = DateTime)]
    created_at: String,
    /// When it was taken up first; null before.
    #[schema(required, format = DateTime)]
    started_at: Option<String>,
    #[schema(required, format = DateTime)]
    ended_at: Option<String>,
    /// When it ends unless it has ended before; after its end, when it is forgotten.
    #[schema(format = DateTime)]
    expires_at: String,
    /// Why it ended with rows left; only if `failed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<JobProblem>,
    /// The usual answer for the set-up, once it ran; only of a single job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, value_type = Option<RunResponse>)]
    setup: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    webhook: Option<WebhookBody>,
}

/// How far a job is.
#[derive(Debug, Serialize, ToSchema)]
struct JobProgress {
    /// Rows that have a result.
    done: u64,
    /// All rows; 1 of a program.
    rows: u64,
}

/// Why a job ended with rows left.
#[derive(Debug, Serialize, ToSchema)]
struct JobProblem {
    error: String,
    /// What to do about it.
    details: String,
}

/// The message about a job's end.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Webhook)]
struct WebhookBody {
    url: String,
    status: WebhookWord,
    attempts: u32,
    /// Why the last attempt failed; null if none did.
    #[schema(required)]
    last_error: Option<String>,
}

/// A line of the results: that of a row as in a batch, with its place among the results.
#[derive(Serialize, ToSchema)]
pub struct JobResult {
    /// From 0, in the order in which rows ended; `from` is one of these.
    position: u64,
    #[serde(flatten)]
    line: ResultLine,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = JobResultLine)]
#[expect(
    dead_code,
    reason = "for the API's description; lines are kept as text"
)]
enum ResultLine {
    Ran(Box<RowLine>),
    Refused(RefusedLine),
}

/// The line of a set-up, as the store has it.
#[derive(Deserialize)]
struct KeptSetup {
    setup: Box<RawValue>,
}

impl From<JobInfo> for JobBody {
    fn from(job: JobInfo) -> Self {
        let setup = job.setup.as_deref();
        let setup = setup.and_then(|line| serde_json::from_str::<KeptSetup>(line).ok());
        Self {
            id: job.id.to_string(),
            status: Named(job.state),
            kind: Named(job.kind),
            progress: JobProgress {
                done: job.done,
                rows: job.rows,
            },
            request_id: job.request_id,
            created_at: rfc3339(job.created),
            started_at: job.began.map(rfc3339),
            ended_at: job.ended.map(rfc3339),
            expires_at: rfc3339(job.expires),
            problem: job
                .problem
                .map(|Problem { error, details }| JobProblem { error, details }),
            setup: setup.map(|kept| kept.setup),
            webhook: job.webhook.map(|webhook| {
                let WebhookInfo {
                    url,
                    state,
                    attempts,
                    error,
                } = webhook;
                WebhookBody {
                    url,
                    status: Named(state),
                    attempts,
                    last_error: error,
                }
            }),
        }
    }
}

/// A result as a line.
pub fn result_line(result: &KeptResult) -> String {
    let rest = result.text.strip_prefix('{').map_or_else(
        // What this program writes is an object that is not empty.
        || Cow::Owned(format!("\"index\":{}}}", result.index)),
        Cow::Borrowed,
    );
    format!("{{\"position\":{},{rest}\n", result.position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_has_its_position_in_front() {
        let line = result_line(&KeptResult {
            position: 3,
            index: 7,
            text: "{\"index\":7,\"error\":\"no\"}".to_owned(),
        });
        assert_eq!(line, "{\"position\":3,\"index\":7,\"error\":\"no\"}\n");
    }
}
