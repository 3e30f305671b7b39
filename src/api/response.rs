//! The answer to an execution.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_pool::ARTIFACT_MEDIA_TYPE;
use faas_pool::Content;
use faas_pool::OutputFile;
use faas_pool::PoolStats;
use faas_pool::Report;
use faas_pool::ShownResult;
use faas_pool::SoFar;
use faas_pool::Timings;
use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::Status;
use faas_telemetry::UsageRecord;
use serde::Serialize;
use serde::Serializer;
use serde::ser::SerializeMap;
use utoipa::ToSchema;

use super::exchange::CallBody;
use super::sessions::CellBody;
use super::snapshots::SnapshotBody;
use super::words::AnswerStatus;
use super::words::AnswerWord;
use super::words::LanguageWord;
use super::words::Named;
use super::words::RuntimeWord;

/// The answer to a program that ran.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunResponse {
    output: OutputBody,
    workload_info: WorkloadInfo,
    metadata: Metadata,
    /// What the program wants to know, if it waits for results (`status` is `tool_calls`): all calls that are open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tool_calls: Option<Vec<CallBody>>,
    /// Goes to `POST /run_code/continue`, with the results.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    continuation: Option<String>,
}

/// A program that waits for results of its caller's tools.
pub struct Waits {
    pub task_id: String,
    pub language: Language,
    pub so_far: SoFar,
    /// What it has written so far.
    pub stdout: String,
    pub stderr: String,
    pub calls: Vec<CallBody>,
}

/// What a program wrote and returned.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Output)]
struct OutputBody {
    stdout: String,
    stderr: String,
    /// JSON, or text if the program returned a string; empty if it returned nothing.
    ret_val: String,
    /// What the program handed back.
    files: Vec<FileBody>,
    /// What was made on the program's behalf: open figures of matplotlib, as PNG.
    artifacts: Vec<FileBody>,
    /// What a notebook would show, in its order: what the program displayed, and the value that it ended
    /// with.
    results: Vec<ResultBody>,
}

/// What a program displayed, or the value that it ended with.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownResult)]
pub struct ResultBody {
    /// Whether it is the value that the program ended with.
    is_main_result: bool,
    /// The same thing in several ways, by media type: text as it is, JSON as JSON, bytes in base64.
    #[schema(value_type = std::collections::BTreeMap<String, serde_json::Value>)]
    data: Representations,
}

impl From<Arc<ShownResult>> for ResultBody {
    fn from(result: Arc<ShownResult>) -> Self {
        Self {
            is_main_result: result.is_main,
            data: Representations {
                result,
                without: None,
            },
        }
    }
}

/// A result by media type, as JSON.
#[derive(Debug)]
pub struct Representations {
    pub result: Arc<ShownResult>,
    /// The media type of one that is not for callers.
    pub without: Option<&'static str>,
}

impl Serialize for Representations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (media_type, content) in &self.result.representations {
            if self.without.is_some_and(|without| without == media_type) {
                continue;
            }
            match content {
                Content::Text(text) => map.serialize_entry(media_type, text)?,
                Content::Json(json) => map.serialize_entry(media_type, json)?,
                Content::Bytes(bytes) => map.serialize_entry(media_type, &BASE64.encode(bytes))?,
            }
        }
        map.end()
    }
}

/// A file of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OutputFile)]
struct FileBody {
    name: String,
    /// Media type; only of what was made on the program's behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mime: Option<&'static str>,
    /// In bytes.
    size: usize,
    #[schema(content_encoding = "base64")]
    content_base64: String,
}

impl From<OutputFile> for FileBody {
    fn from(file: OutputFile) -> Self {
        Self {
            name: file.name,
            mime: None,
            size: file.contents.len(),
            content_base64: BASE64.encode(&file.contents),
        }
    }
}

/// The sandbox, under names that callers of the replaced services know.
#[derive(Debug, Serialize, ToSchema)]
struct WorkloadInfo {
    id: String,
    /// Always `Used`.
    status: &'static str,
}

/// How a program ended, and what it took.
#[derive(Debug, Serialize, ToSchema)]
struct Metadata {
    /// Names the execution in `/executions` and in the audit log.
    task_id: String,
    /// The sandbox.
    instance_id: String,
    language: LanguageWord,
    runtime: RuntimeWord,
    /// Wall time in ms.
    duration: u64,
    status: AnswerWord,
    exit_code: i32,
    /// Whether the status is `timeout`.
    timed_out: bool,
    /// Whether there was more output than is kept.
    truncated: bool,
    usage: UsageBody,
    pool_stats: PoolStatsBody,
    /// What the program left, if it was to be kept (`keep`) and could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    snapshot: Option<SnapshotBody>,
    /// Why it was not kept, although it was to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    not_kept: Option<String>,
    /// What became of the session, if the program was a cell of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session: Option<CellBody>,
    /// Only if the request asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    timings: Option<TimingsBody>,
}

/// What a program used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Usage)]
struct UsageBody {
    wall_ms: u64,
    cpu_ms: u64,
    /// Above that of an empty program.
    peak_memory_bytes: u64,
}

impl From<UsageRecord> for UsageBody {
    fn from(usage: UsageRecord) -> Self {
        let UsageRecord {
            wall_ms,
            cpu_ms,
            peak_memory_bytes,
        } = usage;
        Self {
            wall_ms,
            cpu_ms,
            peak_memory_bytes,
        }
    }
}

/// Where the time went, in µs. The parts add up to what the service took between having read the
/// request and having the answer.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Timings)]
struct TimingsBody {
    queue: u64,
    sandbox: u64,
    dispatch: u64,
    prepare: u64,
    compile: u64,
    run: u64,
    collect: u64,
}

impl From<Timings> for TimingsBody {
    fn from(timings: Timings) -> Self {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        Self {
            queue: micros(timings.queue),
            sandbox: micros(timings.sandbox),
            dispatch: micros(timings.dispatch),
            prepare: micros(timings.prepare),
            compile: micros(timings.compile),
            run: micros(timings.run),
            collect: micros(timings.collect),
        }
    }
}

/// Numbers of sandboxes, under names that callers of the replaced services know.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PoolStats)]
pub struct PoolStatsBody {
    total_instances: usize,
    idle_instances: usize,
    active_instances: usize,
}

impl From<PoolStats> for PoolStatsBody {
    fn from(stats: PoolStats) -> Self {
        Self {
            total_instances: stats.total,
            idle_instances: stats.idle,
            active_instances: stats.active,
        }
    }
}

impl RunResponse {
    /// With `timings` it says where the time went.
    pub fn new(
        task_id: String,
        language: Language,
        report: Report,
        stats: PoolStats,
        timings: bool,
    ) -> Self {
        let usage = UsageRecord::from(report.usage);
        let artifacts = report.results.iter().filter_map(|result| {
            let (name, picture) = result.artifact()?;
            Some(FileBody {
                name: name.to_owned(),
                mime: Some(ARTIFACT_MEDIA_TYPE),
                size: picture.len(),
                content_base64: BASE64.encode(picture),
            })
        });
        let artifacts = artifacts.collect();
        let (snapshot, not_kept) = match report.snapshot {
            None => (None, None),
            Some(Ok(snapshot)) => (Some(snapshot.into()), None),
            Some(Err(reason)) => (None, Some(reason)),
        };
        Self {
            output: OutputBody {
                stdout: report.stdout,
                stderr: report.stderr,
                ret_val: report.return_value.unwrap_or_default(),
                files: report.files.into_iter().map(Into::into).collect(),
                artifacts,
                results: report.results.into_iter().map(Into::into).collect(),
            },
            workload_info: WorkloadInfo {
                id: report.sandbox.clone(),
                status: "Used",
            },
            metadata: Metadata {
                task_id,
                instance_id: report.sandbox,
                language: Named(language),
                runtime: Named(language.runtime()),
                duration: usage.wall_ms,
                status: Named(AnswerStatus::Ended(report.status)),
                exit_code: report.exit_code,
                timed_out: report.status == Status::Exceeded(Limit::WallTime),
                truncated: report.truncated,
                usage: usage.into(),
                pool_stats: stats.into(),
                snapshot,
                not_kept,
                session: report.cell.map(Into::into),
                timings: timings.then(|| report.timings.into()),
            },
            tool_calls: None,
            continuation: None,
        }
    }

    /// The answer for a program that waits.
    pub fn waiting(waits: Waits, continuation: String, stats: PoolStats) -> Self {
        let SoFar {
            sandbox,
            usage,
            truncated,
        } = waits.so_far;
        let usage = UsageRecord::from(usage);
        Self {
            output: OutputBody {
                stdout: waits.stdout,
                stderr: waits.stderr,
                ret_val: String::new(),
                files: Vec::new(),
                artifacts: Vec::new(),
                results: Vec::new(),
            },
            workload_info: WorkloadInfo {
                id: sandbox.clone(),
                status: "Used",
            },
            metadata: Metadata {
                task_id: waits.task_id,
                instance_id: sandbox,
                language: Named(waits.language),
                runtime: Named(waits.language.runtime()),
                duration: usage.wall_ms,
                status: Named(AnswerStatus::ToolCalls),
                exit_code: 0,
                timed_out: false,
                truncated,
                usage: usage.into(),
                pool_stats: stats.into(),
                snapshot: None,
                not_kept: None,
                session: None,
                timings: None,
            },
            tool_calls: Some(waits.calls),
            continuation: Some(continuation),
        }
    }
}
