//! The way of a request through the pool: a turn and a sandbox, an execution, what becomes of the sandbox. Once
//! more from the beginning if the sandbox breaks before the program starts, or lacks packages.

use std::sync::Arc;

use faas_protocol::Task;
use faas_telemetry::Meter;
use tracing::Instrument;
use tracing::field;

use super::Pool;
use super::execution::Attached;
use super::execution::Execution;
use super::execution::Finished;
use super::imports::Automatic;
use super::kept::Snapshot;
use super::report::Report;
use super::request::ExecutionRequest;
use super::request::PoolError;
use super::request::Start;
use super::sandbox::Sandbox;
use super::sandbox_error::SandboxError;
use super::stats::PoolStats;
use super::tools::Calls;
use super::tools::Worker;
use super::wait::NotTaken;
use super::wait::Taken;
use super::wait::Wait;

/// A program that ran, or did not come to it.
pub(super) struct Ran {
    pub report: Box<Report>,
    /// Whether it began.
    pub began: bool,
    /// Its sandbox, if it was to be kept and stays.
    pub kept: Option<Kept>,
}

/// A sandbox that has run its job, and stays.
pub(super) struct Kept {
    pub sandbox: Box<Sandbox>,
    pub meter: Meter,
}

/// How many sandboxes may break under a job, before its program starts, until the job is given up.
const ATTEMPTS: usize = 3;

impl Pool {
    /// Executes a job in a sandbox of its own, and tells the pool's numbers at its end. Dropping the
    /// future kills the sandbox.
    ///
    /// # Errors
    /// When the job was not started: too many wait, no zygote, shutting down. A program that fails
    /// is a [`Report`], also one whose packages cannot be installed.
    pub async fn execute(
        &self,
        request: ExecutionRequest,
    ) -> Result<(Report, PoolStats), PoolError> {
        let mut wait = Wait::begin();
        let report = match request.start {
            Start::Session(_) => self.execute_in_session(request, &mut wait).await?,
            Start::Fresh | Start::Snapshot(_) => self.execute_alone(request, &mut wait).await?,
        };
        // While it has its turn, so that it is one of those that execute.
        let stats = self.stats();
        drop(wait);
        Ok((report, stats))
    }

    async fn execute_alone(
        &self,
        mut request: ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Report, PoolError> {
        let parent = self.parent_of(&request)?;
        let ran = self.run_program(&mut request, wait, None).await?;
        let Ran {
            mut report,
            began,
            kept,
        } = ran;
        if request.job.keep && began {
            report.snapshot = Some(self.keep(kept, &request, parent).await);
        }
        Ok(*report)
    }

    /// Runs a program, from `head` if there is one, and gives back what is to be kept of it.
    ///
    /// # Errors
    /// As [`Self::execute`].
    pub(super) async fn run_program(
        &self,
        request: &mut ExecutionRequest,
        wait: &mut Wait,
        head: Option<&Arc<Snapshot>>,
    ) -> Result<Ran, PoolError> {
        let mut automatic = Automatic::default();
        // What a snapshot lacks its program installs itself: it has no zygote that could have more.
        if head.is_none()
            && request.start.snapshot().is_none()
            && let Some(packages) = self.imports.of(&request.job)
        {
            automatic.add(packages, request, &self.imports);
        }
        let mut last_error = String::new();
        let mut attempts = 0..ATTEMPTS;
        while attempts.next().is_some() {
            if self.resources.stop.is_cancelled() {
                return Err(PoolError::ShuttingDown);
            }
            wait.any_that_covers = automatic.is_added();
            let taken = match (head, &request.start) {
                (Some(head), _) => self.take_fork(|| Ok(head.clone()), request, wait).await,
                (None, Start::Snapshot(id)) => {
                    let find = || self.snapshots.get(id, &request.owner);
                    self.take_fork(find, request, wait).await
                }
                (None, _) => self.take_sandbox(request, wait).await,
            };
            let taken = match taken {
                Ok(taken) => taken,
                Err(NotTaken::Again(reason)) => {
                    last_error = reason;
                    continue;
                }
                Err(NotTaken::Refused(error)) => return Err(error),
                // Its import says what is missing, unless the program can do without.
                Err(NotTaken::NotInstalled(reason)) if automatic.is_added() => {
                    let taken_back =
                        automatic.take_back(reason, request, &self.imports, &self.packages);
                    taken_back.await;
                    attempts = 0..ATTEMPTS;
                    continue;
                }
                Err(NotTaken::NotInstalled(reason)) => {
                    let report = Report::not_installed(&reason, wait.asked.elapsed());
                    return Ok(self.not_run(request.job.task, Box::new(report)));
                }
                Err(NotTaken::NotRun(report)) => return Ok(self.not_run(request.job.task, report)),
            };
            let meter = taken.meter.clone();
            // In a box, or each future that waits for an execution would be as large, and its type too deep to compile.
            match Box::pin(self.run(taken, request, wait)).await {
                Ok(Finished::Reported { mut report, kept }) => {
                    automatic.explain(&mut report);
                    self.totals.end(request.job.task, &report);
                    return Ok(Ran {
                        report,
                        began: true,
                        kept: kept.map(|sandbox| Kept { sandbox, meter }),
                    });
                }
                Ok(Finished::Lacks(packages)) => {
                    self.totals.take_back(request.job.task);
                    self.imports.remember(&request.job, packages.clone());
                    automatic.add(packages, request, &self.imports);
                    attempts = 0..ATTEMPTS;
                }
                Err(error) => {
                    tracing::warn!(%error, "a sandbox broke before the program started");
                    last_error = error.to_string();
                }
            }
        }
        Err(PoolError::Broken(last_error))
    }

    /// Counts a program that is over before it began.
    fn not_run(&self, task: Task, report: Box<Report>) -> Ran {
        self.totals.begin(task);
        self.totals.end(task, &report);
        Ran {
            report,
            began: false,
            kept: None,
        }
    }

    /// Runs a program in the sandbox that was taken for it.
    async fn run(
        &self,
        taken: Taken,
        request: &mut ExecutionRequest,
        wait: &mut Wait,
    ) -> Result<Finished, SandboxError> {
        let asks = request.asks();
        let job = &request.job;
        let waited = wait.asked.elapsed();
        self.resources.metrics.waited(waited);
        let _active = taken.meter.active();
        let run = tracing::info_span!(
            "run",
            execution.language = job.language.name(),
            execution.status = field::Empty,
            otel.status_code = field::Empty,
        );
        let executed = async {
            let execution = Execution::start(taken.sandbox, job).await?;
            self.totals.begin(job.task);
            let worker = Worker {
                admission: &self.admission,
                asks,
                permit: &mut wait.turn,
            };
            let live = request.live.as_ref();
            let metrics = &self.resources.metrics;
            let line = request.tools.as_mut();
            let mut calls = line.map(|line| Calls::new(line, worker, metrics, live));
            let attached = Attached {
                live,
                rows: request.rows.as_ref(),
                interrupt: request.interrupt.as_deref(),
            };
            Ok::<_, SandboxError>(
                execution
                    .finish(&self.packages, attached, calls.as_mut())
                    .await,
            )
        };
        let executed = executed.instrument(run.clone()).await;
        // A program that fails is no fault of the service; a sandbox that breaks is.
        let mut finished = executed.inspect_err(|_| {
            run.record("otel.status_code", "ERROR");
        })?;
        if let Finished::Reported { report, .. } = &mut finished {
            run.record("execution.status", report.status.name());
            report.timings.queue = wait.queue;
            report.timings.sandbox = waited.saturating_sub(wait.queue);
        }
        Ok(finished)
    }
}
