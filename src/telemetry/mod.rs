//! What operators see of the service: metrics.

mod meter;
mod metrics;

pub use meter::Gauged;
pub use meter::Meter;
pub use metrics::Limit;
pub use metrics::Metrics;
pub use metrics::SandboxKind;
pub use metrics::SandboxState;
