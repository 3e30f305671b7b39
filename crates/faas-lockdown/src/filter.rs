//! The system calls that are allowed: one list for sandboxes, a longer one for zygotes.
//!
//! Of the others, those that no honest program makes kill the process ([`KILLING`]), as do calls of
//! another architecture (`int 0x80`): an attack shows itself by them. The rest fail with EPERM, so that
//! a library which merely tries something can go on.

use std::collections::BTreeMap;

use seccompiler::BpfProgram;
use seccompiler::SeccompAction;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompFilter;
use seccompiler::SeccompRule;
use seccompiler::sock_filter;

/// Why there is no filter: the architecture has none, or a rule is wrong.
type Error = seccompiler::BackendError;

/// Calls by number. Those without rules are allowed with any arguments, the others if one of their
/// rules holds.
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Refused calls that neither V8 nor the C library nor the Rust library make on their own account: to
/// execute programs, to open sockets, to look into or signal other processes, to change the user, and the
/// parts of the kernel that escapes go through.
///
/// Not among them is what honest code tries and goes on without: opening files (`/sys`, `/etc`), `ioctl`,
/// `prctl`, `clone` and `clone3` (a thread), `tgkill` (`abort`), `sysinfo`, `sched_getaffinity`.
pub const KILLING: &[i64] = &[
    // Programs and processes.
    libc::SYS_execve,
    libc::SYS_execveat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    libc::SYS_unshare,
    libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_process_mrelease,
    libc::SYS_kcmp,
    libc::SYS_kill,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_getfd,
    libc::SYS_pidfd_send_signal,
    // Sockets and other ways to reach somebody.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    // The kernel.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_memfd_secret,
    libc::SYS_fanotify_init,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_kexec_load,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_kexec_file_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_syslog,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_personality,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
    // The view of the file system.
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    // The user.
    libc::SYS_setuid,
    libc::SYS_setgid,
    libc::SYS_setreuid,
    libc::SYS_setregid,
    libc::SYS_setresuid,
    libc::SYS_setresgid,
    libc::SYS_setgroups,
    libc::SYS_setfsuid,
    libc::SYS_setfsgid,
];

/// From this number on calls are those of the x32 interface, which nothing here is built for.
#[cfg(target_arch = "x86_64")]
pub const X32: i64 = 0x4000_0000;

/// Whether the kernel filters system calls with the actions that we use.
pub fn is_available() -> bool {
    [libc::SECCOMP_RET_ERRNO, libc::SECCOMP_RET_KILL_PROCESS]
        .iter()
        .all(|action| {
            // SAFETY: the kernel reads one u32 from memory that lives, and changes nothing.
            let result = unsafe {
                libc::syscall(
                    libc::SYS_seccomp,
                    libc::SECCOMP_GET_ACTION_AVAIL,
                    0,
                    std::ptr::from_ref(action),
                )
            };
            result == 0
        })
}

/// What a running program needs: memory, its socket, clocks, entropy, its end.
///
/// # Errors
/// When the architecture has no filter.
pub fn for_sandbox(job_socket: i32) -> Result<BpfProgram, Error> {
    compile(sandbox_rules(job_socket)?)
}

/// Numbers of the calls that a sandbox may make at all, for the probe.
pub fn sandbox_calls() -> Vec<i64> {
    sandbox_rules(0).unwrap_or_default().into_keys().collect()
}

fn sandbox_rules(job_socket: i32) -> Result<Rules, Error> {
    let mut rules = common()?;
    let socket = || equal(0, job_socket as u64);
    rules.insert(libc::SYS_read, vec![rule([socket()?])?]);
    rules.insert(libc::SYS_write, vec![rule([socket()?])?]);
    // The size of its stack, and no other limit: the supervisor sets them, from outside.
    let no_new_limit = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    rules.insert(
        libc::SYS_prlimit64,
        vec![rule([
            equal(0, 0)?,
            equal(1, u64::from(libc::RLIMIT_STACK))?,
            no_new_limit,
        ])?],
    );
    // A handler for faults takes itself away when it meets one that is not its own; otherwise the
    // instruction would fault again for ever.
    rules.insert(
        libc::SYS_rt_sigaction,
        one_of(0, [libc::SIGSEGV, libc::SIGBUS].map(|signal| signal as u64))?,
    );
    Ok(rules)
}

/// What a zygote needs once it has booted: to fork, to lock its forks down, to talk over sockets
/// that it was given, and to read files (Landlock leaves it those in `/proc`). Sandboxes inherit
/// the filter and add their own.
///
/// Neither `fcntl`, which can have signals sent to anybody (F_SETOWN), nor `statx` and `newfstatat`, which
/// tell of any path, since Landlock does not know them. A filter cannot see whether the path is empty.
/// The Rust library asks for the size of a file that it reads, and goes on without.
///
/// # Errors
/// When the architecture has no filter.
pub fn for_zygote() -> Result<BpfProgram, Error> {
    let mut rules = common()?;
    allow(
        &mut rules,
        &[
            libc::SYS_capset,
            libc::SYS_close,
            libc::SYS_close_range,
            libc::SYS_dup3,
            libc::SYS_fstat,
            libc::SYS_getppid,
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_restrict_self,
            libc::SYS_lseek,
            libc::SYS_read,
            libc::SYS_recvfrom,
            libc::SYS_recvmsg,
            libc::SYS_rt_sigaction,
            libc::SYS_seccomp,
            libc::SYS_sendmsg,
            libc::SYS_sendto,
            libc::SYS_sigaltstack,
            libc::SYS_write,
        ],
    );
    // Huge pages and forkable memory want more kinds of advice than a sandbox may give.
    allow(&mut rules, &[libc::SYS_madvise]);
    // Of forks, only the one that makes a sandbox: a sibling with separate memory.
    let thread_id = (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
    rules.insert(
        libc::SYS_clone,
        vec![rule([SeccompCondition::new(
            0,
            SeccompCmpArgLen::Qword,
            SeccompCmpOp::MaskedEq(!thread_id),
            libc::CLONE_PARENT as u64,
        )?])?],
    );
    let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;
    // O_TMPFILE shares a bit with O_DIRECTORY; without O_ACCMODE it fails anyway.
    rules.insert(
        libc::SYS_openat,
        vec![rule([masked(2, writing as u64, 0)?])?],
    );
    let operations = [
        libc::PR_SET_PDEATHSIG,
        libc::PR_SET_NO_NEW_PRIVS,
        libc::PR_GET_TID_ADDRESS,
        libc::PR_SET_VMA,
    ];
    let mut operations = one_of(0, operations.map(|operation| operation as u64))?;
    // Never dumpable again.
    let to_zero = SeccompCondition::new(1, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    operations.push(rule([equal(0, libc::PR_SET_DUMPABLE as u64)?, to_zero])?);
    rules.insert(libc::SYS_prctl, operations);
    // On the process itself; without CAP_SYS_RESOURCE limits only go down.
    rules.insert(libc::SYS_prlimit64, vec![rule([equal(0, 0)?])?]);
    compile(rules)
}

/// Calls that both need.
fn common() -> Result<Rules, Error> {
    let mut rules = Rules::new();
    allow(
        &mut rules,
        &[
            libc::SYS_brk,
            libc::SYS_exit,
            libc::SYS_exit_group,
            libc::SYS_getpid,
            libc::SYS_getrandom,
            libc::SYS_getrusage,
            libc::SYS_gettid,
            libc::SYS_gettimeofday,
            libc::SYS_munmap,
            libc::SYS_nanosleep,
            libc::SYS_pkey_alloc,
            libc::SYS_pkey_free,
            libc::SYS_restart_syscall,
            libc::SYS_rt_sigprocmask,
            libc::SYS_rt_sigreturn,
            libc::SYS_sched_yield,
        ],
    );
    // Not the clocks of other processes, whose numbers are negative.
    let own_clocks = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Le,
        libc::CLOCK_TAI as u64,
    )?;
    for call in [
        libc::SYS_clock_getres,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
    ] {
        rules.insert(call, vec![rule([own_clocks.clone()])?]);
    }
    // Waiting and waking; not the priority-inheritance kinds, which have a history.
    const OPERATION: u64 = !((libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) as u32) as u64;
    let operations = [
        libc::FUTEX_WAIT,
        libc::FUTEX_WAKE,
        libc::FUTEX_WAIT_BITSET,
        libc::FUTEX_WAKE_BITSET,
    ];
    rules.insert(
        libc::SYS_futex,
        operations
            .into_iter()
            .map(|operation| rule([masked(1, OPERATION, operation as u64)?]))
            .collect::<Result<_, _>>()?,
    );
    // Advice that V8's allocator gives. Not MADV_MERGEABLE: a merged page tells, by the time that
    // writing it takes, what another process has in memory.
    let advice = [
        libc::MADV_NORMAL,
        libc::MADV_RANDOM,
        libc::MADV_SEQUENTIAL,
        libc::MADV_WILLNEED,
        libc::MADV_DONTNEED,
        libc::MADV_FREE,
        libc::MADV_DONTFORK,
        libc::MADV_DOFORK,
        libc::MADV_HUGEPAGE,
        libc::MADV_NOHUGEPAGE,
        libc::MADV_DONTDUMP,
        libc::MADV_DODUMP,
    ];
    rules.insert(
        libc::SYS_madvise,
        one_of(2, advice.map(|advice| advice as u64))?,
    );
    // Only private memory that does not grow automatically: RLIMIT_DATA does not count other kinds.
    // It may be executable, since V8 compiles.
    let kind = libc::MAP_TYPE | libc::MAP_GROWSDOWN | libc::MAP_HUGETLB | libc::MAP_LOCKED;
    rules.insert(
        libc::SYS_mmap,
        vec![rule([masked(3, kind as u64, libc::MAP_PRIVATE as u64)?])?],
    );
    let protection = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as u32;
    for call in [libc::SYS_mprotect, libc::SYS_pkey_mprotect] {
        rules.insert(call, vec![rule([masked(2, u64::from(!protection), 0)?])?]);
    }
    rules.insert(
        libc::SYS_mremap,
        one_of(3, [0, libc::MREMAP_MAYMOVE as u64])?,
    );
    let timers = [libc::ITIMER_REAL, libc::ITIMER_PROF];
    rules.insert(
        libc::SYS_setitimer,
        one_of(0, timers.map(|timer| timer as u64))?,
    );
    Ok(rules)
}

fn allow(rules: &mut Rules, calls: &[i64]) {
    rules.extend(calls.iter().map(|&call| (call, Vec::new())));
}

fn rule<const N: usize>(conditions: [SeccompCondition; N]) -> Result<SeccompRule, Error> {
    SeccompRule::new(conditions.into())
}

/// A rule for each value that an argument may have.
fn one_of<const N: usize>(argument: u8, values: [u64; N]) -> Result<Vec<SeccompRule>, Error> {
    values
        .into_iter()
        .map(|value| rule([equal(argument, value)?]))
        .collect()
}

/// An argument that is a C int.
fn equal(argument: u8, value: u64) -> Result<SeccompCondition, Error> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)
}

/// An argument that is a C int, of which only the bits in `mask` count.
fn masked(argument: u8, mask: u64, value: u64) -> Result<SeccompCondition, Error> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(mask),
        value,
    )
}

fn compile(rules: Rules) -> Result<BpfProgram, Error> {
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM as u32),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    let mut program = filter.try_into()?;
    judge_refused(&mut program);
    Ok(program)
}

/// Has a program decide per call what becomes of one that it refuses. seccompiler knows one action for
/// all of them; where it would return that, the program now goes on to a table behind it. Calls that are
/// allowed never get there, so the table's length costs them nothing. The architecture was checked by then.
fn judge_refused(program: &mut BpfProgram) {
    const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
    const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
    const JUMP_IF_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let instruction = |code, k, jt, jf| sock_filter { code, jt, jf, k };
    let fail = instruction(RETURN, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0);
    let kill = instruction(RETURN, libc::SECCOMP_RET_KILL_PROCESS, 0, 0);

    let table = program.len();
    for (index, refused) in program.iter_mut().enumerate() {
        if *refused == fail {
            *refused = instruction(JUMP, (table - index - 1) as u32, 0, 0);
        }
    }
    // The number is the first field of what the filter is given.
    program.push(instruction(LOAD, 0, 0, 0));
    #[cfg(target_arch = "x86_64")]
    {
        const JUMP_FROM: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
        program.extend([instruction(JUMP_FROM, X32 as u32, 0, 1), kill.clone()]);
    }
    for &call in KILLING {
        program.extend([instruction(JUMP_IF_EQUAL, call as u32, 0, 1), kill.clone()]);
    }
    program.push(fail);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a program answers to a call with zeroes for arguments, as the kernel would run it.
    fn verdict(program: &BpfProgram, call: u32) -> u32 {
        // AUDIT_ARCH_X86_64, AUDIT_ARCH_AARCH64.
        let architecture: u32 = if cfg!(target_arch = "x86_64") {
            0xc000_003e
        } else {
            0xc000_00b7
        };
        let (mut at, mut accumulator) = (0, 0u32);
        loop {
            let instruction = &program[at];
            let k = instruction.k;
            let branch = |holds: bool| {
                usize::from(if holds {
                    instruction.jt
                } else {
                    instruction.jf
                })
            };
            at += 1;
            match u32::from(instruction.code) {
                0x20 => {
                    accumulator = match k {
                        0 => call,
                        4 => architecture,
                        _ => 0,
                    }
                }
                0x06 => return k,
                0x05 => at += k as usize,
                0x15 => at += branch(accumulator == k),
                0x25 => at += branch(accumulator > k),
                0x35 => at += branch(accumulator >= k),
                0x54 => accumulator &= k,
                other => panic!("instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn a_filter_allows_what_its_rules_say_kills_for_what_only_attacks_do_and_refuses_the_rest() {
        let (sandbox, zygote) = (for_sandbox(3).unwrap(), for_zygote().unwrap());
        let allow = libc::SECCOMP_RET_ALLOW;
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        let fail = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        for program in [&sandbox, &zygote] {
            for call in [libc::SYS_munmap, libc::SYS_getpid, libc::SYS_exit_group] {
                assert_eq!(verdict(program, call as u32), allow, "{call}");
            }
            for &call in KILLING {
                assert_eq!(verdict(program, call as u32), kill, "{call}");
            }
            // With zeroes for arguments, clone and mmap are what no rule allows.
            for call in [
                libc::SYS_ioctl,
                libc::SYS_clone3,
                libc::SYS_mmap,
                libc::SYS_tgkill,
            ] {
                assert_eq!(verdict(program, call as u32), fail, "{call}");
            }
            #[cfg(target_arch = "x86_64")]
            assert_eq!(verdict(program, (X32 | libc::SYS_getpid) as u32), kill);
        }
        assert_eq!(verdict(&zygote, libc::SYS_close as u32), allow);
        assert_eq!(verdict(&sandbox, libc::SYS_close as u32), fail);
    }

    #[test]
    fn no_call_that_kills_is_one_that_a_filter_allows() {
        let allowed = [common().unwrap(), sandbox_rules(3).unwrap()].map(BTreeMap::into_keys);
        let allowed: Vec<i64> = allowed.into_iter().flatten().collect();
        let both: Vec<_> = KILLING
            .iter()
            .filter(|call| allowed.contains(call))
            .collect();
        assert!(both.is_empty(), "{both:?}");
    }
}
