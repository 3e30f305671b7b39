//! Limits that a request sets itself: `"limits": {"cpu_ms": …}`. They lower the service's, and never
//! raise them.

use serde::Deserialize;
use serde_json::Value;

use super::error::ApiError;
use crate::pool::Limits;
use crate::protocol::SandboxLimits;

/// Less memory than this, in bytes, does not carry even an empty program.
const LEAST_MEMORY_BYTES: u64 = 8 << 20;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    cpu_ms: Option<u64>,
    memory_bytes: Option<u64>,
    output_bytes: Option<u64>,
    return_bytes: Option<u64>,
    files_bytes: Option<u64>,
    storage_bytes: Option<u64>,
}

/// Lowers limits to what the request asks for.
///
/// # Errors
/// 400 for anything but known names with whole numbers from 1 on.
pub fn lower(
    value: Option<Value>,
    limits: &mut Limits,
    sandbox: &mut SandboxLimits,
) -> Result<(), ApiError> {
    let refused = |details: String| {
        ApiError::bad_request("Parameter 'limits' must be an object of limits", details)
    };
    let raw: RawLimits = match value {
        None | Some(Value::Null) => return Ok(()),
        Some(value) => serde_json::from_value(value).map_err(|error| {
            refused(format!(
                "{error}; there are cpu_ms, memory_bytes, output_bytes, return_bytes, files_bytes, storage_bytes"
            ))
        })?,
    };
    for (name, wanted, limit) in [
        ("cpu_ms", raw.cpu_ms, &mut sandbox.cpu_ms),
        ("memory_bytes", raw.memory_bytes, &mut sandbox.memory_bytes),
        ("output_bytes", raw.output_bytes, &mut limits.output_bytes),
        ("return_bytes", raw.return_bytes, &mut sandbox.return_bytes),
        ("files_bytes", raw.files_bytes, &mut sandbox.files_bytes),
        (
            "storage_bytes",
            raw.storage_bytes,
            &mut sandbox.storage_bytes,
        ),
    ] {
        match wanted {
            Some(0) => return Err(refused(format!("{name} must be at least 1"))),
            Some(wanted) => *limit = wanted.min(*limit),
            None => {}
        }
    }
    sandbox.memory_bytes = sandbox.memory_bytes.max(LEAST_MEMORY_BYTES);
    Ok(())
}
