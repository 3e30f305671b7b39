//! What operators see of the service: logs, traces, metrics, audit log, history of executions.

mod audit;
mod execution;
mod failures;
mod history;
mod logging;
mod meter;
mod metrics;
mod time;
mod traces;
mod writer;

pub use audit::AuditLog;
pub use execution::Bodies;
pub use execution::End;
pub use execution::Execution;
pub use execution::Fate;
pub use execution::LimitsRecord;
pub use execution::Refusal;
pub use execution::UsageRecord;
pub use execution::cut;
pub use failures::FailureState;
pub use failures::Failures;
pub use history::Entry;
pub use history::Filter;
pub use history::History;
pub use history::HistoryError;
pub use history::HistorySettings;
pub use logging::LogFormat;
pub use logging::start_logging;
pub use meter::Gauged;
pub use meter::Meter;
pub use metrics::Metrics;
pub use metrics::SandboxKind;
pub use metrics::SandboxState;
pub use time::rfc3339;
pub use traces::Traces;
pub use traces::continue_trace;
