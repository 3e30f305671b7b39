//! The supervisor's end of a job socket: frames to and from a sandbox.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::fd::OwnedFd;

use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use faas_protocol as protocol;
use faas_protocol::ByteSize;
use faas_protocol::FRAME_SLACK_BYTES;
use faas_protocol::MAX_OUTPUT_FRAME_BYTES;
use futures_util::StreamExt;
use rustix::net::SendAncillaryBuffer;
use rustix::net::SendAncillaryMessage;
use rustix::net::SendFlags;
use serde::Serialize;
use tokio::io::AsyncWriteExt;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::net::unix::OwnedReadHalf;
use tokio::net::unix::OwnedWriteHalf;
use tokio_util::codec::FramedRead;
use tokio_util::codec::LengthDelimitedCodec;

use super::sandbox_error::SandboxError;

#[derive(Debug)]
pub struct JobSocket {
    frames: FramedRead<OwnedReadHalf, LengthDelimitedCodec>,
    writer: OwnedWriteHalf,
}

impl JobSocket {
    /// `largest`: the longest thing that the other side may send in one frame.
    ///
    /// # Errors
    /// The system's, when the descriptor cannot be watched.
    pub fn new(socket: OwnedFd, largest: ByteSize) -> std::io::Result<Self> {
        let socket = std::os::unix::net::UnixStream::from(socket);
        socket.set_nonblocking(true)?;
        let (reader, writer) = UnixStream::from_std(socket)?.into_split();
        let longest = largest.as_usize().saturating_add(FRAME_SLACK_BYTES);
        let frames = LengthDelimitedCodec::builder()
            .little_endian()
            .length_field_length(protocol::HEADER_BYTES)
            .max_frame_length(longest.max(MAX_OUTPUT_FRAME_BYTES))
            .new_read(reader);
        Ok(Self { frames, writer })
    }

    /// Sends a message.
    ///
    /// # Errors
    /// When the other side is gone.
    pub async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), SandboxError> {
        let frame = protocol::encode_frame(message).map_err(|_| SandboxError::Protocol)?;
        let sent = self.writer.write_all(&frame).await;
        sent.map_err(SandboxError::Socket)
    }

    /// Sends a short message, and a descriptor with its first byte.
    ///
    /// # Errors
    /// When the other side is gone.
    pub async fn send_with<T: Serialize>(
        &mut self,
        message: &T,
        descriptor: &OwnedFd,
    ) -> Result<(), SandboxError> {
        let frame = protocol::encode_frame(message).map_err(|_| SandboxError::Protocol)?;
        let socket: &UnixStream = self.writer.as_ref();
        let send = || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            let descriptors = [descriptor.as_fd()];
            ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
            let slices = [IoSlice::new(&frame)];
            let flags = SendFlags::NOSIGNAL;
            Ok(rustix::net::sendmsg(
                socket,
                &slices,
                &mut ancillary,
                flags,
            )?)
        };
        let sent = socket.async_io(Interest::WRITABLE, send).await;
        let sent = sent.map_err(SandboxError::Socket)?;
        let rest = self.writer.write_all(&frame[sent..]).await;
        rest.map_err(SandboxError::Socket)
    }

    /// Sends [`faas_protocol::PackageAnswer::Contents`] without copying the contents.
    ///
    /// # Errors
    /// When the other side is gone.
    pub async fn send_contents(&mut self, contents: Bytes) -> Result<(), SandboxError> {
        let prefix = protocol::encode_contents_prefix(contents.len());
        let prefix = Bytes::from(prefix.map_err(|_| SandboxError::Protocol)?);
        // Written with one call, as far as the socket takes it.
        let sent = self.writer.write_all_buf(&mut prefix.chain(contents)).await;
        sent.map_err(SandboxError::Socket)
    }

    /// The next frame, undecoded; `None` once the other side closed its end. May be given up and
    /// called again.
    ///
    /// # Errors
    /// When a frame is too long or the socket fails.
    pub async fn receive(&mut self) -> Result<Option<BytesMut>, SandboxError> {
        match self.frames.next().await {
            Some(Ok(frame)) => Ok(Some(frame)),
            None => Ok(None),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionReset => Ok(None),
            Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
                Err(SandboxError::Protocol)
            }
            Some(Err(error)) => Err(SandboxError::Socket(error)),
        }
    }
}
