//! `POST /run_code`: checks a request, has it executed, words the answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::body::HttpBody;
use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde::Deserialize;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::Service;
use super::error::ApiError;
use super::files;
use super::limits;
use super::observe::Caller;
use super::record::Record;
use crate::pool::Order;
use crate::pool::OutputFile;
use crate::pool::PackageSet;
use crate::pool::PoolStats;
use crate::pool::Priority;
use crate::pool::Report;
use crate::pool::Status;
use crate::protocol::Job;
use crate::protocol::Language;
use crate::settings::Settings;

/// A request as it comes. Fields are checked one by one, so that each has an error of its own.
/// Unknown fields are ignored: today's callers send some.
#[derive(Debug, Deserialize)]
struct RawRequest {
    language: Option<Value>,
    code: Option<Value>,
    timeout: Option<Value>,
    priority: Option<Value>,
    input: Option<Box<RawValue>>,
    ext: Option<Value>,
    packages: Option<Value>,
    files: Option<Value>,
    limits: Option<Value>,
}

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
    usage: UsageBody,
    pool_stats: PoolStatsBody,
}

#[derive(Debug, Serialize)]
struct UsageBody {
    wall_ms: u64,
    cpu_ms: u64,
    peak_memory_bytes: u64,
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

/// The route's handler.
pub async fn run_code(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Json<RunResponse>, ApiError> {
    if service.draining.load(Ordering::Relaxed) {
        return Err(ApiError::unavailable(
            "The service is shutting down; send the request to another instance",
        ));
    }
    let caller = Caller::of(&request);
    let body = read_body(request, &service.settings).await?;
    let order = parse(&body, &service.settings)?;
    let language = order.job.language;
    let mut record = Record::begin(&service, &caller, &order);
    let result = service.pool.execute(order).await;
    record.end(&result);
    let (report, stats) = result?;
    let task_id = record.task_id.clone();
    Ok(Json(RunResponse::new(task_id, language, report, stats)))
}

/// Reads the body, within the time that a client has for it.
async fn read_body(request: Request, settings: &Settings) -> Result<Bytes, ApiError> {
    // Said by the Content-Length, before anything of it came.
    if request.body().size_hint().lower() > settings.max_body_bytes {
        return Err(body_too_large(settings));
    }
    let limit = Duration::from_millis(settings.client_timeout);
    match tokio::time::timeout(limit, Bytes::from_request(request, &())).await {
        Ok(body) => body.map_err(|rejection| unreadable_body(&rejection, settings)),
        Err(_) => Err(ApiError::too_slow(format!(
            "The request body did not arrive within {} ms (FAAS_CLIENT_TIMEOUT)",
            settings.client_timeout
        ))),
    }
}

fn body_too_large(settings: &Settings) -> ApiError {
    ApiError::too_large(
        "Request body too large",
        format!(
            "At most {} bytes are accepted (FAAS_MAX_BODY_BYTES)",
            settings.max_body_bytes
        ),
    )
}

fn unreadable_body(rejection: &BytesRejection, settings: &Settings) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        body_too_large(settings)
    } else {
        ApiError::bad_request("Unreadable request body", rejection.body_text())
    }
}

/// Checks a request body.
///
/// # Errors
/// 400 or 413 with the parameter's name and what is allowed.
fn parse(body: &[u8], settings: &Settings) -> Result<Order, ApiError> {
    let raw: RawRequest = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request("Invalid JSON format", error.to_string()))?;
    let language = parse_language(raw.language.as_ref(), settings)?;
    let code = parse_code(raw.code, settings)?;
    let wall_ms = parse_timeout(raw.timeout.as_ref(), settings)?;
    let priority = parse_priority(raw.priority.as_ref())?;
    check_ext(raw.ext.as_ref())?;
    let packages = parse_packages(raw.packages.as_ref(), language)?;
    let mut limits = settings.limits(wall_ms);
    let mut sandbox_limits = settings.sandbox_limits();
    limits::lower(raw.limits, &mut limits, &mut sandbox_limits)?;
    Ok(Order {
        job: Job {
            language,
            code,
            input: raw.input.map(|input| input.get().to_owned()),
            auto_install: settings.auto_install && settings.packages,
            files: files::parse(raw.files)?,
            limits: sandbox_limits,
        },
        limits,
        priority,
        packages,
    })
}

fn parse_language(value: Option<&Value>, settings: &Settings) -> Result<Language, ApiError> {
    let mut served = Language::ALL
        .into_iter()
        .filter(|language| settings.serves(*language));
    let found = match value {
        // Callers of a service with one language need not name it.
        None | Some(Value::Null) => served.next(),
        Some(Value::String(name)) => {
            Language::from_name(name).filter(|language| settings.serves(*language))
        }
        Some(_) => None,
    };
    found.ok_or_else(|| {
        let given = value.and_then(Value::as_str).unwrap_or("not a string");
        let names: Vec<&str> = served.flat_map(Language::names).collect();
        ApiError::bad_request(
            format!(
                "Unsupported language: {}",
                given.chars().take(64).collect::<String>()
            ),
            format!("Supported languages: {}", names.join(", ")),
        )
    })
}

fn parse_code(value: Option<Value>, settings: &Settings) -> Result<String, ApiError> {
    match value {
        None | Some(Value::Null) => Err(ApiError::bad_request(
            "Missing required parameter: code",
            "Send the program's text as the string `code`",
        )),
        Some(Value::String(code)) if code.is_empty() => Err(ApiError::bad_request(
            "Missing required parameter: code",
            "The program must not be empty",
        )),
        Some(Value::String(code)) if code.len() as u64 > settings.max_code_bytes => {
            Err(ApiError::too_large(
                "Parameter 'code' is too long",
                format!(
                    "At most {} bytes are accepted (FAAS_MAX_CODE_BYTES)",
                    settings.max_code_bytes
                ),
            ))
        }
        Some(Value::String(code)) => Ok(code),
        Some(_) => Err(ApiError::bad_request(
            "Parameter 'code' must be a string",
            "Send the program's text as a JSON string",
        )),
    }
}

/// The wall time limit in ms.
fn parse_timeout(value: Option<&Value>, settings: &Settings) -> Result<u64, ApiError> {
    let milliseconds = match value {
        None | Some(Value::Null) => Some(settings.timeout()),
        // 1000.0 is a whole number, too; JavaScript callers cannot tell it from 1000.
        Some(Value::Number(number)) => number.as_u64().or_else(|| {
            let number = number.as_f64()?;
            (number.fract() == 0.0 && (1.0..=9e15).contains(&number)).then_some(number as u64)
        }),
        Some(_) => None,
    };
    match milliseconds {
        Some(milliseconds) if milliseconds > 0 => Ok(milliseconds),
        _ => Err(ApiError::bad_request(
            "Parameter 'timeout' must be a positive integer",
            format!(
                "Milliseconds from 1 on; more than {} (FAAS_MAX_EXECUTION_TIME) is cut to that",
                settings.max_execution_time
            ),
        )),
    }
}

fn parse_priority(value: Option<&Value>) -> Result<Priority, ApiError> {
    match value {
        None | Some(Value::Null) => Ok(Priority::Normal),
        Some(Value::String(name)) if name == "high" => Ok(Priority::High),
        Some(Value::String(name)) if name == "normal" => Ok(Priority::Normal),
        Some(Value::String(name)) if name == "low" => Ok(Priority::Low),
        Some(_) => Err(ApiError::bad_request(
            "Unknown priority",
            "Parameter 'priority' is \"high\", \"normal\" or \"low\"",
        )),
    }
}

/// `ext` is for the caller's own use; it only has to have the right shape.
fn check_ext(value: Option<&Value>) -> Result<(), ApiError> {
    match value {
        None | Some(Value::Null) => Ok(()),
        Some(Value::Object(entries)) if entries.values().all(Value::is_string) => Ok(()),
        Some(_) => Err(ApiError::bad_request(
            "Parameter 'ext' must be an object of strings",
            "Send {\"name\": \"value\", …} or leave it out",
        )),
    }
}

fn parse_packages(value: Option<&Value>, language: Language) -> Result<PackageSet, ApiError> {
    let refused = |details: String| {
        ApiError::bad_request(
            "Parameter 'packages' must be an array of package names",
            details,
        )
    };
    let list = match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(_) => {
            return Err(refused(
                "Send [\"pydantic\", \"msgpack==1.2.4\"]".to_owned(),
            ));
        }
    };
    let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    let names = names.ok_or_else(|| refused("Each package is a string".to_owned()))?;
    let packages = PackageSet::new(&names).map_err(|error| refused(error.to_string()))?;
    if !packages.is_empty() && language != Language::Python {
        return Err(refused("There are packages for Python only".to_owned()));
    }
    Ok(packages)
}

impl RunResponse {
    fn new(task_id: String, language: Language, report: Report, stats: PoolStats) -> Self {
        let runtime = match language {
            Language::Python => "pyodide-webassembly",
            Language::JavaScript | Language::TypeScript => "v8",
        };
        let milliseconds =
            |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
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
                runtime,
                duration: milliseconds(report.usage.wall),
                status: report.status.name(),
                exit_code: report.exit_code,
                timed_out: report.status == Status::Timeout,
                truncated: report.truncated,
                usage: UsageBody {
                    wall_ms: milliseconds(report.usage.wall),
                    cpu_ms: milliseconds(report.usage.cpu),
                    peak_memory_bytes: report.usage.peak_memory_bytes,
                },
                pool_stats: stats.into(),
            },
        }
    }
}
