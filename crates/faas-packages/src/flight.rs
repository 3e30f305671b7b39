//! Single flight: one piece of work per key, however many wait for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::Mutex;

use futures_util::future::FutureExt;
use futures_util::future::Shared;
use tokio::sync::oneshot;

use super::error::PackageError;
use super::threads::guard;

type Outcome<T> = Result<T, PackageError>;
type Running<K, T> = Arc<Mutex<HashMap<K, Shared<oneshot::Receiver<Outcome<T>>>>>>;

/// Work in progress by key.
pub struct SingleFlight<K, T: Clone> {
    running: Running<K, T>,
}

impl<K, T> SingleFlight<K, T>
where
    K: Clone + Eq + Hash + Send + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub fn new() -> Self {
        Self {
            running: Arc::default(),
        }
    }

    /// Waits for the work on `key`, and starts it if no one has yet. It runs in its own task, so
    /// it goes on for the others when a caller goes away.
    pub async fn join(
        &self,
        key: K,
        work: impl Future<Output = Outcome<T>> + Send + 'static,
    ) -> Outcome<T> {
        let (waiting, start) = {
            let mut running = guard(&self.running);
            if let Some(waiting) = running.get(&key) {
                (waiting.clone(), None)
            } else {
                let (done, waiting) = oneshot::channel();
                let waiting = waiting.shared();
                running.insert(key.clone(), waiting.clone());
                (waiting, Some(done))
            }
        };
        if let Some(done) = start {
            // Outside the lock: a runtime that shuts down drops the task, and its landing, here.
            let landing = Landing {
                running: self.running.clone(),
                key,
            };
            tokio::spawn(async move {
                let outcome = work.await;
                drop(landing);
                // An error only means that no one is waiting any more.
                let _ = done.send(outcome);
            });
        }
        waiting
            .await
            .unwrap_or_else(|gone| Err(PackageError::store("waiting for a shared request", &gone)))
    }
}

/// Removes the key from the map when the work ends, even if it panics.
struct Landing<K: Eq + Hash, T: Clone> {
    running: Running<K, T>,
    key: K,
}

impl<K: Eq + Hash, T: Clone> Drop for Landing<K, T> {
    fn drop(&mut self) {
        guard(&self.running).remove(&self.key);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn work_outlives_the_caller_that_started_it() {
        let flights = Arc::new(SingleFlight::new());
        let runs = Arc::new(AtomicUsize::new(0));
        let ask = |flights: Arc<SingleFlight<u8, u8>>, runs: Arc<AtomicUsize>| async move {
            let work = async move {
                tokio::time::sleep(Duration::from_millis(50)).await;
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(7)
            };
            flights.join(1, work).await
        };
        let first = tokio::spawn(ask(flights.clone(), runs.clone()));
        let second = tokio::spawn(ask(flights.clone(), runs.clone()));
        tokio::time::sleep(Duration::from_millis(10)).await;
        first.abort();
        assert_eq!(second.await.unwrap(), Ok(7));
        assert_eq!(runs.load(Ordering::SeqCst), 1);
        assert!(guard(&flights.running).is_empty());
    }

    #[tokio::test]
    async fn a_panic_is_an_error_and_frees_the_key() {
        let flights = SingleFlight::<u8, u8>::new();
        let outcome = flights.join(1, async { panic!("boom") }).await;
        assert_eq!(outcome, Err(PackageError::Store));
        assert_eq!(flights.join(1, async { Ok(3) }).await, Ok(3));
    }
}
