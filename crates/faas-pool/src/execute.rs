//! The way of a request through the pool: a turn and a sandbox, an execution, what becomes of the sandbox. Once
//! more from the beginning if the sandbox breaks before the program starts, or lacks packages.

use faas_protocol::Task;
use tracing::Instrument;
use tracing::field;

use super::Pool;
use super::execution::Execution;
use super::execution::Finished;
use super::imports::Automatic;
use super::report::Report;
use super::request::ExecutionRequest;
use super::request::PoolError;
use super::sandbox_error::SandboxError;
use super::stats::PoolStats;
use super::wait::NotTaken;
use super::wait::Taken;
use super::wait::Wait;

/// How many sandboxes may break under a job, before its program starts, until the job is given up.
const ATTEMPTS: usize = 3;

impl Pool {
    /// Executes a job in a fresh sandbox, and tells the pool's numbers at its end. Dropping the
    /// future kills the sandbox.
    ///
    /// # Errors
    /// When the job was not started: too many wait, no zygote, shutting down. A program that fails
    /// is a [`Report`], also one whose packages cannot be installed.
    pub async fn execute(
        &self,
        request: ExecutionRequest,
    ) -> Result<(Report, PoolStats), PoolError> {
        let mut request = request;
        let mut wait = Wait::begin();
        let parent = self.parent_of(&request)?;
        let mut automatic = Automatic::default();
        // What a snapshot lacks its program installs itself: it has no zygote that could have more.
        if request.from.is_none()
            && let Some(packages) = self.imports.of(&request.job)
        {
            automatic.add(packages, &mut request, &self.imports);
        }
        let mut last_error = String::new();
        let mut attempts = 0..ATTEMPTS;
        while attempts.next().is_some() {
            if self.resources.stop.is_cancelled() {
                return Err(PoolError::ShuttingDown);
            }
            wait.any_that_covers = automatic.is_added();
            let taken = match &request.from {
                Some(id) => self.take_fork_of(id, &request, &mut wait).await,
                None => self.take_sandbox(&request, &mut wait).await,
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
                        automatic.take_back(reason, &mut request, &self.imports, &self.packages);
                    taken_back.await;
                    attempts = 0..ATTEMPTS;
                    continue;
                }
                Err(NotTaken::NotInstalled(reason)) => {
                    let report = Report::not_installed(&reason, wait.asked.elapsed());
                    return Ok(self.not_run(request.job.task, report));
                }
                Err(NotTaken::NotRun(report)) => {
                    return Ok(self.not_run(request.job.task, *report));
                }
            };
            let meter = request.job.keep.then(|| taken.meter.clone());
            match self.run(taken, &request, &wait).await {
                Ok(Finished::Reported { mut report, kept }) => {
                    automatic.explain(&mut report);
                    if let Some(meter) = meter {
                        let kept = self.keep(kept, &request, meter, parent).await;
                        report.snapshot = Some(kept);
                    }
                    self.totals.end(request.job.task, &report);
                    return Ok((*report, self.stats()));
                }
                Ok(Finished::Lacks(packages)) => {
                    self.totals.take_back(request.job.task);
                    self.imports.remember(&request.job, packages.clone());
                    automatic.add(packages, &mut request, &self.imports);
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
    fn not_run(&self, task: Task, report: Report) -> (Report, PoolStats) {
        self.totals.begin(task);
        self.totals.end(task, &report);
        (report, self.stats())
    }

    /// Runs a program in the sandbox that was taken for it.
    async fn run(
        &self,
        taken: Taken,
        request: &ExecutionRequest,
        wait: &Wait,
    ) -> Result<Finished, SandboxError> {
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
            let (live, rows) = (request.live.as_ref(), request.rows.as_ref());
            Ok::<_, SandboxError>(execution.finish(&self.packages, live, rows).await)
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
