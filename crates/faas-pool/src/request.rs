//! What is asked of the pool, and why it may refuse.

use faas_protocol::Job;
use faas_protocol::Priority;
use faas_protocol::Runtime;

use super::live::Live;
use super::package_set::PackageSet;

/// What to execute, and how.
#[derive(Debug)]
pub struct ExecutionRequest {
    pub job: Job,
    pub priority: Priority,
    /// Packages that have to be installed.
    pub packages: PackageSet,
    /// Who is told of the output as it comes.
    pub live: Option<Live>,
}

/// Why a job was not executed.
#[derive(Debug, thiserror::Error)]
pub enum PoolError {
    #[error("{0} requests are waiting already")]
    QueueFull(usize),
    #[error("the {} runtime is not up: {reason}", runtime.name())]
    NotReady { runtime: Runtime, reason: String },
    #[error("the service is shutting down")]
    ShuttingDown,
    #[error("no sandbox could take the program: {0}")]
    Broken(String),
}
