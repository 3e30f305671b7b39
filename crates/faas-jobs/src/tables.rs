//! The tables.

use rusqlite::Connection;

use crate::error::StoreError;

/// Version of the tables below, in the file's `user_version`.
const VERSION: i64 = 1;
/// `seq` orders jobs as they came. What may be long stands last, so that others are read without it.
///
/// A row is in `inputs` until its result is in `results`: it leaves the one and enters the other in one transaction.
const TABLES: &str = "
CREATE TABLE jobs (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    kind TEXT NOT NULL,
    weight INTEGER NOT NULL,
    address TEXT,
    request_id TEXT NOT NULL,
    rows INTEGER NOT NULL,
    done INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    began_ms INTEGER,
    ended_ms INTEGER,
    expires_ms INTEGER NOT NULL,
    keep_ms INTEGER NOT NULL,
    key TEXT,
    digest TEXT,
    webhook TEXT,
    webhook_state TEXT,
    webhook_attempts INTEGER NOT NULL DEFAULT 0,
    webhook_due_ms INTEGER,
    webhook_error TEXT,
    error TEXT,
    details TEXT,
    setup TEXT,
    head TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX jobs_keys ON jobs (owner, key) WHERE key IS NOT NULL;
CREATE INDEX jobs_states ON jobs (state, owner, seq, bytes);
CREATE INDEX jobs_owners ON jobs (owner, seq);
CREATE INDEX jobs_expiries ON jobs (expires_ms);
CREATE INDEX jobs_webhooks ON jobs (webhook_due_ms) WHERE webhook_due_ms IS NOT NULL;
CREATE TABLE inputs (
    job INTEGER NOT NULL,
    row_index INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    text TEXT NOT NULL,
    PRIMARY KEY (job, row_index)
) STRICT;
CREATE INDEX inputs_running ON inputs (job) WHERE running;
CREATE TABLE results (
    job INTEGER NOT NULL,
    position INTEGER NOT NULL,
    row_index INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (job, position)
) STRICT;
CREATE TABLE gone (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    reason TEXT NOT NULL,
    at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX gone_times ON gone (at_ms);
";

/// Has the file be one of jobs.
pub fn prepare(connection: &mut Connection) -> Result<(), StoreError> {
    let version = "user_version";
    let found: i64 = connection.pragma_query_value(None, version, |row| row.get(0))?;
    if found > VERSION {
        return Err(StoreError::LaterVersion(found));
    }
    if found != VERSION {
        // Before the first table, or it has no effect: what is deleted makes the file shorter.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    if found != VERSION {
        let transaction = connection.transaction()?;
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, version, VERSION)?;
        transaction.commit()?;
    }
    Ok(())
}
