//! The limits of an execution: what they are, and which one it ran into.

use std::time::Duration;

use serde::Deserialize;
use serde::Serialize;

use crate::ByteSize;

/// How much longer than its time limit a program may live that was asked to stop and got no CPU time
/// to do so.
pub const LONGEST_GRACE: Duration = Duration::from_secs(1);

/// The limits of one execution. The supervisor enforces `wall` and `output`; the others are enforced
/// in the sandbox, by the kernel or by the runtime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    pub wall: Duration,
    pub cpu: Duration,
    /// Over what the zygote had.
    pub memory: ByteSize,
    /// Output kept, of both streams together.
    pub output: ByteSize,
    /// The return value as text.
    pub return_value: ByteSize,
    /// Files handed back, together.
    pub files: ByteSize,
    /// Files in Python's virtual file system, over those of the zygote.
    pub storage: ByteSize,
}

/// A limit that an execution can run into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Limit {
    WallTime,
    CpuTime,
    Memory,
    /// More was written than is kept, whether or not that ended the program.
    Output,
    ReturnValue,
    /// Files in the program's virtual file system.
    Storage,
}

impl Limit {
    pub const ALL: [Self; 6] = [
        Self::WallTime,
        Self::CpuTime,
        Self::Memory,
        Self::Output,
        Self::ReturnValue,
        Self::Storage,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WallTime => "wall_time",
            Self::CpuTime => "cpu_time",
            Self::Memory => "memory",
            Self::Output => "output",
            Self::ReturnValue => "return_value",
            Self::Storage => "storage",
        }
    }

    /// Whether a sandbox may say that its program ran into this one. The others are the supervisor's
    /// to say.
    pub const fn is_known_to_sandbox(self) -> bool {
        match self {
            Self::CpuTime | Self::Memory | Self::ReturnValue | Self::Storage => true,
            Self::WallTime | Self::Output => false,
        }
    }
}
