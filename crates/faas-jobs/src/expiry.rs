//! Jobs that end before their time, and jobs that are forgotten; messages about ends.

use std::sync::Arc;
use std::time::Duration;

use faas_protocol::Owner;
use faas_telemetry::JobState;
use rusqlite::Connection;
use rusqlite::OptionalExtension;
use rusqlite::Transaction;
use rusqlite::params;

use crate::columns::INFO;
use crate::columns::duration;
use crate::columns::info;
use crate::columns::word;
use crate::error::StoreError;
use crate::job::DueWebhook;
use crate::job::Found;
use crate::job::GoneReason;
use crate::job::JobId;
use crate::job::JobInfo;
use crate::job::WebhookState;
use crate::progress::end_job;
use crate::read::find;

/// Most jobs of which it is remembered that they are gone.
const MOST_GONE: i64 = 10_000;
/// Most jobs that one look forgets, so that others have their turn.
const MOST_AT_ONCE: i64 = 20;
/// Pages of the file given back at a time: 4 MiB.
const PAGES_AT_ONCE: &str = "PRAGMA incremental_vacuum(1024)";

/// What deleting a job did.
#[derive(Debug)]
pub enum Deleted {
    /// It had not ended, and is cancelled. Its results so far are kept.
    Cancelled(Box<JobInfo>),
    /// It had ended, and is forgotten with its results.
    Forgotten,
    /// There was nothing to delete: what is known of the name.
    Missing(Found),
}

/// Cancels a job that has not ended, and forgets one that has.
pub fn delete(
    transaction: &Transaction<'_>,
    owner: &Owner,
    id: &str,
    now: i64,
) -> Result<Deleted, StoreError> {
    let job = match find(transaction, owner, id)? {
        Found::Job(job) => job,
        missing => return Ok(Deleted::Missing(missing)),
    };
    let mut seq = transaction.prepare_cached("SELECT seq FROM jobs WHERE id = ?1")?;
    let seq: i64 = seq.query_row([id], |row| row.get(0))?;
    if job.state.is_over() {
        forget(transaction, seq, GoneReason::Deleted, now)?;
        return Ok(Deleted::Forgotten);
    }
    end_job(transaction, seq, JobState::Cancelled, now)?;
    match find(transaction, owner, id)? {
        Found::Job(job) => Ok(Deleted::Cancelled(job)),
        missing => Ok(Deleted::Missing(missing)),
    }
}

fn forget(
    transaction: &Transaction<'_>,
    job: i64,
    reason: GoneReason,
    now: i64,
) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM inputs WHERE job = ?1",
        "DELETE FROM results WHERE job = ?1",
    ] {
        transaction.prepare_cached(sql)?.execute([job])?;
    }
    transaction
        .prepare_cached(
            "INSERT INTO gone (id, owner, reason, at_ms) SELECT id, owner, ?2, ?3 FROM jobs WHERE seq = ?1",
        )?
        .execute(params![job, reason.name(), now])?;
    transaction
        .prepare_cached("DELETE FROM jobs WHERE seq = ?1")?
        .execute([job])?;
    transaction
        .prepare_cached(
            "DELETE FROM gone WHERE id IN (SELECT id FROM gone ORDER BY at_ms DESC LIMIT -1 OFFSET ?1)",
        )?
        .execute([MOST_GONE])?;
    Ok(())
}

/// Whether a look now would find something to do.
pub fn is_due(connection: &Connection, now: i64) -> Result<bool, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM jobs WHERE expires_ms <= ?1)")?;
    Ok(statement.query_row([now], |row| row.get(0))?)
}

/// Ends jobs that have not ended in their time, and forgets those whose time is over. Returns the first.
pub fn expire(transaction: &Transaction<'_>, now: i64) -> Result<Vec<JobId>, StoreError> {
    let mut due = transaction.prepare_cached(
        "SELECT seq, id, state FROM jobs WHERE expires_ms <= ?1 ORDER BY expires_ms LIMIT ?2",
    )?;
    let due = due.query_map(params![now, MOST_AT_ONCE], |row| {
        let id: String = row.get("id")?;
        let state: String = row.get("state")?;
        Ok((
            row.get("seq")?,
            id,
            word(&state, JobState::ALL, JobState::name)?,
        ))
    })?;
    let due: Vec<(i64, String, JobState)> = due.collect::<Result<_, _>>()?;
    let mut ended = Vec::new();
    for (seq, id, state) in due {
        if state.is_over() {
            forget(transaction, seq, GoneReason::Expired, now)?;
        } else {
            end_job(transaction, seq, JobState::Expired, now)?;
            ended.push(Arc::from(id));
        }
    }
    Ok(ended)
}

/// Gives some of the file's free pages back to the disk.
pub fn shrink(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare(PAGES_AT_ONCE)?;
    let mut rows = statement.query([])?;
    while rows.next()?.is_some() {}
    Ok(())
}

/// Messages to be sent now, so many.
pub fn due_webhooks(
    connection: &Connection,
    most: u32,
    now: i64,
) -> Result<Vec<DueWebhook>, StoreError> {
    let sql = format!(
        "SELECT {INFO} FROM jobs WHERE webhook_due_ms <= ?1 ORDER BY webhook_due_ms LIMIT ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let jobs = statement.query_map(params![now, most], info)?;
    let jobs: Vec<JobInfo> = jobs.collect::<Result<_, _>>()?;
    let of = |job: JobInfo| {
        let webhook = job.webhook.as_ref()?;
        Some(DueWebhook {
            url: webhook.url.clone(),
            attempts: webhook.attempts,
            job,
        })
    };
    Ok(jobs.into_iter().filter_map(of).collect())
}

/// Notes that a message was sent, and when it is to be sent again, if it is.
pub fn webhook_tried(
    transaction: &Transaction<'_>,
    id: &str,
    failure: Option<&str>,
    again: Option<Duration>,
    now: i64,
) -> Result<(), StoreError> {
    let state = match (failure, again) {
        (None, _) => WebhookState::Delivered,
        (Some(_), Some(_)) => WebhookState::Waiting,
        (Some(_), None) => WebhookState::Failed,
    };
    let due = again.map(|pause| now.saturating_add(duration(pause)));
    transaction
        .prepare_cached(
            "UPDATE jobs SET webhook_attempts = webhook_attempts + 1, webhook_state = ?2, webhook_error = ?3,
                 webhook_due_ms = ?4 WHERE id = ?1",
        )?
        .execute(params![id, state.name(), failure, due])?;
    Ok(())
}

/// When the next message is to be sent.
pub fn next_webhook(connection: &Connection) -> Result<Option<i64>, StoreError> {
    let mut statement = connection
        .prepare_cached("SELECT min(webhook_due_ms) FROM jobs WHERE webhook_due_ms IS NOT NULL")?;
    let due = statement.query_row([], |row| row.get(0)).optional()?;
    Ok(due.flatten())
}
