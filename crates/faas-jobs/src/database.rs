//! The database: opened when it is needed, and by one server at a time.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::SystemTime;

use faas_linux::prepare_workspace;
use faas_telemetry::JobState;
use rusqlite::Connection;
use rusqlite::Transaction;
use rusqlite::TransactionBehavior;

use crate::columns::milliseconds;
use crate::columns::number;
use crate::error::StoreError;
use crate::file;
use crate::file::FileId;
use crate::file::Lock;
use crate::progress;
use crate::tables;

/// What is kept, in all states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the order of [`JobState::ALL`].
    pub by_state: [u64; JobState::ALL.len()],
    /// Of requests and results.
    pub bytes: u64,
}

/// What others may know without asking the thread.
pub type SharedCounts = Arc<Mutex<Counts>>;

/// Whether what is written has to be on the disk when it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Also if the power fails.
    PowerCut,
    /// If this process is killed; a power cut may take it.
    Kill,
}

/// The file, opened when it is needed.
pub struct Database {
    path: PathBuf,
    /// Kept once it was got.
    lock: Option<Lock>,
    open: Option<Open>,
    /// The file whose jobs this server took over.
    taken_over: Option<FileId>,
    counts: SharedCounts,
}

struct Open {
    connection: Connection,
    file: FileId,
}

impl Database {
    pub fn new(path: PathBuf, counts: SharedCounts) -> Self {
        Self {
            path,
            lock: None,
            open: None,
            taken_over: None,
            counts,
        }
    }

    /// Reads.
    ///
    /// # Errors
    /// [`StoreError`] of the file, or what `action` says.
    pub fn read<T>(
        &mut self,
        action: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|connection, _| action(connection))
    }

    /// Writes, all or nothing. What `action` refuses is not written either.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn write<T>(
        &mut self,
        durability: Durability,
        action: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.with(|connection, counts| {
            let synchronous = match durability {
                Durability::PowerCut => "full",
                Durability::Kill => "normal",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = action(&transaction)?;
            let counted = count(&transaction)?;
            transaction.commit()?;
            *counts.lock().unwrap_or_else(PoisonError::into_inner) = counted;
            Ok(done)
        })
    }

    fn with<T>(
        &mut self,
        action: impl FnOnce(&mut Connection, &SharedCounts) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut open = match self.open.take() {
            // The operator may have moved the file.
            Some(open) if file::id_of(&self.path) == Some(open.file) => open,
            _ => self.open()?,
        };
        let result = action(&mut open.connection, &self.counts);
        // A damaged file is opened again: it may have been replaced.
        if !matches!(result, Err(StoreError::Damaged(_))) {
            self.open = Some(open);
        }
        result
    }

    fn open(&mut self) -> Result<Open, StoreError> {
        if let Some(folder) = self.path.parent() {
            prepare_workspace(folder).map_err(|error| StoreError::Failed(error.to_string()))?;
        }
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&self.path)?);
        }
        file::create(&self.path);
        let mut connection = Connection::open(&self.path)?;
        tables::prepare(&mut connection)?;
        let file = file::id_of(&self.path);
        let file = file.ok_or_else(|| StoreError::Failed("the file is missing".to_owned()))?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let interrupted = match self.taken_over == Some(file) {
            true => 0,
            // Who ran them does not any more: this server has the lock.
            false => progress::take_back(&transaction)?,
        };
        let counted = count(&transaction)?;
        transaction.commit()?;
        self.taken_over = Some(file);
        if interrupted > 0 {
            tracing::warn!(
                jobs = interrupted,
                "jobs were running when the service was killed; they go on"
            );
        }
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counted;
        Ok(Open { connection, file })
    }
}

/// In ms since 1970.
pub fn now() -> i64 {
    milliseconds(SystemTime::now())
}

fn count(connection: &Connection) -> Result<Counts, StoreError> {
    let mut counts = Counts::default();
    let mut statement =
        connection.prepare_cached("SELECT state, count(*), sum(bytes) FROM jobs GROUP BY state")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let state: String = row.get(0)?;
        let place = JobState::ALL.iter().position(|one| one.name() == state);
        if let Some(count) = place.and_then(|place| counts.by_state.get_mut(place)) {
            *count = number(row.get(1)?);
        }
        counts.bytes += number(row.get(2)?);
    }
    Ok(counts)
}
