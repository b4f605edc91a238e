//! A client that blocks: connects, says envelopes, waits for what comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use crate::websocket::{self, Kind};

/// Longest answer to an upgrade.
const HEAD_BYTES: usize = 8192;

/// A connection on which `connect` was not yet said.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// What the broker said.
pub enum Said {
    Envelope(Value),
    /// It closed the connection, with this code if it said one.
    Closed(Option<u16>),
    /// Nothing yet.
    Nothing,
}

// === impl Client ===

impl Client {
    /// Connects and upgrades.
    pub fn open(address: SocketAddr, path: &str) -> Result<Self> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.set_write_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(websocket::upgrade_request(path, &address.to_string(), &[]).as_bytes())?;
        let mut received = Vec::new();
        loop {
            if let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") {
                ensure!(
                    received.starts_with(b"HTTP/1.1 101"),
                    "refused: {}",
                    String::from_utf8_lossy(&received[..end])
                );
                received.drain(..end + 4);
                return Ok(Self { stream, received });
            }
            ensure!(received.len() < HEAD_BYTES, "the answer to the upgrade has no end");
            let mut bytes = [0; 1024];
            match stream.read(&mut bytes)? {
                0 => bail!("closed amid the upgrade"),
                length => received.extend_from_slice(&bytes[..length]),
            }
        }
    }

    /// Sends envelopes in one write.
    pub fn say(&mut self, envelopes: &[String]) -> Result<()> {
        let frames: Vec<u8> = envelopes.iter().flat_map(|text| websocket::text_frame(text)).collect();
        Ok(self.stream.write_all(&frames)?)
    }

    /// Waits until `until` at most.
    pub fn hear(&mut self, until: Instant) -> Result<Said> {
        loop {
            if let Some(frame) = websocket::first_frame(&self.received) {
                let end = frame.payload.end;
                let payload = self.received[frame.payload].to_vec();
                self.received.drain(..end);
                match frame.kind {
                    Kind::Data => return Ok(Said::Envelope(serde_json::from_slice(&payload)?)),
                    Kind::Ping => self.stream.write_all(&websocket::pong_frame(&payload))?,
                    Kind::Pong => {}
                    Kind::Close => {
                        let code = payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                        return Ok(Said::Closed(code));
                    }
                }
                continue;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(Said::Nothing);
            }
            self.stream.set_read_timeout(Some(left))?;
            let mut bytes = [0; 8_192];
            match self.stream.read(&mut bytes) {
                Ok(0) => return Ok(Said::Closed(None)),
                Ok(length) => self.received.extend_from_slice(&bytes[..length]),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Ok(Said::Nothing);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(Said::Closed(None)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Ends the connection without a word: the broker sees a reset.
    pub fn reset(self) -> Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Ok(())
    }
}
