//! Native code in a kept process: does what it is told over its socket, whether it was allowed or not.
//!
//! The test that starts it is in the supervisor's place. This process is a zygote; it forks the processes of which each has
//! a job socket, as sandboxes have. An order is a byte and, for some, a ticket behind it.

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use faas_linux::ProcessStatus;
use faas_lockdown::Gate;
use faas_lockdown::Lockdown;
use faas_protocol::ForkGuard;
use faas_protocol::ForkTicket;
use faas_protocol::JOB_SOCKET;
use faas_protocol::KEPT_FORK_MARK;
use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;

use crate::attempts;
use crate::child::Error;
use crate::child::MEMORY;
use crate::child::send_report;
use crate::child::to_json;
use crate::child::write_all;

/// What an order is; the answer is a number of 32 bits, if there is one.
const FORK: u8 = b'f';
/// Forks as it was allowed to, but what is forked shows no ticket.
const FORK_AND_HIDE: u8 = b'h';
/// Forks as it was allowed to, twice at once.
const FORK_TWICE: u8 = b'2';
/// Forks as it was allowed to, and what is forked does so before it shows its ticket; it tells how that went.
const FORK_ON: u8 = b'g';
/// Forks with the mark, and lets signals come.
const FORK_OPENLY: u8 = b'o';
/// Forks without the mark.
const FORK_UNMARKED: u8 = b'u';
/// Takes the descriptor that comes with the order.
const RECEIVE: u8 = b'r';
/// Asks to be traced.
const ASK_TO_BE_TRACED: u8 = b'm';
/// Shows a ticket.
const SHOW: u8 = b's';
/// Tries all that a process survives, and reports.
const TRY: u8 = b't';

/// A zygote, until its control socket closes: its standard input, over which a socket comes for each sandbox.
///
/// # Errors
/// When something cannot be made.
pub fn be_zygote() -> Result<(), Error> {
    let control = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), JOB_SOCKET + 1)?;
    let supervisor = std::os::unix::process::parent_id() as i32;
    let tries = attempts::all(supervisor);
    // SAFETY: the probe starts no thread.
    let guard = match unsafe { faas_lockdown::narrow_zygote(&faas_lockdown::probe_layers()) }? {
        Gate::Listener(listener) => {
            send_descriptor(&control, &listener)?;
            ForkGuard::Listener
        }
        Gate::Tracer => {
            write_all(&control, b"!")?;
            ForkGuard::Tracer
        }
        Gate::Closed(reason) => return Err(reason.into()),
    };
    let lockdown = Lockdown::prepare(&ProcessStatus::own()?, MEMORY, guard)?;
    while let Some(socket) = receive_descriptor(&control)? {
        // SAFETY: without CLONE_VM the child goes on here on a copy of everything; one thread.
        let pid = unsafe {
            libc::syscall(
                libc::SYS_clone,
                libc::CLONE_PARENT as libc::c_long,
                0,
                0,
                0,
                0,
            )
        };
        if pid == 0 {
            let status = i32::from(be_kept(socket, &lockdown, supervisor, &tries).is_err());
            // SAFETY: ends the process without running destructors.
            unsafe { libc::_exit(status) };
        }
        write_all(&control, &(pid as i32).to_le_bytes())?;
    }
    Ok(())
}

fn be_kept(
    socket: OwnedFd,
    lockdown: &Lockdown,
    supervisor: i32,
    tries: &[attempts::Attempt],
) -> Result<(), Error> {
    // SAFETY: what had that number is a descriptor of the zygote's, not used in this process.
    let socket = unsafe { faas_lockdown::move_to_job_socket(socket) }?;
    lockdown.apply(supervisor)?;
    // The job socket of its fork, where that is handed over.
    let mut handed_over = None;
    loop {
        let mut order = [0];
        let received = match lockdown.guard() {
            ForkGuard::Listener => (rustix::io::read(&socket, &mut order)?, None),
            ForkGuard::Tracer => receive(&socket, &mut order)?,
        };
        let (1, descriptor) = received else {
            return Ok(());
        };
        handed_over = descriptor.or(handed_over);
        match order[0] {
            RECEIVE => {}
            ASK_TO_BE_TRACED => {
                let asked = match faas_linux::trace::trace_me() {
                    Ok(()) => 0,
                    Err(error) => -error.raw_os_error().unwrap_or(1),
                };
                write_all(&socket, &asked.to_le_bytes())?;
            }
            how @ (FORK | FORK_AND_HIDE | FORK_TWICE | FORK_ON) => {
                let ticket = read_ticket(&socket)?;
                let signals = block_signals();
                let mut pid = fork(KEPT_FORK_MARK);
                if pid > 0 && how == FORK_TWICE {
                    pid = fork(KEPT_FORK_MARK);
                }
                let told = match (pid, how) {
                    (0, FORK_AND_HIDE) => None,
                    (0, FORK_ON) => Some(fork(KEPT_FORK_MARK)),
                    (0, _) => Some(show(ticket)),
                    _ => Some(pid),
                };
                if let (0, true, Some(own)) = (pid, told.is_some(), handed_over.take()) {
                    // SAFETY: it takes the place of the parent's, which `socket` stands for from now on.
                    std::mem::forget(unsafe { faas_lockdown::move_to_job_socket(own) }?);
                }
                if let Some(told) = told {
                    allow_signals(&signals);
                    write_all(&socket, &told.to_le_bytes())?;
                }
            }
            FORK_OPENLY => write_all(&socket, &fork(KEPT_FORK_MARK).to_le_bytes())?,
            FORK_UNMARKED => write_all(&socket, &fork(0).to_le_bytes())?,
            SHOW => {
                let ticket = read_ticket(&socket)?;
                write_all(&socket, &show(ticket).to_le_bytes())?;
            }
            TRY => {
                let survived = tries.iter().filter(|attempt| !attempt.kills());
                let tried: Vec<_> = survived
                    .map(|attempt| to_json(attempt, attempt.run()))
                    .collect();
                send_report(&socket, &serde_json::json!({ "attempts": tried }))?;
            }
            _ => return Err("no such order".into()),
        }
    }
}

/// Makes the call; what it returns, or its error number, negative.
fn fork(mark: u64) -> i32 {
    let flags = libc::CLONE_PARENT as libc::c_ulong;
    // SAFETY: without CLONE_VM the child goes on here on a copy of everything; one thread.
    #[cfg(target_arch = "x86_64")]
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, 0usize, mark) };
    // SAFETY: as above.
    #[cfg(target_arch = "aarch64")]
    let result = unsafe { libc::syscall(libc::SYS_clone, flags, 0usize, 0usize, mark, 0usize) };
    or_errno(result)
}

fn show(ticket: ForkTicket) -> i32 {
    let ForkTicket([first, second]) = ticket;
    let (operation, signal) = (
        libc::PR_SET_PDEATHSIG as libc::c_ulong,
        libc::SIGKILL as libc::c_ulong,
    );
    // SAFETY: the call takes numbers only.
    let result = unsafe {
        libc::syscall(
            libc::SYS_prctl,
            operation,
            signal,
            KEPT_FORK_MARK,
            first,
            second,
        )
    };
    or_errno(result)
}

fn or_errno(result: libc::c_long) -> i32 {
    match result {
        -1 => -std::io::Error::last_os_error().raw_os_error().unwrap_or(1),
        result => result as i32,
    }
}

fn block_signals() -> libc::sigset_t {
    // SAFETY: all-zero is a valid set; the calls write to live locals.
    unsafe {
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::sigprocmask(libc::SIG_BLOCK, &raw const all, &raw mut before);
        before
    }
}

fn allow_signals(before: &libc::sigset_t) {
    // SAFETY: the set lives; the last pointer may be null.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, before, std::ptr::null_mut()) };
}

fn read_ticket(socket: &OwnedFd) -> Result<ForkTicket, Error> {
    let mut bytes = [0; 16];
    let mut read = 0;
    while read < bytes.len() {
        match rustix::io::read(socket, &mut bytes[read..])? {
            0 => return Err("no ticket".into()),
            more => read += more,
        }
    }
    let number = u128::from_le_bytes(bytes);
    Ok(ForkTicket([number as u64, (number >> 64) as u64]))
}

fn send_descriptor(socket: &OwnedFd, descriptor: &OwnedFd) -> Result<(), Error> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors = [descriptor.as_fd()];
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let slices = [IoSlice::new(b"!")];
    rustix::net::sendmsg(socket, &slices, &mut ancillary, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_descriptor(socket: &OwnedFd) -> Result<Option<OwnedFd>, Error> {
    match receive(socket, &mut [0])? {
        (0, _) => Ok(None),
        (_, Some(descriptor)) => Ok(Some(descriptor)),
        (_, None) => Err("no socket came".into()),
    }
}

/// Reads a byte, unless the other side is gone, and the descriptor that comes with it, if one does.
fn receive(socket: &OwnedFd, byte: &mut [u8; 1]) -> rustix::io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let slices = &mut [IoSliceMut::new(byte)];
    let received = rustix::net::recvmsg(socket, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    let descriptors = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let descriptor = descriptors.last();
    Ok((received.bytes, descriptor))
}
