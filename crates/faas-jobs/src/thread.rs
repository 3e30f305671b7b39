//! The thread that has the database. What is recorded of rows goes in one transaction with what waits behind it: one
//! wait for the disk for many results.

use std::sync::Arc;

use faas_telemetry::Failures;
use tokio::sync::mpsc;
use tokio::sync::mpsc::Receiver;
use tokio::sync::oneshot;

use crate::database::Database;
use crate::database::Durability;
use crate::error::StoreError;
use crate::job::JobId;
use crate::job::Progress;
use crate::progress;

/// Most that waits for the thread; who has more to say waits.
const WAITING: usize = 256;

/// What the thread is asked. It answers by itself.
pub type Task = Box<dyn FnOnce(&mut Database) + Send>;

/// What the thread does.
pub enum Message {
    Task(Task),
    Record(Record),
}

/// What happened to rows of a job, and who waits until it is recorded.
pub struct Record {
    pub id: JobId,
    pub progress: Arc<Progress>,
    pub most_bytes: u64,
    pub recorded: oneshot::Sender<Result<bool, StoreError>>,
}

/// Starts the thread, which ends when the sender is dropped.
///
/// # Errors
/// When the system has no thread left.
pub fn start(
    mut database: Database,
    failures: Arc<Failures>,
) -> std::io::Result<mpsc::Sender<Message>> {
    let (sender, mut inbox) = mpsc::channel(WAITING);
    std::thread::Builder::new()
        .name("jobs".to_owned())
        .spawn(move || {
            let mut next = inbox.blocking_recv();
            while let Some(message) = next.take() {
                next = match message {
                    Message::Task(task) => {
                        task(&mut database);
                        None
                    }
                    Message::Record(first) => record(&mut database, first, &mut inbox, &failures),
                };
                next = next.or_else(|| inbox.blocking_recv());
            }
        })?;
    Ok(sender)
}

/// Writes a record and those that wait behind it. Returns what was received and is not one.
fn record(
    database: &mut Database,
    first: Record,
    inbox: &mut Receiver<Message>,
    failures: &Failures,
) -> Option<Message> {
    let mut records = vec![first];
    let mut other = None;
    while records.len() < WAITING {
        match inbox.try_recv() {
            Ok(Message::Record(record)) => records.push(record),
            Ok(message) => {
                other = Some(message);
                break;
            }
            Err(_) => break,
        }
    }
    if records.len() > 1
        && let Ok(all) = write(database, &records)
    {
        for (record, recorded) in records.into_iter().zip(all) {
            let _ = record.recorded.send(Ok(recorded));
        }
        return other;
    }
    // Alone, or something is wrong with one of them: each for itself.
    for record in records {
        let one = std::slice::from_ref(&record);
        let written = write(database, one).map(|all| all.first() == Some(&true));
        match &written {
            Ok(_) => failures.recovered(),
            // It is the caller's.
            Err(StoreError::NoRoom { .. }) => {}
            Err(error) => failures.count(1, error),
        }
        let _ = record.recorded.send(written);
    }
    other
}

fn write(database: &mut Database, records: &[Record]) -> Result<Vec<bool>, StoreError> {
    let has_results = records
        .iter()
        .any(|record| !record.progress.ended.is_empty());
    let durability = match has_results {
        true => Durability::PowerCut,
        false => Durability::Kill,
    };
    database.write(durability, |transaction| {
        let record =
            |one: &Record| progress::record(transaction, &one.id, &one.progress, one.most_bytes);
        records.iter().map(record).collect()
    })
}
