//! The system calls that `sandbox-probe` tries.
//!
//! Arguments are such that a call which is not refused does no harm: paths that are only read,
//! signal 0, empty or invalid structures.

use std::ffi::CStr;
use std::ffi::CString;
use std::ops::Range;
use std::ptr;

/// A system call to be tried.
pub struct Attempt {
    pub name: String,
    number: i64,
    arguments: [i64; 6],
    /// Whether a zygote needs the call, so that only a sandbox must be refused.
    pub zygote_may: bool,
    /// Whether any process may do this where Landlock is missing.
    pub is_public: bool,
}

/// How a call ended.
#[derive(Clone, Copy)]
pub struct Outcome {
    pub result: i64,
    /// 0 if it succeeded.
    pub errno: i32,
}

impl Attempt {
    fn new<const N: usize>(name: &str, number: i64, given: [i64; N]) -> Self {
        let mut arguments = [0; 6];
        arguments[..N].copy_from_slice(&given);
        Self {
            name: name.to_owned(),
            number,
            arguments,
            zygote_may: false,
            is_public: false,
        }
    }

    fn public(mut self) -> Self {
        self.is_public = true;
        self
    }

    /// Whether it must end the process that makes it.
    pub fn kills(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if self.number >= faas_lockdown::X32 {
            return true;
        }
        faas_lockdown::KILLING.contains(&self.number)
    }

    fn needed_by_zygote(mut self) -> Self {
        self.zygote_may = true;
        self
    }

    /// Makes the call. If it forks, the child ends at once.
    pub fn run(&self) -> Outcome {
        let [a, b, c, d, e, f] = self.arguments;
        // SAFETY: every pointer among the arguments is null, deliberately invalid for the kernel to
        // refuse, or to static memory of the size that the call expects. Nothing that the calls do
        // touches memory of this process that Rust relies on.
        let result = unsafe { libc::syscall(self.number, a, b, c, d, e, f) };
        if result == 0 && self.makes_processes() {
            // SAFETY: we are the child of a fork that should have failed.
            unsafe { libc::_exit(0) };
        }
        let errno = if result == -1 {
            std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
        } else {
            0
        };
        if self.number == libc::SYS_openat && result >= 0 {
            // Few can be open in a sandbox.
            // SAFETY: the descriptor was just made, and nobody else knows it.
            unsafe { libc::close(result as i32) };
        }
        Outcome { result, errno }
    }

    fn makes_processes(&self) -> bool {
        #[cfg(target_arch = "x86_64")]
        if [libc::SYS_fork, libc::SYS_vfork].contains(&self.number) {
            return true;
        }
        [libc::SYS_clone, libc::SYS_clone3].contains(&self.number)
    }
}

const FILE: &CStr = c"/etc/passwd";
const PROGRAM: &CStr = c"/bin/true";
const NOWHERE: &CStr = c"/tmp/faas-probe-must-not-exist";
const MEMORY: &CStr = c"/proc/self/mem";
const NAME: &CStr = c"user";
const EMPTY: &CStr = c"";

/// Zeroed memory for structures that calls read or fill in.
static mut SCRATCH: [u64; 64] = [0; 64];
/// A `struct sockaddr_in`: 127.0.0.1, port 1.
static LOOPBACK: [u8; 16] = [2, 0, 0, 1, 127, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
/// An unlimited `struct rlimit64`.
static UNLIMITED: [u64; 2] = [u64::MAX; 2];
/// A `struct open_how` for reading.
static HOW: [u64; 3] = [0; 3];
/// A `struct clone_args` for a plain fork: exit signal 17 (SIGCHLD).
static CLONE_ARGS: [u64; 8] = [0, 0, 0, 0, 17, 0, 0, 0];

fn path(text: &'static CStr) -> i64 {
    text.as_ptr() as i64
}

fn at<T>(value: &'static T) -> i64 {
    ptr::from_ref(value) as i64
}

fn scratch() -> i64 {
    (&raw mut SCRATCH) as i64
}

/// Every number that a sandbox's filter does not name and does not kill for, with zeroes.
pub fn sweep(numbers: Range<i64>) -> Vec<Attempt> {
    let mut skipped = faas_lockdown::sandbox_calls();
    skipped.extend(faas_lockdown::KILLING);
    // uretprobe and uprobe: the kernel lets no filter see them, and kills with SIGILL a process that calls
    // them from elsewhere than its own trampoline.
    #[cfg(target_arch = "x86_64")]
    skipped.extend([335, 336]);
    numbers
        .filter(|number| !skipped.contains(number))
        .map(|number| Attempt::new(&number.to_string(), number, []))
        .collect()
}

/// Every number that a filter kills for, with zeroes.
pub fn killing() -> Vec<Attempt> {
    let numbers = faas_lockdown::KILLING.iter();
    numbers
        .map(|&number| Attempt::new(&number.to_string(), number, []))
        .collect()
}

/// What a process tries on others of the same user, by what they are and their process ids.
/// `with_calls`: also by a call that a filter kills for.
pub fn on_neighbours(neighbours: &[(&str, i32)], with_calls: bool) -> Vec<Attempt> {
    let mut attempts = vec![open("status of itself", "/proc/self/status".to_owned(), 0).public()];
    for &(who, pid) in neighbours {
        // One that is open there.
        let is_sandbox = who.ends_with("sandbox");
        let descriptor = if is_sandbox { "fd/3" } else { "fd/0" };
        for name in [
            "mem", "maps", "smaps", "environ", "auxv", "pagemap", descriptor, "cwd", "root", "exe",
            "ns/net",
        ] {
            attempts.push(open(
                &format!("{name} of {who}"),
                format!("/proc/{pid}/{name}"),
                0,
            ));
        }
        let thread = format!("/proc/{pid}/task/{pid}/mem");
        attempts.push(open(
            &format!("thread's mem of {who}"),
            thread,
            libc::O_RDWR,
        ));
        for name in ["status", "cmdline", "limits"] {
            let path = format!("/proc/{pid}/{name}");
            attempts.push(open(&format!("{name} of {who}"), path, 0).public());
        }
        // Root owns the directory, and may list it, where the server runs as root.
        let directory = open(
            &format!("fd of {who}"),
            format!("/proc/{pid}/fd"),
            libc::O_DIRECTORY,
        );
        attempts.push(directory.public());
        if with_calls {
            attempts.push(read_memory(who, i64::from(pid)));
        }
    }
    for name in ["net/tcp", "mounts", "cpuinfo"] {
        attempts.push(open(name, format!("/proc/{name}"), 0).public());
    }
    attempts
}

fn open(name: &str, path: String, flags: i32) -> Attempt {
    let path = CString::new(path).unwrap_or_default().into_raw();
    let arguments = [i64::from(libc::AT_FDCWD), path as i64, i64::from(flags)];
    Attempt::new(name, libc::SYS_openat, arguments)
}

/// Reads a byte of another process: what tracing it would allow, too.
fn read_memory(who: &str, pid: i64) -> Attempt {
    // Of this process, and of the other at the same place.
    let bytes: &'static [u64; 2] = Box::leak(Box::new([scratch() as u64, 1]));
    Attempt::new(
        &format!("process_vm_readv of {who}"),
        libc::SYS_process_vm_readv,
        [pid, at(bytes), 1, at(bytes), 1, 0],
    )
}

/// The attempts; `parent` is the process id of the probe itself, in the supervisor's place.
pub fn all(parent: i32) -> Vec<Attempt> {
    let parent = i64::from(parent);
    let mut attempts = Vec::new();
    attempts.extend(files());
    attempts.extend(network());
    attempts.extend(processes(parent));
    attempts.extend(kernel());
    attempts.extend(privileges());
    attempts.extend(descriptors());
    attempts.extend(memory_and_limits(parent));
    #[cfg(target_arch = "x86_64")]
    attempts.extend(older_x86_calls());
    attempts
}

fn files() -> Vec<Attempt> {
    let cwd = i64::from(libc::AT_FDCWD);
    let write = i64::from(libc::O_WRONLY | libc::O_CREAT);
    vec![
        Attempt::new("openat", libc::SYS_openat, [cwd, path(FILE), 0]),
        Attempt::new("openat memory", libc::SYS_openat, [cwd, path(MEMORY), 2]),
        Attempt::new(
            "openat create",
            libc::SYS_openat,
            [cwd, path(NOWHERE), write, 0o600],
        ),
        Attempt::new(
            "openat proc",
            libc::SYS_openat,
            [cwd, path(c"/proc/self/status"), 0],
        )
        .needed_by_zygote(),
        Attempt::new(
            "openat directory",
            libc::SYS_openat,
            [cwd, path(c"/"), i64::from(libc::O_DIRECTORY)],
        ),
        Attempt::new(
            "openat path only",
            libc::SYS_openat,
            [cwd, path(FILE), i64::from(libc::O_PATH)],
        )
        .needed_by_zygote(),
        Attempt::new(
            "openat2",
            libc::SYS_openat2,
            [cwd, path(FILE), at(&HOW), 24],
        ),
        Attempt::new(
            "name_to_handle_at",
            libc::SYS_name_to_handle_at,
            [cwd, path(FILE), scratch(), scratch(), 0],
        ),
        Attempt::new(
            "open_by_handle_at",
            libc::SYS_open_by_handle_at,
            [cwd, scratch(), 0],
        ),
        Attempt::new("readlinkat", libc::SYS_readlinkat, [cwd, path(MEMORY)]),
        Attempt::new("faccessat", libc::SYS_faccessat, [cwd, path(FILE), 4]),
        Attempt::new(
            "newfstatat",
            libc::SYS_newfstatat,
            [cwd, path(FILE), scratch(), 0],
        ),
        Attempt::new(
            "newfstatat descriptor",
            libc::SYS_newfstatat,
            [0, path(EMPTY), scratch(), i64::from(libc::AT_EMPTY_PATH)],
        ),
        Attempt::new(
            "newfstatat path as if it were empty",
            libc::SYS_newfstatat,
            [cwd, path(FILE), scratch(), i64::from(libc::AT_EMPTY_PATH)],
        ),
        Attempt::new(
            "statx",
            libc::SYS_statx,
            [cwd, path(FILE), 0, 0x7ff, scratch()],
        ),
        Attempt::new("getdents64", libc::SYS_getdents64, [0, scratch(), 512]),
        Attempt::new("truncate", libc::SYS_truncate, [path(NOWHERE), 0]),
        Attempt::new("ftruncate", libc::SYS_ftruncate, [3, 0]),
        Attempt::new(
            "linkat",
            libc::SYS_linkat,
            [cwd, path(FILE), cwd, path(NOWHERE)],
        ),
        Attempt::new(
            "symlinkat",
            libc::SYS_symlinkat,
            [path(FILE), cwd, path(NOWHERE)],
        ),
        Attempt::new("unlinkat", libc::SYS_unlinkat, [cwd, path(NOWHERE)]),
        Attempt::new(
            "renameat2",
            libc::SYS_renameat2,
            [cwd, path(NOWHERE), cwd, path(NOWHERE)],
        ),
        Attempt::new("mkdirat", libc::SYS_mkdirat, [cwd, path(EMPTY), 0o700]),
        Attempt::new("mknodat", libc::SYS_mknodat, [cwd, path(EMPTY), 0o600]),
        Attempt::new("fchmodat", libc::SYS_fchmodat, [cwd, path(NOWHERE), 0o777]),
        Attempt::new("fchownat", libc::SYS_fchownat, [cwd, path(NOWHERE)]),
        Attempt::new("utimensat", libc::SYS_utimensat, [cwd, path(NOWHERE)]),
        Attempt::new("chdir", libc::SYS_chdir, [path(c"/")]),
        Attempt::new("fchdir", libc::SYS_fchdir, [3]),
        Attempt::new("getcwd", libc::SYS_getcwd, [scratch(), 512]),
        Attempt::new("statfs", libc::SYS_statfs, [path(c"/"), scratch()]),
        Attempt::new("setxattr", libc::SYS_setxattr, [path(NOWHERE), path(NAME)]),
        Attempt::new(
            "getxattr",
            libc::SYS_getxattr,
            [path(FILE), path(NAME), scratch(), 8],
        ),
        Attempt::new("inotify_init1", libc::SYS_inotify_init1, [0]),
        Attempt::new("fanotify_init", libc::SYS_fanotify_init, [0, 0]),
        Attempt::new("memfd_create", libc::SYS_memfd_create, [path(NAME), 0]),
        Attempt::new("memfd_secret", libc::SYS_memfd_secret, [0]),
        Attempt::new("copy_file_range", libc::SYS_copy_file_range, [3, 0, 3]),
        Attempt::new("sendfile", libc::SYS_sendfile, [3, 3, 0, 1]),
        Attempt::new("splice", libc::SYS_splice, [3, 0, 3, 0, 1, 0]),
    ]
}

fn network() -> Vec<Attempt> {
    let (stream, raw) = (i64::from(libc::SOCK_STREAM), i64::from(libc::SOCK_RAW));
    let socket = |name, domain: i32, kind| {
        Attempt::new(name, libc::SYS_socket, [i64::from(domain), kind, 0])
    };
    vec![
        socket("socket inet", libc::AF_INET, stream),
        socket(
            "socket inet udp",
            libc::AF_INET,
            i64::from(libc::SOCK_DGRAM),
        ),
        socket("socket inet6", libc::AF_INET6, stream),
        socket("socket raw", libc::AF_INET, raw),
        socket("socket unix", libc::AF_UNIX, stream),
        socket("socket netlink", libc::AF_NETLINK, raw),
        socket("socket packet", libc::AF_PACKET, raw),
        socket("socket vsock", libc::AF_VSOCK, stream),
        socket("socket alg", libc::AF_ALG, i64::from(libc::SOCK_SEQPACKET)),
        Attempt::new(
            "socketpair",
            libc::SYS_socketpair,
            [i64::from(libc::AF_UNIX), stream, 0, scratch()],
        ),
        Attempt::new("connect", libc::SYS_connect, [3, at(&LOOPBACK), 16]),
        Attempt::new("bind", libc::SYS_bind, [3, at(&LOOPBACK), 16]),
        Attempt::new("listen", libc::SYS_listen, [3, 1]),
        Attempt::new("accept4", libc::SYS_accept4, [3, 0, 0, 0]),
        Attempt::new("io_uring_setup", libc::SYS_io_uring_setup, [8, scratch()]),
        Attempt::new("io_uring_enter", libc::SYS_io_uring_enter, [3, 1]),
        Attempt::new("io_uring_register", libc::SYS_io_uring_register, [3, 0]),
    ]
}

fn processes(parent: i64) -> Vec<Attempt> {
    let child_signal = i64::from(libc::SIGCHLD);
    let thread = i64::from(
        libc::CLONE_VM
            | libc::CLONE_FS
            | libc::CLONE_FILES
            | libc::CLONE_SIGHAND
            | libc::CLONE_THREAD,
    );
    let namespaces = i64::from(libc::CLONE_NEWUSER | libc::CLONE_PARENT);
    let nothing = scratch();
    vec![
        Attempt::new(
            "execve",
            libc::SYS_execve,
            [path(PROGRAM), nothing, nothing],
        ),
        Attempt::new(
            "execveat",
            libc::SYS_execveat,
            [
                i64::from(libc::AT_FDCWD),
                path(PROGRAM),
                nothing,
                nothing,
                0,
            ],
        ),
        Attempt::new(
            "execveat descriptor",
            libc::SYS_execveat,
            [
                3,
                path(EMPTY),
                nothing,
                nothing,
                i64::from(libc::AT_EMPTY_PATH),
            ],
        ),
        Attempt::new("clone", libc::SYS_clone, [child_signal]),
        Attempt::new("clone thread", libc::SYS_clone, [thread]),
        Attempt::new("clone user namespace", libc::SYS_clone, [namespaces]),
        Attempt::new(
            "clone sibling",
            libc::SYS_clone,
            [i64::from(libc::CLONE_PARENT)],
        )
        .needed_by_zygote(),
        Attempt::new("clone3", libc::SYS_clone3, [at(&CLONE_ARGS), 64]),
        Attempt::new(
            "unshare user",
            libc::SYS_unshare,
            [i64::from(libc::CLONE_NEWUSER)],
        ),
        Attempt::new(
            "unshare files",
            libc::SYS_unshare,
            [i64::from(libc::CLONE_FILES)],
        ),
        Attempt::new("setns", libc::SYS_setns, [3, 0]),
        Attempt::new(
            "ptrace parent",
            libc::SYS_ptrace,
            [i64::from(libc::PTRACE_SEIZE), parent],
        ),
        Attempt::new(
            "ptrace me",
            libc::SYS_ptrace,
            [i64::from(libc::PTRACE_TRACEME)],
        ),
        Attempt::new("kill parent", libc::SYS_kill, [parent, 0]),
        Attempt::new("kill group", libc::SYS_kill, [0, 0]),
        Attempt::new("kill all", libc::SYS_kill, [-1, 0]),
        Attempt::new("tkill", libc::SYS_tkill, [parent, 0]),
        Attempt::new("tgkill", libc::SYS_tgkill, [parent, parent, 0]),
        Attempt::new("rt_sigqueueinfo", libc::SYS_rt_sigqueueinfo, [parent, 0]),
        Attempt::new("pidfd_open", libc::SYS_pidfd_open, [parent]),
        Attempt::new(
            "pidfd_send_signal",
            libc::SYS_pidfd_send_signal,
            [3, 0, 0, 0],
        ),
        Attempt::new("pidfd_getfd", libc::SYS_pidfd_getfd, [3, 0, 0]),
        Attempt::new(
            "process_vm_readv",
            libc::SYS_process_vm_readv,
            [parent, nothing, 1, nothing, 1, 0],
        ),
        Attempt::new(
            "process_vm_writev",
            libc::SYS_process_vm_writev,
            [parent, nothing, 1, nothing, 1, 0],
        ),
        Attempt::new("process_madvise", libc::SYS_process_madvise, [3, nothing]),
        Attempt::new("kcmp", libc::SYS_kcmp, [parent, parent, 1]),
        Attempt::new("wait4", libc::SYS_wait4, [-1, 0, 1, 0]),
        Attempt::new("waitid", libc::SYS_waitid, [0, -1, 0, 5, 0]),
        Attempt::new("getppid", libc::SYS_getppid, []).needed_by_zygote(),
        Attempt::new("setsid", libc::SYS_setsid, []),
        Attempt::new("setpgid", libc::SYS_setpgid, [0, 0]),
        Attempt::new("setpriority", libc::SYS_setpriority, [0, 0, 0]),
        Attempt::new(
            "sched_setaffinity",
            libc::SYS_sched_setaffinity,
            [0, 8, nothing],
        ),
        Attempt::new(
            "sched_setscheduler",
            libc::SYS_sched_setscheduler,
            [0, 0, nothing],
        ),
        Attempt::new("set_robust_list", libc::SYS_set_robust_list, [nothing, 24]),
        Attempt::new(
            "timer_create",
            libc::SYS_timer_create,
            [0, nothing, nothing],
        ),
    ]
}

fn kernel() -> Vec<Attempt> {
    let nothing = scratch();
    vec![
        Attempt::new("bpf", libc::SYS_bpf, [0, nothing, 72]),
        Attempt::new("userfaultfd", libc::SYS_userfaultfd, [0]),
        Attempt::new(
            "perf_event_open",
            libc::SYS_perf_event_open,
            [nothing, 0, -1, -1, 0],
        ),
        Attempt::new(
            "mount",
            libc::SYS_mount,
            [path(EMPTY), path(NOWHERE), path(EMPTY)],
        ),
        Attempt::new("umount2", libc::SYS_umount2, [path(NOWHERE)]),
        Attempt::new("pivot_root", libc::SYS_pivot_root, [path(NOWHERE)]),
        Attempt::new("chroot", libc::SYS_chroot, [path(c"/")]),
        Attempt::new("open_tree", libc::SYS_open_tree, [-1, path(c"/")]),
        Attempt::new("move_mount", libc::SYS_move_mount, [-1, path(EMPTY), -1]),
        Attempt::new("fsopen", libc::SYS_fsopen, [path(c"tmpfs")]),
        Attempt::new("fsmount", libc::SYS_fsmount, [-1]),
        Attempt::new(
            "mount_setattr",
            libc::SYS_mount_setattr,
            [-1, path(EMPTY), 0, nothing, 32],
        ),
        Attempt::new("keyctl", libc::SYS_keyctl, [0, -3]),
        Attempt::new(
            "add_key",
            libc::SYS_add_key,
            [path(NAME), path(NAME), nothing, 1, -3],
        ),
        Attempt::new(
            "request_key",
            libc::SYS_request_key,
            [path(NAME), path(NAME)],
        ),
        Attempt::new("shmget", libc::SYS_shmget, [0, 4096, 0o600]),
        Attempt::new("shmat", libc::SYS_shmat, [0, 0, 0]),
        Attempt::new("shmctl", libc::SYS_shmctl, [0, 0, nothing]),
        Attempt::new("semget", libc::SYS_semget, [0, 1, 0o600]),
        Attempt::new("msgget", libc::SYS_msgget, [0, 0o600]),
        Attempt::new("mq_open", libc::SYS_mq_open, [path(NAME), 0]),
        Attempt::new("kexec_load", libc::SYS_kexec_load, [0, 1 << 20]),
        Attempt::new("init_module", libc::SYS_init_module, [0, 0, path(EMPTY)]),
        Attempt::new("finit_module", libc::SYS_finit_module, [-1, path(EMPTY), 0]),
        Attempt::new("delete_module", libc::SYS_delete_module, [path(EMPTY)]),
        Attempt::new("reboot", libc::SYS_reboot, []),
        Attempt::new("swapon", libc::SYS_swapon, [path(NOWHERE)]),
        Attempt::new("swapoff", libc::SYS_swapoff, [path(NOWHERE)]),
        Attempt::new("quotactl", libc::SYS_quotactl, [0, 0, 0, 0]),
        Attempt::new("acct", libc::SYS_acct, [path(NOWHERE)]),
        Attempt::new("syslog", libc::SYS_syslog, [3, nothing, 8]),
        Attempt::new("sethostname", libc::SYS_sethostname, [0, -1]),
        Attempt::new("setdomainname", libc::SYS_setdomainname, [0, -1]),
        Attempt::new("settimeofday", libc::SYS_settimeofday, [8, 8]),
        Attempt::new("clock_settime", libc::SYS_clock_settime, [0, 8]),
        Attempt::new("adjtimex", libc::SYS_adjtimex, [8]),
        Attempt::new("uname", libc::SYS_uname, [nothing]),
        Attempt::new("sysinfo", libc::SYS_sysinfo, [nothing]),
        Attempt::new("vhangup", libc::SYS_vhangup, []),
        Attempt::new("lookup_dcookie", libc::SYS_lookup_dcookie, [0]),
        Attempt::new("membarrier", libc::SYS_membarrier, [0]),
        Attempt::new("rseq", libc::SYS_rseq, [nothing, 32]),
        Attempt::new("mbind", libc::SYS_mbind, [0, 0]),
        Attempt::new("move_pages", libc::SYS_move_pages, [0, 0]),
    ]
}

fn privileges() -> Vec<Attempt> {
    let nothing = scratch();
    let prctl = |name, operation: i32, argument| {
        Attempt::new(
            name,
            libc::SYS_prctl,
            [i64::from(operation), argument, 0, 0, 0],
        )
    };
    vec![
        Attempt::new("setuid", libc::SYS_setuid, [0]),
        Attempt::new("setgid", libc::SYS_setgid, [0]),
        Attempt::new("setresuid", libc::SYS_setresuid, [0, 0, 0]),
        Attempt::new("setresgid", libc::SYS_setresgid, [0, 0, 0]),
        Attempt::new("setgroups", libc::SYS_setgroups, [0, 0]),
        Attempt::new("setfsuid", libc::SYS_setfsuid, [0]),
        Attempt::new("capset", libc::SYS_capset, [0, 0]).needed_by_zygote(),
        Attempt::new("capget", libc::SYS_capget, [0, 0]),
        Attempt::new("personality", libc::SYS_personality, [0x0040_0000]),
        prctl("prctl dumpable", libc::PR_SET_DUMPABLE, 1),
        prctl("prctl ptracer", libc::PR_SET_PTRACER, -1),
        prctl(
            "prctl ambient capability",
            libc::PR_CAP_AMBIENT,
            i64::from(libc::PR_CAP_AMBIENT_RAISE),
        ),
        prctl("prctl keep capabilities", libc::PR_SET_KEEPCAPS, 1),
        prctl("prctl no death signal", libc::PR_SET_PDEATHSIG, 0).needed_by_zygote(),
        prctl("prctl name", libc::PR_SET_NAME, path(NAME)),
        prctl("prctl memory map", libc::PR_SET_MM, 1),
        prctl("prctl subreaper", libc::PR_SET_CHILD_SUBREAPER, 1),
        prctl("prctl seccomp", libc::PR_SET_SECCOMP, 2),
        prctl("prctl timer slack", libc::PR_SET_TIMERSLACK, 1),
        prctl("prctl speculation", libc::PR_SET_SPECULATION_CTRL, 0),
        Attempt::new("seccomp", libc::SYS_seccomp, [1, 0, nothing]).needed_by_zygote(),
        Attempt::new(
            "landlock_create_ruleset",
            libc::SYS_landlock_create_ruleset,
            [0, 0, 1],
        )
        .needed_by_zygote(),
        Attempt::new(
            "landlock_add_rule",
            libc::SYS_landlock_add_rule,
            [3, 1, nothing, 0],
        ),
        Attempt::new(
            "landlock_restrict_self",
            libc::SYS_landlock_restrict_self,
            [3, 0],
        )
        .needed_by_zygote(),
        Attempt::new("rt_sigaction", libc::SYS_rt_sigaction, [9, 0, 0, 8]).needed_by_zygote(),
    ]
}

/// Descriptor 3 is the job socket in a sandbox.
fn descriptors() -> Vec<Attempt> {
    /// The C library's headers have it; the crate does not.
    const F_SETSIG: i32 = 10;
    let nothing = scratch();
    let control = |name, command: i32, argument| {
        Attempt::new(name, libc::SYS_fcntl, [3, i64::from(command), argument])
    };
    vec![
        Attempt::new("read 0", libc::SYS_read, [0, nothing, 1]).needed_by_zygote(),
        Attempt::new("write 1", libc::SYS_write, [1, nothing, 0]).needed_by_zygote(),
        Attempt::new("write 2", libc::SYS_write, [2, nothing, 0]).needed_by_zygote(),
        Attempt::new("write 4", libc::SYS_write, [4, nothing, 1]).needed_by_zygote(),
        Attempt::new("pread64", libc::SYS_pread64, [3, nothing, 1, 0]),
        Attempt::new("pwrite64", libc::SYS_pwrite64, [3, nothing, 1, 0]),
        Attempt::new("readv", libc::SYS_readv, [3, nothing, 1]),
        Attempt::new("writev", libc::SYS_writev, [3, nothing, 1]),
        Attempt::new("sendto", libc::SYS_sendto, [3, nothing, 0, 0, 0, 0]).needed_by_zygote(),
        Attempt::new("recvfrom", libc::SYS_recvfrom, [3, nothing, 0, 0x40, 0, 0])
            .needed_by_zygote(),
        Attempt::new("sendmsg", libc::SYS_sendmsg, [3, nothing, 0]).needed_by_zygote(),
        Attempt::new("recvmsg", libc::SYS_recvmsg, [3, nothing, 0x40]).needed_by_zygote(),
        Attempt::new("sendmmsg", libc::SYS_sendmmsg, [3, nothing, 1]),
        Attempt::new("recvmmsg", libc::SYS_recvmmsg, [3, nothing, 1, 0x40]),
        Attempt::new("shutdown", libc::SYS_shutdown, [3, 9]),
        Attempt::new("getsockopt", libc::SYS_getsockopt, [3, 1, 17]),
        Attempt::new("setsockopt", libc::SYS_setsockopt, [3, 1, 7]),
        Attempt::new("getpeername", libc::SYS_getpeername, [3, nothing, nothing]),
        Attempt::new("dup", libc::SYS_dup, [3]),
        Attempt::new("dup3", libc::SYS_dup3, [3, 5, 0]).needed_by_zygote(),
        control("fcntl copy", libc::F_DUPFD_CLOEXEC, 4),
        // To have the kernel send signals to a process of one's choice.
        control("fcntl owner", libc::F_SETOWN, 1),
        control("fcntl signal", F_SETSIG, i64::from(libc::SIGKILL)),
        control(
            "fcntl asynchronous",
            libc::F_SETFL,
            i64::from(libc::O_ASYNC),
        ),
        control("fcntl notify", libc::F_NOTIFY, 1),
        control("fcntl lease", libc::F_SETLEASE, i64::from(libc::F_RDLCK)),
        Attempt::new("ioctl", libc::SYS_ioctl, [3, 0x541b, nothing]),
        Attempt::new("close", libc::SYS_close, [77]).needed_by_zygote(),
        Attempt::new("close_range", libc::SYS_close_range, [77, 78, 0]).needed_by_zygote(),
        Attempt::new("pipe2", libc::SYS_pipe2, [nothing, 0]),
        Attempt::new("eventfd2", libc::SYS_eventfd2, [0, 0]),
        Attempt::new("signalfd4", libc::SYS_signalfd4, [-1, nothing, 8, 0]),
        Attempt::new("timerfd_create", libc::SYS_timerfd_create, [1, 0]),
        Attempt::new("epoll_create1", libc::SYS_epoll_create1, [0]),
        Attempt::new("ppoll", libc::SYS_ppoll, [nothing, 0, nothing, 0, 8]),
    ]
}

fn memory_and_limits(parent: i64) -> Vec<Attempt> {
    const SIZE: i64 = 64 << 20;
    let both = i64::from(libc::PROT_READ | libc::PROT_WRITE);
    let map = |name, flags: i32| {
        Attempt::new(
            name,
            libc::SYS_mmap,
            [0, SIZE, both, i64::from(libc::MAP_ANONYMOUS | flags), -1, 0],
        )
    };
    let limit = |name, resource, new| {
        Attempt::new(name, libc::SYS_prlimit64, [0, i64::from(resource), new, 0])
    };
    let advise = |name, advice: i32| {
        Attempt::new(name, libc::SYS_madvise, [0, 4096, i64::from(advice)]).needed_by_zygote()
    };
    let unlimited = at(&UNLIMITED);
    let private_memory = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE);
    let cpu_clock = !parent << 3 | 2;
    vec![
        // Memory that RLIMIT_DATA counts, more than the probed sandbox may have.
        map("mmap over the limit", libc::MAP_PRIVATE).needed_by_zygote(),
        // Memory that is only read: it counts for nothing else, but the kernel's tables for it are real.
        Attempt::new(
            "mmap over the address space",
            libc::SYS_mmap,
            [0, 1 << 40, 1, private_memory, -1, 0],
        )
        .needed_by_zygote(),
        map("mmap shared", libc::MAP_SHARED),
        map("mmap growing", libc::MAP_PRIVATE | libc::MAP_GROWSDOWN),
        map("mmap huge", libc::MAP_PRIVATE | libc::MAP_HUGETLB),
        map("mmap locked", libc::MAP_PRIVATE | libc::MAP_LOCKED),
        Attempt::new(
            "mmap socket",
            libc::SYS_mmap,
            [0, 4096, 1, i64::from(libc::MAP_PRIVATE), 3, 0],
        ),
        Attempt::new(
            "mprotect growing",
            libc::SYS_mprotect,
            [0, 4096, 0x0100_0003],
        ),
        Attempt::new("mremap fixed", libc::SYS_mremap, [0, 4096, 4096, 3, 0x1000]),
        Attempt::new("mlock", libc::SYS_mlock, [0, 4096]),
        Attempt::new("mlockall", libc::SYS_mlockall, [1]),
        Attempt::new(
            "remap_file_pages",
            libc::SYS_remap_file_pages,
            [0, 4096, 0, 0, 0],
        ),
        Attempt::new("mincore", libc::SYS_mincore, [0, 4096, scratch()]),
        advise("madvise mergeable", libc::MADV_MERGEABLE),
        advise("madvise poison", libc::MADV_HWPOISON),
        advise("madvise remove", libc::MADV_REMOVE),
        limit("raise memory limit", libc::RLIMIT_DATA, unlimited).needed_by_zygote(),
        limit("raise address limit", libc::RLIMIT_AS, unlimited).needed_by_zygote(),
        limit("raise cpu limit", libc::RLIMIT_CPU, unlimited).needed_by_zygote(),
        limit("raise descriptor limit", libc::RLIMIT_NOFILE, unlimited),
        limit("raise file limit", libc::RLIMIT_FSIZE, unlimited).needed_by_zygote(),
        limit("raise process limit", libc::RLIMIT_NPROC, unlimited).needed_by_zygote(),
        limit("raise core limit", libc::RLIMIT_CORE, unlimited).needed_by_zygote(),
        limit("raise stack limit", libc::RLIMIT_STACK, unlimited).needed_by_zygote(),
        Attempt::new(
            "limits of parent",
            libc::SYS_prlimit64,
            [parent, i64::from(libc::RLIMIT_CPU), 0, scratch()],
        ),
        Attempt::new(
            "clock of parent",
            libc::SYS_clock_gettime,
            [cpu_clock, scratch()],
        ),
        Attempt::new("futex pi", libc::SYS_futex, [scratch(), 6 | 128, 0, 0]),
        Attempt::new("futex requeue", libc::SYS_futex, [scratch(), 3, 0, 0]),
        Attempt::new("futex_waitv", libc::SYS_futex_waitv, [scratch(), 1]),
        Attempt::new("setitimer virtual", libc::SYS_setitimer, [1, scratch(), 0]),
    ]
}

/// Calls that newer architectures do not have, and those of this one alone.
#[cfg(target_arch = "x86_64")]
fn older_x86_calls() -> Vec<Attempt> {
    /// Marks a call of the x32 interface, whose numbers are otherwise the same.
    const X32: i64 = 0x4000_0000;
    vec![
        Attempt::new("open", libc::SYS_open, [path(FILE), 0]),
        Attempt::new("creat", libc::SYS_creat, [path(NOWHERE), 0o600]),
        Attempt::new("stat", libc::SYS_stat, [path(FILE), scratch()]),
        Attempt::new("access", libc::SYS_access, [path(FILE), 4]),
        Attempt::new("readlink", libc::SYS_readlink, [path(MEMORY)]),
        Attempt::new("link", libc::SYS_link, [path(FILE), path(NOWHERE)]),
        Attempt::new("symlink", libc::SYS_symlink, [path(FILE), path(NOWHERE)]),
        Attempt::new("unlink", libc::SYS_unlink, [path(NOWHERE)]),
        Attempt::new("rename", libc::SYS_rename, [path(NOWHERE), path(NOWHERE)]),
        Attempt::new("mkdir", libc::SYS_mkdir, [path(EMPTY)]),
        Attempt::new("rmdir", libc::SYS_rmdir, [path(NOWHERE)]),
        Attempt::new("chmod", libc::SYS_chmod, [path(NOWHERE), 0o777]),
        Attempt::new("chown", libc::SYS_chown, [path(NOWHERE)]),
        Attempt::new("mknod", libc::SYS_mknod, [path(EMPTY)]),
        Attempt::new("fork", libc::SYS_fork, []),
        Attempt::new("vfork", libc::SYS_vfork, []),
        Attempt::new("alarm", libc::SYS_alarm, [0]),
        Attempt::new("dup2", libc::SYS_dup2, [3, 6]),
        Attempt::new("pipe", libc::SYS_pipe, [scratch()]),
        Attempt::new("inotify_init", libc::SYS_inotify_init, []),
        Attempt::new("setrlimit", libc::SYS_setrlimit, [2, at(&UNLIMITED)]),
        Attempt::new("iopl", libc::SYS_iopl, [3]),
        Attempt::new("ioperm", libc::SYS_ioperm, [0x80, 1, 1]),
        Attempt::new("modify_ldt", libc::SYS_modify_ldt, [0, scratch(), 8]),
        Attempt::new("arch_prctl", libc::SYS_arch_prctl, [0x1003, scratch()]),
        Attempt::new("uselib", libc::SYS_uselib, [path(NOWHERE)]),
        Attempt::new("x32 open", X32 | libc::SYS_open, [path(FILE), 0]),
        Attempt::new("x32 execve", X32 | 520, [path(PROGRAM)]),
        Attempt::new("x32 getpid", X32 | libc::SYS_getpid, []),
    ]
}

/// Calls the kernel through its 32-bit gate.
pub fn call_as_32_bit() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: number 20 of that gate is getpid, which takes nothing and touches no memory.
    unsafe {
        std::arch::asm!("int 0x80", inout("eax") 20 => _, options(nostack));
    }
}
