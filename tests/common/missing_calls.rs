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

/// Has a command and its children live below a filter of system calls that somebody listens to, as under some
/// container managers. It allows all calls.
pub fn listened_to(command: &mut Command) {
    // SAFETY: the closure makes system calls only, which is allowed between fork and exec.
    unsafe {
        command.pre_exec(|| {
            let allow = libc::sock_filter {
                code: (libc::BPF_RET | libc::BPF_K) as u16,
                jt: 0,
                jf: 0,
                k: libc::SECCOMP_RET_ALLOW,
            };
            let mut filter = [allow];
            let program = libc::sock_fprog {
                len: 1,
                filter: filter.as_mut_ptr(),
            };
            let listen = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            let mode = libc::SECCOMP_SET_MODE_FILTER;
            let listener = libc::syscall(libc::SYS_seccomp, mode, listen, &raw const program);
            // The listener has to live as long as the command.
            if listener < 0 || libc::fcntl(listener as i32, libc::F_SETFD, 0) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
}
