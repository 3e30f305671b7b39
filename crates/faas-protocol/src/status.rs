//! How an execution ended, and what it used.

use std::time::Duration;

use crate::ByteSize;
use crate::Limit;

/// How an execution ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Success,
    /// By an exception, or with an exit code other than 0.
    Error,
    /// It ran into this limit.
    Exceeded(Limit),
    /// The kernel killed it for a system call that no honest program makes.
    Violation,
    /// Its process ended in a way that it should not.
    Killed,
}

impl Status {
    pub const ALL: [Self; Limit::ALL.len() + 4] = {
        let mut all = [Self::Killed; Limit::ALL.len() + 4];
        all[0] = Self::Success;
        all[1] = Self::Error;
        all[2] = Self::Violation;
        let mut index = 0;
        while index < Limit::ALL.len() {
            all[index + 3] = Self::Exceeded(Limit::ALL[index]);
            index += 1;
        }
        all
    };

    /// Its name in answers and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Exceeded(Limit::WallTime) => "timeout",
            Self::Exceeded(Limit::CpuTime) => "cpu_limit",
            Self::Exceeded(Limit::Memory) => "memory_limit",
            Self::Exceeded(Limit::Output) => "output_limit",
            Self::Exceeded(Limit::ReturnValue) => "return_limit",
            Self::Exceeded(Limit::Storage) => "storage_limit",
            Self::Violation => "violation",
            Self::Killed => "killed",
        }
    }
}

/// What an execution used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    pub wall: Duration,
    pub cpu: Duration,
    /// Resident memory over that of an empty program.
    pub peak_memory: ByteSize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_listed_once() {
        let mut names = Status::ALL.map(Status::name).to_vec();
        assert_eq!(names.first(), Some(&"success"));
        assert_eq!(names.last(), Some(&"killed"));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Status::ALL.len());
    }
}
