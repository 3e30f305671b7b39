//! How a request gets a worker and a sandbox.
//!
//! A plain program takes its turn first and then a sandbox: its zygote is up, so that takes no longer
//! than a fork. A program with packages may have to wait until they are installed, which others must
//! not feel. So it takes its turn only once a sandbox with its packages is there.

use std::time::Duration;

use tokio::time::Instant;
use tracing::Instrument;

use super::Pool;
use super::admission::NoTurn;
use super::report::Report;
use super::request::ExecutionRequest;
use super::request::PoolError;
use super::shelf::NoSandbox;
use super::status::ZygoteState;
use super::wait::NotTaken;
use super::wait::Taken;
use super::wait::Wait;
use super::zygote_pool::ZygotePool;

/// How long a request with packages may hold a worker without a sandbox. A fork takes a few ms.
const FORK_WITHIN: Duration = Duration::from_millis(100);
/// How often a request that waits for a sandbox looks whether another zygote has to give one up.
const MAKE_ROOM_EVERY: Duration = Duration::from_millis(250);

impl Pool {
    /// Waits for a turn, which `wait` keeps, and for a sandbox.
    pub(super) async fn take_sandbox(
        &self,
        request: &ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Taken, NotTaken> {
        if !request.packages.is_empty() {
            return self.take_with_packages(request, wait).await;
        }
        self.enter(request, wait).await?;
        let pool = self.pool_for(request, wait)?;
        self.make_room_for(&pool);
        let fork = tracing::info_span!("fork");
        let patience = request.job.limits.wall;
        let taken = tokio::time::timeout(patience, pool.shelf.take()).instrument(fork);
        match taken.await {
            Ok(Ok(sandbox)) => Ok(Taken::from(sandbox, &pool)),
            Ok(Err(reason)) => Err(self.no_sandbox(&pool, reason, request)),
            Err(_) => {
                let state = pool.status.get();
                let reason = match state.reason() {
                    Some(reason) => reason.to_owned(),
                    None => format!("it brought no sandbox within {patience:?}"),
                };
                let runtime = request.job.language.runtime();
                Err(PoolError::not_ready(runtime, reason, &state).into())
            }
        }
    }

    async fn take_with_packages(
        &self,
        request: &ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Taken, NotTaken> {
        let limit = request.job.limits.wall;
        loop {
            wait.turn = None;
            let pool = self.pool_for(request, wait)?;
            let place = self.waiting_for_packages.try_acquire();
            let place = place
                .map_err(|_| self.queue_full(self.admission.expected_wait(&request.asks())))?;
            let deadline = wait.asked + wait.queue + limit;
            let fork = tracing::info_span!("fork");
            let there = self.until_idle(&pool, request).instrument(fork);
            match tokio::time::timeout_at(deadline, there).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return Err(self.no_sandbox(&pool, reason, request)),
                Err(_) => {
                    let waited = wait.asked.elapsed();
                    return Err(NotTaken::NotRun(Box::new(Report::still_installing(
                        limit, waited,
                    ))));
                }
            }
            drop(place);
            self.enter(request, wait).await?;
            self.make_room_for(&pool);
            match tokio::time::timeout(FORK_WITHIN, pool.shelf.take()).await {
                Ok(Ok(sandbox)) => {
                    self.count_use(&pool);
                    return Ok(Taken::from(sandbox, &pool));
                }
                Ok(Err(reason)) => return Err(self.no_sandbox(&pool, reason, request)),
                // Others were quicker, or the zygote does not fork.
                Err(_) => {}
            }
        }
    }

    /// Waits until a sandbox is on the shelf, and tells who follows the request why.
    async fn until_idle(
        &self,
        pool: &ZygotePool,
        request: &ExecutionRequest,
    ) -> Result<(), NoSandbox> {
        let idle = self.until_one_is_idle(pool);
        match (&request.live, &pool.progress) {
            (Some(live), Some(progress)) if pool.status.get().pid().is_none() => {
                tokio::select! {
                    idle = idle => idle,
                    never = progress.tell(live) => match never {},
                }
            }
            _ => idle.await,
        }
    }

    async fn until_one_is_idle(&self, pool: &ZygotePool) -> Result<(), NoSandbox> {
        loop {
            if pool.status.get().is_up() {
                self.make_room_for(pool);
            }
            let idle = tokio::time::timeout(MAKE_ROOM_EVERY, pool.shelf.until_idle());
            if let Ok(idle) = idle.await {
                return idle;
            }
        }
    }

    /// Waits for a turn, unless the request has one.
    pub(super) async fn enter(
        &self,
        request: &ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<(), NotTaken> {
        if wait.turn.is_some() {
            return Ok(());
        }
        let began = Instant::now();
        let span = tracing::info_span!("queue");
        let within = self.queue_timeout;
        let within = within.map(|limit| limit.saturating_sub(wait.queue));
        let asks = request.asks();
        let entered = self.admission.enter(&asks, within).instrument(span);
        let entered = entered.await;
        wait.queue += began.elapsed();
        wait.turn = Some(entered.map_err(|no_turn| match no_turn {
            NoTurn::QueueFull { retry_after } => self.queue_full(retry_after),
            NoTurn::TooLate {
                retry_after,
                waited,
            } => self.too_late(retry_after, waited),
        })?);
        Ok(())
    }

    fn queue_full(&self, retry_after: Duration) -> NotTaken {
        self.resources.metrics.found_queue_full();
        NotTaken::Refused(PoolError::QueueFull {
            waiting: self.queue_size,
            retry_after,
        })
    }

    fn too_late(&self, retry_after: Duration, waited: bool) -> NotTaken {
        self.resources.metrics.found_queue_slow();
        let limit = self.queue_timeout.unwrap_or_default();
        NotTaken::Refused(match waited {
            true => PoolError::QueueTimeout { limit, retry_after },
            false => PoolError::QueueTooSlow { limit, retry_after },
        })
    }

    fn no_sandbox(
        &self,
        pool: &ZygotePool,
        reason: NoSandbox,
        request: &ExecutionRequest,
    ) -> NotTaken {
        match (reason, pool.status.get()) {
            (NoSandbox::Stalled(reason), state) => {
                let runtime = request.job.language.runtime();
                NotTaken::Refused(PoolError::not_ready(runtime, reason, &state))
            }
            (NoSandbox::Closed, ZygoteState::Failed { reason, .. }) => {
                NotTaken::NotInstalled(reason)
            }
            (NoSandbox::Closed, state) => {
                let reason = state.reason().unwrap_or("it made room for another");
                NotTaken::Again(reason.to_owned())
            }
        }
    }
}
