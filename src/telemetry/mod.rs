//! What operators see of the service: logs, traces, metrics, audit log, history of executions.

mod audit;
mod execution;
mod failures;
mod history;
mod logging;
mod meter;
mod metrics;
mod traces;

pub use audit::AuditLog;
pub use execution::Bodies;
pub use execution::EffectiveLimits;
pub use execution::End;
pub use execution::Execution;
pub use execution::Used;
pub use execution::cut;
pub use failures::Failures;
pub use history::Entry;
pub use history::Filter;
pub use history::History;
pub use history::HistoryError;
pub use history::HistorySettings;
pub use logging::start_logging;
pub use meter::Gauged;
pub use meter::Meter;
pub use metrics::Limit;
pub use metrics::Metrics;
pub use metrics::Outcome;
pub use metrics::SandboxKind;
pub use metrics::SandboxState;
pub use traces::Traces;
pub use traces::continue_trace;
