//! Kept processes: sandboxes that have run their job, and stay to be forked.

use serde::Deserialize;
use serde::Serialize;

/// How the supervisor is asked about the forks of a kept process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ForkGuard {
    /// By the listener of its zygote's filter of system calls (seccomp_unotify(2)). It also puts the fork's job
    /// socket in place.
    #[default]
    Listener,
    /// By tracing it (ptrace(2)), where no listener can be had. The fork's job socket comes with the command.
    Tracer,
}

/// Supervisor → kept process, over its job socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeptCommand {
    /// Fork. The fork gets a job socket of its own when it shows the ticket. One whose forks are seen by a tracer
    /// finds it at [`HANDED_OVER`], where it comes with the first byte of this.
    Fork { ticket: ForkTicket },
}

/// A secret of the supervisor and one kept process: a process that shows it was forked from that one. No other
/// line of processes can guess it, so none can take a fork's place and get its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ForkTicket(pub [u64; 2]);

/// What a kept process puts into an argument that the kernel does not look at, so that the filter of
/// system calls knows this call from the same one by others: the last of clone(2), and the third of prctl(2)
/// with `PR_SET_PDEATHSIG`.
pub const KEPT_FORK_MARK: u64 = 0x6b65_7074_666f_726b;

/// What a tracer is told of a marked call that a process stands still in (`PTRACE_GETEVENTMSG`): that it would fork,
pub const TRACED_FORK: u16 = 1;
/// or that it was forked, and sets the signal that ends it with its parent.
pub const TRACED_DEATH_SIGNAL: u16 = 2;

/// The descriptor that a received one gets in a sandbox: the lowest, since it has none but its job socket.
pub const HANDED_OVER: i32 = 0;

/// What random numbers of a generator that a program did not seed are in a fork of a kept process.
/// The system's own (`os.urandom`, `secrets`, `crypto`) are always new.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Randomness {
    /// They go on where the kept process was: all forks draw the same ones.
    #[default]
    Continue,
    /// Each fork draws its own.
    Fresh,
}
