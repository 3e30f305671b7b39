//! The numbers behind `GET /metrics`. Every set of labels is closed: languages, statuses, limits,
//! routes of this program. What a caller sends never becomes a label.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use faas_protocol::Language;
use faas_protocol::Limit;
use faas_protocol::Runtime;
use faas_protocol::Status;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::execution::Fate;
use super::labels::BuildLabels;
use super::labels::CellEnd;
use super::labels::ExecutionLabels;
use super::labels::Holder;
use super::labels::HolderLabels;
use super::labels::JobState;
use super::labels::LanguageLabels;
use super::labels::LimitLabels;
use super::labels::OutcomeLabels;
use super::labels::QUEUE;
use super::labels::QUEUE_TIME;
use super::labels::ReasonLabels;
use super::labels::RequestLabels;
use super::labels::RouteLabels;
use super::labels::RowLabels;
use super::labels::RuntimeLabels;
use super::labels::SandboxKind;
use super::labels::SandboxLabels;
use super::labels::SandboxState;
use super::labels::SessionEnd;
use super::labels::SignalLabels;
use super::labels::SnapshotEnd;
use super::labels::StateLabels;
use super::labels::ToolCallEnd;
use super::labels::WebhookEnd;
use super::labels::limit_names;
use super::labels::signal_name;
use super::labels::signal_names;
use super::process::ProcessCollector;

/// Upper bounds in seconds for things that take from under a millisecond to minutes.
const BUCKETS: [f64; 19] = [
    0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0, 120.0, 300.0,
];
/// The same for the boot of a zygote: a fork with packages takes tens of ms, Pyodide seconds.
const BOOT_BUCKETS: [f64; 13] = [
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 30.0, 60.0,
];

/// How an execution ended.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    pub status: Status,
    pub wall: Duration,
    pub cpu: Duration,
    /// Whether output was cut off.
    pub truncated: bool,
    /// The signal that killed its sandbox, if the server did not send it.
    pub signal: Option<i32>,
}

/// The limit that an execution ran into, if any.
fn limit_hit(status: Status, truncated: bool) -> Option<Limit> {
    match status {
        Status::Exceeded(limit) => Some(limit),
        Status::Success | Status::Error | Status::Violation | Status::Killed => {
            truncated.then_some(Limit::Output)
        }
    }
}

type Histograms<L> = Family<L, Histogram>;

/// Seconds that add up.
type Seconds = Counter<f64, AtomicU64>;

/// The counters, gauges and histograms of the service.
#[derive(Debug)]
pub struct Metrics {
    executions: Family<ExecutionLabels, Counter>,
    execution_duration: Histograms<LanguageLabels>,
    execution_cpu: Family<LanguageLabels, Seconds>,
    killed: Family<SignalLabels, Counter>,
    queue_wait: Histogram,
    fork: Histograms<RuntimeLabels>,
    boot: Histograms<RuntimeLabels>,
    sandboxes: Family<SandboxLabels, Gauge>,
    up: Family<RuntimeLabels, Gauge>,
    restarts: Family<RuntimeLabels, Counter>,
    boot_failures: Family<RuntimeLabels, Counter>,
    install_failures: Counter,
    limits: Family<LimitLabels, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_duration: Histograms<RouteLabels>,
    kept: Family<HolderLabels, Gauge>,
    most_kept: Family<HolderLabels, Gauge>,
    pub batches: Counter,
    batch_rows: Family<RowLabels, Counter>,
    pub batch_rows_running: Gauge,
    pub hidden_processes: Counter,
    pub forks_refused: Counter,
    pub snapshots_kept: Counter,
    pub snapshot_forks: Counter,
    snapshots_gone: Family<ReasonLabels, Counter>,
    pub sessions_opened: Counter,
    sessions_ended: Family<ReasonLabels, Counter>,
    cells: Family<StateLabels, Counter>,
    pub programs_with_tools: Gauge,
    tool_calls: Family<OutcomeLabels, Counter>,
    tool_wait: Histogram,
    jobs: Family<StateLabels, Gauge>,
    pub job_results: Counter,
    job_webhooks: Family<OutcomeLabels, Counter>,
    pub job_write_failures: Counter,
    pub history_write_failures: Counter,
    pub audit_write_failures: Counter,
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn boot_histogram() -> Histogram {
    Histogram::new(BOOT_BUCKETS)
}

impl Metrics {
    /// All at zero. Every series that a server with these languages and runtimes can have exists
    /// from the start, so that an alert sees the first change.
    pub fn new(
        languages: impl IntoIterator<Item = Language>,
        runtimes: impl IntoIterator<Item = Runtime>,
    ) -> Self {
        let metrics = Self {
            executions: Family::default(),
            execution_duration: Family::new_with_constructor(histogram),
            execution_cpu: Family::default(),
            killed: Family::default(),
            queue_wait: histogram(),
            fork: Family::new_with_constructor(histogram),
            boot: Family::new_with_constructor(boot_histogram),
            sandboxes: Family::default(),
            up: Family::default(),
            restarts: Family::default(),
            boot_failures: Family::default(),
            install_failures: Counter::default(),
            limits: Family::default(),
            requests: Family::default(),
            request_duration: Family::new_with_constructor(histogram),
            kept: Family::default(),
            most_kept: Family::default(),
            batches: Counter::default(),
            batch_rows: Family::default(),
            batch_rows_running: Gauge::default(),
            hidden_processes: Counter::default(),
            forks_refused: Counter::default(),
            snapshots_kept: Counter::default(),
            snapshot_forks: Counter::default(),
            snapshots_gone: Family::default(),
            sessions_opened: Counter::default(),
            sessions_ended: Family::default(),
            cells: Family::default(),
            programs_with_tools: Gauge::default(),
            tool_calls: Family::default(),
            tool_wait: histogram(),
            jobs: Family::default(),
            job_results: Counter::default(),
            job_webhooks: Family::default(),
            job_write_failures: Counter::default(),
            history_write_failures: Counter::default(),
            audit_write_failures: Counter::default(),
        };
        for language in languages {
            let language = language.name();
            for fate in Fate::OF_BEGUN {
                let status = fate.name();
                let labels = ExecutionLabels { language, status };
                drop(metrics.executions.get_or_create(&labels));
            }
            let labels = LanguageLabels { language };
            drop(metrics.execution_duration.get_or_create(&labels));
            drop(metrics.execution_cpu.get_or_create(&labels));
        }
        for limit in limit_names() {
            drop(metrics.limits.get_or_create(&LimitLabels { limit }));
        }
        for status in Status::ALL.map(Some).into_iter().chain([None]) {
            metrics
                .batch_rows
                .get_or_create(&RowLabels::of(status))
                .inc_by(0);
        }
        for signal in signal_names() {
            drop(metrics.killed.get_or_create(&SignalLabels { signal }));
        }
        for end in SnapshotEnd::ALL {
            metrics.snapshots_gone.get_or_create(&end.into()).inc_by(0);
        }
        for end in SessionEnd::ALL {
            metrics.sessions_ended.get_or_create(&end.into()).inc_by(0);
        }
        for end in CellEnd::ALL {
            metrics.cells.get_or_create(&end.into()).inc_by(0);
        }
        for end in ToolCallEnd::ALL {
            metrics.tool_calls.get_or_create(&end.into()).inc_by(0);
        }
        for state in JobState::ALL {
            metrics.has_jobs(state, 0);
        }
        for end in WebhookEnd::ALL {
            metrics.job_webhooks.get_or_create(&end.into()).inc_by(0);
        }
        for holder in Holder::ALL {
            metrics.keeps(holder, 0, 0);
        }
        for runtime in runtimes {
            metrics.open(SandboxKind::Runtime(runtime));
            metrics.set_up(runtime, false);
            let runtime = runtime.name();
            let labels = RuntimeLabels { runtime };
            drop(metrics.boot_failures.get_or_create(&labels));
        }
        metrics
    }

    /// Counts a row of a batch that was answered: with the status of its program, or none if it was not executed.
    pub fn row_answered(&self, status: Option<Status>) {
        self.batch_rows.get_or_create(&RowLabels::of(status)).inc();
    }

    /// Counts a snapshot that is gone.
    pub fn snapshot_gone(&self, end: SnapshotEnd) {
        self.snapshots_gone.get_or_create(&end.into()).inc();
    }

    /// Counts a session that is over.
    pub fn session_ended(&self, end: SessionEnd) {
        self.sessions_ended.get_or_create(&end.into()).inc();
    }

    /// Counts a cell of a session.
    pub fn cell_ended(&self, end: CellEnd) {
        self.cells.get_or_create(&end.into()).inc();
    }

    /// Counts a call of a tool that is over, after so long.
    pub fn tool_called(&self, end: ToolCallEnd, wait: Duration) {
        self.tool_calls.get_or_create(&end.into()).inc();
        if matches!(end, ToolCallEnd::Answered | ToolCallEnd::Failed) {
            self.tool_wait.observe(wait.as_secs_f64());
        }
    }

    /// Notes how many jobs there are in a state.
    pub fn has_jobs(&self, state: JobState, count: u64) {
        let gauge = self.jobs.get_or_create(&state.into());
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Counts an attempt to send a message about a job's end.
    pub fn webhook_sent(&self, end: WebhookEnd) {
        self.job_webhooks.get_or_create(&end.into()).inc();
    }

    /// Creates the series of a kind of sandbox.
    pub fn open(&self, kind: SandboxKind) {
        let runtime = kind.name();
        let labels = RuntimeLabels { runtime };
        drop(self.fork.get_or_create(&labels));
        drop(self.boot.get_or_create(&labels));
        drop(self.restarts.get_or_create(&labels));
        for state in SandboxState::ALL {
            drop(self.sandboxes(kind, state));
        }
    }

    /// The kinds of sandboxes that this server has had so far.
    pub fn open_kinds(&self) -> impl Iterator<Item = SandboxKind> {
        let is_open = |kind: &SandboxKind| {
            let runtime = kind.name();
            self.restarts.get(&RuntimeLabels { runtime }).is_some()
        };
        SandboxKind::all().filter(is_open)
    }

    /// A registry that reads from these numbers.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register(
            "faas_executions",
            "Programs started, by how they ended",
            self.executions.clone(),
        );
        registry.register(
            "faas_execution_duration_seconds",
            "Wall time of programs in their sandboxes",
            self.execution_duration.clone(),
        );
        registry.register(
            "faas_execution_cpu_seconds",
            "CPU time of programs in their sandboxes",
            self.execution_cpu.clone(),
        );
        registry.register(
            "faas_sandboxes_killed",
            "Programs whose sandbox was ended by a signal that the server did not send",
            self.killed.clone(),
        );
        registry.register(
            "faas_queue_wait_seconds",
            "Time that requests waited for a sandbox",
            self.queue_wait.clone(),
        );
        registry.register(
            "faas_fork_seconds",
            "Time from asking a zygote for a sandbox until it was ready",
            self.fork.clone(),
        );
        registry.register(
            "faas_zygote_boot_seconds",
            "Time that zygotes took to start",
            self.boot.clone(),
        );
        registry.register(
            "faas_pool_sandboxes",
            "Sandboxes alive, by state",
            self.sandboxes.clone(),
        );
        registry.register(
            "faas_zygote_up",
            "Whether the zygote of a runtime serves: 1 or 0",
            self.up.clone(),
        );
        registry.register(
            "faas_zygote_boot_failures",
            "Zygotes that did not come up",
            self.boot_failures.clone(),
        );
        registry.register(
            "faas_package_install_failures",
            "Package sets that could not be installed",
            self.install_failures.clone(),
        );
        registry.register(
            "faas_zygote_restarts",
            "Zygotes that went down after serving",
            self.restarts.clone(),
        );
        registry.register(
            "faas_limits_hit",
            "Requests that ran into a limit",
            self.limits.clone(),
        );
        registry.register(
            "faas_http_requests",
            "Requests answered; code 499 if the caller hung up first",
            self.requests.clone(),
        );
        registry.register(
            "faas_http_request_duration_seconds",
            "Time from the head of a request to the end of its answer",
            self.request_duration.clone(),
        );
        registry.register(
            "faas_kept_bytes",
            "Bytes of requests, of answers, and of package files on disk",
            self.kept.clone(),
        );
        registry.register(
            "faas_kept_bytes_max",
            "What these bytes may be at most",
            self.most_kept.clone(),
        );
        registry.register("faas_batches", "Batches that began", self.batches.clone());
        registry.register(
            "faas_batch_rows",
            "Rows of batches that were answered, by how they ended",
            self.batch_rows.clone(),
        );
        registry.register(
            "faas_batch_rows_running",
            "Rows of batches that are running or wait for their turn",
            self.batch_rows_running.clone(),
        );
        registry.register(
            "faas_hidden_processes_killed",
            "Processes that a zygote forked unasked, found and killed",
            self.hidden_processes.clone(),
        );
        registry.register(
            "faas_forks_refused",
            "Forks of sandboxes that nobody asked for; their processes were ended",
            self.forks_refused.clone(),
        );
        registry.register(
            "faas_snapshots_kept",
            "Programs whose sandboxes were kept as snapshots",
            self.snapshots_kept.clone(),
        );
        registry.register(
            "faas_snapshot_forks",
            "Sandboxes forked from snapshots",
            self.snapshot_forks.clone(),
        );
        registry.register(
            "faas_snapshots_gone",
            "Snapshots that are gone, by why",
            self.snapshots_gone.clone(),
        );
        registry.register(
            "faas_sessions_opened",
            "Sessions that were opened, with forks of others",
            self.sessions_opened.clone(),
        );
        registry.register(
            "faas_sessions_ended",
            "Sessions that are over, by why",
            self.sessions_ended.clone(),
        );
        registry.register(
            "faas_session_cells",
            "Cells that ran in sessions, by whether the session has what they left",
            self.cells.clone(),
        );
        registry.register(
            "faas_programs_with_tools",
            "Programs whose callers lent them tools, running or waiting for answers",
            self.programs_with_tools.clone(),
        );
        registry.register(
            "faas_tool_calls",
            "Calls of callers' tools by programs, by how they ended",
            self.tool_calls.clone(),
        );
        registry.register(
            "faas_tool_wait_seconds",
            "Time from a call of a tool to its answer",
            self.tool_wait.clone(),
        );
        registry.register(
            "faas_jobs",
            "Jobs that are kept, by state",
            self.jobs.clone(),
        );
        registry.register(
            "faas_job_results",
            "Results of jobs that were recorded",
            self.job_results.clone(),
        );
        registry.register(
            "faas_job_webhooks",
            "Attempts to tell of the end of a job, by what became of them",
            self.job_webhooks.clone(),
        );
        registry.register(
            "faas_job_write_failures",
            "Results of jobs that could not be written at once",
            self.job_write_failures.clone(),
        );
        registry.register(
            "faas_history_write_failures",
            "Executions missing from the history",
            self.history_write_failures.clone(),
        );
        registry.register(
            "faas_audit_write_failures",
            "Lines missing from the audit log",
            self.audit_write_failures.clone(),
        );
        let build = Family::<BuildLabels, Gauge>::default();
        let version = env!("CARGO_PKG_VERSION");
        build.get_or_create(&BuildLabels { version }).set(1);
        registry.register("faas_build_info", "1, with the version", build);
        registry.register_collector(Box::new(ProcessCollector::new()));
        registry
    }

    /// Counts an execution that ended.
    pub fn executed(&self, language: Language, ended: Ended) {
        self.count_execution(language, Fate::Ended(ended.status));
        let language = language.name();
        let labels = LanguageLabels { language };
        let duration = self.execution_duration.get_or_create(&labels);
        duration.observe(ended.wall.as_secs_f64());
        let cpu = self.execution_cpu.get_or_create(&labels);
        cpu.inc_by(ended.cpu.as_secs_f64());
        if let Some(limit) = limit_hit(ended.status, ended.truncated) {
            self.hit(limit);
        }
        if let Some(signal) = ended.signal.map(signal_name) {
            self.killed.get_or_create(&SignalLabels { signal }).inc();
        }
    }

    /// Counts an execution that was given up before its end, and how.
    pub fn given_up(&self, language: Language, fate: Fate) {
        self.count_execution(language, fate);
    }

    fn count_execution(&self, language: Language, fate: Fate) {
        let labels = ExecutionLabels {
            language: language.name(),
            status: fate.name(),
        };
        self.executions.get_or_create(&labels).inc();
    }

    fn hit(&self, limit: Limit) {
        let limit = limit.name();
        self.limits.get_or_create(&LimitLabels { limit }).inc();
    }

    /// Counts a request that was refused because the queue was full.
    pub fn found_queue_full(&self) {
        let labels = LimitLabels { limit: QUEUE };
        self.limits.get_or_create(&labels).inc();
    }

    /// Counts a request that was refused because no turn came in time, or would.
    pub fn found_queue_slow(&self) {
        let labels = LimitLabels { limit: QUEUE_TIME };
        self.limits.get_or_create(&labels).inc();
    }

    /// Counts the time that a request waited for its sandbox.
    pub fn waited(&self, duration: Duration) {
        self.queue_wait.observe(duration.as_secs_f64());
    }

    pub fn forked(&self, kind: SandboxKind, duration: Duration) {
        let labels = RuntimeLabels {
            runtime: kind.name(),
        };
        let fork = self.fork.get_or_create(&labels);
        fork.observe(duration.as_secs_f64());
    }

    pub fn booted(&self, kind: SandboxKind, duration: Duration) {
        let labels = RuntimeLabels {
            runtime: kind.name(),
        };
        let boot = self.boot.get_or_create(&labels);
        boot.observe(duration.as_secs_f64());
    }

    /// Notes whether the zygote of a runtime serves.
    pub fn set_up(&self, runtime: Runtime, is_up: bool) {
        let runtime = runtime.name();
        let up = self.up.get_or_create(&RuntimeLabels { runtime });
        up.set(i64::from(is_up));
    }

    /// Counts a zygote that did not come up.
    pub fn boot_failed(&self, kind: SandboxKind) {
        match kind {
            SandboxKind::Runtime(runtime) => {
                let runtime = runtime.name();
                let labels = RuntimeLabels { runtime };
                self.boot_failures.get_or_create(&labels).inc();
            }
            // Mostly for what callers asked for: an alert about zygotes is not to see it.
            SandboxKind::WithPackages(_) => {
                self.install_failures.inc();
            }
        }
    }

    /// Notes how many bytes somebody keeps, and may.
    pub fn keeps(&self, holder: Holder, bytes: u64, most: u64) {
        let holder = holder.name();
        let labels = HolderLabels { holder };
        let set = |family: &Family<HolderLabels, Gauge>, bytes| {
            let gauge = family.get_or_create(&labels);
            gauge.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        };
        set(&self.kept, bytes);
        set(&self.most_kept, most);
    }

    pub fn restarted(&self, kind: SandboxKind) {
        let runtime = kind.name();
        self.restarts
            .get_or_create(&RuntimeLabels { runtime })
            .inc();
    }

    /// The gauge of sandboxes in a state.
    pub fn sandboxes(&self, kind: SandboxKind, state: SandboxState) -> Gauge {
        self.sandboxes.get_or_create_owned(&SandboxLabels {
            runtime: kind.name(),
            state: state.name(),
        })
    }

    /// Creates the series of an answer that there may be, so that an alert sees the first one.
    pub fn expect_answer(&self, route: &str, method: &'static str, code: u16) {
        let route = route.to_owned();
        let labels = RouteLabels {
            route: route.clone(),
        };
        drop(self.request_duration.get_or_create(&labels));
        let labels = RequestLabels {
            route,
            method,
            code,
        };
        drop(self.requests.get_or_create(&labels));
    }

    /// Counts an answered request. `route`: a route's pattern, never a path as it was sent.
    pub fn answered(&self, route: &str, method: &'static str, code: u16, duration: Duration) {
        let route = route.to_owned();
        let labels = RouteLabels {
            route: route.clone(),
        };
        let durations = self.request_duration.get_or_create(&labels);
        durations.observe(duration.as_secs_f64());
        let labels = RequestLabels {
            route,
            method,
            code,
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Executions by language and status.
    pub fn execution_counts(
        &self,
        languages: impl Iterator<Item = Language>,
    ) -> BTreeMap<&'static str, BTreeMap<&'static str, u64>> {
        let count = |language: Language| {
            let language = language.name();
            let counts = Fate::OF_BEGUN.map(|fate| {
                let status = fate.name();
                let labels = ExecutionLabels { language, status };
                (status, self.executions.get_or_create(&labels).get())
            });
            (language, BTreeMap::from(counts))
        };
        languages.map(count).collect()
    }

    /// Requests that ran into a limit, by its name.
    pub fn limit_counts(&self) -> BTreeMap<&'static str, u64> {
        let count = |limit| {
            let counter = self.limits.get_or_create(&LimitLabels { limit });
            (limit, counter.get())
        };
        limit_names().map(count).collect()
    }

    /// Zygotes that went down, of one kind.
    pub fn restart_count(&self, kind: SandboxKind) -> u64 {
        let runtime = kind.name();
        let restarts = self.restarts.get_or_create(&RuntimeLabels { runtime });
        restarts.get()
    }
}
