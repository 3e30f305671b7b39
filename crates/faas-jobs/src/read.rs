//! What callers ask.

use faas_protocol::Owner;
use faas_telemetry::JobState;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::params;

use crate::columns::INFO;
use crate::columns::info;
use crate::columns::integer;
use crate::columns::number;
use crate::columns::owner_text;
use crate::columns::word;
use crate::error::StoreError;
use crate::job::Found;
use crate::job::GoneReason;
use crate::job::JobInfo;
use crate::job::KeptResult;
use crate::job::ResultPage;

/// A job of this owner.
pub fn find(connection: &Connection, owner: &Owner, id: &str) -> Result<Found, StoreError> {
    let sql = format!("SELECT {INFO}, setup FROM jobs WHERE id = ?1 AND owner = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let owner = owner_text(owner);
    let job = statement
        .query_row([id, &owner], |row| {
            Ok(JobInfo {
                setup: row.get("setup")?,
                ..info(row)?
            })
        })
        .optional()?;
    match job {
        Some(job) => Ok(Found::Job(Box::new(job))),
        None => missing(connection, &owner, id),
    }
}

/// What became of a job that is not there.
fn missing(connection: &Connection, owner: &str, id: &str) -> Result<Found, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT reason FROM gone WHERE id = ?1 AND owner = ?2")?;
    let reason: Option<String> = statement
        .query_row([id, owner], |row| row.get(0))
        .optional()?;
    Ok(match reason {
        Some(reason) => Found::Gone(word(&reason, GoneReason::ALL, GoneReason::name)?),
        None => Found::Unknown,
    })
}

/// Jobs of this owner, newest first: those that came before this one, so many.
pub fn list(
    connection: &Connection,
    owner: &Owner,
    before: Option<&str>,
    most: u32,
) -> Result<Vec<JobInfo>, StoreError> {
    let sql = format!(
        "SELECT {INFO} FROM jobs
         WHERE owner = ?1 AND (?2 IS NULL OR seq < (SELECT seq FROM jobs WHERE id = ?2 AND owner = ?1))
         ORDER BY seq DESC LIMIT ?3"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let jobs = statement.query_map(params![owner_text(owner), before, most], info)?;
    Ok(jobs.collect::<Result<_, _>>()?)
}

/// Results of a job of this owner from a position on: so many, or so many bytes of them. `None` if there is no job.
pub fn results(
    connection: &Connection,
    (owner, id): (&Owner, &str),
    from: u64,
    (most, most_bytes): (usize, usize),
) -> Result<Option<ResultPage>, StoreError> {
    let mut job = connection
        .prepare_cached("SELECT seq, state, done FROM jobs WHERE id = ?1 AND owner = ?2")?;
    let job = job
        .query_row([id, &owner_text(owner)], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    let Some((seq, state, done)): Option<(i64, String, i64)> = job else {
        return Ok(None);
    };
    let mut statement = connection.prepare_cached(
        "SELECT position, row_index, text FROM results WHERE job = ?1 AND position >= ?2
         ORDER BY position LIMIT ?3",
    )?;
    let mut rows = statement.query(params![seq, integer(from), integer(most as u64)])?;
    let mut results = Vec::new();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let text: String = row.get("text")?;
        bytes += text.len();
        results.push(KeptResult {
            position: number(row.get("position")?),
            index: number(row.get("row_index")?),
            text,
        });
        if bytes >= most_bytes {
            break;
        }
    }
    let state = word(&state, JobState::ALL, JobState::name)?;
    let next = from.saturating_add(results.len() as u64);
    Ok(Some(ResultPage {
        results,
        is_last: state.is_over() && next >= number(done),
    }))
}
