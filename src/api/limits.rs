//! Limits that a request sets: `"limits": {"cpu_ms": …}`. They lower those of the service and never
//! raise them.

use std::time::Duration;

use faas_protocol::ByteSize;
use faas_protocol::Limits;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::bounded;
use super::bounded::Kind;
use super::error::ApiError;

/// Even an empty program needs this much memory.
const LEAST_MEMORY: ByteSize = ByteSize::mib(8);
/// Longest text of an object of limits, in bytes. The error for an unknown name repeats it.
const LONGEST: usize = 4096;

/// Each lowers the limit of the service and never raises it.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Limits)]
pub struct RequestedLimits {
    #[schema(minimum = 1)]
    cpu_ms: Option<u64>,
    /// Above what an empty program takes; at least 8 MiB are given.
    #[schema(minimum = 1)]
    memory_bytes: Option<u64>,
    #[schema(minimum = 1)]
    output_bytes: Option<u64>,
    #[schema(minimum = 1)]
    return_bytes: Option<u64>,
    #[schema(minimum = 1)]
    files_bytes: Option<u64>,
    #[schema(minimum = 1)]
    storage_bytes: Option<u64>,
}

/// Lowers limits to what the request asks for.
///
/// # Errors
/// 400 for anything but known names with integers of at least 1.
pub fn lower(field: Option<&RawValue>, limits: &mut Limits) -> Result<(), ApiError> {
    let Some(raw) = field else {
        return Ok(());
    };
    let names = "the limits are cpu_ms, memory_bytes, output_bytes, return_bytes, files_bytes, storage_bytes";
    if bounded::kind(raw) != Kind::Object || raw.get().len() > LONGEST {
        return Err(refused(format!("send an object; {names}")));
    }
    let raw: RequestedLimits =
        serde_json::from_str(raw.get()).map_err(|error| refused(format!("{error}; {names}")))?;
    if let Some(milliseconds) = at_least_1("cpu_ms", raw.cpu_ms)? {
        limits.cpu = limits.cpu.min(Duration::from_millis(milliseconds));
    }
    for (name, wanted, limit) in [
        ("memory_bytes", raw.memory_bytes, &mut limits.memory),
        ("output_bytes", raw.output_bytes, &mut limits.output),
        ("return_bytes", raw.return_bytes, &mut limits.return_value),
        ("files_bytes", raw.files_bytes, &mut limits.files),
        ("storage_bytes", raw.storage_bytes, &mut limits.storage),
    ] {
        if let Some(bytes) = at_least_1(name, wanted)? {
            *limit = ByteSize::bytes(bytes).min(*limit);
        }
    }
    limits.memory = limits.memory.max(LEAST_MEMORY);
    Ok(())
}

fn at_least_1(name: &str, wanted: Option<u64>) -> Result<Option<u64>, ApiError> {
    match wanted {
        Some(0) => Err(refused(format!("{name} must be at least 1"))),
        wanted => Ok(wanted),
    }
}

fn refused(details: String) -> ApiError {
    ApiError::bad_request("Parameter 'limits' must be an object of limits", details)
}
