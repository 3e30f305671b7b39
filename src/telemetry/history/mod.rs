//! The history of executions, in a database file of its own thread: adding to it keeps no request
//! waiting, and whatever happens to the file, the service goes on.

mod database;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use std::time::Instant;
use std::time::SystemTime;

use tokio::sync::oneshot;

use super::execution::Execution;
use super::failures::Failures;
use database::Database;

pub use database::Entry;

/// Executions and questions that may wait for the disk; more are dropped and counted.
const ORDERS_WAITING: usize = 4096;
/// Executions that are written in one transaction, at most,
const BATCH: usize = 500;
/// and how long the first may wait for others.
const BATCH_WITHIN: Duration = Duration::from_millis(100);
/// How often it is looked for others; a question waits as long at most.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How often old executions are looked for while there are no new ones.
const HOUSEKEEPING: Duration = Duration::from_secs(600);

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct HistorySettings {
    pub path: PathBuf,
    /// Executions kept at most.
    pub max_rows: u64,
    /// None older than this is kept.
    pub max_age: Duration,
}

/// Which executions to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub status: Option<&'static str>,
    pub language: Option<&'static str>,
    /// Begun then or later.
    pub since: Option<SystemTime>,
    pub limit: u32,
}

/// Why the history does not answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("too much waits for the disk")]
    Busy,
    #[error("{0}")]
    Database(#[from] rusqlite::Error),
}

/// The history.
#[derive(Debug)]
pub struct History {
    orders: SyncSender<Order>,
    failures: Arc<Failures>,
}

type Answer<T> = oneshot::Sender<rusqlite::Result<T>>;

#[derive(Debug)]
enum Order {
    Add(Arc<Execution>),
    List(Filter, Answer<Vec<Entry>>),
    Find(String, Answer<Option<Entry>>),
    Flush(SyncSender<()>),
}

impl History {
    /// Starts the thread, which opens the file. A file that cannot be opened now may be later.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(settings: HistorySettings, failures: Failures) -> std::io::Result<Self> {
        let (orders, inbox) = mpsc::sync_channel(ORDERS_WAITING);
        let failures = Arc::new(failures);
        let keeper = Keeper {
            database: Database::new(settings),
            failures: failures.clone(),
        };
        std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || keeper.run(&inbox))?;
        Ok(Self { orders, failures })
    }

    /// Hands over an execution. Never waits.
    pub fn add(&self, execution: &Arc<Execution>) {
        if self.orders.try_send(Order::Add(execution.clone())).is_err() {
            self.failures.count(1, &HistoryError::Busy);
        }
    }

    /// Executions, newest first, without their bodies.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, filter: Filter) -> Result<Vec<Entry>, HistoryError> {
        let (answer, entries) = oneshot::channel();
        self.ask(Order::List(filter, answer))?;
        Ok(entries.await.map_err(|_| HistoryError::Busy)??)
    }

    /// One execution, with its bodies if they were kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find(&self, task_id: String) -> Result<Option<Entry>, HistoryError> {
        let (answer, entry) = oneshot::channel();
        self.ask(Order::Find(task_id, answer))?;
        Ok(entry.await.map_err(|_| HistoryError::Busy)??)
    }

    fn ask(&self, order: Order) -> Result<(), HistoryError> {
        let asked = self.orders.try_send(order);
        asked.map_err(|_| HistoryError::Busy)
    }

    /// Waits until all executions so far are written; gives up after `within`.
    pub fn flush(&self, within: Duration) {
        let (done, flushed) = mpsc::sync_channel(1);
        if self.orders.try_send(Order::Flush(done)).is_ok() {
            let _ = flushed.recv_timeout(within);
        }
    }

    pub fn failures(&self) -> &Failures {
        &self.failures
    }
}

/// The thread that has the database.
struct Keeper {
    database: Database,
    failures: Arc<Failures>,
}

impl Keeper {
    /// Runs until the history is dropped.
    fn run(mut self, inbox: &Receiver<Order>) {
        if let Err(error) = self.database.tidy() {
            self.failures.count(0, &error);
        }
        loop {
            match inbox.recv_timeout(HOUSEKEEPING) {
                Ok(Order::Add(execution)) => {
                    let (batch, next) = collect(execution, inbox);
                    self.add(&batch);
                    if let Some(order) = next {
                        self.answer(order);
                    }
                }
                Ok(order) => self.answer(order),
                Err(RecvTimeoutError::Timeout) => {
                    let _ = self.database.tidy();
                }
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn add(&mut self, batch: &[Arc<Execution>]) {
        match self.database.add(batch) {
            Ok(()) => self.failures.recovered(),
            Err(error) => self.failures.count(batch.len(), &error),
        }
    }

    fn answer(&mut self, order: Order) {
        match order {
            Order::Add(execution) => self.add(&[execution]),
            Order::List(filter, answer) => {
                let _ = answer.send(self.database.list(&filter));
            }
            Order::Find(task_id, answer) => {
                let _ = answer.send(self.database.find(&task_id));
            }
            Order::Flush(done) => {
                let _ = done.try_send(());
            }
        }
    }
}

/// Takes what comes shortly after an execution, up to the first order of another kind. Looks only
/// now and then, so that not every execution wakes this thread.
fn collect(first: Arc<Execution>, inbox: &Receiver<Order>) -> (Vec<Arc<Execution>>, Option<Order>) {
    let deadline = Instant::now() + BATCH_WITHIN;
    let mut batch = vec![first];
    loop {
        for order in inbox.try_iter().take(BATCH - batch.len()) {
            match order {
                Order::Add(execution) => batch.push(execution),
                other => return (batch, Some(other)),
            }
        }
        if batch.len() >= BATCH || Instant::now() >= deadline {
            return (batch, None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
