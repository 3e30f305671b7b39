//! A connection whose client has to read what it asked for, and gets the time to.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use rustix::net::Shutdown;
use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio::time::Sleep;

use super::client::Client;

/// A connection that fails when a write makes no progress for so long. That ends what is being answered,
/// as when the client hangs up.
pub struct Connection {
    client: Arc<Client>,
    patience: Duration,
    room: Arc<Room>,
    /// The head that is awaited, until its end has come.
    head: Option<Head>,
    /// Runs while the client has nothing to ask: then it may have to make room.
    idle: Option<Pin<Box<Sleep>>>,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set when the last byte was sent.
    ending: Option<Ending>,
}

/// How many connections there may be.
#[derive(Debug)]
pub struct Room {
    /// A permit for each connection that there may be yet.
    pub free: Arc<Semaphore>,
    /// With those that there are.
    pub all: usize,
}

impl Room {
    /// Whether so many are taken that nobody may keep one without using it.
    fn is_scarce(&self) -> bool {
        self.free.available_permits() < self.all / 2
    }
}

/// A request's head that must come: a connection's first, or one that has begun to.
struct Head {
    due: Pin<Box<Sleep>>,
    /// Heads that came whole before it.
    before: usize,
}

/// When a connection on which nothing is sent any more is closed.
struct Ending {
    /// When the client sent nothing for a while.
    quiet: Pin<Box<Sleep>>,
    /// In any case.
    last: Pin<Box<Sleep>>,
}

/// How long a client that has to finish sending may pause. One that only keeps an idle connection does not
/// notice its end, and must not hold up the server's.
const QUIET: Duration = Duration::from_secs(1);
/// What is read at once of what nobody wants any more, in bytes.
const DISCARDED_AT_ONCE: usize = 16 << 10;

impl Connection {
    /// `patience`: how long the client may take nothing, how long a head may come, and how long a connection
    /// may be kept without a request while there is little room.
    pub fn new(client: Arc<Client>, patience: Duration, room: Arc<Room>) -> Self {
        let stream = &client.stream;
        // Answers are written whole; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        // What the system still has to send after the end is bounded in time, too.
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(stream, milliseconds);
        let head = Some(Head::due_within(patience, 0));
        Self {
            client,
            patience,
            room,
            head,
            idle: None,
            stalled: None,
            ending: None,
        }
    }

    /// Whether a head has begun and takes too long to come.
    fn is_head_late(&mut self, context: &mut Context<'_>, has_come: bool) -> bool {
        let heads = self.client.heads();
        if self.head.as_ref().is_some_and(|head| head.before < heads) {
            self.head = None;
        }
        // What comes while an answer is awaited is a body, or early.
        if has_come && self.head.is_none() && !self.client.is_waiting() {
            self.head = Some(Head::due_within(self.patience, heads));
        }
        let head = self.head.as_mut();
        head.is_some_and(|head| head.due.as_mut().poll(context).is_ready())
    }

    /// Whether it is kept without a request while others want its place.
    fn is_in_the_way(&mut self, context: &mut Context<'_>) -> bool {
        if self.head.is_some() || self.client.is_waiting() {
            self.idle = None;
            return false;
        }
        let patience = self.patience;
        let idle = self
            .idle
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        while idle.as_mut().poll(context).is_ready() {
            if self.room.is_scarce() {
                return true;
            }
            idle.as_mut().reset(Instant::now() + patience);
        }
        false
    }

    /// Reads what the client still sends, until it closes its end or has had enough time.
    fn discard(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let patience = self.patience;
        let ending = self.ending.get_or_insert_with(|| Ending {
            quiet: Box::pin(tokio::time::sleep(QUIET)),
            last: Box::pin(tokio::time::sleep(patience)),
        });
        let mut space = [0; DISCARDED_AT_ONCE];
        // tokio has even a stream that always has more pause now and then.
        loop {
            let mut buffer = ReadBuf::new(&mut space);
            match read(&self.client.stream, context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    ending.quiet.as_mut().reset(Instant::now() + QUIET);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        let is_quiet = ending.quiet.as_mut().poll(context).is_ready();
        let is_over = ending.last.as_mut().poll(context).is_ready();
        if is_quiet || is_over {
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Writes what the system takes at once.
    fn write(
        &self,
        context: &mut Context<'_>,
        attempt: impl Fn(&TcpStream) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        self.client.is_flushed.store(false, Ordering::Relaxed);
        let stream = &self.client.stream;
        loop {
            ready!(stream.poll_write_ready(context))?;
            match attempt(stream) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    /// Passes on how a write went, unless the client has taken nothing for too long.
    fn watch(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let patience = self.patience;
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Head {
    fn due_within(patience: Duration, before: usize) -> Self {
        Self {
            due: Box::pin(tokio::time::sleep(patience)),
            before,
        }
    }
}

/// Reads what there is.
fn read(
    stream: &TcpStream,
    context: &mut Context<'_>,
    buffer: &mut ReadBuf<'_>,
) -> Poll<io::Result<()>> {
    loop {
        ready!(stream.poll_read_ready(context))?;
        match stream.try_read_buf(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return Poll::Ready(read.map(drop)),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = read(&self.client.stream, context, buffer);
        let has_come = buffer.filled().len() > before;
        let is_over = self.is_head_late(context, has_come) || self.is_in_the_way(context);
        if is_over && read.is_pending() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = self.write(context, |stream| stream.try_write(bytes));
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.write(context, |stream| stream.try_write_vectored(pieces));
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Called when all was written; the system sends it on by itself.
        self.client.is_flushed.store(true, Ordering::Relaxed);
        Poll::Ready(Ok(()))
    }

    /// Ends the connection in the order of RFC 9112, 9.6. A client may be sending a body that was refused;
    /// if its bytes met a closed socket, the system would answer them with a reset, and the client
    /// would lose the refusal.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            rustix::net::shutdown(&self.client.stream, Shutdown::Write)?;
        }
        self.discard(context).map(Ok)
    }
}
