//! A kept process: it has run its job, and waits to be forked. Each fork takes a job of its own.

use faas_linux::trace;
use faas_protocol as protocol;
use faas_protocol::ForkGuard;
use faas_protocol::KeptCommand;
use faas_protocol::SandboxEvent;
use faas_protocol::SandboxExit;
use faas_protocol::Stage;

use super::output;
use crate::fork;
use crate::fork::BlockedSignals;
use crate::fork::Side;

/// A process that is ready to be forked. No signal gets through to it; its forks get theirs again.
pub struct Resting {
    guard: ForkGuard,
    _signals: BlockedSignals,
}

impl Resting {
    /// # Errors
    /// When this process cannot be traced where it has to be.
    pub fn begin(guard: ForkGuard) -> std::io::Result<Self> {
        let signals = BlockedSignals::all();
        if guard == ForkGuard::Tracer {
            trace::trace_me()?;
        }
        Ok(Self {
            guard,
            _signals: signals,
        })
    }

    /// Forks whenever the supervisor says so. Returns in a fork.
    ///
    /// # Errors
    /// When the supervisor wants nothing more of this process.
    pub fn wait_to_be_forked(self) -> Result<(), SandboxExit> {
        loop {
            let (length, socket) = match self.guard {
                ForkGuard::Listener => output::receive_length().map(|length| (length, None)),
                ForkGuard::Tracer => output::receive_length_and_socket(),
            }
            .map_err(|_| SandboxExit::Done)?;
            let frame = output::receive_payload(length).map_err(|_| SandboxExit::Done)?;
            let command = protocol::decode(&frame).map_err(|_| SandboxExit::NoJob)?;
            let KeptCommand::Fork { ticket } = command;
            // SAFETY: a sandbox has one thread, as the zygote had, and can start none. Signals are blocked.
            match unsafe { fork::fork_kept(ticket) } {
                Ok(Side::Child) => {
                    return match socket {
                        // SAFETY: what has that number is the parent's socket, which no object here owns: `output`
                        // knows the number only.
                        Some(socket) => unsafe { faas_lockdown::move_to_job_socket(socket) }
                            .map(output::attach)
                            .map_err(|_| SandboxExit::NoJob),
                        None => Ok(()),
                    };
                }
                Ok(Side::Parent { .. }) => {}
                Err(errno) => {
                    let stage = Stage::Fork;
                    output::send(&SandboxEvent::Failed { stage, errno })
                        .map_err(|_| SandboxExit::Done)?;
                }
            }
        }
    }
}
