//! A kept process: it has run its job, and waits to be forked. Each fork takes a job of its own.

use faas_protocol as protocol;
use faas_protocol::KeptCommand;
use faas_protocol::SandboxEvent;
use faas_protocol::SandboxExit;
use faas_protocol::Stage;

use super::output;
use crate::fork;
use crate::fork::Side;

/// Forks whenever the supervisor says so. Returns in a fork.
///
/// # Errors
/// When the supervisor wants nothing more of this process.
pub fn wait_to_be_forked() -> Result<(), SandboxExit> {
    loop {
        let frame = output::receive_frame().map_err(|_| SandboxExit::Done)?;
        let command = protocol::decode(&frame).map_err(|_| SandboxExit::NoJob)?;
        let KeptCommand::Fork { ticket } = command;
        // SAFETY: a sandbox has one thread, as the zygote had, and can start none.
        match unsafe { fork::fork_kept(ticket) } {
            Ok(Side::Child) => return Ok(()),
            Ok(Side::Parent { .. }) => {}
            Err(errno) => {
                let stage = Stage::Fork;
                output::send(&SandboxEvent::Failed { stage, errno })
                    .map_err(|_| SandboxExit::Done)?;
            }
        }
    }
}
