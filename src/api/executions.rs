//! `GET /executions` and `GET /executions/{task_id}`: what was executed lately.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::State;
use serde_json::Value;
use serde_json::json;
use url::form_urlencoded;

use super::Service;
use super::error::ApiError;
use crate::telemetry::Entry;
use crate::telemetry::Filter;
use crate::telemetry::History;
use crate::telemetry::HistoryError;
use crate::telemetry::Outcome;

const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Lists executions, newest first.
///
/// # Errors
/// 400 for a filter that makes no sense, 404 if there is no history, 503 if it cannot be read.
pub async fn list(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
) -> Result<Json<Value>, ApiError> {
    let history = history(&service)?;
    let filter = parse(query.as_deref().unwrap_or_default(), &service)?;
    let entries = history.list(filter).await.map_err(unreadable)?;
    let executions: Vec<Value> = entries.iter().map(body).collect();
    Ok(Json(
        json!({ "count": executions.len(), "executions": executions }),
    ))
}

/// Shows one execution.
///
/// # Errors
/// 404 if it is not known or there is no history, 503 if it cannot be read.
pub async fn find(
    State(service): State<Arc<Service>>,
    Path(task_id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let history = history(&service)?;
    let entry = history.find(task_id).await.map_err(unreadable)?;
    let entry = entry.ok_or_else(|| {
        ApiError::not_found(
            "No such execution",
            format!(
                "Send the task_id of an answer; the last {} executions of the last {} days are kept \
                 (FAAS_HISTORY_MAX, FAAS_HISTORY_DAYS)",
                service.settings.history_max, service.settings.history_days
            ),
        )
    })?;
    Ok(Json(body(&entry)))
}

fn history(service: &Service) -> Result<&History, ApiError> {
    service.history.as_ref().ok_or_else(|| {
        ApiError::not_found(
            "No history is kept",
            "The service was started with FAAS_HISTORY=off",
        )
    })
}

fn unreadable(error: HistoryError) -> ApiError {
    ApiError::unavailable(format!(
        "The history cannot be read: {error}; try again shortly"
    ))
}

/// Checks the query.
fn parse(query: &str, service: &Service) -> Result<Filter, ApiError> {
    let mut filter = Filter {
        limit: DEFAULT_LIMIT,
        ..Filter::default()
    };
    let pairs: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    for (name, value) in &pairs {
        let refused = |allowed: String| {
            let error = format!("Parameter '{name}' makes no sense");
            ApiError::bad_request(error, format!("Allowed are {allowed}"))
        };
        match name.as_ref() {
            "status" => {
                let names = Outcome::ALL.map(Outcome::name);
                let known = names.into_iter().find(|known| known == value);
                filter.status = Some(known.ok_or_else(|| refused(names.join(", ")))?);
            }
            "language" => {
                let names: Vec<_> = service.settings.languages().map(|l| l.name()).collect();
                let known = names.iter().find(|known| *known == value);
                filter.language = Some(known.ok_or_else(|| refused(names.join(", ")))?);
            }
            "since" => {
                let time = parse_time(value).ok_or_else(|| {
                    refused(
                        "a time such as 2026-01-31T12:00:00Z, or milliseconds since 1970"
                            .to_owned(),
                    )
                })?;
                filter.since = Some(time);
            }
            "limit" => {
                let limit = value.parse().ok();
                let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                filter.limit =
                    limit.ok_or_else(|| refused(format!("whole numbers from 1 to {MAX_LIMIT}")))?;
            }
            _ => {
                let name: String = name.chars().take(64).collect();
                return Err(ApiError::bad_request(
                    format!("Unknown parameter: {name}"),
                    "There are status, language, since and limit",
                ));
            }
        }
    }
    Ok(filter)
}

/// A time as RFC 3339 or in milliseconds since 1970.
fn parse_time(text: &str) -> Option<SystemTime> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let milliseconds = text.parse().ok()?;
        return UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
    }
    // In a query that was not encoded, the + of an offset has become a space.
    let text = text.replace(' ', "+");
    let zone = text.find(['Z', 'z']).or_else(|| {
        let time = text.find('T')?;
        text[time..].find(['+', '-']).map(|index| time + index)
    })?;
    let (local, zone) = text.split_at_checked(zone)?;
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    if zone.eq_ignore_ascii_case("z") {
        return Some(local);
    }
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str, below: u64| {
        let number = text.parse::<u64>().ok();
        number.filter(|number| *number < below && text.len() == 2)
    };
    let offset = Duration::from_secs(number(hours, 24)? * 3600 + number(minutes, 60)? * 60);
    if zone.starts_with('+') {
        local.checked_sub(offset)
    } else {
        local.checked_add(offset)
    }
}

fn body(entry: &Entry) -> Value {
    let mut body = json!({
        "task_id": entry.task_id,
        "request_id": entry.request_id,
        "time": humantime::format_rfc3339_millis(entry.began).to_string(),
        "language": entry.language,
        "status": entry.status,
        "exit_code": entry.exit_code,
        "duration": entry.wall_ms,
        "truncated": entry.truncated,
        "usage": entry.wall_ms.map(|wall_ms| json!({
            "wall_ms": wall_ms,
            "cpu_ms": entry.cpu_ms,
            "peak_memory_bytes": entry.peak_memory_bytes,
        })),
        "priority": entry.priority,
        "packages": entry.packages,
        "code_sha256": entry.code_sha256,
        "code_bytes": entry.code_bytes,
    });
    if let Some(bodies) = &entry.bodies {
        body["code"] = json!(bodies.code);
        body["output"] = json!({
            "stdout": bodies.stdout,
            "stderr": bodies.stderr,
            "ret_val": bodies.ret_val,
        });
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339_or_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_767_268_800_000);
        for text in [
            "1767268800000",
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00.000Z",
            "2026-01-01T14:00:00+02:00",
            "2026-01-01T14:00:00 02:00",
            "2026-01-01T06:30:00-05:30",
        ] {
            assert_eq!(parse_time(text), Some(time), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "-5",
            "2026-01-01",
            "2026-01-01T12:00:00",
            "2026-01-01T12:00:00+2",
            "2026-01-01T12:00:00+25:00",
            "2026-13-01T12:00:00Z",
            "99999999999999999999",
            "é2026-01-01T12:00:00Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }
}
