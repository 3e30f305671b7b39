//! Machines that lack system calls. Also part of crates/faas-probe/tests/.

use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::SeccompAction;
use seccompiler::SeccompFilter;

/// Makes system calls fail in a command and its children with ENOSYS, as a kernel or a container
/// without them would.
pub fn without(command: &mut Command, calls: &[i64]) {
    let filter = SeccompFilter::new(
        calls.iter().map(|&call| (call, vec![])).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS as u32),
        std::env::consts::ARCH.try_into().unwrap(),
    );
    let program: seccompiler::BpfProgram = filter.unwrap().try_into().unwrap();
    // SAFETY: the closure makes system calls only, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(move || {
            // The spawned thread applies it to itself; threads made later inherit it.
            seccompiler::apply_filter(&program).map_err(std::io::Error::other)
        });
    }
}
