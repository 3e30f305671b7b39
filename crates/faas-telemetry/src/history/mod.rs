//! The history of executions, in a database file. Its own thread writes it: no request waits for
//! that, and the service runs on whatever happens to the file.

mod age_clock;
mod database;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::execution::Execution;
use super::failures::Failures;
use super::writer::NotTaken;
use super::writer::Sink;
use super::writer::Writer;
use database::Database;

pub use database::Entry;
pub use database::Filter;
pub use database::HistorySettings;

/// Why the history could not answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("{0}")]
    NotTaken(#[from] NotTaken),
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
}

/// The history.
#[derive(Debug)]
pub struct History {
    writer: Writer<Keeper>,
}

type Answer<T> = oneshot::Sender<rusqlite::Result<T>>;

/// What the thread is handed.
#[derive(Debug)]
pub enum Item {
    Add(Arc<Execution>),
    List(Filter, Answer<Vec<Entry>>),
    Find(String, Answer<Option<Entry>>),
}

impl History {
    /// Starts the thread, which opens the file. A file that cannot be opened now may be later.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(settings: HistorySettings, failures: Failures) -> std::io::Result<Self> {
        let failures = Arc::new(failures);
        let keeper = Keeper {
            database: Database::new(settings),
            failures: failures.clone(),
        };
        let writer = Writer::start("history", failures, keeper)?;
        Ok(Self { writer })
    }

    /// Hands over an execution. Never waits.
    pub fn add(&self, execution: &Arc<Execution>) {
        if let Err(reason) = self.writer.send(Item::Add(execution.clone())) {
            self.failures().count(1, &reason);
        }
    }

    /// Executions, newest first, without their bodies.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Entry>, HistoryError> {
        let (answer, entries) = oneshot::channel();
        self.writer.send(Item::List(filter, answer))?;
        Ok(entries.await.map_err(|_| NotTaken::Gone)??)
    }

    /// One execution, with its bodies if they were kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find(&self, task_id: String) -> Result<Option<Entry>, HistoryError> {
        let (answer, entry) = oneshot::channel();
        self.writer.send(Item::Find(task_id, answer))?;
        Ok(entry.await.map_err(|_| NotTaken::Gone)??)
    }

    /// Waits until all executions so far are written; gives up after `within`.
    pub fn flush(&self, within: Duration) {
        self.writer.flush(within);
    }

    pub fn failures(&self) -> &Failures {
        self.writer.failures()
    }
}

/// The thread's side: the database, and where failures to write are counted.
pub struct Keeper {
    database: Database,
    failures: Arc<Failures>,
}

impl std::fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Keeper").finish_non_exhaustive()
    }
}

impl Sink for Keeper {
    type Item = Item;

    /// Executions that are written in one transaction.
    const BATCH: usize = 500;
    const GATHER_WITHIN: Duration = Duration::from_millis(100);
    /// Pause between two searches for old executions while there are no new ones.
    const IDLE_EVERY: Duration = Duration::from_secs(600);

    fn may_wait(item: &Item) -> bool {
        matches!(item, Item::Add(_))
    }

    fn take(&mut self, batch: Vec<Item>) {
        let mut executions = Vec::new();
        // An item that may not wait is the last of its batch.
        let mut question = None;
        for item in batch {
            match item {
                Item::Add(execution) => executions.push(execution),
                other => question = Some(other),
            }
        }
        if !executions.is_empty() {
            match self.database.add(&executions) {
                Ok(()) => self.failures.recovered(),
                Err(error) => self.failures.count(executions.len(), &error),
            }
        }
        match question {
            Some(Item::List(filter, answer)) => {
                let _ = answer.send(self.database.list(&filter));
            }
            Some(Item::Find(task_id, answer)) => {
                let _ = answer.send(self.database.find(&task_id));
            }
            Some(Item::Add(_)) | None => {}
        }
    }

    fn idle(&mut self) {
        if let Err(error) = self.database.tidy() {
            self.failures.count(0, &error);
        }
    }
}
