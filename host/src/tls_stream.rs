//! A client's TLS over its socket: for HTTP, which polls it, and for a session, which waits for it as for a socket. Knows
//! nothing of either.

use std::cell::RefCell;
use std::io::{self, IoSlice, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tls::{ServerConfig, TlsLayer};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;

/// A socket on which the handshake is over.
pub struct TlsStream {
    socket: TcpStream,
    /// Borrowed for as long as a call, never while something waits.
    layer: RefCell<TlsLayer>,
}

/// The socket as the layer sees it: it never waits.
struct Now<'a>(&'a TcpStream);

// === impl TlsStream ===

impl TlsStream {
    /// Shakes hands.
    ///
    /// # Errors
    /// When the client's handshake is not one that can be accepted, after telling it; when it hangs up.
    pub async fn accept(socket: TcpStream, config: &Arc<ServerConfig>) -> io::Result<Self> {
        let mut layer = TlsLayer::new(config)?;
        while !layer.handshake(&mut Now(&socket))? {
            let interest = if layer.unsent() > 0 {
                Interest::READABLE | Interest::WRITABLE
            } else {
                Interest::READABLE
            };
            socket.ready(interest).await?;
        }
        Ok(Self {
            socket,
            layer: RefCell::new(layer),
        })
    }

    /// What the bytes of TLS come by.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.layer.borrow_mut().read(&mut Now(&self.socket), buffer)
    }

    /// What is taken has left when [`TlsStream::try_flush`] says so.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.layer.borrow_mut().write(&mut Now(&self.socket), slices)
    }

    /// Sends what was taken and has not left. Returns whether everything has.
    pub fn try_flush(&self) -> io::Result<bool> {
        self.layer.borrow_mut().flush(&mut Now(&self.socket))
    }

    /// Bytes that were taken and have not left.
    pub fn unsent(&self) -> usize {
        self.layer.borrow().unsent()
    }

    /// Waits for the socket; not for reading what was decrypted already.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        if interest.is_readable() && self.layer.borrow().has_readable() {
            return Ok(Ready::READABLE);
        }
        self.socket.ready(interest).await
    }

    /// Ends the sending side, and tells the client so that it can tell the end from a cut.
    pub fn shutdown(&self) {
        drop(self.layer.borrow_mut().close(&mut Now(&self.socket)));
        // It fails on a socket that is closed already, which is fine.
        drop(SockRef::from(&self.socket).shutdown(std::net::Shutdown::Write));
    }

    /// Goes on with `step` whenever the socket may be ready for it.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll_socket: impl Fn(&TcpStream, &mut Context<'_>) -> Poll<io::Result<()>>,
        mut step: impl FnMut(&mut TlsLayer, &mut Now<'_>) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        loop {
            match step(self.layer.get_mut(), &mut Now(&self.socket)) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
            ready!(poll_socket(&self.socket, cx))?;
        }
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = buffer.initialize_unfilled();
        let read = ready!(
            self.get_mut()
                .poll(cx, TcpStream::poll_read_ready, |layer, socket| layer.read(socket, room))
        )?;
        buffer.advance(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll(cx, TcpStream::poll_write_ready, |layer, socket| {
            layer.write(socket, slices)
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll(cx, TcpStream::poll_write_ready, |layer, socket| {
            match layer.flush(socket)? {
                true => Ok(()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            }
        })
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = &mut *self;
        stream.layer.get_mut().close(&mut Now(&stream.socket))?;
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

impl std::fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsStream")
            .field("socket", &self.socket)
            .finish_non_exhaustive()
    }
}

impl std::os::fd::AsFd for TlsStream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Read for Now<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer)
    }
}

impl Write for Now<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
