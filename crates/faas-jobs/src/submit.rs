//! Taking a job in.

use rusqlite::OptionalExtension;
use rusqlite::Transaction;
use rusqlite::params;

use crate::columns::INFO;
use crate::columns::duration;
use crate::columns::info;
use crate::columns::integer;
use crate::columns::number;
use crate::columns::owner_text;
use crate::error::StoreError;
use crate::job::JobInfo;
use crate::job::NewJob;
use crate::job::Submitted;
use crate::job::WebhookState;

/// How much may be kept.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most jobs, in all states.
    pub jobs: u64,
    /// Most of one caller.
    pub jobs_of_caller: u64,
    /// Most bytes of requests and results.
    pub bytes: u64,
}

/// Adds a job, unless its key is known.
pub fn submit(
    transaction: &Transaction<'_>,
    job: &NewJob,
    bounds: Bounds,
    now: i64,
) -> Result<Submitted, StoreError> {
    let owner = owner_text(&job.owner);
    if let Some(known) = known(transaction, job, &owner)? {
        return Ok(Submitted::Known(known));
    }
    let of_rows: u64 = job.rows.iter().map(|row| row.len() as u64).sum();
    let bytes = job.head.len() as u64 + of_rows;
    check(transaction, &owner, bytes, bounds)?;
    let keep = duration(job.keep_for);
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, owner, state, kind, weight, address, request_id, rows, bytes, created_ms,
                 expires_ms, keep_ms, key, digest, webhook, webhook_state, head)
             VALUES (?1, ?2, 'queued', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            &*job.id,
            owner,
            job.kind.name(),
            job.weight.get(),
            job.address.map(|address| address.to_string()),
            job.request_id,
            integer(job.rows.len() as u64),
            integer(bytes),
            now,
            now.saturating_add(keep),
            keep,
            job.key.as_ref().map(|key| &key.text),
            job.key.as_ref().map(|key| key.digest.to_string()),
            job.webhook,
            job.webhook.as_ref().map(|_| WebhookState::Waiting.name()),
            job.head,
        ])?;
    let seq = transaction.last_insert_rowid();
    let mut insert = transaction
        .prepare_cached("INSERT INTO inputs (job, row_index, text) VALUES (?1, ?2, ?3)")?;
    for (index, text) in job.rows.iter().enumerate() {
        insert.execute(params![seq, integer(index as u64), text])?;
    }
    let mut statement =
        transaction.prepare_cached(&format!("SELECT {INFO} FROM jobs WHERE seq = ?1"))?;
    Ok(Submitted::New(statement.query_row([seq], info)?))
}

/// The job that came with the same key.
fn known(
    transaction: &Transaction<'_>,
    job: &NewJob,
    owner: &str,
) -> Result<Option<JobInfo>, StoreError> {
    let Some(key) = &job.key else {
        return Ok(None);
    };
    let sql = format!("SELECT digest, {INFO} FROM jobs WHERE owner = ?1 AND key = ?2");
    let mut statement = transaction.prepare_cached(&sql)?;
    let found = statement
        .query_row([owner, &key.text], |row| {
            Ok((row.get::<_, String>("digest")?, info(row)?))
        })
        .optional()?;
    match found {
        Some((digest, _)) if digest != key.digest.to_string() => Err(StoreError::OtherRequest),
        found => Ok(found.map(|(_, job)| job)),
    }
}

/// Whether there is room for it.
fn check(
    transaction: &Transaction<'_>,
    owner: &str,
    bytes: u64,
    bounds: Bounds,
) -> Result<(), StoreError> {
    let mut of_caller = transaction.prepare_cached("SELECT count(*) FROM jobs WHERE owner = ?1")?;
    let of_caller = number(of_caller.query_row([owner], |row| row.get(0))?);
    if of_caller >= bounds.jobs_of_caller && bounds.jobs_of_caller < bounds.jobs {
        return Err(StoreError::TooManyOfCaller {
            most: bounds.jobs_of_caller,
        });
    }
    let mut all = transaction.prepare_cached("SELECT count(*), total(bytes) FROM jobs")?;
    let (jobs, held) =
        all.query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, f64>(1)?)))?;
    if number(jobs) >= bounds.jobs {
        return Err(StoreError::TooMany { most: bounds.jobs });
    }
    // A whole number, since bytes are.
    if held as u64 + bytes > bounds.bytes {
        return Err(StoreError::NoRoom { most: bounds.bytes });
    }
    Ok(())
}
