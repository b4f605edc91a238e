//! A connection as it was accepted, until it is a session's stream.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tls_stream::TlsStream;
use crate::transport::ClientStream;

/// Bytes that are read at once.
const READ_BYTES: usize = 4_096;

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream>),
}

// === impl Socket ===

impl Socket {
    /// Has what is written leave at once: a message is small, and should wait for no acknowledgement of the one before.
    pub(super) fn set_nodelay(&self) {
        if let Self::Tcp(stream) = self {
            drop(stream.set_nodelay(true));
        }
    }

    /// Has the system end the connection when nothing of what is sent to it is acknowledged for so long (RFC 5482).
    pub(super) fn give_up_unheard_after(&self, silence: Duration) {
        if matches!(self, Self::Tcp(_) | Self::Tls(_)) {
            // Where it cannot, an absent client is noticed as late as the system does.
            drop(socket2::SockRef::from(self).set_tcp_user_timeout(Some(silence)));
        }
    }

    /// Wakes nobody any more who polled it and waits no longer. It would keep the memory of a task that is over, until something
    /// comes.
    pub(super) fn forget_pollers(&self) {
        let nobody = &mut Context::from_waker(Waker::noop());
        let tcp = |stream: &TcpStream, nobody: &mut Context<'_>| {
            drop((stream.poll_read_ready(nobody), stream.poll_write_ready(nobody)));
        };
        match self {
            Self::Tcp(stream) => tcp(stream, nobody),
            Self::Tls(stream) => tcp(stream.socket(), nobody),
            Self::Unix(stream) => drop((stream.poll_read_ready(nobody), stream.poll_write_ready(nobody))),
        }
    }

    /// Reads some of what comes to the end of `bytes`. Returns how much; 0 at the end of the stream.
    pub(super) fn poll_read_to(&mut self, cx: &mut Context<'_>, bytes: &mut Vec<u8>) -> Poll<io::Result<usize>> {
        // Room is taken for what is there alone.
        let mut room = [MaybeUninit::uninit(); READ_BYTES];
        let mut read = ReadBuf::uninit(&mut room);
        ready!(Pin::new(self).poll_read(cx, &mut read))?;
        bytes.extend_from_slice(read.filled());
        Poll::Ready(Ok(read.filled().len()))
    }

    /// Writes as much as is taken now. What is taken has left when [`Socket::try_flush`] says so.
    pub(super) fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(stream) => stream.try_write_vectored(&[io::IoSlice::new(bytes)]),
        }
    }

    /// Sends what was taken and has not left. Returns whether everything has.
    pub(super) fn try_flush(&self) -> io::Result<bool> {
        match self {
            Self::Tcp(_) | Self::Unix(_) => Ok(true),
            Self::Tls(stream) => stream.try_flush(),
        }
    }
}

impl From<Socket> for ClientStream {
    fn from(socket: Socket) -> Self {
        socket.forget_pollers();
        match socket {
            Socket::Tcp(stream) => Self::Tcp(stream),
            Socket::Unix(stream) => Self::Unix(stream),
            Socket::Tls(stream) => Self::Tls(stream),
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
            Self::Tls(stream) => stream.as_fd(),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(cx, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tcp(stream) => stream.is_write_vectored(),
            Self::Unix(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::task::Wake;

    use tokio::net::TcpListener;

    use super::*;

    struct Poller;

    impl Wake for Poller {
        fn wake(self: Arc<Self>) {}
    }

    #[tokio::test]
    async fn a_session_s_stream_keeps_nothing_of_who_polled_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let mut socket = Socket::Tcp(listener.accept().await.unwrap().0);
        let poller = Arc::new(Poller);
        let waker = Waker::from(poller.clone());
        let mut buffer = [0; 1];
        let read = Pin::new(&mut socket).poll_read(&mut Context::from_waker(&waker), &mut ReadBuf::new(&mut buffer));
        assert!(read.is_pending());
        drop(waker);
        assert_eq!(Arc::strong_count(&poller), 2, "the socket would wake it");
        let _stream = ClientStream::from(socket);
        assert_eq!(Arc::strong_count(&poller), 1);
    }
}
