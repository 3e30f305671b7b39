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
use faas_lockdown::Lockdown;
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
/// Forks with the mark, and lets signals come.
const FORK_OPENLY: u8 = b'o';
/// Forks without the mark.
const FORK_UNMARKED: u8 = b'u';
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
    let lockdown = Lockdown::prepare(&ProcessStatus::own()?, MEMORY)?;
    let tries = attempts::all(supervisor);
    match faas_lockdown::narrow_zygote(lockdown.layers())? {
        Ok(listener) => send_descriptor(&control, &listener)?,
        Err(reason) => return Err(reason.into()),
    }
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
    loop {
        let mut order = [0];
        if rustix::io::read(&socket, &mut order)? == 0 {
            return Ok(());
        }
        match order[0] {
            FORK | FORK_AND_HIDE => {
                let ticket = read_ticket(&socket)?;
                let signals = block_signals();
                let pid = fork(KEPT_FORK_MARK);
                if pid == 0 && order[0] == FORK {
                    let shown = show(ticket);
                    allow_signals(&signals);
                    write_all(&socket, &shown.to_le_bytes())?;
                } else if pid != 0 {
                    allow_signals(&signals);
                    write_all(&socket, &pid.to_le_bytes())?;
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
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let slices = &mut [IoSliceMut::new(&mut byte)];
    let received = rustix::net::recvmsg(socket, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)?;
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut messages = ancillary.drain();
    match messages.next() {
        Some(RecvAncillaryMessage::ScmRights(mut descriptors)) => Ok(descriptors.next()),
        _ => Err("no socket came".into()),
    }
}
