//! The system calls that are allowed: one list for sandboxes, a longer one for zygotes.
//!
//! Of the others, those that no honest program makes kill the process ([`KILLING`]), as do calls of
//! another architecture (`int 0x80`): an attack shows itself by them. The rest fail with EPERM, so that
//! a library which merely tries something can go on.

mod killing;
mod program;

use faas_protocol::ForkGuard;
use faas_protocol::HANDED_OVER;
use faas_protocol::KEPT_FORK_MARK;
use faas_protocol::TRACED_DEATH_SIGNAL;
use faas_protocol::TRACED_FORK;
use seccompiler::BpfProgram;
use seccompiler::SeccompCmpArgLen;
use seccompiler::SeccompCmpOp;
use seccompiler::SeccompCondition;
use seccompiler::SeccompRule;

use program::Error;
use program::Marked;
use program::Rules;
use program::compile;

pub use killing::KILLING;
#[cfg(target_arch = "x86_64")]
pub use killing::X32;

/// Which argument of clone(2) has the mark: the one for thread-local storage, which the kernel takes no
/// notice of without `CLONE_SETTLS`. Its place is not the same everywhere (kernel/fork.c).
#[cfg(target_arch = "x86_64")]
const CLONE_MARK: u8 = 4;
#[cfg(target_arch = "aarch64")]
const CLONE_MARK: u8 = 3;
/// Which argument of prctl(2).
const PRCTL_MARK: u8 = 2;

/// What the supervisor decides about: forks, and the first call of what was forked.
fn handed_on(guard: ForkGuard) -> Vec<Marked> {
    let asked = |call, argument, action| Marked {
        call,
        argument,
        mark: KEPT_FORK_MARK,
        action,
    };
    match guard {
        ForkGuard::Listener => vec![
            asked(libc::SYS_clone, CLONE_MARK, libc::SECCOMP_RET_USER_NOTIF),
            asked(libc::SYS_prctl, PRCTL_MARK, libc::SECCOMP_RET_USER_NOTIF),
        ],
        ForkGuard::Tracer => {
            let stand_still = |call| libc::SECCOMP_RET_TRACE | u32::from(call);
            vec![
                asked(libc::SYS_clone, CLONE_MARK, stand_still(TRACED_FORK)),
                asked(
                    libc::SYS_prctl,
                    PRCTL_MARK,
                    stand_still(TRACED_DEATH_SIGNAL),
                ),
            ]
        }
    }
}

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
pub fn for_sandbox(job_socket: i32, guard: ForkGuard) -> Result<BpfProgram, Error> {
    let mut rules = sandbox_rules(job_socket)?;
    if guard == ForkGuard::Tracer {
        rules.extend(rules_of_a_traced_sandbox(job_socket)?);
    }
    compile(rules, &[])
}

/// Numbers of the calls that a sandbox may make at all, for the probe.
pub fn sandbox_calls() -> Vec<i64> {
    sandbox_rules(0).unwrap_or_default().into_keys().collect()
}

/// What a kept process and its fork need more where it is traced: to ask for that, and to put a job socket that
/// comes over its own in the place of that one.
fn rules_of_a_traced_sandbox(job_socket: i32) -> Result<Rules, Error> {
    let handed_over = || equal(0, HANDED_OVER as u64);
    let to_be_traced = rule([exactly(0, u64::from(libc::PTRACE_TRACEME))?])?;
    let receive = rule([
        equal(0, job_socket as u64)?,
        equal(2, libc::MSG_CMSG_CLOEXEC as u64)?,
    ])?;
    let replace = rule([
        handed_over()?,
        equal(1, job_socket as u64)?,
        equal(2, libc::O_CLOEXEC as u64)?,
    ])?;
    Ok([
        (libc::SYS_ptrace, vec![to_be_traced]),
        (libc::SYS_recvmsg, vec![receive]),
        (libc::SYS_dup3, vec![replace]),
        (libc::SYS_close, vec![rule([handed_over()?])?]),
    ]
    .into())
}

fn sandbox_rules(job_socket: i32) -> Result<Rules, Error> {
    let mut rules = common()?;
    let socket = || equal(0, job_socket as u64);
    rules.insert(libc::SYS_read, vec![rule([socket()?])?]);
    rules.insert(libc::SYS_write, vec![rule([socket()?])?]);
    // A kept process makes its memory cheap to fork, and its fork writes ahead what its job will.
    let advice = [libc::MADV_COLLAPSE, libc::MADV_POPULATE_WRITE];
    let advice = one_of(2, advice.map(|advice| advice as u64))?;
    rules.entry(libc::SYS_madvise).or_default().extend(advice);
    // A fork as a kept process, and the first call of what was forked: the zygote's filter, which holds
    // here, too, has the supervisor decide.
    rules.insert(
        libc::SYS_clone,
        vec![rule([
            exactly(0, libc::CLONE_PARENT as u64)?,
            exactly(CLONE_MARK, KEPT_FORK_MARK)?,
        ])?],
    );
    rules.insert(
        libc::SYS_prctl,
        vec![rule([
            equal(0, libc::PR_SET_PDEATHSIG as u64)?,
            exactly(1, libc::SIGKILL as u64)?,
            exactly(PRCTL_MARK, KEPT_FORK_MARK)?,
        ])?],
    );
    // The size of its stack, and no other limit: the supervisor sets them, from outside.
    let no_new_limit = exactly(2, 0)?;
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
pub fn for_zygote(guard: ForkGuard) -> Result<BpfProgram, Error> {
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
    // Huge pages, and pages written ahead, want more kinds of advice than a sandbox may give.
    allow(&mut rules, &[libc::SYS_madvise]);
    // Of forks, only the one that makes a sandbox: a sibling with separate memory.
    let thread_id = (libc::CLONE_CHILD_SETTID | libc::CLONE_CHILD_CLEARTID) as u64;
    rules.insert(
        libc::SYS_clone,
        vec![rule([
            SeccompCondition::new(
                0,
                SeccompCmpArgLen::Qword,
                SeccompCmpOp::MaskedEq(!thread_id),
                libc::CLONE_PARENT as u64,
            )?,
            unmarked(CLONE_MARK)?,
        ])?],
    );
    let writing = libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND;
    // O_TMPFILE shares a bit with O_DIRECTORY; without O_ACCMODE it fails anyway.
    rules.insert(
        libc::SYS_openat,
        vec![rule([masked(2, writing as u64, 0)?])?],
    );
    let operations = [
        libc::PR_SET_NO_NEW_PRIVS,
        libc::PR_GET_TID_ADDRESS,
        libc::PR_SET_VMA,
    ];
    let mut operations = one_of(0, operations.map(|operation| operation as u64))?;
    // Never dumpable again.
    let to_zero = exactly(1, 0)?;
    operations.push(rule([equal(0, libc::PR_SET_DUMPABLE as u64)?, to_zero])?);
    let death_signal = equal(0, libc::PR_SET_PDEATHSIG as u64)?;
    operations.push(rule([death_signal, unmarked(PRCTL_MARK)?])?);
    rules.insert(libc::SYS_prctl, operations);
    // On the process itself; without CAP_SYS_RESOURCE limits only go down.
    rules.insert(libc::SYS_prlimit64, vec![rule([equal(0, 0)?])?]);
    if guard == ForkGuard::Tracer {
        // For its sandboxes; nobody looks at a zygote that asks for it.
        rules.insert(
            libc::SYS_ptrace,
            vec![rule([exactly(0, u64::from(libc::PTRACE_TRACEME))?])?],
        );
    }
    compile(rules, &handed_on(guard))
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

/// An argument of 64 bits.
fn exactly(argument: u8, value: u64) -> Result<SeccompCondition, Error> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

/// An argument that is not the mark of a kept process.
fn unmarked(argument: u8) -> Result<SeccompCondition, Error> {
    let mark = KEPT_FORK_MARK;
    SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, mark)
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

#[cfg(test)]
mod tests {
    use super::program::verdict;
    use super::program::verdict_on;
    use super::*;

    fn filters(guard: ForkGuard) -> (BpfProgram, BpfProgram) {
        (for_sandbox(3, guard).unwrap(), for_zygote(guard).unwrap())
    }

    #[test]
    fn a_filter_allows_what_its_rules_say_kills_for_what_only_attacks_do_and_refuses_the_rest() {
        let (sandbox, zygote) = filters(ForkGuard::Listener);
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
    fn the_supervisor_is_asked_about_marked_calls_and_no_others() {
        let (sandbox, zygote) = filters(ForkGuard::Listener);
        let allow = libc::SECCOMP_RET_ALLOW;
        let fail = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let ask = libc::SECCOMP_RET_USER_NOTIF;
        let clone = |flags: u64, mark: u64| {
            let mut arguments = [flags, 0, 0, 0, 0, 0];
            arguments[usize::from(CLONE_MARK)] = mark;
            (libc::SYS_clone, arguments)
        };
        let prctl = |operation: i32, signal: i32, mark: u64| {
            (
                libc::SYS_prctl,
                [operation as u64, signal as u64, mark, 1, 2, 0],
            )
        };
        let fork = libc::CLONE_PARENT as u64;
        let (dies, kill) = (libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        for ((call, arguments), of_sandbox, of_zygote) in [
            (clone(fork, 0), fail, allow),
            (clone(fork, KEPT_FORK_MARK), allow, ask),
            (clone(fork, KEPT_FORK_MARK ^ 1), fail, allow),
            (clone(fork, KEPT_FORK_MARK ^ (1 << 63)), fail, allow),
            (
                clone(fork | libc::CLONE_VM as u64, KEPT_FORK_MARK),
                fail,
                ask,
            ),
            (clone(fork | 1 << 32, KEPT_FORK_MARK), fail, ask),
            (clone(0, KEPT_FORK_MARK), fail, ask),
            (prctl(dies, kill, 0), fail, allow),
            (prctl(dies, kill, KEPT_FORK_MARK), allow, ask),
            (prctl(dies, 0, KEPT_FORK_MARK), fail, ask),
            (
                prctl(libc::PR_SET_NO_NEW_PRIVS, 1, KEPT_FORK_MARK),
                fail,
                allow,
            ),
            (prctl(libc::PR_SET_SECCOMP, 2, KEPT_FORK_MARK), fail, ask),
        ] {
            let judge = |program| verdict_on(program, call as u32, arguments);
            assert_eq!(judge(&sandbox), of_sandbox, "{call} {arguments:x?}");
            assert_eq!(judge(&zygote), of_zygote, "{call} {arguments:x?}");
        }
    }

    #[test]
    fn where_forks_are_traced_a_sandbox_may_do_what_that_takes_and_no_more() {
        let (sandbox, zygote) = filters(ForkGuard::Tracer);
        let (untraced, _) = filters(ForkGuard::Listener);
        let allow = libc::SECCOMP_RET_ALLOW;
        let fail = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
        let kill = libc::SECCOMP_RET_KILL_PROCESS;
        let trace = libc::SECCOMP_RET_TRACE | u32::from(TRACED_FORK);
        let dies_traced = libc::SECCOMP_RET_TRACE | u32::from(TRACED_DEATH_SIGNAL);
        let fork = |flags: u64, mark: u64| {
            let mut arguments = [flags, 0, 0, 0, 0, 0];
            arguments[usize::from(CLONE_MARK)] = mark;
            (libc::SYS_clone, arguments)
        };
        let three = |first: u64, second: u64, third: i32| [first, second, third as u64, 0, 0, 0];
        let sibling = libc::CLONE_PARENT as u64;
        let (dies, mark) = (libc::PR_SET_PDEATHSIG as u64, KEPT_FORK_MARK);
        let shown = [dies, libc::SIGKILL as u64, mark, 1, 2, 0];
        let flags = libc::MSG_CMSG_CLOEXEC;
        for ((call, arguments), of_sandbox, of_zygote) in [
            (fork(sibling, mark), allow, trace),
            (
                fork(sibling | libc::CLONE_UNTRACED as u64, mark),
                fail,
                trace,
            ),
            (fork(sibling, 0), fail, allow),
            ((libc::SYS_prctl, shown), allow, dies_traced),
            ((libc::SYS_ptrace, three(0, 0, 0)), allow, allow),
            (
                (libc::SYS_ptrace, three(libc::PTRACE_ATTACH.into(), 1, 0)),
                kill,
                kill,
            ),
            (
                (libc::SYS_ptrace, three(libc::PTRACE_SEIZE.into(), 1, 0)),
                kill,
                kill,
            ),
            ((libc::SYS_ptrace, three(1 << 32, 1, 0)), kill, kill),
            ((libc::SYS_recvmsg, three(3, 4096, flags)), allow, allow),
            ((libc::SYS_recvmsg, three(0, 4096, flags)), fail, allow),
            (
                (libc::SYS_recvmsg, three(3, 4096, libc::MSG_PEEK)),
                fail,
                allow,
            ),
            ((libc::SYS_dup3, three(0, 3, libc::O_CLOEXEC)), allow, allow),
            ((libc::SYS_dup3, three(3, 0, libc::O_CLOEXEC)), fail, allow),
            ((libc::SYS_close, three(0, 0, 0)), allow, allow),
            ((libc::SYS_close, three(3, 0, 0)), fail, allow),
        ] {
            let judge = |program| verdict_on(program, call as u32, arguments);
            assert_eq!(judge(&sandbox), of_sandbox, "{call} {arguments:x?}");
            assert_eq!(judge(&zygote), of_zygote, "{call} {arguments:x?}");
            if ![libc::SYS_clone, libc::SYS_prctl].contains(&call) {
                assert_ne!(judge(&untraced), allow, "{call} {arguments:x?}");
            }
        }
    }

    #[test]
    fn no_call_that_kills_is_one_that_a_filter_allows() {
        let allowed = [common().unwrap(), sandbox_rules(3).unwrap()].map(Rules::into_keys);
        let allowed: Vec<i64> = allowed.into_iter().flatten().collect();
        let both: Vec<_> = KILLING
            .iter()
            .filter(|call| allowed.contains(call))
            .collect();
        assert!(both.is_empty(), "{both:?}");
    }
}
