//! The zygote's end of the control socket.

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use faas_protocol as protocol;
use faas_protocol::MAX_CONTROL_BYTES;
use faas_protocol::Malformed;
use faas_protocol::ZygoteCommand;
use faas_protocol::ZygoteEvent;
use rustix::io::Errno;
use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;
use rustix::net::ReturnFlags;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;

/// The zygote's end of a control socket.
pub struct Control(OwnedFd);

/// Why the control socket is of no use any more.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("the control socket failed: {0}")]
    Socket(#[from] rustix::io::Errno),
    #[error("a control packet was longer than the protocol allows")]
    TooLong,
    #[error("a control packet is not in the protocol: {0}")]
    Malformed(#[from] Malformed),
}

/// A command and the descriptors that came with it.
pub struct Received {
    pub command: ZygoteCommand,
    pub descriptors: Vec<OwnedFd>,
}

/// What a look at the socket found.
pub enum Polled {
    Command(Received),
    Nothing,
    /// The supervisor is gone.
    Closed,
}

/// Most descriptors that come with a command.
const MAX_DESCRIPTORS: usize = 3;

impl Control {
    /// Moves the socket away from descriptor 0 and puts nothing in its place.
    pub fn from_stdin() -> rustix::io::Result<Self> {
        let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        // SAFETY: nothing else in this process uses descriptor 0.
        unsafe { rustix::io::close(0) };
        Ok(Self(socket))
    }

    pub fn from_socket(socket: OwnedFd) -> Self {
        Self(socket)
    }

    pub fn send(&self, event: &ZygoteEvent) -> Result<(), ControlError> {
        self.send_with(event, None)
    }

    /// Sends a descriptor, too, and closes it here.
    pub fn send_with(
        &self,
        event: &ZygoteEvent,
        descriptor: Option<OwnedFd>,
    ) -> Result<(), ControlError> {
        let packet = protocol::encode(event);
        let descriptors = descriptor.as_ref().map(AsFd::as_fd);
        let descriptors = descriptors.as_slice();
        rustix::io::retry_on_intr(|| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !descriptors.is_empty() {
                ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            }
            let slices = [IoSlice::new(&packet)];
            rustix::net::sendmsg(&self.0, &slices, &mut ancillary, SendFlags::NOSIGNAL)
        })?;
        Ok(())
    }

    /// The next command; `None` once the supervisor is gone.
    pub fn receive(&self) -> Result<Option<Received>, ControlError> {
        self.receive_with(RecvFlags::CMSG_CLOEXEC)
    }

    /// The next command if it is there already.
    pub fn poll(&self) -> Result<Polled, ControlError> {
        match self.receive_with(RecvFlags::CMSG_CLOEXEC | RecvFlags::DONTWAIT) {
            Ok(Some(received)) => Ok(Polled::Command(received)),
            Ok(None) => Ok(Polled::Closed),
            Err(ControlError::Socket(Errno::AGAIN)) => Ok(Polled::Nothing),
            Err(error) => Err(error),
        }
    }

    fn receive_with(&self, flags: RecvFlags) -> Result<Option<Received>, ControlError> {
        let mut packet = [0; MAX_CONTROL_BYTES];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = rustix::io::retry_on_intr(|| {
            rustix::net::recvmsg(
                &self.0,
                &mut [IoSliceMut::new(&mut packet)],
                &mut ancillary,
                flags,
            )
        })?;
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.contains(ReturnFlags::TRUNC) {
            return Err(ControlError::TooLong);
        }
        let mut descriptors = Vec::new();
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                descriptors.extend(received);
            }
        }
        let command = protocol::decode(&packet[..received.bytes])?;
        Ok(Some(Received {
            command,
            descriptors,
        }))
    }
}
