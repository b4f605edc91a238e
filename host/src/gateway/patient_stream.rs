//! A socket that is given up when its peer takes nothing of what is written to it, or when the head of its first request
//! has a line that ends with LF alone.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Sleep, sleep, timeout};

use super::head_lines::HeadLines;
use super::socket::Socket;

/// How long the peer may take nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of a head that are read at once.
const HEAD_READ_BYTES: usize = 4_096;

/// Ends what is sent. Over TLS something is said first, for which a peer that takes nothing has as long as for an answer.
///
/// # Errors
/// What the socket says; that the peer took too long.
pub(super) async fn end(stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
    timeout(PATIENCE, stream.shutdown()).await?
}

pub(super) struct PatientStream {
    io: TokioIo<Socket>,
    head: HeadLines,
    /// Runs while a write waits.
    patience: Option<Pin<Box<Sleep>>>,
}

impl PatientStream {
    pub(super) fn new(stream: Socket) -> Self {
        Self {
            io: TokioIo::new(stream),
            head: HeadLines::default(),
            patience: None,
        }
    }

    pub(super) fn into_inner(self) -> Socket {
        self.io.into_inner()
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
        if self.head == HeadLines::Done {
            return Pin::new(&mut self.io).poll_read(cx, buffer);
        }
        let mut bytes = [0; HEAD_READ_BYTES];
        let room = buffer.remaining().min(HEAD_READ_BYTES);
        let mut read = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(self.io.inner_mut()).poll_read(cx, &mut read))?;
        self.head.look(read.filled());
        if self.has_broken_head() {
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        buffer.put_slice(read.filled());
        Poll::Ready(Ok(()))
    }
}

impl Write for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.patiently(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.patiently(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // TLS keeps what the socket did not take.
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
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
        let mut stream = PatientStream::new(Socket::Tcp(listener.accept().await.unwrap().0));
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
