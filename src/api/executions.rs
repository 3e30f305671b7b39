//! `GET /executions` and `GET /executions/{task_id}`: recent executions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use axum::Json;
use axum::extract::Path;
use axum::extract::RawQuery;
use axum::extract::State;
use axum::extract::rejection::PathRejection;
use faas_protocol::Language;
use faas_telemetry::Entry;
use faas_telemetry::Fate;
use faas_telemetry::Filter;
use faas_telemetry::History;
use faas_telemetry::HistoryError;
use faas_telemetry::rfc3339;
use jiff::civil::Time;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;
use serde::Serialize;
use url::form_urlencoded;
use utoipa::ToSchema;

use super::error::ApiError;
use super::state::AppState;
use super::words::LanguageWord;
use super::words::OutcomeWord;
use super::words::PriorityWord;

pub const DEFAULT_LIMIT: u32 = 100;
pub const MAX_LIMIT: u32 = 1000;
/// What [`parse_time`] accepts, apart from days that do not exist, for the API's description.
pub const SINCE: &str = "^([0-9]{1,15}|[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\\.[0-9]{1,9})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?)$";
/// As long as a date.
const DATE: &str = "2026-01-31";
const SECONDS_OF_A_DAY: u32 = 24 * 60 * 60;

/// Executions, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExecutionList {
    count: usize,
    executions: Vec<ExecutionBody>,
    /// Sent as `before`, with the same other parameters, it gets the executions that come next; null at
    /// the end.
    #[schema(required)]
    next: Option<String>,
}

/// What is kept of an execution.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Execution)]
pub struct ExecutionBody {
    task_id: String,
    request_id: String,
    /// When the program was accepted.
    #[schema(format = DateTime)]
    time: String,
    #[schema(value_type = LanguageWord)]
    language: String,
    #[schema(value_type = OutcomeWord)]
    status: String,
    /// null if cancelled.
    #[schema(required)]
    exit_code: Option<i64>,
    /// Wall time in ms; null if cancelled.
    #[schema(required)]
    duration: Option<i64>,
    /// Whether there was more output than is kept.
    truncated: bool,
    #[schema(required)]
    usage: Option<PastUsage>,
    #[schema(value_type = PriorityWord)]
    priority: String,
    packages: Vec<String>,
    /// Lower-case hexadecimal digits.
    code_sha256: String,
    #[schema(minimum = 1)]
    code_bytes: i64,
    /// The session that it was a cell of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    session: Option<String>,
    /// The snapshot that it started from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    started_from: Option<String>,
    /// The snapshot of what it left.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    snapshot: Option<String>,
    /// The first 65,536 bytes; only of a single execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    output: Option<PastOutput>,
}

/// What a program used.
#[derive(Debug, Serialize, ToSchema)]
struct PastUsage {
    wall_ms: i64,
    #[schema(required)]
    cpu_ms: Option<i64>,
    #[schema(required)]
    peak_memory_bytes: Option<i64>,
}

/// What a program wrote and returned, the first 65,536 bytes of each; only of a single execution.
#[derive(Debug, Serialize, ToSchema)]
struct PastOutput {
    stdout: String,
    stderr: String,
    ret_val: String,
}

/// Lists executions, newest first.
///
/// # Errors
/// 400 for an invalid filter, 404 if there is no history or `before` is not in it, 503 if it cannot be read.
pub async fn list(
    State(state): State<Arc<AppState>>,
    RawQuery(query): RawQuery,
) -> Result<Json<ExecutionList>, ApiError> {
    let history = history(&state)?;
    let mut filter = parse(query.as_deref().unwrap_or_default(), &state)?;
    if let Some(task_id) = &filter.before {
        // It may have gone since the page before: an empty list would look like the end.
        let found = history.find(task_id.clone()).await.map_err(unreadable)?;
        found.ok_or_else(|| unknown(&state))?;
    }
    let limit = filter.limit as usize;
    // One more shows whether there is a next page.
    filter.limit += 1;
    let mut entries = history.list(filter).await.map_err(unreadable)?;
    let is_end = entries.len() <= limit;
    entries.truncate(limit);
    let last = entries.last().filter(|_| !is_end);
    Ok(Json(ExecutionList {
        count: entries.len(),
        next: last.map(|entry| entry.task_id.clone()),
        executions: entries.into_iter().map(Into::into).collect(),
    }))
}

/// Shows one execution.
///
/// # Errors
/// 404 if it is not known or there is no history, 503 if it cannot be read.
pub async fn find(
    State(state): State<Arc<AppState>>,
    task_id: Result<Path<String>, PathRejection>,
) -> Result<Json<ExecutionBody>, ApiError> {
    let history = history(&state)?;
    // A name that is not UTF-8 is that of no execution.
    let Path(task_id) = task_id.map_err(|_| unknown(&state))?;
    let entry = history.find(task_id).await.map_err(unreadable)?;
    let entry = entry.ok_or_else(|| unknown(&state))?;
    Ok(Json(entry.into()))
}

fn unknown(state: &AppState) -> ApiError {
    ApiError::not_found(
        "No such execution",
        format!(
            "Send the task_id of an answer; the last {} executions of the last {} days are kept \
             (FAAS_HISTORY_MAX, FAAS_HISTORY_DAYS)",
            state.settings.history_max, state.settings.history_days
        ),
    )
}

fn history(state: &AppState) -> Result<&History, ApiError> {
    state.history.as_ref().ok_or_else(|| {
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
fn parse(query: &str, state: &AppState) -> Result<Filter, ApiError> {
    let mut filter = Filter {
        limit: DEFAULT_LIMIT,
        ..Filter::default()
    };
    let pairs: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    for (name, value) in &pairs {
        let refused = |allowed: String| {
            let error = format!("Invalid value for parameter '{name}'");
            ApiError::bad_request(error, format!("Send {allowed}"))
        };
        match name.as_ref() {
            "status" => {
                let fates = Fate::OF_BEGUN;
                let known = fates.into_iter().find(|fate| fate.name() == value);
                let names = || refused(format!("one of {}", fates.map(Fate::name).join(", ")));
                filter.fate = Some(known.ok_or_else(names)?);
            }
            "language" => {
                let served = |language: &Language| state.settings.serves(*language);
                let known = Language::from_name(value).filter(served);
                let names = || state.settings.languages().flat_map(Language::names);
                let names =
                    || refused(format!("one of {}", names().collect::<Vec<_>>().join(", ")));
                filter.language = Some(known.ok_or_else(names)?);
            }
            "since" => {
                let time = parse_time(value).ok_or_else(|| {
                    refused(
                        "a time such as 2026-01-31T12:00:00Z, a date such as 2026-01-31, or milliseconds \
                         since 1970"
                            .to_owned(),
                    )
                })?;
                filter.since = Some(time);
            }
            "request_id" => filter.request_id = Some(value.clone().into_owned()),
            "before" => filter.before = Some(value.clone().into_owned()),
            "limit" => {
                let limit = value.parse().ok();
                let limit = limit.filter(|limit| (1..=MAX_LIMIT).contains(limit));
                filter.limit = limit
                    .ok_or_else(|| refused(format!("an integer between 1 and {MAX_LIMIT}")))?;
            }
            _ => {
                let name: String = name.chars().take(64).collect();
                return Err(ApiError::bad_request(
                    format!("Unknown parameter: {name}"),
                    "The parameters are status, language, since, request_id, before and limit",
                ));
            }
        }
    }
    Ok(filter)
}

/// A time as RFC 3339, the same without a zone or without a time (in UTC), or in milliseconds since 1970.
fn parse_time(text: &str) -> Option<SystemTime> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let milliseconds = text.parse().ok()?;
        return UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds));
    }
    // In a query that was not encoded, the + of an offset has become a space.
    let (date, time) = text.split_at_checked(DATE.len())?;
    let (separator, time) = time.split_at_checked(1).unwrap_or_default();
    let text = format!("{date}{separator}{}", time.replace(' ', "+"));
    let pieces = Pieces::parse(&text).ok()?;
    let offset = match pieces.offset() {
        Some(_) => pieces.to_numeric_offset()?,
        // Of two readings of a time in a zone's name, such as [Europe/Berlin], neither is RFC 3339.
        None if pieces.time_zone_annotation().is_none() => Offset::UTC,
        None => return None,
    };
    // RFC 3339 has no offset of a day or more, which the parser would take.
    if offset.seconds().unsigned_abs() >= SECONDS_OF_A_DAY {
        return None;
    }
    let time = pieces.time().unwrap_or(Time::midnight());
    let time = offset.to_timestamp(pieces.date().to_datetime(time)).ok()?;
    time.try_into().ok()
}

impl From<Entry> for ExecutionBody {
    fn from(entry: Entry) -> Self {
        let usage = entry.wall_ms.map(|wall_ms| PastUsage {
            wall_ms,
            cpu_ms: entry.cpu_ms,
            peak_memory_bytes: entry.peak_memory_bytes,
        });
        let (code, output) = match entry.bodies {
            Some(bodies) => {
                let output = PastOutput {
                    stdout: bodies.stdout,
                    stderr: bodies.stderr,
                    ret_val: bodies.ret_val,
                };
                (Some(bodies.code), Some(output))
            }
            None => (None, None),
        };
        Self {
            task_id: entry.task_id,
            request_id: entry.request_id,
            time: rfc3339(entry.began),
            language: entry.language,
            status: entry.status,
            exit_code: entry.exit_code,
            duration: entry.wall_ms,
            truncated: entry.truncated,
            usage,
            priority: entry.priority,
            packages: entry.packages,
            code_sha256: entry.code_sha256,
            code_bytes: entry.code_bytes,
            session: entry.session,
            started_from: entry.from,
            snapshot: entry.snapshot,
            code,
            output,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_time_in_rfc_3339_or_milliseconds() {
        let time = UNIX_EPOCH + Duration::from_millis(1_767_268_800_000);
        for text in [
            "1767268800000",
            "2026-01-01T12:00:00Z",
            "2026-01-01T12:00:00.000Z",
            "2026-01-01T14:00:00+02:00",
            "2026-01-01T14:00:00 02:00",
            "2026-01-01T06:30:00-05:30",
            "2026-01-01T12:00:00",
            "2026-01-01T12:00",
            "2026-01-01 12:00:00",
            "2026-01-01 12:00:00Z",
        ] {
            assert_eq!(parse_time(text), Some(time), "{text}");
        }
        let midnight = time - Duration::from_hours(12);
        assert_eq!(parse_time("2026-01-01"), Some(midnight));
        for text in [
            "",
            "yesterday",
            "-5",
            "2026-01",
            "2026-02-30",
            "2026-01-01T",
            "2026-01-01T25:00:00",
            "2026-01-01T12:00:00[Europe/Berlin]",
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
