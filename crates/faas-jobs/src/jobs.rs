//! The way to jobs: asks the store's thread, and tells who waits for something.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use faas_protocol::Owner;
use faas_telemetry::Failures;
use faas_telemetry::JobState;
use tokio::sync::Notify;
use tokio::sync::mpsc;
use tokio::sync::oneshot;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::columns::time;
use crate::database::Database;
use crate::database::Durability;
use crate::database::SharedCounts;
use crate::database::now;
use crate::error::StoreError;
use crate::expiry;
use crate::expiry::Deleted;
use crate::job::ClaimedJob;
use crate::job::DueWebhook;
use crate::job::Found;
use crate::job::JobEnd;
use crate::job::JobId;
use crate::job::JobInfo;
use crate::job::KeptRow;
use crate::job::NewJob;
use crate::job::Progress;
use crate::job::ResultPage;
use crate::job::Submitted;
use crate::progress;
use crate::read;
use crate::submit;
use crate::submit::Bounds;
use crate::thread;
use crate::thread::Message;
use crate::thread::Record;
use crate::webhook::Delivery;
use crate::webhook::Webhooks;

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct JobsSettings {
    pub path: PathBuf,
    /// Most jobs, in all states.
    pub jobs: u64,
    /// Most of one caller.
    pub jobs_of_caller: u64,
    /// Most bytes of requests and results.
    pub bytes: u64,
}

/// The jobs of this server.
#[derive(Debug)]
pub struct Jobs {
    thread: mpsc::Sender<Message>,
    bounds: Bounds,
    counts: SharedCounts,
    failures: Arc<Failures>,
    /// Jobs that run here, each with what ends it.
    running: Mutex<HashMap<JobId, CancellationToken>>,
    /// There may be a job to take up.
    pub work: Notify,
    /// There may be a message to send.
    pub messages: Notify,
    /// What sends messages; none if no host is named that they may go to.
    pub webhooks: Option<Webhooks>,
    /// Changes with every result and every end.
    news: watch::Sender<()>,
}

impl Jobs {
    /// Starts the thread. The file is opened when it is needed.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(
        settings: JobsSettings,
        webhooks: Option<Webhooks>,
        failures: Failures,
    ) -> std::io::Result<Self> {
        let counts = SharedCounts::default();
        let failures = Arc::new(failures);
        let database = Database::new(settings.path, counts.clone());
        Ok(Self {
            thread: thread::start(database, failures.clone())?,
            bounds: Bounds {
                jobs: settings.jobs,
                jobs_of_caller: settings.jobs_of_caller,
                bytes: settings.bytes,
            },
            counts,
            failures,
            running: Mutex::default(),
            work: Notify::new(),
            messages: Notify::new(),
            webhooks,
            news: watch::Sender::new(()),
        })
    }

    /// How writing results goes.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }

    /// How many jobs there are in a state, as far as the file was opened.
    pub fn count(&self, state: JobState) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let place = JobState::ALL.iter().position(|one| *one == state);
        let count = place.and_then(|place| counts.by_state.get(place));
        count.copied().unwrap_or_default()
    }

    /// Bytes of requests and results that are kept.
    pub fn bytes(&self) -> u64 {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.bytes
    }

    pub fn most_bytes(&self) -> u64 {
        self.bounds.bytes
    }

    /// Tells of every result and every end from now on.
    pub fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Takes a job in. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`StoreError`], also if there is no room for it.
    pub async fn submit(&self, job: NewJob) -> Result<Submitted, StoreError> {
        let bounds = self.bounds;
        let submitted = self
            .ask(move |database| {
                database.write(Durability::PowerCut, |transaction| {
                    submit::submit(transaction, &job, bounds, now())
                })
            })
            .await?;
        self.work.notify_one();
        Ok(submitted)
    }

    /// A job of this owner.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn find(&self, owner: &Owner, id: &JobId) -> Result<Found, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.ask(move |database| database.read(|connection| read::find(connection, &owner, &id)))
            .await
    }

    /// Jobs of this owner, newest first: those that came before this one, so many.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn list(
        &self,
        owner: &Owner,
        before: Option<JobId>,
        most: u32,
    ) -> Result<Vec<JobInfo>, StoreError> {
        let owner = owner.clone();
        self.ask(move |database| {
            database.read(|connection| read::list(connection, &owner, before.as_deref(), most))
        })
        .await
    }

    /// Results from a position on: so many, or so many bytes of them. `None` if there is no such job.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn results(
        &self,
        owner: &Owner,
        id: &JobId,
        from: u64,
        most: (usize, usize),
    ) -> Result<Option<ResultPage>, StoreError> {
        let (owner, id) = (owner.clone(), id.clone());
        self.ask(move |database| {
            database.read(|connection| read::results(connection, (&owner, &id), from, most))
        })
        .await
    }

    /// Cancels a job that has not ended, and forgets one that has.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn delete(&self, owner: &Owner, id: &JobId) -> Result<Deleted, StoreError> {
        let (of, name) = (owner.clone(), id.clone());
        let deleted = self
            .ask(move |database| {
                database.write(Durability::PowerCut, |transaction| {
                    expiry::delete(transaction, &of, &name, now())
                })
            })
            .await?;
        if matches!(deleted, Deleted::Cancelled(_)) {
            self.stop([id]);
        }
        Ok(deleted)
    }

    /// Takes up the next job, with what ends it; to be followed by [`Self::finish`] or [`Self::release`].
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn claim(&self) -> Result<Option<(ClaimedJob, CancellationToken)>, StoreError> {
        let claimed = self
            .ask(|database| {
                database.write(Durability::Kill, |transaction| {
                    progress::claim(transaction, now())
                })
            })
            .await?;
        Ok(claimed.map(|job| {
            let stop = CancellationToken::new();
            self.lock().insert(job.id.clone(), stop.clone());
            (job, stop)
        }))
    }

    /// Rows without results that come after this index: so many, or so many bytes of them.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn rows(
        &self,
        id: &JobId,
        after: Option<u64>,
        most: (usize, usize),
    ) -> Result<Vec<KeptRow>, StoreError> {
        let id = id.clone();
        self.ask(move |database| {
            database.read(|connection| progress::rows(connection, &id, after, most))
        })
        .await
    }

    /// Records what happened to rows. Results are on the disk when this returns. False if the job does not run any
    /// more.
    ///
    /// # Errors
    /// [`StoreError`], also if there is no room for results.
    pub async fn record(&self, id: &JobId, progress: &Arc<Progress>) -> Result<bool, StoreError> {
        let (recorded, answer) = oneshot::channel();
        let record = Message::Record(Record {
            id: id.clone(),
            progress: progress.clone(),
            most_bytes: self.bounds.bytes,
            recorded,
        });
        self.thread.send(record).await.map_err(|_| thread_ended())?;
        let recorded = answer.await.map_err(|_| thread_ended())??;
        self.news.send_replace(());
        Ok(recorded)
    }

    /// Keeps the answer of a job's set-up. False if the job does not run any more.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn set_up(&self, id: &JobId, line: String) -> Result<bool, StoreError> {
        let id = id.clone();
        self.ask(move |database| {
            database.write(Durability::Kill, |transaction| {
                progress::set_up(transaction, &id, &line)
            })
        })
        .await
    }

    /// Ends a job that ran. False if it had ended otherwise.
    ///
    /// # Errors
    /// [`StoreError`] of the file; the job then counts as running.
    pub async fn finish(&self, id: &JobId, end: JobEnd) -> Result<bool, StoreError> {
        let name = id.clone();
        let finished = self
            .ask(move |database| {
                database.write(Durability::PowerCut, |transaction| {
                    progress::finish(transaction, &name, &end, now())
                })
            })
            .await?;
        self.lock().remove(id);
        self.news.send_replace(());
        self.messages.notify_one();
        Ok(finished)
    }

    /// Has a job wait again, whose rows that were cut off have no attempt counted. False if it had ended.
    ///
    /// # Errors
    /// [`StoreError`] of the file; the next start takes the job back then.
    pub async fn release(&self, id: &JobId) -> Result<bool, StoreError> {
        self.lock().remove(id);
        let name = id.clone();
        self.ask(move |database| {
            database.write(Durability::PowerCut, |transaction| {
                progress::release(transaction, &name)
            })
        })
        .await
    }

    /// Ends jobs whose time is over, and forgets those that ended long ago.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn expire(&self) -> Result<(), StoreError> {
        let ended = self
            .ask(|database| {
                let now = now();
                if !database.read(|connection| expiry::is_due(connection, now))? {
                    return database.read(expiry::shrink).map(|()| Vec::new());
                }
                database.write(Durability::PowerCut, |transaction| {
                    expiry::expire(transaction, now)
                })
            })
            .await?;
        self.stop(&ended);
        Ok(())
    }

    /// Messages to be sent now, so many.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn due_webhooks(&self, most: u32) -> Result<Vec<DueWebhook>, StoreError> {
        self.ask(move |database| {
            database.read(|connection| expiry::due_webhooks(connection, most, now()))
        })
        .await
    }

    /// How long it is until the next message is to be sent; `None` if none is.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn next_webhook(&self) -> Result<Option<Duration>, StoreError> {
        let due = self.ask(|database| database.read(expiry::next_webhook));
        let wait = |due| {
            let wait = time(due).duration_since(time(now()));
            wait.unwrap_or_default()
        };
        Ok(due.await?.map(wait))
    }

    /// Notes what became of a message.
    ///
    /// # Errors
    /// [`StoreError`] of the file.
    pub async fn webhook_tried(&self, id: &JobId, delivery: Delivery) -> Result<(), StoreError> {
        let id = id.clone();
        let (failure, again) = match delivery {
            Delivery::Delivered => (None, None),
            Delivery::Again { error, after } => (Some(error), Some(after)),
            Delivery::GivenUp { error } => (Some(error), None),
        };
        self.ask(move |database| {
            database.write(Durability::PowerCut, |transaction| {
                expiry::webhook_tried(transaction, &id, failure.as_deref(), again, now())
            })
        })
        .await
    }

    /// Ends those of these jobs that run here.
    fn stop<'a>(&self, ids: impl IntoIterator<Item = &'a JobId>) {
        let mut running = self.lock();
        for id in ids {
            if let Some(stop) = running.remove(id) {
                stop.cancel();
            }
        }
        drop(running);
        self.news.send_replace(());
        self.messages.notify_one();
    }

    async fn ask<T: Send + 'static>(
        &self,
        action: impl FnOnce(&mut Database) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let task = Message::Task(Box::new(move |database| {
            let _ = answer.send(action(database));
        }));
        self.thread.send(task).await.map_err(|_| thread_ended())?;
        answered.await.map_err(|_| thread_ended())?
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<JobId, CancellationToken>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn thread_ended() -> StoreError {
    StoreError::Failed("the thread that writes jobs has ended".to_owned())
}
