//! Native code in a kept process, tried against the supervisor's own gate of forks: as root and as nobody, with a
//! listener, and below another one, where processes are traced.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::io::Read;
use std::io::Write;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use faas_pool::ForkGate;
use faas_pool::Permission;
use faas_pool::Traced;
use faas_protocol::ForkGuard;
use faas_protocol::ForkTicket;
use faas_telemetry::Metrics;
use rustix::event::PollFd;
use rustix::event::PollFlags;
use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use rustix::process::Pid;
use rustix::process::PidfdFlags;
use rustix::process::WaitId;
use rustix::process::WaitIdOptions;
use serde_json::Value;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio_util::sync::CancellationToken;

#[path = "../../../tests/common/missing_calls.rs"]
mod missing_calls;

use missing_calls::listened_to;

const PROBE: &str = env!("CARGO_BIN_EXE_sandbox-probe");
/// The user and the group called nobody.
const NOBODY: u32 = 65534;
/// Longest wait for a process.
const PATIENCE: Duration = Duration::from_secs(20);

/// A zygote of native code, and the gate in front of its forks.
struct Line {
    zygote: Child,
    control: UnixStream,
    guard: ForkGuard,
    gate: Arc<ForkGate>,
    metrics: Arc<Metrics>,
}

/// A process of native code: where it takes orders, and its process id.
struct Kept {
    socket: UnixStream,
    pid: i32,
    /// Before the process is reaped, that is.
    traced: Option<Traced>,
}

/// Where the probe is, for a test that was started as nobody.
const COPY: &str = "PROBE_COPY";

/// Runs a test with each guard, as this user and, if that is root, once more as an ordinary user: another process, since
/// the gate has to be of the user whose processes it decides about.
fn with_each_user(test: impl AsyncFn(&mut Line)) {
    // One thread: a child's death signal comes when the thread ends that made it, and a child is traced by that thread.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    for guard in [ForkGuard::Listener, ForkGuard::Tracer] {
        runtime.block_on(async {
            let mut line = Line::start(guard);
            test(&mut line).await;
            drop(line.control);
            line.zygote.wait().unwrap();
        });
    }
    // SAFETY: the call takes nothing and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        let name = std::thread::current().name().unwrap().to_owned();
        run_as_nobody(&name);
    }
}

fn run_as_nobody(test: &str) {
    // The project's directory may be closed to other users.
    let copies = tempfile::tempdir().unwrap();
    let everybody = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(copies.path(), everybody).unwrap();
    let (program, probe) = (copies.path().join("test"), copies.path().join("probe"));
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::copy(PROBE, &probe).unwrap();
    let mut command = Command::new(program);
    command.args([test, "--exact", "--nocapture"]);
    command.env(COPY, probe).current_dir("/");
    command.uid(NOBODY).gid(NOBODY);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = spawn(&mut command).wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "as nobody: {text}{error}");
    assert!(text.contains("1 passed"), "{text}");
}

/// Starts a program that was written just now: a fork of another test may have its file open still.
fn spawn(command: &mut Command) -> Child {
    loop {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10));
            }
            started => return started.unwrap(),
        }
    }
}

impl Line {
    fn start(guard: ForkGuard) -> Self {
        let (control, theirs) = UnixStream::pair().unwrap();
        let program = std::env::var_os(COPY).unwrap_or_else(|| PROBE.into());
        let mut command = Command::new(program);
        command.arg("kept").stdin(OwnedFd::from(theirs));
        if guard == ForkGuard::Tracer {
            listened_to(&mut command);
        }
        // Before there is a child that could stop.
        let mut stops = signal(SignalKind::child()).unwrap();
        let zygote = spawn(&mut command);
        drop(command);
        control.set_read_timeout(Some(PATIENCE)).unwrap();
        let listener = receive_descriptor(&control);
        let metrics = Arc::new(Metrics::new([], []));
        let gate = Arc::new(ForkGate::new(metrics.clone()));
        match (guard, listener) {
            (ForkGuard::Listener, Some(listener)) => {
                tokio::spawn(gate.clone().answer(listener, CancellationToken::new()));
            }
            (ForkGuard::Tracer, None) => {
                let gate = gate.clone();
                tokio::spawn(async move {
                    while stops.recv().await.is_some() {
                        gate.look();
                    }
                });
            }
            (guard, listener) => unreachable!("{guard:?} with {listener:?}"),
        }
        Self {
            zygote,
            control,
            guard,
            gate,
            metrics,
        }
    }

    /// A sandbox, which is the first of a line. Where it has to be, it is traced.
    fn sandbox(&mut self) -> Kept {
        let mut sandbox = self.untraced_sandbox();
        self.trace(&mut sandbox);
        sandbox
    }

    /// Traces a process that has asked for it as soon as it began, as if it had come to rest.
    fn trace(&self, process: &mut Kept) {
        if self.guard == ForkGuard::Tracer {
            process.order(b'm', None);
            let mut asked = [0; 4];
            (&process.socket).read_exact(&mut asked).unwrap();
            assert_eq!(i32::from_le_bytes(asked), 0);
            process.traced = Some(self.gate.trace(process.pid));
            send_signal(process.pid, libc::SIGSTOP);
        }
    }

    /// One that nobody traces.
    fn untraced_sandbox(&mut self) -> Kept {
        let (ours, theirs) = UnixStream::pair().unwrap();
        send_descriptor(&self.control, b"!", &theirs.into());
        let mut pid = [0; 4];
        self.control.read_exact(&mut pid).unwrap();
        Kept::new(ours, i32::from_le_bytes(pid))
    }

    /// Allows one fork of a process; returns the fork's socket, too, and what has to be handed over with the order.
    fn allow(&self, parent: &Kept) -> (Permission, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        let given = match self.guard {
            ForkGuard::Listener => Some(theirs),
            ForkGuard::Tracer => {
                parent.hand_over(&theirs);
                None
            }
        };
        (self.gate.allow(parent.pid, given).unwrap(), ours)
    }

    /// The signal by which a process is ended that lets signals come.
    fn ends_by(&self) -> i32 {
        match self.guard {
            ForkGuard::Listener => libc::SIGSYS,
            ForkGuard::Tracer => libc::SIGKILL,
        }
    }

    /// Has a process fork, as it should be.
    async fn fork(&self, parent: &Kept) -> Kept {
        let (mut permission, socket) = self.allow(parent);
        parent.order(b'f', Some(permission.ticket));
        let pid = tokio::time::timeout(PATIENCE, &mut permission.forked)
            .await
            .unwrap()
            .unwrap();
        let mut child = Kept::new(socket, pid);
        assert_eq!(child.answer().await, 0, "it showed its ticket");
        assert_eq!(
            parent.answer().await,
            pid,
            "the kernel named the process that was forked"
        );
        self.trace(&mut child);
        child
    }

    fn refused(&self) -> u64 {
        self.metrics.forks_refused.get()
    }
}

impl Kept {
    fn new(socket: UnixStream, pid: i32) -> Self {
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            socket,
            pid,
            traced: None,
        }
    }

    /// Has it take a socket for its fork.
    fn hand_over(&self, socket: &OwnedFd) {
        send_descriptor(&self.socket, b"r", socket);
    }

    fn order(&self, order: u8, ticket: Option<ForkTicket>) {
        let mut bytes = vec![order];
        if let Some(ForkTicket([first, second])) = ticket {
            bytes.extend(first.to_le_bytes());
            bytes.extend(second.to_le_bytes());
        }
        (&self.socket).write_all(&bytes).unwrap();
    }

    /// Reads without keeping the gate from its work, which is on this thread.
    async fn read(&self, length: usize) -> std::io::Result<Vec<u8>> {
        let mut socket = self.socket.try_clone().unwrap();
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = vec![0; length];
            socket.read_exact(&mut bytes).map(|()| bytes)
        });
        read.await.unwrap()
    }

    async fn answer(&self) -> i32 {
        let bytes = self.read(4).await.unwrap();
        i32::from_le_bytes(bytes.try_into().unwrap())
    }

    /// The signal that ended it.
    async fn signal(&self) -> i32 {
        let pid = self.pid;
        let waited = tokio::task::spawn_blocking(move || {
            // What is traced shows the one who waits its stops, too, and those are the gate's.
            let pid = Pid::from_raw(pid).unwrap();
            let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).unwrap();
            let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
            rustix::io::retry_on_intr(|| rustix::event::poll(&mut ended, None)).unwrap();
            let id = WaitId::Pid(pid);
            let waited = rustix::io::retry_on_intr(|| {
                rustix::process::waitid(id.clone(), WaitIdOptions::EXITED)
            });
            let signal = waited.unwrap().unwrap().terminating_signal();
            signal.unwrap_or_else(|| unreachable!("it exited"))
        });
        tokio::time::timeout(PATIENCE, waited)
            .await
            .unwrap()
            .unwrap()
    }

    async fn attempts(&self) -> Value {
        self.order(b't', None);
        let length = self.read(8).await.unwrap();
        let length = u64::from_le_bytes(length.try_into().unwrap());
        let text = self.read(usize::try_from(length).unwrap()).await.unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

fn send_descriptor(socket: &UnixStream, bytes: &[u8], descriptor: &OwnedFd) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    rustix::net::sendmsg(
        socket,
        &[IoSlice::new(bytes)],
        &mut ancillary,
        SendFlags::NOSIGNAL,
    )
    .unwrap();
}

fn receive_descriptor(socket: &UnixStream) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    // A stop that comes meanwhile interrupts it.
    let received = rustix::io::retry_on_intr(|| {
        let slices = &mut [IoSliceMut::new(&mut byte)];
        rustix::net::recvmsg(socket, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    received.unwrap();
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    descriptors.last()
}

/// All children of this thread that were not reaped.
fn children() -> Vec<i32> {
    let list = format!(
        "/proc/self/task/{}/children",
        rustix::thread::gettid().as_raw_nonzero()
    );
    let list = std::fs::read_to_string(list).unwrap();
    let pids = list.split_ascii_whitespace();
    pids.map(|pid| pid.parse().unwrap()).collect()
}

fn send_signal(pid: i32, signal: i32) {
    // SAFETY: it only sends a signal, to a child that is not reaped.
    unsafe { libc::kill(pid, signal) };
}

#[test]
fn a_process_forks_once_for_each_permission_and_so_do_its_forks() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let mut all = vec![line.fork(&first).await, line.fork(&first).await];
        for _ in 0..50 {
            let next = line.fork(all.last().unwrap()).await;
            all.push(next);
        }
        assert_eq!(line.refused(), 0);
        let mut pids: Vec<i32> = all.iter().map(|one| one.pid).collect();
        pids.dedup();
        assert_eq!(pids.len(), all.len());
    });
}

#[test]
fn a_fork_that_nobody_asked_for_ends_the_process() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let fork = line.fork(&first).await;
        for process in [line.sandbox(), first, fork] {
            process.order(b'o', None);
            assert_eq!(process.signal().await, line.ends_by());
        }
        // Nor does it help to keep signals back.
        let process = line.sandbox();
        process.order(b'f', Some(ForkTicket([1, 2])));
        assert_eq!(process.signal().await, libc::SIGKILL);
        assert_eq!(line.refused(), 4);
    });
}

#[test]
fn a_fork_without_the_mark_fails_in_a_kept_process_too() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let fork = line.fork(&first).await;
        for process in [first, fork] {
            process.order(b'u', None);
            assert_eq!(process.answer().await, -libc::EPERM);
        }
    });
}

#[test]
fn a_second_fork_for_one_permission_ends_the_process() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let (mut permission, socket) = line.allow(&first);
        first.order(b'f', Some(permission.ticket));
        let pid = (&mut permission.forked).await.unwrap();
        let fork = Kept::new(socket, pid);
        assert_eq!((fork.answer().await, first.answer().await), (0, pid));
        // Of a fork that may not fork itself.
        if line.guard == ForkGuard::Tracer {
            fork.order(b'o', None);
            assert_eq!(fork.answer().await, -libc::ENOSYS);
        }
        first.order(b'o', None);
        assert_eq!(first.signal().await, line.ends_by());
        // The ticket is used up, too. A tracer has no use for any.
        if line.guard == ForkGuard::Listener {
            fork.order(b's', Some(permission.ticket));
            assert_eq!(fork.signal().await, libc::SIGSYS);
        }
    });
}

#[test]
fn a_process_cannot_take_the_place_of_its_fork_nor_that_of_another_line() {
    with_each_user(async |line| {
        if line.guard == ForkGuard::Tracer {
            // The kernel names the fork. A process that was not forked and shows a ticket is ended, and brings nobody a
            // fork.
            let (victim, attacker) = (line.sandbox(), line.sandbox());
            let (mut permission, _socket) = line.allow(&victim);
            for process in [&attacker, &victim] {
                process.order(b's', Some(permission.ticket));
                assert_eq!(process.signal().await, libc::SIGKILL);
            }
            assert_eq!(line.refused(), 2);
            assert!(permission.forked.try_recv().is_err(), "nothing was forked");
            return;
        }
        // It shows the ticket that it was given for a fork, before there is one, and after.
        let first = line.sandbox();
        let (permission, _socket) = line.allow(&first);
        first.order(b's', Some(permission.ticket));
        assert_eq!(first.signal().await, libc::SIGSYS);
        let second = line.sandbox();
        let (permission, socket) = line.allow(&second);
        second.order(b'h', Some(permission.ticket));
        assert!(second.answer().await > 0);
        second.order(b's', Some(permission.ticket));
        // Both take orders from the same socket: one of them gets it. Neither gets the job.
        let mut byte = [0];
        drop(permission);
        assert_eq!(
            (&socket).read(&mut byte).unwrap(),
            0,
            "the job's socket is closed"
        );
        // Another line has no ticket of this one, and what it guesses is wrong.
        let (victim, attacker) = (line.sandbox(), line.sandbox());
        let (permission, _socket) = line.allow(&victim);
        let ForkTicket([first, second]) = permission.ticket;
        attacker.order(b's', Some(ForkTicket([first, second ^ 1])));
        assert_eq!(attacker.signal().await, libc::SIGSYS);
        victim.order(b'f', Some(permission.ticket));
        assert!(victim.answer().await > 0);
    });
}

#[test]
fn a_ticket_that_was_not_shown_in_time_is_worth_nothing() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let (permission, _socket) = line.allow(&first);
        drop(permission);
        first.order(b'o', None);
        assert_eq!(first.signal().await, line.ends_by());
    });
}

#[test]
fn two_forks_at_once_for_one_permission_bring_one_and_the_end() {
    with_each_user(async |line| {
        for _ in 0..20 {
            let first = line.sandbox();
            let (mut permission, socket) = line.allow(&first);
            first.order(b'2', Some(permission.ticket));
            assert_eq!(first.signal().await, libc::SIGKILL);
            let forked = tokio::time::timeout(PATIENCE, &mut permission.forked).await;
            let fork = Kept::new(socket, forked.unwrap().unwrap());
            assert_eq!(fork.answer().await, 0, "it showed its ticket");
            let zygote = i32::try_from(line.zygote.id()).unwrap();
            assert_eq!(children(), [zygote, fork.pid], "there is no other");
            send_signal(fork.pid, libc::SIGKILL);
            assert_eq!(fork.signal().await, libc::SIGKILL);
        }
        assert_eq!(line.refused(), 20);
    });
}

#[test]
fn a_fork_cannot_fork_before_it_has_shown_itself() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let (mut permission, _socket) = line.allow(&first);
        first.order(b'g', Some(permission.ticket));
        // It is ended, and never shows up; its parent is told of a fork.
        assert!(first.answer().await > 0);
        let waited = Duration::from_millis(100);
        let forked = tokio::time::timeout(waited, &mut permission.forked).await;
        match line.guard {
            ForkGuard::Listener => assert!(forked.is_err(), "the permission is still open"),
            // A fork that was named was the one that was allowed.
            ForkGuard::Tracer => assert!(forked.unwrap().is_err()),
        }
        assert_eq!(line.refused(), 1);
    });
}

#[test]
fn who_is_not_traced_or_says_so_without_being_cannot_fork() {
    with_each_user(async |line| {
        if line.guard == ForkGuard::Listener {
            return;
        }
        // Nobody traces it, then it has asked, and nobody has told what it is to stand still in.
        let sandbox = line.untraced_sandbox();
        sandbox.order(b'o', None);
        assert_eq!(sandbox.answer().await, -libc::ENOSYS);
        sandbox.order(b'm', None);
        assert_eq!(sandbox.answer().await, 0);
        sandbox.order(b'o', None);
        assert_eq!(sandbox.answer().await, -libc::ENOSYS);
        // It says that it is traced, and is not: it stops for nobody, and that ends it.
        let mut liar = line.untraced_sandbox();
        liar.traced = Some(line.gate.trace(liar.pid));
        send_signal(liar.pid, libc::SIGSTOP);
        assert_eq!(liar.signal().await, libc::SIGKILL);
        assert_eq!(line.refused(), 1);
    });
}

#[test]
fn signals_around_a_fork_bring_neither_a_second_one_nor_an_end() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let stop = CancellationToken::new();
        let (stopped, pid) = (stop.clone(), first.pid);
        let storm = std::thread::spawn(move || {
            while !stopped.is_cancelled() {
                // Ignored by default, and interrupts what waits.
                send_signal(pid, libc::SIGWINCH);
                std::thread::sleep(Duration::from_micros(50));
            }
        });
        for _ in 0..100 {
            drop(line.fork(&first).await);
        }
        stop.cancel();
        storm.join().unwrap();
        assert_eq!(line.refused(), 0);
    });
}

#[test]
fn a_fork_of_a_fork_may_do_no_more_than_a_sandbox() {
    with_each_user(async |line| {
        let first = line.sandbox();
        let of_sandbox = first.attempts().await;
        let fork = line.fork(&first).await;
        let fork = line.fork(&fork).await;
        let of_fork = fork.attempts().await;
        let errors = |report: &Value| -> Vec<(String, i64)> {
            let attempts = report["attempts"].as_array().unwrap().iter();
            attempts
                .map(|one| {
                    (
                        one["name"].as_str().unwrap().to_owned(),
                        one["errno"].as_i64().unwrap(),
                    )
                })
                .collect()
        };
        let (of_sandbox, of_fork) = (errors(&of_sandbox), errors(&of_fork));
        assert!(of_sandbox.len() > 50, "{}", of_sandbox.len());
        assert_eq!(of_fork, of_sandbox);
    });
}
