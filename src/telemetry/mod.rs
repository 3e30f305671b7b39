//! What operators see of the service: metrics, audit log, history of executions.

mod audit;
mod execution;
mod failures;
mod history;
mod meter;
mod metrics;

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
pub use meter::Gauged;
pub use meter::Meter;
pub use metrics::Limit;
pub use metrics::Metrics;
pub use metrics::Outcome;
pub use metrics::SandboxKind;
pub use metrics::SandboxState;
