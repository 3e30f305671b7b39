//! A job that runs: taken up, its rows begun and ended, its end; or taken back.

use std::sync::Arc;

use faas_protocol::Weight;
use faas_telemetry::JobState;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Transaction;
use rusqlite::params;

use crate::columns::integer;
use crate::columns::kind;
use crate::columns::number;
use crate::columns::owner;
use crate::columns::time;
use crate::error::StoreError;
use crate::job::ClaimedJob;
use crate::job::JobEnd;
use crate::job::KeptRow;
use crate::job::Progress;

/// Takes up the next job: the oldest of the caller of whose jobs the fewest run.
pub fn claim(transaction: &Transaction<'_>, now: i64) -> Result<Option<ClaimedJob>, StoreError> {
    let mut next = transaction.prepare_cached(
        "SELECT min(queued.seq) FROM jobs AS queued WHERE queued.state = 'queued' GROUP BY queued.owner
         ORDER BY (SELECT count(*) FROM jobs AS running
                   WHERE running.state = 'running' AND running.owner = queued.owner), min(queued.seq)
         LIMIT 1",
    )?;
    let seq: Option<i64> = next.query_row([], |row| row.get(0)).optional()?;
    let Some(seq) = seq else {
        return Ok(None);
    };
    let mut begin = transaction.prepare_cached(
        "UPDATE jobs SET state = 'running', began_ms = coalesce(began_ms, ?2) WHERE seq = ?1
         RETURNING id, owner, weight, address, request_id, kind, expires_ms, head",
    )?;
    let claimed = begin.query_row(params![seq, now], |row| {
        let weight: u32 = row.get("weight")?;
        let address: Option<String> = row.get("address")?;
        Ok(ClaimedJob {
            id: Arc::from(row.get::<_, String>("id")?),
            owner: owner(&row.get::<_, String>("owner")?)?,
            weight: Weight::new(weight).unwrap_or_default(),
            address: address.and_then(|address| address.parse().ok()),
            request_id: row.get("request_id")?,
            kind: kind(&row.get::<_, String>("kind")?)?,
            head: row.get("head")?,
            expires: time(row.get("expires_ms")?),
        })
    })?;
    Ok(Some(claimed))
}

/// The number of a job that runs.
fn running(transaction: &Connection, id: &str) -> Result<Option<i64>, StoreError> {
    let mut statement =
        transaction.prepare_cached("SELECT seq FROM jobs WHERE id = ?1 AND state = ?2")?;
    let running = JobState::Running.name();
    let seq = statement.query_row([id, running], |row| row.get(0));
    Ok(seq.optional()?)
}

/// Rows without results that come after this index, the first ones: so many, or so many bytes of them.
pub fn rows(
    connection: &Connection,
    id: &str,
    after: Option<u64>,
    (most, most_bytes): (usize, usize),
) -> Result<Vec<KeptRow>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT row_index, attempts, text FROM inputs
         WHERE job = (SELECT seq FROM jobs WHERE id = ?1) AND row_index > ?2 ORDER BY row_index LIMIT ?3",
    )?;
    let after = after.map_or(-1, integer);
    let mut found = statement.query(params![id, after, integer(most as u64)])?;
    let mut rows = Vec::new();
    let mut bytes = 0;
    while let Some(row) = found.next()? {
        let text: String = row.get("text")?;
        bytes += text.len();
        rows.push(KeptRow {
            index: number(row.get("row_index")?),
            text,
            attempts: row.get("attempts")?,
        });
        if bytes >= most_bytes {
            break;
        }
    }
    Ok(rows)
}

/// Records what happened to rows of a job. False if it does not run any more; then nothing is recorded. A row that has
/// a result keeps it.
pub fn record(
    transaction: &Transaction<'_>,
    id: &str,
    progress: &Progress,
    most_bytes: u64,
) -> Result<bool, StoreError> {
    let Some(job) = running(transaction, id)? else {
        return Ok(false);
    };
    let mut begin = transaction.prepare_cached(
        "UPDATE inputs SET attempts = attempts + 1, running = 1 WHERE job = ?1 AND row_index = ?2",
    )?;
    for index in &progress.began {
        begin.execute(params![job, integer(*index)])?;
    }
    if progress.ended.is_empty() {
        return Ok(true);
    }
    let mut take = transaction.prepare_cached(
        "DELETE FROM inputs WHERE job = ?1 AND row_index = ?2 RETURNING octet_length(text)",
    )?;
    let mut put = transaction.prepare_cached(
        "INSERT INTO results (job, position, row_index, text) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let mut done = transaction.prepare_cached("SELECT done FROM jobs WHERE seq = ?1")?;
    let mut position: i64 = done.query_row([job], |row| row.get(0))?;
    let mut more_bytes = 0;
    for (index, result) in &progress.ended {
        let index = integer(*index);
        let length: Option<i64> = take
            .query_row(params![job, index], |row| row.get(0))
            .optional()?;
        if let Some(length) = length {
            put.execute(params![job, position, index, result])?;
            position += 1;
            more_bytes += integer(result.len() as u64) - length;
        }
    }
    transaction
        .prepare_cached("UPDATE jobs SET done = ?2, bytes = bytes + ?3 WHERE seq = ?1")?
        .execute(params![job, position, more_bytes])?;
    let mut all = transaction.prepare_cached("SELECT total(bytes) FROM jobs")?;
    let held: f64 = all.query_row([], |row| row.get(0))?;
    // A whole number, since bytes are.
    match held as u64 <= most_bytes || more_bytes <= 0 {
        true => Ok(true),
        false => Err(StoreError::NoRoom { most: most_bytes }),
    }
}

/// Keeps the answer of a job's set-up, instead of one before it.
pub fn set_up(transaction: &Transaction<'_>, id: &str, line: &str) -> Result<bool, StoreError> {
    let Some(job) = running(transaction, id)? else {
        return Ok(false);
    };
    transaction
        .prepare_cached(
            "UPDATE jobs SET setup = ?2, bytes = bytes + ?3 - coalesce(octet_length(setup), 0) WHERE seq = ?1",
        )?
        .execute(params![job, line, integer(line.len() as u64)])?;
    Ok(true)
}

/// Ends a job that ran. False if it does not run any more.
pub fn finish(
    transaction: &Transaction<'_>,
    id: &str,
    end: &JobEnd,
    now: i64,
) -> Result<bool, StoreError> {
    let Some(job) = running(transaction, id)? else {
        return Ok(false);
    };
    let (state, problem) = match end {
        JobEnd::Done => (JobState::Done, None),
        JobEnd::Failed(problem) => (JobState::Failed, Some(problem)),
    };
    transaction
        .prepare_cached("UPDATE jobs SET error = ?2, details = ?3 WHERE seq = ?1")?
        .execute(params![
            job,
            problem.map(|problem| &problem.error),
            problem.map(|problem| &problem.details),
        ])?;
    end_job(transaction, job, state, now)?;
    Ok(true)
}

/// Has a job be over in a state. What it needed to run goes.
pub fn end_job(
    transaction: &Transaction<'_>,
    job: i64,
    state: JobState,
    now: i64,
) -> Result<(), StoreError> {
    transaction
        .prepare_cached(
            "UPDATE jobs SET state = ?2, ended_ms = ?3, expires_ms = ?3 + keep_ms,
                 webhook_due_ms = CASE WHEN webhook IS NULL THEN NULL ELSE ?3 END,
                 bytes = max(0, bytes - octet_length(head) - (
                     SELECT coalesce(sum(octet_length(text)), 0) FROM inputs WHERE job = ?1)),
                 head = ''
             WHERE seq = ?1",
        )?
        .execute(params![job, state.name(), now])?;
    transaction
        .prepare_cached("DELETE FROM inputs WHERE job = ?1")?
        .execute([job])?;
    Ok(())
}

/// Has a job that ran wait again. The attempts of rows that this cuts off do not count.
pub fn release(transaction: &Transaction<'_>, id: &str) -> Result<bool, StoreError> {
    let Some(job) = running(transaction, id)? else {
        return Ok(false);
    };
    transaction
        .prepare_cached(
            "UPDATE inputs SET attempts = attempts - 1, running = 0 WHERE job = ?1 AND running",
        )?
        .execute([job])?;
    transaction
        .prepare_cached("UPDATE jobs SET state = 'queued' WHERE seq = ?1")?
        .execute([job])?;
    Ok(true)
}

/// Has all jobs wait again that ran when their server ended without a word. Returns how many.
pub fn take_back(transaction: &Transaction<'_>) -> Result<usize, StoreError> {
    transaction.execute("UPDATE inputs SET running = 0 WHERE running", [])?;
    let jobs = transaction.execute(
        "UPDATE jobs SET state = 'queued' WHERE state = 'running'",
        [],
    )?;
    Ok(jobs)
}
