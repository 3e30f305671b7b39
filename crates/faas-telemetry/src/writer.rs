//! A bounded queue with a thread that writes to a disk. Adding to the queue never waits.

use std::sync::Arc;
use std::sync::mpsc;
use std::sync::mpsc::Receiver;
use std::sync::mpsc::RecvTimeoutError;
use std::sync::mpsc::SyncSender;
use std::sync::mpsc::TrySendError;
use std::time::Duration;
use std::time::Instant;

use super::failures::Failures;

/// Most items that may wait for the disk.
const WAITING: usize = 4096;
/// How often a thread that gathers a batch polls the queue, so that not every item wakes it.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// What the thread does with items.
pub trait Sink: Send + 'static {
    type Item: Send + 'static;

    /// Most items in one batch.
    const BATCH: usize;
    /// How long a batch may be gathered.
    const GATHER_WITHIN: Duration;
    /// How often [`Self::idle`] is called while nothing comes.
    const IDLE_EVERY: Duration;

    /// Whether this item may wait for others.
    fn may_wait(item: &Self::Item) -> bool;

    /// Takes a batch of items, in the order in which they were added.
    fn take(&mut self, batch: Vec<Self::Item>);

    /// Makes sure that all items taken are on the disk.
    fn sync(&mut self) {}

    /// Called before the first item, and at intervals while none is added.
    fn idle(&mut self) {}
}

/// Why an item was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    #[error("the disk is too slow")]
    Full,
    #[error("the writer thread has ended")]
    Gone,
}

impl<T> From<TrySendError<T>> for NotTaken {
    fn from(error: TrySendError<T>) -> Self {
        match error {
            TrySendError::Full(_) => Self::Full,
            TrySendError::Disconnected(_) => Self::Gone,
        }
    }
}

/// The queue. Dropping it ends the thread, after all that waits is written.
#[derive(Debug)]
pub struct Writer<S: Sink> {
    queue: SyncSender<Message<S::Item>>,
    failures: Arc<Failures>,
}

#[derive(Debug)]
enum Message<T> {
    Item(T),
    Flush(SyncSender<()>),
}

impl<S: Sink> Writer<S> {
    /// Starts the thread, under this name.
    ///
    /// # Errors
    /// When the system has no thread left.
    pub fn start(name: &str, failures: Arc<Failures>, sink: S) -> std::io::Result<Self> {
        let (queue, inbox) = mpsc::sync_channel(WAITING);
        std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || run(sink, &inbox))?;
        Ok(Self { queue, failures })
    }

    /// Adds an item. Never waits.
    ///
    /// # Errors
    /// When the queue is full or the thread is gone.
    pub fn send(&self, item: S::Item) -> Result<(), NotTaken> {
        Ok(self.queue.try_send(Message::Item(item))?)
    }

    /// Waits until everything so far is on the disk; gives up after `within`.
    pub fn flush(&self, within: Duration) {
        let deadline = Instant::now() + within;
        let (done, flushed) = mpsc::sync_channel(1);
        let mut message = Message::Flush(done);
        while let Err(TrySendError::Full(returned)) = self.queue.try_send(message) {
            if Instant::now() >= deadline {
                return;
            }
            std::thread::sleep(LOOK_EVERY);
            message = returned;
        }
        let _ = flushed.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }

    /// Items that could not be written.
    pub fn failures(&self) -> &Failures {
        &self.failures
    }
}

/// The thread's life, until the queue is dropped.
fn run<S: Sink>(mut sink: S, inbox: &Receiver<Message<S::Item>>) {
    sink.idle();
    loop {
        match inbox.recv_timeout(S::IDLE_EVERY) {
            Ok(first) => {
                let (batch, flushed) = gather::<S>(first, inbox);
                if !batch.is_empty() {
                    sink.take(batch);
                }
                if let Some(done) = flushed {
                    sink.sync();
                    let _ = done.try_send(());
                }
            }
            Err(RecvTimeoutError::Timeout) => sink.idle(),
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// A batch, and who waits for it to be on the disk.
type Batch<T> = (Vec<T>, Option<SyncSender<()>>);

/// Takes what comes soon after the first, up to something that may not wait.
fn gather<S: Sink>(first: Message<S::Item>, inbox: &Receiver<Message<S::Item>>) -> Batch<S::Item> {
    let deadline = Instant::now() + S::GATHER_WITHIN;
    let mut batch = Vec::new();
    let mut next = Some(first);
    loop {
        for message in next.take().into_iter().chain(inbox.try_iter()) {
            match message {
                Message::Flush(done) => return (batch, Some(done)),
                Message::Item(item) => {
                    let may_wait = S::may_wait(&item);
                    batch.push(item);
                    if !may_wait || batch.len() >= S::BATCH {
                        return (batch, None);
                    }
                }
            }
        }
        if Instant::now() >= deadline {
            return (batch, None);
        }
        std::thread::sleep(LOOK_EVERY);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use prometheus_client::metrics::counter::Counter;

    use super::*;

    type Batches = Arc<Mutex<Vec<Vec<u32>>>>;

    /// The item that breaks the sink. It may not wait, so it comes alone.
    const BROKEN: u32 = 1000;

    struct Collector(Batches);

    impl Sink for Collector {
        type Item = u32;

        const BATCH: usize = 3;
        const GATHER_WITHIN: Duration = Duration::from_millis(200);
        const IDLE_EVERY: Duration = Duration::from_secs(1);

        fn may_wait(item: &u32) -> bool {
            *item < 100
        }

        fn take(&mut self, batch: Vec<u32>) {
            if batch == [BROKEN] {
                // Without the panic hook: a backtrace takes seconds on a busy machine.
                std::panic::resume_unwind(Box::new("as a sink should not"));
            }
            self.0.lock().unwrap().push(batch);
        }
    }

    fn start() -> (Writer<Collector>, Batches) {
        let batches = Batches::default();
        let failures = Arc::new(Failures::new("numbers", Counter::default()));
        let writer = Writer::start("numbers", failures, Collector(batches.clone())).unwrap();
        (writer, batches)
    }

    #[test]
    fn a_batch_ends_when_it_is_full_or_something_may_not_wait() {
        let (writer, batches) = start();
        for item in [1, 2, 3, 4, 100, 5] {
            writer.send(item).unwrap();
        }
        writer.flush(Duration::from_secs(5));
        let batches = batches.lock().unwrap();
        assert_eq!(*batches, [vec![1, 2, 3], vec![4, 100], vec![5]]);
    }

    #[test]
    fn a_thread_that_ended_is_told_from_a_slow_disk() {
        let (writer, _) = start();
        writer.send(BROKEN).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while writer.send(1).is_ok() && Instant::now() < deadline {
            std::thread::sleep(LOOK_EVERY);
        }
        assert_eq!(writer.send(1), Err(NotTaken::Gone));
    }
}
