//! How values stand in columns, and what a row of `jobs` says.

use std::sync::Arc;
use std::time::Duration;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use faas_protocol::Owner;
use faas_protocol::TokenName;
use faas_telemetry::JobState;
use rusqlite::Row;

use crate::job::JobInfo;
use crate::job::JobKind;
use crate::job::Problem;
use crate::job::WebhookInfo;
use crate::job::WebhookState;

/// What [`info`] reads.
pub const INFO: &str = "id, owner, kind, state, request_id, rows, done, created_ms, began_ms, ended_ms, expires_ms, \
     error, details, webhook, webhook_state, webhook_attempts, webhook_error";

const EVERYBODY: &str = "everybody";
const TOKEN: &str = "token";
const NAMED: &str = "named:";

/// In ms since 1970.
pub fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    duration(since)
}

/// In ms.
pub fn duration(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub fn time(milliseconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(milliseconds).unwrap_or_default())
}

/// SQLite's integers have a sign.
pub fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub fn number(integer: i64) -> u64 {
    u64::try_from(integer).unwrap_or_default()
}

pub fn owner_text(owner: &Owner) -> String {
    match owner {
        Owner::Everybody => EVERYBODY.to_owned(),
        Owner::Token => TOKEN.to_owned(),
        Owner::Named(name) => format!("{NAMED}{name}"),
    }
}

pub fn owner(text: &str) -> rusqlite::Result<Owner> {
    match text {
        EVERYBODY => Ok(Owner::Everybody),
        TOKEN => Ok(Owner::Token),
        _ => {
            let name = text.strip_prefix(NAMED).and_then(TokenName::parse);
            name.map(Owner::Named).ok_or_else(|| strange(text))
        }
    }
}

/// The value whose name stands in a column.
pub fn word<T: Copy, const N: usize>(
    text: &str,
    all: [T; N],
    name: fn(T) -> &'static str,
) -> rusqlite::Result<T> {
    let found = all.into_iter().find(|value| name(*value) == text);
    found.ok_or_else(|| strange(text))
}

pub fn kind(text: &str) -> rusqlite::Result<JobKind> {
    word(text, JobKind::ALL, JobKind::name)
}

/// What is known of a job, from [`INFO`].
pub fn info(row: &Row<'_>) -> rusqlite::Result<JobInfo> {
    let optional_time = |name| -> rusqlite::Result<_> {
        let milliseconds: Option<i64> = row.get(name)?;
        Ok(milliseconds.map(time))
    };
    let text = |name| row.get::<_, String>(name);
    let error: Option<String> = row.get("error")?;
    let details: Option<String> = row.get("details")?;
    let url: Option<String> = row.get("webhook")?;
    let webhook = match url {
        None => None,
        Some(url) => Some(WebhookInfo {
            url,
            state: word(
                &text("webhook_state")?,
                WebhookState::ALL,
                WebhookState::name,
            )?,
            attempts: row.get("webhook_attempts")?,
            error: row.get("webhook_error")?,
        }),
    };
    Ok(JobInfo {
        id: Arc::from(text("id")?),
        owner: owner(&text("owner")?)?,
        kind: kind(&text("kind")?)?,
        state: word(&text("state")?, JobState::ALL, JobState::name)?,
        request_id: text("request_id")?,
        rows: number(row.get("rows")?),
        done: number(row.get("done")?),
        created: time(row.get("created_ms")?),
        began: optional_time("began_ms")?,
        ended: optional_time("ended_ms")?,
        expires: time(row.get("expires_ms")?),
        problem: error.map(|error| Problem {
            error,
            details: details.unwrap_or_default(),
        }),
        setup: None,
        webhook,
    })
}

/// A value that this program does not write.
fn strange(text: &str) -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT);
    rusqlite::Error::SqliteFailure(code, Some(format!("it has the unknown word {text:?}")))
}
