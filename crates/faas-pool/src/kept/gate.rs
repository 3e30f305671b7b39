//! The supervisor's side of the gate of forks: decides about each fork of a kept process.
//!
//! A process that would fork stands still in the kernel until it is decided here. Its process id is the
//! kernel's word. What was forked stands still in its first call, in which it shows a ticket: so it is known which
//! fork it is, and it gets the job socket that was made for that one. A fork that nobody asked for, a second
//! one, and a ticket that is not known end the process.
//!
//! Where no listener can be had, this process traces those that are to fork (ptrace(2)). The kernel then names what was
//! forked, which stands still before its first instruction, so its ticket says nothing more; the job socket
//! goes to the parent with the command.

use std::collections::HashMap;
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

use faas_linux::trace;
use faas_linux::trace::Stop;
use faas_protocol::ForkTicket;
use faas_protocol::TRACED_DEATH_SIGNAL;
use faas_protocol::TRACED_FORK;
use faas_telemetry::Metrics;
use rustix::process::Pid;
use rustix::process::Resource;
use rustix::process::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::listener::Asked;
use super::listener::Listener;
use crate::launcher::Launcher;
use crate::process::ChildProcess;
use crate::process::is_claimed;
use crate::process::set_soft_limit;

/// Decides about the forks of all kept processes.
#[derive(Debug)]
pub struct ForkGate {
    open: Mutex<HashMap<ForkTicket, Expected>>,
    /// The processes that are traced. None of them is reaped while it is here.
    traced: Mutex<HashSet<i32>>,
    /// Whether [`Self::follow_traced`] was called.
    follows: AtomicBool,
    metrics: Arc<Metrics>,
}

/// A fork that may happen.
#[derive(Debug)]
struct Expected {
    parent: i32,
    step: Step,
    /// The fork's end of its job socket; a parent that is traced has it.
    socket: Option<OwnedFd>,
    /// Takes the fork's process id.
    reply: oneshot::Sender<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The parent may make the call, once.
    Allowed,
    /// It did; a process with this ticket will show up.
    Made,
    /// That is this process, as the kernel told of a parent that is traced. It stands still before its first
    /// instruction.
    Named(i32),
    /// It goes on to its first call, in which it stands still again.
    Begun(i32),
}

impl Step {
    /// The fork of a parent that is traced.
    fn traced_fork(self) -> Option<i32> {
        match self {
            Self::Named(fork) | Self::Begun(fork) => Some(fork),
            Self::Allowed | Self::Made => None,
        }
    }
}

/// Permission for one fork. It ends when this is dropped.
#[derive(Debug)]
pub struct Permission {
    pub ticket: ForkTicket,
    /// Brings the process id of the fork; closed if it failed.
    pub forked: oneshot::Receiver<i32>,
    gate: Arc<ForkGate>,
}

impl Drop for Permission {
    fn drop(&mut self) {
        let given_up = self.gate.lock().remove(&self.ticket);
        self.forked.close();
        let sent = self.forked.try_recv().ok();
        let traced = given_up.and_then(|expected| expected.step.traced_fork());
        for fork in [sent, traced].into_iter().flatten() {
            end_unclaimed(fork);
        }
    }
}

/// A process that is traced until this is dropped, which has to be before it is reaped.
#[derive(Debug)]
pub struct Traced {
    pid: i32,
    gate: Arc<ForkGate>,
}

impl Drop for Traced {
    fn drop(&mut self) {
        self.gate.traced().remove(&self.pid);
    }
}

/// What becomes of a call that a process stands still in.
enum Decision {
    GoOn,
    /// The call is an attack, or its process is nobody's any more.
    End,
}

impl ForkGate {
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            open: Mutex::default(),
            traced: Mutex::default(),
            follows: AtomicBool::new(false),
            metrics,
        }
    }

    /// Allows a process to fork once; the fork finds `socket` as its job socket, unless its parent is traced and has that
    /// already.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn allow(
        self: &Arc<Self>,
        parent: i32,
        socket: Option<OwnedFd>,
    ) -> std::io::Result<Permission> {
        let random = || getrandom::u64().map_err(std::io::Error::other);
        let ticket = ForkTicket([random()?, random()?]);
        let (reply, forked) = oneshot::channel();
        let expected = Expected {
            parent,
            step: Step::Allowed,
            socket,
            reply,
        };
        self.lock().insert(ticket, expected);
        Ok(Permission {
            ticket,
            forked,
            gate: self.clone(),
        })
    }

    /// Traces a child of the thread that calls [`Self::look`], which has asked for that. It gets a SIGSTOP next, so
    /// that it stands still before it takes another command, and is told then in what else it is to.
    pub fn trace(self: &Arc<Self>, pid: i32) -> Traced {
        self.traced().insert(pid);
        Traced {
            pid,
            gate: self.clone(),
        }
    }

    /// Has `launcher`'s thread, the parent of all that are traced, look at them whenever one stops. The first call does
    /// it for all.
    ///
    /// # Errors
    /// The system's, when stops cannot be heard of.
    pub fn follow_traced(
        self: &Arc<Self>,
        launcher: Arc<Launcher>,
        stop: CancellationToken,
    ) -> std::io::Result<()> {
        // Before there is one that could stop.
        let mut stops = signal(SignalKind::child())?;
        if self.follows.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let gate = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = stops.recv() => {}
                }
                let gate = gate.clone();
                launcher.run(move || gate.look()).await;
            }
        });
        Ok(())
    }

    /// Decides about all that traced processes stand still in. To be called on the thread that is their parent, after
    /// each SIGCHLD.
    pub fn look(&self) {
        // Nobody reaps one of them as long as this is held.
        let traced = self.traced();
        for &pid in traced.iter() {
            if let Some(stop) = trace::stop_of(pid)
                && let Err(error) = self.about_a_stop(pid, stop)
            {
                // It was killed meanwhile.
                tracing::debug!(pid, %error, "a traced process is gone");
            }
        }
        drop(traced);
        self.let_forks_go();
    }

    fn about_a_stop(&self, pid: i32, stop: Stop) -> std::io::Result<()> {
        let decision = match stop {
            Stop::Signal(libc::SIGSTOP) => {
                trace::watch_forks(pid)?;
                return trace::go_on(pid, 0);
            }
            Stop::Signal(signal) => return trace::go_on(pid, signal),
            Stop::Call if trace::message(pid)? == i32::from(TRACED_FORK) => self.about_a_fork(pid),
            Stop::Forked => self.about_a_traced_fork(pid, trace::message(pid)?),
            // It was forked long ago.
            Stop::Call | Stop::Other => Decision::End,
        };
        match decision {
            Decision::GoOn => trace::go_on(pid, 0),
            Decision::End => {
                // The call is not made: SIGKILL ends what stands still, too.
                if let Some(pid) = Pid::from_raw(pid) {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
                self.count_attack(pid);
                Ok(())
            }
        }
    }

    /// The kernel says what a traced process has forked.
    fn about_a_traced_fork(&self, parent: i32, fork: i32) -> Decision {
        let _ = set_soft_limit(parent, Resource::Nproc, 0);
        let mut open = self.lock();
        let mut expected = open.values_mut();
        match expected.find(|fork| fork.parent == parent && fork.step == Step::Made) {
            Some(expected) => {
                expected.step = Step::Named(fork);
                Decision::GoOn
            }
            // Who wanted it has given it up meanwhile.
            None => {
                end_unclaimed(fork);
                Decision::GoOn
            }
        }
    }

    /// Lets those go that were forked from traced processes, once they set the signal that ends them with their parent.
    /// They are not traced any more.
    fn let_forks_go(&self) {
        let mut open = self.lock();
        let forks = open.iter().filter_map(|(&ticket, fork)| {
            let pid = fork.step.traced_fork()?;
            Some((ticket, pid, fork.step))
        });
        for (ticket, pid, step) in forks.collect::<Vec<_>>() {
            let Some(stop) = trace::stop_of(pid) else {
                continue;
            };
            let _ = set_soft_limit(pid, Resource::Nproc, 0);
            match (step, stop) {
                (Step::Named(_), Stop::Signal(libc::SIGSTOP)) if trace::go_on(pid, 0).is_ok() => {
                    if let Some(fork) = open.get_mut(&ticket) {
                        fork.step = Step::Begun(pid);
                    }
                }
                (Step::Begun(_), Stop::Call) if sets_death_signal(pid) => {
                    let fork = open.remove(&ticket);
                    let is_gone = trace::let_go(pid).is_err();
                    // Nobody may wait for it any more.
                    if fork.is_none_or(|fork| is_gone || fork.reply.send(pid).is_err()) {
                        end_unclaimed(pid);
                    }
                }
                _ => {
                    open.remove(&ticket);
                    end_unclaimed(pid);
                    self.count_attack(pid);
                }
            }
        }
    }

    /// Answers what a zygote's listener reports, until no process is left that it could report of.
    pub async fn answer(self: Arc<Self>, listener: OwnedFd, stop: CancellationToken) {
        let listener = match Listener::new(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "no sandbox can be kept: its forks cannot be watched");
                return;
            }
        };
        loop {
            let asked = tokio::select! {
                () = stop.cancelled() => return,
                asked = listener.next() => asked,
            };
            match asked {
                Ok(Some(asked)) => self.decide(&listener, &asked),
                // The process ended meanwhile.
                Ok(None) => {}
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return,
                Err(error) => {
                    tracing::error!(%error, "forks of kept sandboxes are not answered any more");
                    return;
                }
            }
        }
    }

    fn decide(&self, listener: &Listener, asked: &Asked) {
        let decision = match asked.call {
            libc::SYS_clone => self.about_a_fork(asked.pid),
            libc::SYS_prctl => self.about_a_ticket(listener, asked),
            _ => Decision::End,
        };
        match decision {
            Decision::GoOn => listener.let_go_on(asked),
            Decision::End => {
                listener.end(asked);
                self.count_attack(asked.pid);
            }
        }
    }

    fn count_attack(&self, pid: i32) {
        self.metrics.forks_refused.inc();
        tracing::error!(pid, "ended a process that forked unasked");
    }

    /// A process makes the marked call to fork.
    fn about_a_fork(&self, parent: i32) -> Decision {
        let mut open = self.lock();
        let mut expected = open.values_mut();
        let Some(expected) =
            expected.find(|fork| fork.parent == parent && fork.step == Step::Allowed)
        else {
            return Decision::End;
        };
        expected.step = Step::Made;
        drop(open);
        // The kernel's own bar, which keeps all other sandboxes from forking, is out of the way for a moment.
        // For root it is no bar.
        let _ = set_soft_limit(parent, Resource::Nproc, u64::MAX);
        Decision::GoOn
    }

    /// A process shows a ticket.
    fn about_a_ticket(&self, listener: &Listener, asked: &Asked) -> Decision {
        let fork = self.lock().remove(&asked.ticket);
        // The parent, or another process that has an owner, would have two jobs.
        let fork = fork.filter(|fork| {
            fork.step == Step::Made && fork.parent != asked.pid && !is_claimed(asked.pid)
        });
        let Some(Expected {
            parent,
            socket: Some(socket),
            reply,
            ..
        }) = fork
        else {
            return Decision::End;
        };
        for pid in [parent, asked.pid] {
            let _ = set_soft_limit(pid, Resource::Nproc, 0);
        }
        if let Err(error) = listener.give(asked, &socket) {
            tracing::warn!(%error, "the fork of a kept sandbox gets no socket");
            return Decision::End;
        }
        // Nobody may wait for it any more.
        if reply.send(asked.pid).is_err() {
            end_unclaimed(asked.pid);
        }
        Decision::GoOn
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ForkTicket, Expected>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn traced(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.traced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a traced process stands still in the call by which it dies with its parent.
fn sets_death_signal(pid: i32) -> bool {
    trace::message(pid).is_ok_and(|message| message == i32::from(TRACED_DEATH_SIGNAL))
}

/// Ends a child that nobody has charge of.
fn end_unclaimed(child: i32) {
    // Held for a moment, it dies. If it cannot be held, who looks for hidden processes finds it.
    drop(ChildProcess::adopt(child, ()));
}
