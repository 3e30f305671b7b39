//! Pairs of sockets between two processes.

use std::os::fd::OwnedFd;

use rustix::net::AddressFamily;
use rustix::net::SocketFlags;
use rustix::net::SocketType;

/// Both ends of a new socket, which programs that are executed do not inherit.
///
/// # Errors
/// The system's error, when no descriptor is left.
pub fn socket_pair(kind: SocketType) -> std::io::Result<(OwnedFd, OwnedFd)> {
    let flags = SocketFlags::CLOEXEC;
    Ok(rustix::net::socketpair(
        AddressFamily::UNIX,
        kind,
        flags,
        None,
    )?)
}
