//! The TLS of one accepted connection, between a socket that does not wait and whoever reads and writes. It owns no buffers:
//! records are received into, decrypted in and encrypted into memory that the thread's connections share. What it keeps
//! is what is on its way: a record that has not arrived as a whole, text that was decrypted beyond what the reader had
//! room for, and one record that the socket has not taken.

use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus};

use crate::pieces::Pieces;
use crate::scratch::{self, INCOMING, Scratch};

/// Records that one call of [`TlsLayer::write`] encrypts at most.
const RECORDS_A_WRITE: usize = 4;
/// Reads from the socket in one call of [`TlsLayer::read`] at most: a client may send records without text, and has its
/// turn like all others.
const READS_A_CALL: usize = 4;
/// Bytes of an alert at most, encrypted.
const ALERT: usize = 128;

/// Boxed, because most of what moves a connection from one owner to the next is not TLS.
pub struct TlsLayer {
    connection: Box<UnbufferedServerConnection>,
    /// Records, or parts of them, that were received and are needed once more has come.
    received: Vec<u8>,
    /// Decrypted, and not read yet.
    readable: Vec<u8>,
    /// Bytes of `readable` that were read.
    read: usize,
    /// Encrypted, and not taken by the socket yet.
    unsent: Vec<u8>,
    /// The peer has ended its side, by a `close_notify` or by closing the socket.
    is_ended: bool,
    /// The peer broke the protocol: `rustls` is not asked again.
    is_broken: bool,
    /// The peer was told that nothing follows.
    is_closed: bool,
}

// === impl TlsLayer ===

impl TlsLayer {
    /// A connection whose first byte was not read yet.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn new(config: &Arc<ServerConfig>) -> io::Result<Self> {
        let connection = UnbufferedServerConnection::new(config.clone()).map_err(broken)?;
        Ok(Self {
            connection: Box::new(connection),
            received: Vec::new(),
            readable: Vec::new(),
            read: 0,
            unsent: Vec::new(),
            is_ended: false,
            is_broken: false,
            is_closed: false,
        })
    }

    /// Goes on with the handshake as far as the socket allows. Returns whether it is over.
    ///
    /// # Errors
    /// When the peer's handshake is not one that can be accepted, after telling it; when it hangs up; when the socket fails.
    pub fn handshake(&mut self, socket: &mut (impl Read + Write)) -> io::Result<bool> {
        while self.connection.is_handshaking() {
            match self.receive(socket, &mut []) {
                Ok(_) if self.is_ended => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        // The peer may wait for the end of our handshake before it sends anything.
        self.flush(socket)
    }

    /// Reads what is there; 0 at the end of the stream.
    ///
    /// # Errors
    /// `WouldBlock` when there is nothing; what the peer broke, after telling it; what the socket says.
    pub fn read(&mut self, socket: &mut (impl Read + Write), buffer: &mut [u8]) -> io::Result<usize> {
        if self.has_readable() {
            return Ok(self.take_readable(buffer));
        }
        for _ in 0..READS_A_CALL {
            if self.is_ended {
                return Ok(0);
            }
            let read = self.receive(socket, buffer)?;
            if read > 0 {
                return Ok(read);
            }
        }
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Whether there is something to read without the socket.
    pub fn has_readable(&self) -> bool {
        self.read < self.readable.len()
    }

    /// Takes what it can of `slices`, which the peer gets after what was written before. What was taken and has not
    /// left is sent by [`TlsLayer::flush`], or before what is written next.
    ///
    /// # Errors
    /// `WouldBlock` when what was written before has not left; what the socket says.
    pub fn write(&mut self, socket: &mut impl Write, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        scratch::with(|scratch| {
            let mut pieces = Pieces::of(slices);
            let mut taken = 0;
            for _ in 0..RECORDS_A_WRITE {
                if !self.flush(socket)? {
                    break;
                }
                let plain = pieces.next_record(&mut scratch.plain);
                if plain.is_empty() {
                    break;
                }
                let length = self.encrypt(plain, &mut scratch.outgoing)?;
                taken += plain.len();
                self.send(socket, &scratch.outgoing[..length])?;
            }
            if taken == 0 && slices.iter().any(|slice| !slice.is_empty()) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(taken)
        })
    }

    /// Sends what was written and has not left. Returns whether everything has.
    ///
    /// # Errors
    /// What the socket says.
    pub fn flush(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        if self.unsent.is_empty() {
            return Ok(true);
        }
        let unsent = std::mem::take(&mut self.unsent);
        self.send(socket, &unsent)?;
        Ok(self.unsent.is_empty())
    }

    /// Bytes that were written and have not left.
    pub fn unsent(&self) -> usize {
        self.unsent.len()
    }

    /// Bytes that it keeps for what is on its way.
    pub fn buffers(&self) -> usize {
        self.received.capacity() + self.readable.capacity() + self.unsent.capacity()
    }

    /// Tells the peer that nothing follows, so that it can tell the end from a cut. Sends it as far as the socket allows.
    ///
    /// # Errors
    /// What the socket says.
    pub fn close(&mut self, socket: &mut impl Write) -> io::Result<()> {
        if self.is_broken || std::mem::replace(&mut self.is_closed, true) {
            return Ok(());
        }
        let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut self.received);
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) = state {
            let mut alert = [0; ALERT];
            if let Ok(length) = traffic.queue_close_notify(&mut alert) {
                self.unsent.extend_from_slice(&alert[..length]);
            }
        }
        self.received.drain(..discard);
        self.flush(socket).map(drop)
    }

    /// The version that was negotiated, for a log.
    pub fn version(&self) -> &'static str {
        match self.connection.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "1.2",
            _ => "none",
        }
    }

    /// Receives once, and decrypts what has come as a whole: into `buffer`, and what it has no room for into `readable`.
    fn receive(&mut self, socket: &mut (impl Read + Write), buffer: &mut [u8]) -> io::Result<usize> {
        let decrypted = scratch::with(|Scratch { incoming, .. }| {
            let before = self.received.len();
            if before == INCOMING {
                return Err(broken("a handshake message is too large"));
            }
            let count = socket.read(&mut incoming[before..])?;
            if count == 0 {
                self.is_ended = true;
                return Ok(0);
            }
            incoming[..before].copy_from_slice(&self.received);
            let incoming = &mut incoming[..before + count];
            let mut output = Decrypted {
                buffer,
                filled: 0,
                rest: &mut self.readable,
            };
            let used = decrypt(
                &mut self.connection,
                incoming,
                &mut output,
                &mut self.unsent,
                &mut self.is_ended,
            );
            let filled = output.filled;
            let used = used?;
            self.received = incoming[used..].to_vec();
            Ok(filled)
        });
        if let Err(error) = &decrypted
            && error.kind() != io::ErrorKind::WouldBlock
        {
            // The peer is told why by what is unsent; it may not be there to take it.
            (self.is_ended, self.is_broken) = (true, true);
            self.received = Vec::new();
        }
        match self.flush(socket) {
            Err(error) if decrypted.is_ok() => Err(error),
            _ => decrypted,
        }
    }

    fn take_readable(&mut self, buffer: &mut [u8]) -> usize {
        let rest = &self.readable[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        if self.read == self.readable.len() {
            self.readable = Vec::new();
            self.read = 0;
        }
        count
    }

    /// Encrypts a record of `plain` into `outgoing`, and returns how long it is.
    fn encrypt(&mut self, plain: &[u8], outgoing: &mut [u8]) -> io::Result<usize> {
        if self.is_broken || self.is_closed {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        loop {
            // What came before it, and was not complete, is shown again each time: it may be the beginning of a message.
            let UnbufferedStatus { discard, state } = self.connection.process_tls_records(&mut self.received);
            match state.map_err(broken)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return traffic.encrypt(plain, outgoing).map_err(|error| match error {
                        EncryptError::InsufficientSize(_) => broken("a record is longer than one can be"),
                        EncryptError::EncryptExhausted => broken("the keys of the connection are used up"),
                    });
                }
                ConnectionState::EncodeTlsData(message) => encode(message, &mut self.unsent)?,
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                ConnectionState::PeerClosed => self.is_ended = true,
                _ => return Err(io::ErrorKind::BrokenPipe.into()),
            }
            self.received.drain(..discard);
        }
    }

    /// Sends bytes that come next, and keeps what the socket does not take.
    fn send(&mut self, socket: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
        // A message of TLS itself was queued while these were encrypted, and comes before them.
        if !self.unsent.is_empty() {
            self.unsent.extend_from_slice(bytes);
            return Ok(());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match socket.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = rest.to_vec();
                    return Ok(());
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Where decrypted text goes.
struct Decrypted<'a> {
    buffer: &'a mut [u8],
    filled: usize,
    rest: &'a mut Vec<u8>,
}

impl Decrypted<'_> {
    fn put(&mut self, text: &[u8]) {
        let room = &mut self.buffer[self.filled..];
        let count = text.len().min(room.len());
        room[..count].copy_from_slice(&text[..count]);
        self.filled += count;
        self.rest.extend_from_slice(&text[count..]);
    }
}

/// Handles all records of `incoming` that are whole. Returns how many of its bytes are not needed any more.
fn decrypt(
    connection: &mut UnbufferedServerConnection,
    incoming: &mut [u8],
    output: &mut Decrypted<'_>,
    unsent: &mut Vec<u8>,
    is_ended: &mut bool,
) -> io::Result<usize> {
    let mut used = 0;
    loop {
        let UnbufferedStatus { mut discard, state } = connection.process_tls_records(&mut incoming[used..]);
        let mut is_done = false;
        match state {
            Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                while let Some(record) = traffic.next_record() {
                    let record = record.map_err(broken)?;
                    output.put(record.payload);
                    discard += record.discard;
                }
            }
            Ok(ConnectionState::EncodeTlsData(message)) => encode(message, unsent)?,
            Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
            Ok(ConnectionState::PeerClosed) => *is_ended = true,
            Ok(ConnectionState::ReadEarlyData(_)) => return Err(broken("early data came, and none is accepted")),
            Ok(_) => is_done = true,
            Err(error) => {
                queue_alert(connection, &mut incoming[used + discard..], unsent);
                return Err(broken(error));
            }
        }
        used += discard;
        if is_done {
            return Ok(used);
        }
    }
}

/// Queues what tells the peer why its connection ends. `rest` is what was received and not used: `rustls` keeps places in
/// it, and panics when it is not shown what it was shown before.
fn queue_alert(connection: &mut UnbufferedServerConnection, rest: &mut [u8], unsent: &mut Vec<u8>) {
    while connection.wants_write() {
        let Ok(ConnectionState::EncodeTlsData(message)) = connection.process_tls_records(rest).state else {
            return;
        };
        if encode(message, unsent).is_err() {
            return;
        }
    }
}

fn encode(mut message: EncodeTlsData<'_, ServerConnectionData>, unsent: &mut Vec<u8>) -> io::Result<()> {
    let Err(EncodeError::InsufficientSize(needed)) = message.encode(&mut []) else {
        return Ok(());
    };
    let end = unsent.len();
    unsent.resize(end + needed.required_size, 0);
    message.encode(&mut unsent[end..]).map_err(broken)?;
    Ok(())
}

fn broken(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
