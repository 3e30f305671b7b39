//! A connection whose client has to read what it asked for, and gets the time to.

use std::io;
use std::pin::Pin;
use std::task::Context;
use std::task::Poll;
use std::task::ready;
use std::time::Duration;

use tokio::io::AsyncRead;
use tokio::io::AsyncWrite;
use tokio::io::ReadBuf;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio::time::Sleep;

/// A connection that fails when a write makes no progress for so long. That ends what is being answered,
/// as when the client hangs up.
pub struct Connection {
    stream: TcpStream,
    patience: Duration,
    /// Runs while the client takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
    /// Set when the last byte was sent.
    ending: Option<Ending>,
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
    pub fn new(stream: TcpStream, patience: Duration) -> Self {
        // Answers are written whole; waiting to fill a packet would only delay them.
        let _ = stream.set_nodelay(true);
        // What the system still has to send after the end is bounded in time, too.
        let milliseconds = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(&stream, milliseconds);
        Self {
            stream,
            patience,
            stalled: None,
            ending: None,
        }
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
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
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

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.watch(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Ends the connection in the order of RFC 9112, 9.6. A client may be sending a body that was refused;
    /// if its bytes met a closed socket, the system would answer them with a reset, and the client
    /// would lose the refusal.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ending.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
        }
        self.discard(context).map(Ok)
    }
}
