//! How a sandbox that could not do its work says so.

use serde::Deserialize;
use serde::Serialize;

use crate::Layer;

/// Exit codes of a sandbox or zygote that ended itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SandboxExit {
    /// Done; its last frame says how.
    Done,
    /// It could not lock itself down.
    NotLockedDown,
    /// Its socket closed, or it was sent something that is not in the protocol.
    NoJob,
    /// The runtime could not go on.
    Broken,
}

impl SandboxExit {
    pub const ALL: [Self; 4] = [Self::Done, Self::NotLockedDown, Self::NoJob, Self::Broken];

    /// The exit code. From 70 on as in sysexits.h, so as not to be taken for a program's.
    pub const fn code(self) -> i32 {
        match self {
            Self::Done => 0,
            Self::NotLockedDown => 70,
            Self::NoJob => 71,
            Self::Broken => 72,
        }
    }

    /// What a code of these means; `None` for any other.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|exit| exit.code() == code)
    }

    /// For operators.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "it was done",
            Self::NotLockedDown => "it could not lock itself down",
            Self::NoJob => "it got no job that it could read",
            Self::Broken => "its runtime failed",
        }
    }
}

/// What a sandbox was doing when it failed, before its program started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// Having itself killed when the supervisor dies.
    DeathSignal,
    /// Applying a layer of its lock-down.
    Layer(Layer),
    /// Hiding its memory from other processes.
    Hiding,
    /// Running the smallest program, so that the job does not wait for what that does first.
    Rehearsal,
    /// Getting random numbers of its own.
    Reseed,
    /// Setting the limits of its job.
    JobLimits,
    /// Forking, as a kept process.
    Fork,
}

impl Stage {
    /// What failed and what an operator can do, for the log.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::DeathSignal => "it cannot tie its life to the supervisor's",
            Self::Layer(Layer::Descriptors) => {
                "it cannot close descriptors; close_range needs Linux 5.9 and a container runtime that allows it"
            }
            Self::Layer(Layer::Rlimits) | Self::JobLimits => {
                "it cannot set resource limits; see whether the container runtime forbids prlimit64 or setitimer"
            }
            Self::Layer(Layer::NoNewPrivs) => {
                "it cannot set no_new_privs; see whether the container runtime forbids prctl"
            }
            Self::Layer(Layer::Capabilities) => {
                "it cannot give up capabilities; see whether the container runtime forbids capset"
            }
            Self::Layer(Layer::Landlock) => {
                "it cannot apply Landlock; the kernel allows 16 domains on top of each other, and the service may run in some already"
            }
            Self::Layer(Layer::Seccomp) => {
                "it cannot apply its seccomp filter; see whether the container runtime forbids seccomp"
            }
            Self::Hiding => {
                "it cannot hide its memory from other processes; see whether the container runtime forbids prctl"
            }
            Self::Rehearsal => {
                "its runtime cannot run the smallest program; see whether memory is left"
            }
            Self::Fork => "it cannot fork; see whether memory or processes are short",
            Self::Reseed => {
                "its runtime gets no random numbers; see whether getrandom is forbidden"
            }
        }
    }
}
