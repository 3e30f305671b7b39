//! Machines that lack system calls. Also part of crates/faas-probe/tests/.

#![allow(dead_code, reason = "each test file uses its part of this")]

use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;

use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;

/// Makes system calls fail in a command and its children with ENOSYS, as a kernel or a container
/// without them would.
pub fn without(command: &mut Command, calls: &[i64]) {
    apply_rules(
        command,
        calls.iter().map(|&call| (call, vec![])).collect(),
        libc::ENOSYS,
    );
}

/// Makes a system call with this first argument fail in a command and its children.
pub fn failing(command: &mut Command, call: i64, first_argument: u64, errno: i32) {
    let (length, equal) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
    let condition = SeccompCondition::new(0, length, equal, first_argument).unwrap();
    let rule = SeccompRule::new(vec![condition]).unwrap();
    apply_rules(command, [(call, vec![rule])].into(), errno);
}

fn apply_rules(command: &mut Command, rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(errno as u32),
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
