//! Two zygotes with packages, forked from one base, and a sandbox of each. The second zygote and its sandbox
//! are hostile and try to look into all the others.

use std::io::Read;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use faas_linux::ProcessStatus;
use faas_lockdown::Lockdown;
use faas_protocol::ForkGuard;
use serde_json::Value;
use serde_json::json;

use crate::attempts;
use crate::child::Error;
use crate::child::MEMORY;
use crate::child::end_of;
use crate::child::read_report;
use crate::child::send_report;
use crate::child::to_json;
use crate::child::wait_for_close;
use crate::child::write_all;

/// The processes, in the order of their sockets.
const BASE: usize = 0;
const ZYGOTES: [usize; 2] = [1, 2];
const SANDBOXES: [usize; 2] = [3, 4];
const ALL: usize = 5;
/// The hostile ones.
const HOSTILE: [usize; 2] = [ZYGOTES[1], SANDBOXES[1]];
const NAMES: [&str; ALL] = ["base", "zygote", "own zygote", "sandbox", "own sandbox"];

/// Longest wait for one of them.
const PATIENCE: Duration = Duration::from_secs(20);

type Pids = [i32; ALL];

/// What each of the forks has.
struct Fork {
    lockdown: Lockdown,
    supervisor: i32,
    has_filter: bool,
    /// `None` once taken.
    sockets: [Option<OwnedFd>; ALL],
}

/// Sets it all up; returns what the hostile ones were answered, and whether this process, which is in the
/// supervisor's place, still has the access that a supervisor needs.
///
/// # Errors
/// When one of them cannot be made.
pub fn meet(has_filter: bool) -> Result<Value, Error> {
    let mut ours = Vec::new();
    let mut sockets = [const { None }; ALL];
    for socket in &mut sockets {
        let (our_end, their_end) = UnixStream::pair()?;
        our_end.set_read_timeout(Some(PATIENCE))?;
        ours.push(our_end);
        *socket = Some(OwnedFd::from(their_end));
    }
    let fork = Fork {
        lockdown: Lockdown::prepare(&ProcessStatus::own()?, MEMORY, ForkGuard::default())?,
        supervisor: std::process::id() as i32,
        has_filter,
        sockets,
    };
    // SAFETY: this process has one thread.
    let base = unsafe { libc::fork() };
    if base == 0 {
        drop(ours);
        be(BASE, fork);
    }
    drop(fork);
    let mut pids = [base, 0, 0, 0, 0];
    for (parent, child) in [
        (BASE, ZYGOTES[0]),
        (BASE, ZYGOTES[1]),
        (ZYGOTES[0], SANDBOXES[0]),
        (ZYGOTES[1], SANDBOXES[1]),
    ] {
        let mut pid = [0; 4];
        ours[parent].read_exact(&mut pid)?;
        pids[child] = i32::from_le_bytes(pid);
    }
    for sandbox in SANDBOXES {
        ours[sandbox].read_exact(&mut [0])?;
    }
    let mut report = json!({});
    for (name, hostile) in ["zygote", "sandbox"].into_iter().zip(HOSTILE) {
        ours[hostile].write_all(&to_bytes(&pids))?;
        report[name] = read_report(&mut ours[hostile])?;
    }
    report["supervisor"] = pids.map(may_supervise).to_vec().into();
    drop(ours);
    report["ends"] = pids.map(end_of).to_vec().into();
    Ok(report)
}

/// Whether this process may see how much memory another uses, and set its limits.
fn may_supervise(pid: i32) -> Value {
    let memory = ProcessStatus::of(pid).unwrap_or_default();
    let limit = libc::rlimit64 {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel reads one rlimit64 from a live local; the last pointer may be null.
    let result = unsafe {
        libc::prlimit64(
            pid,
            libc::RLIMIT_CORE,
            &raw const limit,
            std::ptr::null_mut(),
        )
    };
    json!(memory.anonymous_bytes > 0 && result == 0)
}

fn to_bytes(pids: &Pids) -> Vec<u8> {
    pids.iter().flat_map(|pid| pid.to_le_bytes()).collect()
}

/// The life of a process.
fn be(who: usize, fork: Fork) -> ! {
    let status = i32::from(live(who, fork).is_err());
    // SAFETY: ends the process without running destructors.
    unsafe { libc::_exit(status) }
}

fn live(who: usize, mut fork: Fork) -> Result<(), Error> {
    let mut socket = fork.sockets[who].take().ok_or("no socket")?;
    let layers = fork.lockdown.layers();
    match who {
        // SAFETY: the probe starts no thread.
        BASE => drop(unsafe { faas_lockdown::narrow_zygote(layers) }?),
        1 | 2 => faas_lockdown::narrow_package_zygote(layers)?,
        _ => {
            // SAFETY: what had that number is a socket of another process, not used in this one.
            socket = unsafe { faas_lockdown::move_to_job_socket(socket) }?;
            fork.lockdown.apply(fork.supervisor)?;
            write_all(&socket, b"!")?;
        }
    }
    let children: &[usize] = match who {
        BASE => &ZYGOTES,
        1 => &SANDBOXES[..1],
        2 => &SANDBOXES[1..],
        _ => &[],
    };
    for &child in children {
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
        match pid {
            -1 => return Err(std::io::Error::last_os_error().into()),
            0 => be(child, fork),
            pid => write_all(&socket, &(pid as i32).to_le_bytes())?,
        }
    }
    if HOSTILE.contains(&who) {
        let pids = read_pids(&socket)?;
        let others: Vec<(&str, i32)> = (0..ALL)
            .filter(|&other| other != who)
            .map(|other| (NAMES[other], pids[other]))
            .collect();
        let attempts = attempts::on_neighbours(&others, !fork.has_filter);
        let tried = attempts
            .iter()
            .map(|attempt| to_json(attempt, attempt.run()));
        send_report(&socket, &json!({ "attempts": tried.collect::<Vec<_>>() }))?;
    }
    wait_for_close(&socket);
    Ok(())
}

fn read_pids(socket: &OwnedFd) -> std::io::Result<Pids> {
    let mut pids = [0i32; ALL];
    let length = size_of::<Pids>();
    // `read`, not the `recvfrom` that a UnixStream may use.
    // SAFETY: the pointer and length are those of a live, writable array of integers.
    let read = unsafe { libc::read(socket.as_raw_fd(), pids.as_mut_ptr().cast(), length) };
    if read == length as isize {
        Ok(pids)
    } else {
        Err(std::io::ErrorKind::UnexpectedEof.into())
    }
}
