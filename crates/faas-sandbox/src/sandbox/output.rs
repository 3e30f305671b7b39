//! The sandbox's end of its job socket, with a buffer for output.
//!
//! A line of output costs a system call and wakes the supervisor, so output is gathered, but for no
//! longer than [`FLUSH_AFTER`]: a timer's signal handler writes it out, whatever the program is
//! doing. So what a program printed is kept even if the next thing that happens is SIGKILL.

use std::cell::UnsafeCell;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;
use std::os::fd::FromRawFd;
use std::os::fd::IntoRawFd;
use std::os::fd::OwnedFd;
use std::os::fd::RawFd;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI32;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;
use std::time::Duration;

use faas_protocol as protocol;
use faas_protocol::FRAME_SLACK_BYTES;
use faas_protocol::HEADER_BYTES;
use faas_protocol::Limit;
use faas_protocol::MAX_OUTPUT_FRAME_BYTES;
use faas_protocol::SandboxEvent;
use faas_protocol::Stages;
use faas_protocol::Stream;
use faas_protocol::encode_frame_into;
use rustix::net::RecvAncillaryBuffer;
use rustix::net::RecvAncillaryMessage;
use rustix::net::RecvFlags;

use super::timer;

/// How long output may wait in the buffer.
const FLUSH_AFTER: Duration = Duration::from_millis(2);

/// Longest piece of output in one frame, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;
const _: () = assert!(CHUNK_BYTES + FRAME_SLACK_BYTES <= MAX_OUTPUT_FRAME_BYTES);

const CAPACITY: usize = 64 * 1024;

/// Room for the frame of [`send_last`], which has no payload, in bytes.
const LAST_FRAME_BYTES: usize = 128;

static SOCKET: AtomicI32 = AtomicI32::new(-1);
static BUFFER: Buffer = Buffer {
    bytes: UnsafeCell::new([0; CAPACITY]),
    length: AtomicUsize::new(0),
    last_frame: AtomicUsize::new(0),
    in_use: AtomicBool::new(false),
    flush_due: AtomicBool::new(false),
};

/// Bytes shared between the only thread and its signal handler.
struct Buffer {
    bytes: UnsafeCell<[u8; CAPACITY]>,
    length: AtomicUsize,
    /// Where the last frame in the buffer begins, while there is one. Only the thread uses it.
    last_frame: AtomicUsize,
    /// True while the thread works on the buffer; the handler then leaves it alone.
    in_use: AtomicBool,
    /// Set by a handler that came at such a time; the thread makes up for it.
    flush_due: AtomicBool,
}

// SAFETY: a sandbox has one thread. Its signal handler touches the bytes only while `in_use` is
// false, that is, never in the middle of the thread's own access.
unsafe impl Sync for Buffer {}

/// The supervisor is gone, or sent something that is not in the protocol.
#[derive(Debug)]
pub struct SocketClosed;

impl Buffer {
    /// Runs `work` on the buffer while the handler keeps away.
    fn with<T>(&self, work: impl FnOnce(&mut [u8; CAPACITY], &mut usize) -> T) -> T {
        self.in_use.store(true, Ordering::SeqCst);
        let mut length = self.length.load(Ordering::Relaxed);
        // SAFETY: one thread, and `in_use` keeps its handler out: this is the only reference.
        let result = work(unsafe { &mut *self.bytes.get() }, &mut length);
        self.length.store(length, Ordering::Relaxed);
        self.in_use.store(false, Ordering::SeqCst);
        if self.flush_due.swap(false, Ordering::SeqCst) {
            flush_from_handler();
        }
        result
    }
}

/// Makes `socket` the job socket of this process.
pub fn attach(socket: OwnedFd) {
    SOCKET.store(socket.into_raw_fd(), Ordering::SeqCst);
}

/// Closes the job socket, for a process that becomes a zygote.
pub fn detach() {
    let socket = SOCKET.swap(-1, Ordering::SeqCst);
    if socket >= 0 {
        // SAFETY: `attach` took the descriptor over; nobody else owns it.
        drop(unsafe { OwnedFd::from_raw_fd(socket) });
    }
}

/// Takes output of the program.
pub fn write(stream: Stream, bytes: &[u8]) {
    for chunk in bytes.chunks(CHUNK_BYTES) {
        if BUFFER.with(|buffer, length| extend_last(buffer, length, stream, chunk)) {
            continue;
        }
        let event = SandboxEvent::Output {
            stream,
            bytes: chunk,
        };
        let was_empty = BUFFER.with(|buffer, length| {
            let room = CAPACITY - *length;
            if room < chunk.len() + FRAME_SLACK_BYTES {
                let _ = write_all(&buffer[..*length]);
                *length = 0;
            }
            let was_empty = *length == 0;
            BUFFER.last_frame.store(*length, Ordering::Relaxed);
            *length += encode_frame_into(&event, &mut buffer[*length..]).unwrap_or(0);
            was_empty
        });
        if was_empty {
            timer::flush_after(FLUSH_AFTER);
        }
    }
}

/// Appends output to the last frame in the buffer, if that is of the same stream and has room: a
/// program that prints many short lines costs the supervisor few frames. Tells whether it did.
fn extend_last(
    buffer: &mut [u8; CAPACITY],
    length: &mut usize,
    stream: Stream,
    chunk: &[u8],
) -> bool {
    // What is in the buffer is output: all else is sent at once, and empties it.
    let start = BUFFER.last_frame.load(Ordering::Relaxed);
    let Some(frame) = buffer.get(start..*length).filter(|frame| !frame.is_empty()) else {
        return false;
    };
    let body = frame.get(HEADER_BYTES..).unwrap_or_default();
    let Ok(SandboxEvent::Output {
        stream: last,
        bytes,
    }) = protocol::decode(body)
    else {
        return false;
    };
    let (before, after) = (bytes.len(), bytes.len() + chunk.len());
    let is_full = after > CHUNK_BYTES || *length + chunk.len() + FRAME_SLACK_BYTES > CAPACITY;
    let (false, true, Ok((prefix, end))) = (
        is_full,
        last == stream,
        protocol::encode_output_prefix(stream, after),
    ) else {
        return false;
    };
    buffer.copy_within(*length - before..*length, start + end);
    buffer[start..start + end].copy_from_slice(&prefix[..end]);
    let from = start + end + before;
    *length = from + chunk.len();
    buffer[from..*length].copy_from_slice(chunk);
    true
}

/// Sends a message, after all output before it, at once.
pub fn send(event: &SandboxEvent<'_>) -> Result<(), SocketClosed> {
    let frame = protocol::encode_frame(event).map_err(|_| SocketClosed)?;
    BUFFER.with(|buffer, length| {
        let end = *length + frame.len();
        if end <= CAPACITY {
            buffer[*length..end].copy_from_slice(&frame);
            *length = 0;
            write_all(&buffer[..end])
        } else {
            let pending = std::mem::take(length);
            write_all(&buffer[..pending])?;
            write_all(&frame)
        }
    })
}

/// Sends the program's end, after all output before it, without any memory from the heap: for when
/// there is none. Callable wherever [`flush_from_handler`] is, and only by who ends the process next.
///
/// # Errors
/// When the supervisor is gone, or a handler came while the thread was at work on the buffer.
pub fn send_last(exit_code: i32, limit: Option<Limit>) -> Result<(), SocketClosed> {
    let event = SandboxEvent::Finished {
        exit_code,
        return_value: None,
        limit,
        stages: Stages::default(),
        goes_on: false,
    };
    // The thread may have written half of a frame. This one would be taken for the rest of it, and the
    // supervisor would wait for more; it does know what the end of a process means.
    if BUFFER.in_use.load(Ordering::SeqCst) {
        return Err(SocketClosed);
    }
    flush_from_handler();
    let mut frame = [0; LAST_FRAME_BYTES];
    let length = encode_frame_into(&event, &mut frame).map_err(|_| SocketClosed)?;
    write_all(&frame[..length])
}

/// Waits for a message, to be decoded by the caller.
pub fn receive_frame() -> Result<Vec<u8>, SocketClosed> {
    receive_payload(receive_length()?)
}

/// Waits until a message begins to arrive; returns its length in bytes.
pub fn receive_length() -> Result<u32, SocketClosed> {
    let mut header = [0; HEADER_BYTES];
    read_exact(&mut header)?;
    Ok(u32::from_le_bytes(header))
}

/// As [`receive_length`], with the descriptor that comes with the message, if one does.
pub fn receive_length_and_socket() -> Result<(u32, Option<OwnedFd>), SocketClosed> {
    let mut header = [0; HEADER_BYTES];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    // SAFETY: the job socket is open for as long as this process takes messages.
    let socket = unsafe { BorrowedFd::borrow_raw(socket()) };
    let received = rustix::io::retry_on_intr(|| {
        let slices = &mut [IoSliceMut::new(&mut header)];
        rustix::net::recvmsg(socket, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC)
    });
    let bytes = received.map_err(|_| SocketClosed)?.bytes;
    if bytes == 0 {
        return Err(SocketClosed);
    }
    let sockets = ancillary.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let socket = sockets.last();
    read_exact(&mut header[bytes..])?;
    Ok((u32::from_le_bytes(header), socket))
}

/// Waits for the message of that length.
pub fn receive_payload(length: u32) -> Result<Vec<u8>, SocketClosed> {
    let mut frame = vec![0; length as usize];
    read_exact(&mut frame)?;
    Ok(frame)
}

/// Waits until the supervisor closes its end, or kills this process, once the last message is sent:
/// it first asks the kernel what the process used, which is known only while it lives. It also spares
/// the answer from competing with the end of a process, which takes a while.
pub fn wait_for_close() {
    // What may come is the answer to a question that does not matter any more: a package that there
    // was no memory for. The supervisor sees the last message once it has sent that.
    while read_exact(&mut [0; 4096]).is_ok() {}
}

/// Writes out what is buffered, unless the thread is at work on it. Async-signal-safe.
pub fn flush_from_handler() {
    if BUFFER.in_use.load(Ordering::SeqCst) {
        BUFFER.flush_due.store(true, Ordering::SeqCst);
        return;
    }
    let length = BUFFER.length.swap(0, Ordering::Relaxed);
    if length > 0 {
        // SAFETY: `in_use` is false, so the thread holds no reference; it goes on when we return.
        let bytes = unsafe { &*BUFFER.bytes.get() };
        let _ = write_all(&bytes[..length]);
    }
}

fn socket() -> RawFd {
    SOCKET.load(Ordering::Relaxed)
}

fn write_all(mut bytes: &[u8]) -> Result<(), SocketClosed> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live slice.
        let written = unsafe { libc::write(socket(), bytes.as_ptr().cast(), bytes.len()) };
        match usize::try_from(written) {
            Ok(written) => bytes = &bytes[written..],
            Err(_) if interrupted() => {}
            Err(_) => return Err(SocketClosed),
        }
    }
    Ok(())
}

fn read_exact(mut bytes: &mut [u8]) -> Result<(), SocketClosed> {
    while !bytes.is_empty() {
        // SAFETY: the pointer and length are those of a live, writable slice.
        let read = unsafe { libc::read(socket(), bytes.as_mut_ptr().cast(), bytes.len()) };
        match usize::try_from(read) {
            Ok(0) => return Err(SocketClosed),
            Ok(read) => bytes = &mut bytes[read..],
            Err(_) if interrupted() => {}
            Err(_) => return Err(SocketClosed),
        }
    }
    Ok(())
}

fn interrupted() -> bool {
    std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
}
