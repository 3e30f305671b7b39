//! Sandboxes and zygotes that lie: the supervisor's own code against arbitrary and damaged frames.
//!
//! A process that does nothing (`sleep`) stands in for the other side, and the test has its end of the
//! socket. Whatever comes: no panic, an end in time, and nothing kept beyond the limits.

mod frames;
mod sandbox;
mod zygote;

use std::process::Command;
use std::time::Duration;

use tokio::runtime::Runtime;

use super::process::ChildProcess;

/// How much later than its limit an execution may end: the second that a sandbox is given to heed a
/// soft stop, and a busy machine.
const LATE: Duration = Duration::from_secs(6);

/// A process that does nothing, reaped by its adopter.
pub fn idle_process() -> i32 {
    spawn(Command::new("sleep").arg("600"))
}

/// A process, reaped by its adopter.
pub fn spawn(command: &mut Command) -> i32 {
    #[expect(
        clippy::zombie_processes,
        reason = "it is adopted, and reaped by its owner"
    )]
    let child = command.spawn().unwrap();
    i32::try_from(child.id()).unwrap()
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn a_process_has_one_owner() {
    runtime().block_on(async {
        let child = idle_process();
        let owner = ChildProcess::adopt(child, ()).unwrap();
        assert!(ChildProcess::adopt(child, ()).is_err());
        let other = ChildProcess::adopt(idle_process(), ()).unwrap();
        drop(other);
        assert!(owner.cpu_time() < Duration::from_secs(5));
        let stat = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap();
        assert!(!stat.contains(") Z"), "it lives on: {stat}");
    });
}
