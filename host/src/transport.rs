//! The seam between a session and what carries its bytes: a stream to read, to write and to wait for, or the answers to
//! polls. Knows no frame.

use std::cell::RefCell;
use std::future::pending;
use std::io::{self, IoSlice};

use socket2::SockRef;
use tokio::io::{Interest, Ready};
use tokio::net::{TcpStream, UnixStream};

use crate::poll_answers::PollAnswers;
use crate::tls_stream::TlsStream;

/// What brings a client what is said to it.
#[derive(Debug)]
pub enum Carrier {
    Stream(ClientStream),
    /// It asks again and again. Boxed, because most clients have a stream.
    Polls(Box<RefCell<PollAnswers>>),
}

/// A client's byte stream. Only [`ClientStream::ready`] waits.
#[derive(Debug)]
pub enum ClientStream {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// Boxed, because most streams are without.
    Tls(Box<TlsStream>),
    /// Both ends in memory, for tests without a socket.
    #[cfg(test)]
    Memory(std::rc::Rc<memory::MemoryStream>),
}

// === impl Carrier ===

impl Carrier {
    /// Reads what is there; 0 at the end of the stream. Polls bring nothing here.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stream(stream) => stream.try_read(buffer),
            Self::Polls(_) => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Waits until the stream can be read from or written to, as `interest` says; without one for ever.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Stream(stream) => stream.ready(interest).await,
            Self::Polls(_) => pending().await,
        }
    }

    /// Bytes that left the outbox and may not be with the client.
    pub fn unsent(&self) -> usize {
        match self {
            Self::Stream(stream) => stream.unsent(),
            Self::Polls(answers) => answers.borrow().bytes(),
        }
    }

    /// Ends the sending side of the stream: the client sees its end, and can still send.
    pub fn shutdown(&self) {
        if let Self::Stream(stream) = self {
            stream.shutdown();
        }
    }
}

// === impl ClientStream ===

impl ClientStream {
    /// Reads what is there; 0 at the end of the stream.
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_read(buffer),
            Self::Unix(stream) => stream.try_read(buffer),
            Self::Tls(stream) => stream.try_read(buffer),
            #[cfg(test)]
            Self::Memory(stream) => stream.try_read(buffer),
        }
    }

    /// Writes as much as is taken now. What is taken has left when [`ClientStream::try_flush`] says so.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
            Self::Tls(stream) => stream.try_write_vectored(&[IoSlice::new(bytes)]),
            #[cfg(test)]
            Self::Memory(stream) => stream.try_write_vectored(&[IoSlice::new(bytes)]),
        }
    }

    /// The same for several pieces.
    pub fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.try_write_vectored(slices),
            Self::Unix(stream) => stream.try_write_vectored(slices),
            Self::Tls(stream) => stream.try_write_vectored(slices),
            #[cfg(test)]
            Self::Memory(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Sends what was taken and has not left. Returns whether everything has.
    pub fn try_flush(&self) -> io::Result<bool> {
        match self {
            Self::Tls(stream) => stream.try_flush(),
            #[cfg(test)]
            Self::Memory(stream) => Ok(!stream.is_held_back()),
            _ => Ok(true),
        }
    }

    /// Bytes that were taken and have not left: a record of TLS at most.
    pub fn unsent(&self) -> usize {
        match self {
            Self::Tls(stream) => stream.unsent(),
            _ => 0,
        }
    }

    /// Waits until the stream can be read from or written to, as `interest` says.
    pub async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Self::Tcp(stream) => stream.ready(interest).await,
            Self::Unix(stream) => stream.ready(interest).await,
            Self::Tls(stream) => stream.ready(interest).await,
            #[cfg(test)]
            Self::Memory(stream) => Ok(stream.ready(interest).await),
        }
    }

    /// Ends the sending side: the client sees the end of the stream, and can still send.
    pub fn shutdown(&self) {
        match self {
            // It fails on a socket that is closed already, which is fine.
            Self::Tcp(stream) => drop(SockRef::from(stream).shutdown(std::net::Shutdown::Write)),
            Self::Unix(stream) => drop(SockRef::from(stream).shutdown(std::net::Shutdown::Write)),
            Self::Tls(stream) => stream.shutdown(),
            #[cfg(test)]
            Self::Memory(stream) => stream.shutdown(),
        }
    }
}

#[cfg(test)]
pub mod memory {
    //! A stream whose far end a test holds.

    use std::cell::{Cell, RefCell};
    use std::collections::VecDeque;
    use std::io::{self, IoSlice};
    use std::rc::Rc;

    use tokio::io::{Interest, Ready};
    use tokio::sync::Notify;

    /// Both ends of it.
    #[derive(Debug, Default)]
    pub struct MemoryStream {
        sent_by_client: RefCell<VecDeque<u8>>,
        client_is_gone: Cell<bool>,
        written: RefCell<Vec<u8>>,
        /// Bytes that are taken until the client reads again.
        room: Cell<usize>,
        writes: Cell<usize>,
        is_shut_down: Cell<bool>,
        /// What it takes does not leave, as a record that the socket has no room for.
        is_held_back: Cell<bool>,
        changed: Notify,
    }

    impl MemoryStream {
        /// A stream that takes `room` bytes before the client reads.
        pub fn new(room: usize) -> Rc<Self> {
            let stream = Self::default();
            stream.room.set(room);
            Rc::new(stream)
        }

        /// What the client sends.
        pub fn send(&self, bytes: &[u8]) {
            self.sent_by_client.borrow_mut().extend(bytes);
            self.changed.notify_one();
        }

        /// The client hangs up.
        pub fn hang_up(&self) {
            self.client_is_gone.set(true);
            self.changed.notify_one();
        }

        /// Takes what was written, and makes room for as much again.
        pub fn receive(&self) -> Vec<u8> {
            let bytes = self.written.take();
            self.room.set(self.room.get() + bytes.len());
            self.changed.notify_one();
            bytes
        }

        /// Takes so much of what was written at most, and makes room for as much again.
        pub fn receive_some(&self, bytes: usize) -> Vec<u8> {
            let mut written = self.written.borrow_mut();
            let count = written.len().min(bytes);
            let taken: Vec<u8> = written.drain(..count).collect();
            self.room.update(|room| room + count);
            self.changed.notify_one();
            taken
        }

        pub fn writes(&self) -> usize {
            self.writes.get()
        }

        /// What it takes leaves, or does not.
        pub fn hold_back(&self, holds: bool) {
            self.is_held_back.set(holds);
            self.changed.notify_one();
        }

        pub(super) fn is_held_back(&self) -> bool {
            self.is_held_back.get()
        }

        /// Bytes that the client sent and nobody read.
        pub fn unread(&self) -> usize {
            self.sent_by_client.borrow().len()
        }

        /// Whether the session ended its side.
        pub fn is_shut_down(&self) -> bool {
            self.is_shut_down.get()
        }

        pub(super) fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
            let mut sent = self.sent_by_client.borrow_mut();
            if sent.is_empty() {
                return if self.client_is_gone.get() {
                    Ok(0)
                } else {
                    Err(io::ErrorKind::WouldBlock.into())
                };
            }
            let count = sent.len().min(buffer.len());
            for (to, from) in buffer.iter_mut().zip(sent.drain(..count)) {
                *to = from;
            }
            Ok(count)
        }

        pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            if self.room.get() == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let mut count = 0;
            for slice in slices {
                let taken = slice.len().min(self.room.get() - count);
                self.written.borrow_mut().extend_from_slice(&slice[..taken]);
                count += taken;
            }
            self.room.update(|room| room - count);
            self.writes.update(|writes| writes + 1);
            Ok(count)
        }

        pub(super) async fn ready(&self, interest: Interest) -> Ready {
            loop {
                let mut ready = Ready::EMPTY;
                if interest.is_readable() && (self.client_is_gone.get() || !self.sent_by_client.borrow().is_empty()) {
                    ready |= Ready::READABLE;
                }
                if interest.is_writable() && self.room.get() > 0 {
                    ready |= Ready::WRITABLE;
                }
                if !ready.is_empty() {
                    return ready;
                }
                self.changed.notified().await;
            }
        }

        pub(super) fn shutdown(&self) {
            self.is_shut_down.set(true);
        }
    }
}
