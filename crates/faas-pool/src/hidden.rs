//! Finds processes that native code in a zygote forked on its own account.
//!
//! A zygote may fork siblings, since that is its work, and none of them ends with it. One that it tells of
//! gets an owner; any other would live on, unseen. Since all are children of the thread that starts
//! zygotes, whose children are nothing else, the kernel's list of those shows them.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use faas_telemetry::Metrics;
use rustix::thread::Pid;
use tokio_util::sync::CancellationToken;

use super::process::ChildProcess;
use super::process::is_claimed;
use super::zygote::ANSWERS_WITHIN;

/// How often the children are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// Looks in a row, at most, once one was found: it may fork faster than its forks get old.
const MOST_LOOKS: usize = 1000;

/// The children of the thread that starts zygotes which nobody has charge of.
#[derive(Debug)]
pub struct Hidden {
    list: PathBuf,
    /// When each was first seen. Nobody but an owner reaps a child, so a number stays the same process's.
    first_seen: HashMap<i32, Instant>,
}

impl Hidden {
    pub fn children_of(thread: Pid) -> Self {
        Self {
            list: format!("/proc/self/task/{}/children", thread.as_raw_nonzero()).into(),
            first_seen: HashMap::new(),
        }
    }

    /// Kills those that have been there for so long, has them reaped, and returns how many there were.
    ///
    /// # Errors
    /// When the kernel does not list children.
    pub fn kill(&mut self, older_than: Duration) -> std::io::Result<usize> {
        let list = std::fs::read_to_string(&self.list)?;
        let children = list.split_ascii_whitespace().map(str::parse::<i32>);
        let children: Vec<i32> = children.flatten().filter(|&pid| !is_claimed(pid)).collect();
        self.first_seen.retain(|pid, _| children.contains(pid));
        let now = Instant::now();
        let mut killed = 0;
        for pid in children {
            let first_seen = *self.first_seen.entry(pid).or_insert(now);
            if now.saturating_duration_since(first_seen) < older_than {
                continue;
            }
            // Held for a moment, it dies. One that got its owner just now is not taken from it.
            if let Ok(child) = ChildProcess::adopt(pid, ()) {
                drop(child);
                killed += 1;
            }
        }
        Ok(killed)
    }

    /// Looks until `stop`, and counts.
    pub async fn watch(mut self, metrics: Arc<Metrics>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            // A zygote that takes longer to tell of a fork is down.
            let killed = match self.kill(ANSWERS_WITHIN) {
                Ok(0) => continue,
                Ok(killed) => killed + self.kill_all().await,
                Err(error) => {
                    tracing::warn!(%error, "processes that a zygote hides cannot be found: the kernel does not list children");
                    return;
                }
            };
            metrics.hidden_processes.inc_by(killed as u64);
            tracing::error!(killed, "killed processes that a zygote had forked unasked");
        }
    }

    /// Kills the young, too, until none is left. A fork under way may be among them, and is made again.
    async fn kill_all(&mut self) -> usize {
        let mut killed = 0;
        for _ in 0..MOST_LOOKS {
            match self.kill(Duration::ZERO) {
                Ok(0) | Err(_) => break,
                Ok(more) => killed += more,
            }
            tokio::task::yield_now().await;
        }
        killed
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn is_alive(pid: i32) -> bool {
        std::path::Path::new(&format!("/proc/{pid}")).exists()
    }

    #[expect(
        clippy::zombie_processes,
        reason = "they are killed and reaped by what is tested"
    )]
    fn child() -> i32 {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        i32::try_from(child.id()).unwrap()
    }

    #[tokio::test]
    async fn a_child_that_nobody_has_charge_of_is_killed_when_it_is_old() {
        // On a thread of its own, as in the launcher: other tests' children are not its.
        let (send, receive) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let parent = std::thread::spawn(move || {
            let thread = rustix::thread::gettid();
            send.send((thread, child(), child())).unwrap();
            ended.recv().unwrap_err();
        });
        let (thread, hidden, owned) = receive.recv().unwrap();
        let owner = ChildProcess::adopt(owned, ()).unwrap();
        let mut children = Hidden::children_of(thread);
        assert_eq!(children.kill(Duration::from_secs(60)).unwrap(), 0);
        assert!(is_alive(hidden), "it may be a fork under way");
        assert_eq!(children.kill(Duration::ZERO).unwrap(), 1);
        assert_eq!(
            children.kill(Duration::ZERO).unwrap(),
            0,
            "it has an owner now"
        );
        while is_alive(hidden) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(is_alive(owner.pid()));
        drop(end);
        parent.join().unwrap();
    }

    #[tokio::test]
    async fn what_is_hidden_is_counted_and_what_hides_behind_it_dies_too() {
        let (send, receive) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let parent = std::thread::spawn(move || {
            send.send((rustix::thread::gettid(), child())).unwrap();
            ended.recv().unwrap_err();
        });
        let (thread, old) = receive.recv().unwrap();
        let mut children = Hidden::children_of(thread);
        let long_ago = Instant::now().checked_sub(ANSWERS_WITHIN).unwrap();
        children.first_seen.insert(old, long_ago);
        let metrics = Arc::new(Metrics::new([], []));
        let stop = CancellationToken::new();
        let watch = tokio::spawn(children.watch(metrics.clone(), stop.clone()));
        while metrics.hidden_processes.get() == 0 || is_alive(old) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert_eq!(metrics.hidden_processes.get(), 1);
        stop.cancel();
        watch.await.unwrap();
        drop(end);
        parent.join().unwrap();
    }
}
