//! The supervisor's end of a zygote's control socket.

use std::io::IoSlice;
use std::io::IoSliceMut;
use std::io::PipeWriter;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::BorrowedFd;
use std::os::fd::OwnedFd;

use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::MAX_CONTROL_BYTES;
use faas_protocol::ZygoteCommand;
use faas_protocol::ZygoteEvent;
use faas_telemetry::Gauged;
use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::oneshot;

use super::down::ANSWERS_WITHIN;
use super::down::Down;

/// A zygote wanted from another one.
pub struct ForkRequest {
    pub requirements: Vec<String>,
    /// Most that their files may take.
    pub storage: ByteSize,
    pub job: OwnedFd,
    pub control: OwnedFd,
    /// Its standard error.
    pub log: PipeWriter,
    /// The right to be alive, kept until its process is reaped.
    pub place: OwnedSemaphorePermit,
    /// Takes the new zygote's process id, and gives the place back.
    pub reply: oneshot::Sender<(i32, OwnedSemaphorePermit)>,
}

/// A fork asked for.
pub enum Pending {
    Sandbox {
        socket: OwnedFd,
        instance: OwnedSemaphorePermit,
        starting: Gauged,
    },
    Zygote {
        reply: oneshot::Sender<(i32, OwnedSemaphorePermit)>,
        place: OwnedSemaphorePermit,
    },
}

/// The supervisor's end of a control socket.
pub struct Control(AsyncFd<OwnedFd>);

impl Control {
    pub fn new(socket: OwnedFd) -> std::io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        // SAFETY: an OwnedFd keeps its one descriptor open until it is dropped.
        Ok(Self(unsafe { AsyncFd::register(socket) }?))
    }

    /// `sockets`: both ends of the sandbox's job socket.
    pub async fn ask_for_sandbox(
        &self,
        sockets: (OwnedFd, OwnedFd),
        instance: OwnedSemaphorePermit,
        starting: Gauged,
    ) -> Result<Pending, Down> {
        let (ours, theirs) = sockets;
        self.send(&ZygoteCommand::Fork, &[theirs.as_fd()]).await?;
        Ok(Pending::Sandbox {
            socket: ours,
            instance,
            starting,
        })
    }

    pub async fn ask_for_zygote(&self, request: ForkRequest) -> Result<Pending, Down> {
        let command = ZygoteCommand::ForkZygote {
            packages: request.requirements,
            storage: request.storage,
        };
        let descriptors = [
            request.job.as_fd(),
            request.control.as_fd(),
            request.log.as_fd(),
        ];
        self.send(&command, &descriptors).await?;
        Ok(Pending::Zygote {
            reply: request.reply,
            place: request.place,
        })
    }

    async fn send(
        &self,
        command: &ZygoteCommand,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), Down> {
        let packet = protocol::encode(command);
        let send = |socket: &OwnedFd| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(descriptors));
            let slices = [IoSlice::new(&packet)];
            Ok(rustix::net::sendmsg(
                socket,
                &slices,
                &mut ancillary,
                SendFlags::NOSIGNAL,
            )?)
        };
        // One that does not read leaves no room to write.
        let sent = self.0.async_io(Interest::WRITABLE, send);
        let sent = tokio::time::timeout(ANSWERS_WITHIN, sent).await;
        sent.map_err(|_| Down::Silent(ANSWERS_WITHIN))?
            .map_err(Down::Control)
            .map(|_| ())
    }

    /// What the zygote says. A descriptor that comes with it is closed.
    pub async fn receive(&self) -> Result<ZygoteEvent, Down> {
        self.receive_with_descriptor().await.map(|(event, _)| event)
    }

    /// What the zygote says, and the descriptor that comes with it, if one does.
    pub async fn receive_with_descriptor(&self) -> Result<(ZygoteEvent, Option<OwnedFd>), Down> {
        let mut packet = [0; MAX_CONTROL_BYTES];
        let mut descriptor = None;
        let read = |socket: &OwnedFd| {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = RecvAncillaryBuffer::new(&mut space);
            let slices = &mut [IoSliceMut::new(&mut packet)];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = rustix::net::recvmsg(socket, slices, &mut ancillary, flags)?;
            for message in ancillary.drain() {
                if let RecvAncillaryMessage::ScmRights(mut received) = message {
                    descriptor = received.next();
                }
            }
            Ok(received.bytes)
        };
        let length = self.0.async_io(Interest::READABLE, read).await;
        match length.map_err(Down::Control)? {
            0 => Err(Down::Control(std::io::ErrorKind::UnexpectedEof.into())),
            length => match protocol::decode(&packet[..length]) {
                Ok(event) => Ok((event, descriptor)),
                Err(_) => Err(Down::Protocol),
            },
        }
    }
}
