//! A socket that is given up when its peer takes nothing of what is written to it, or when the head of a request has a line
//! that ends with LF alone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Buf;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Sleep, sleep, timeout};

use super::body_length::{BodyLength, ToldLength};
use super::head_lines::HeadLines;
use super::socket::Socket;

/// How long the peer may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a client sends first that speaks HTTP/2 without negotiation (RFC 9113 3.4).
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Ends what is sent. Over TLS something is said first, for which a peer that takes nothing has as long as for an answer.
///
/// # Errors
/// What the socket says; that the peer took too long.
pub(super) async fn end(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    timeout(PATIENCE, stream.shutdown()).await?
}

/// Writes all of it. The peer may take its time, as long as it takes something.
///
/// # Errors
/// What the socket says; that the peer took nothing for too long.
pub(super) async fn write(stream: &mut (impl AsyncWrite + Unpin), bytes: &mut impl Buf) -> io::Result<()> {
    while bytes.has_remaining() {
        timeout(PATIENCE, stream.write_buf(bytes)).await??;
    }
    timeout(PATIENCE, stream.flush()).await?
}

pub(super) struct PatientStream {
    io: TokioIo<Socket>,
    head: HeadLines,
    part: UnreadPart,
    /// How long the body is of the request whose head was given out.
    told: ToldLength,
    /// What was read and not given out yet.
    ahead: Vec<u8>,
    /// Whether a request was given out whose answer is not written, and whether some of it was.
    is_unanswered: bool,
    has_written: bool,
    /// Runs while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
}

/// What of a request comes next. The reader gets nothing beyond its end before that end is known: what stands behind it is
/// another head.
enum UnreadPart {
    Head,
    /// The head was given out, and the length of the body is not told yet.
    Told,
    Body {
        left: u64,
    },
    /// No other head comes.
    Endless,
}

impl PatientStream {
    /// `ahead` was read of the socket before. `told` is told of each request how long its body is.
    pub(super) fn new(stream: Socket, ahead: Vec<u8>, told: ToldLength) -> Self {
        Self {
            io: TokioIo::new(stream),
            head: HeadLines::default(),
            part: UnreadPart::Head,
            told,
            ahead,
            is_unanswered: false,
            has_written: false,
            patience: None,
        }
    }

    /// The socket, and what was read of it that nobody got.
    pub(super) fn into_parts(self) -> (Socket, Vec<u8>) {
        (self.io.into_inner(), self.ahead)
    }

    /// Reads ahead, if nothing is left of that; at the end it stays empty.
    fn read_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            ready!(self.io.inner_mut().poll_read_to(cx, &mut self.ahead))?;
        }
        Poll::Ready(Ok(()))
    }

    /// The head is broken: says so, once whoever came before it on the connection has an answer.
    fn give_up(&self) -> Poll<io::Result<()>> {
        if self.is_unanswered {
            // Read again when that is written.
            return Poll::Pending;
        }
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// Gives out so many bytes of what was read ahead.
    fn give_out(&mut self, count: usize, buffer: &mut ReadBufCursor<'_>) {
        buffer.put_slice(&self.ahead[..count]);
        self.ahead.drain(..count);
        if self.ahead.is_empty() {
            // A connection at rest keeps no room.
            self.ahead = Vec::new();
        }
    }

    /// Whether something waits until the peer takes it.
    pub(super) fn has_unwritten(&self) -> bool {
        self.patience.is_some()
    }

    /// Whether it was given up for a line that ends with LF alone.
    pub(super) fn has_broken_head(&self) -> bool {
        self.head == HeadLines::Broken
    }

    /// What became of a write, or that it has waited for too long.
    fn patiently<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience = None;
            return written;
        }
        let patience = self.patience.get_or_insert_with(|| Box::pin(sleep(PATIENCE)));
        let is_over = patience.as_mut().poll(cx);
        is_over.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl Read for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.has_broken_head() {
            return this.give_up();
        }
        if matches!(this.part, UnreadPart::Told) {
            // Told by whoever got the head, before it asks for more.
            this.part = match this.told.take() {
                None => return Poll::Pending,
                Some(BodyLength::Endless) => UnreadPart::Endless,
                Some(BodyLength::Bytes(left)) => UnreadPart::Body { left },
            };
        }
        if matches!(this.part, UnreadPart::Body { left: 0 }) {
            this.part = UnreadPart::Head;
            this.head = HeadLines::default();
        }
        if matches!(this.part, UnreadPart::Endless) && this.ahead.is_empty() {
            return Pin::new(&mut this.io).poll_read(cx, buffer);
        }
        ready!(this.read_ahead(cx))?;
        let begins = matches!(this.part, UnreadPart::Head) && this.head == HeadLines::Before;
        if begins && this.ahead.starts_with(HTTP_2) {
            // Whoever reads it as HTTP/1 has to see all of it, to know what it is. It reads nothing behind it.
            this.part = UnreadPart::Endless;
        }
        let room = this.ahead.len().min(buffer.remaining());
        let count = match &mut this.part {
            UnreadPart::Head => {
                let count = this.head.look(&this.ahead[..room]);
                if this.has_broken_head() {
                    return this.give_up();
                }
                if this.head == HeadLines::Done {
                    this.part = UnreadPart::Told;
                    this.is_unanswered = true;
                }
                count
            }
            UnreadPart::Body { left } => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(room);
                *left -= count as u64;
                count
            }
            UnreadPart::Told | UnreadPart::Endless => room,
        };
        this.give_out(count, &mut buffer);
        Poll::Ready(Ok(()))
    }
}

impl Write for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.has_written |= written.is_ready();
        self.patiently(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.has_written |= written.is_ready();
        self.patiently(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS keeps what the socket did not take.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if flushed.is_ready() && std::mem::take(&mut self.has_written) {
            self.is_unanswered = false;
        }
        self.patiently(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let ended = Pin::new(&mut self.io).poll_shutdown(cx);
        self.patiently(cx, ended)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_one_that_takes_something_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut stream = PatientStream::new(
            Socket::Tcp(listener.accept().await.unwrap().0),
            Vec::new(),
            ToldLength::default(),
        );
        let bytes = vec![0; 65_536];
        let outcome = loop {
            match poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &bytes)).await {
                Ok(_) => {}
                Err(error) => break error.kind(),
            }
        };
        assert_eq!(outcome, io::ErrorKind::TimedOut);
        // What it took in between begins the time anew.
        stream.patience = None;
        let mut taken = vec![0; 8 * 1_048_576];
        peer.readable().await.unwrap();
        while peer.try_read(&mut taken).is_ok() {}
        poll_fn(|cx| Pin::new(&mut stream).poll_write(cx, &bytes))
            .await
            .unwrap();
        assert!(stream.patience.is_none());
    }
    /// As TLS is with a socket that takes nothing.
    struct Stuck;

    impl AsyncWrite for Stuck {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Pending
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_does_not_take_the_end_is_given_up() {
        let ended = timeout(2 * PATIENCE, end(&mut Stuck)).await;
        let error = ended.expect("it is given up sooner").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
