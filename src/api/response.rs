//! The answer to an execution.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use faas_pool::OutputFile;
use faas_pool::PoolStats;
use faas_pool::Report;
use faas_pool::Timings;
use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::Status;
use faas_telemetry::UsageRecord;
use serde::Serialize;

/// The answer.
#[derive(Debug, Serialize)]
pub struct RunResponse {
    output: OutputBody,
    workload_info: WorkloadInfo,
    metadata: Metadata,
}

#[derive(Debug, Serialize)]
struct OutputBody {
    stdout: String,
    stderr: String,
    ret_val: String,
    /// What the program left in its output directory.
    files: Vec<FileBody>,
    /// What was made on the program's behalf: plots.
    artifacts: Vec<FileBody>,
}

#[derive(Debug, Serialize)]
struct FileBody {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime: Option<String>,
    /// In bytes.
    size: usize,
    content_base64: String,
}

impl From<OutputFile> for FileBody {
    fn from(file: OutputFile) -> Self {
        Self {
            name: file.name,
            mime: file.media_type,
            size: file.contents.len(),
            content_base64: BASE64.encode(&file.contents),
        }
    }
}

#[derive(Debug, Serialize)]
struct WorkloadInfo {
    id: String,
    status: &'static str,
}

#[derive(Debug, Serialize)]
struct Metadata {
    task_id: String,
    instance_id: String,
    language: &'static str,
    runtime: &'static str,
    /// Wall time in ms.
    duration: u64,
    status: &'static str,
    exit_code: i32,
    timed_out: bool,
    truncated: bool,
    usage: UsageRecord,
    pool_stats: PoolStatsBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<TimingsBody>,
}

/// Where the time went, in µs. The parts add up to what the service took between having read the
/// request and having the answer.
#[derive(Debug, Serialize)]
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

/// Numbers of sandboxes, under the names that today's callers know.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
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
        let files = report.files.into_iter();
        let (artifacts, files): (Vec<_>, Vec<_>) =
            files.partition(|file| file.media_type.is_some());
        Self {
            output: OutputBody {
                stdout: report.stdout,
                stderr: report.stderr,
                ret_val: report.return_value.unwrap_or_default(),
                files: files.into_iter().map(Into::into).collect(),
                artifacts: artifacts.into_iter().map(Into::into).collect(),
            },
            workload_info: WorkloadInfo {
                id: report.sandbox.clone(),
                status: "Used",
            },
            metadata: Metadata {
                task_id,
                instance_id: report.sandbox,
                language: language.name(),
                runtime: language.runtime().spec().answers_as,
                duration: usage.wall_ms,
                status: report.status.name(),
                exit_code: report.exit_code,
                timed_out: report.status == Status::Exceeded(Limit::WallTime),
                truncated: report.truncated,
                usage,
                pool_stats: stats.into(),
                timings: timings.then(|| report.timings.into()),
            },
        }
    }
}
