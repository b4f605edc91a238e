//! One connection to the server, from the upgrade on. Knows its socket and how far it has come.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use bench::latency::Latencies;
use bench::websocket::{self, Kind};
use memchr::memmem;
use socket2::{Domain, Socket, Type};

use crate::stream::{LoadStream, Trust};
use crate::target::Target;

/// Connections from one source address: an address has some 28,000 ports to connect from.
const PER_SOURCE: usize = 1000;
/// Longest answer to an upgrade.
const HEAD_BYTES: usize = 8192;

/// What the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Subscriber,
    Publisher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Greeting,
    Ready,
}

/// What all connections together have seen.
pub(crate) struct Tally {
    pub ready: usize,
    pub closed: usize,
    pub deliveries: u64,
    pub acks: u64,
    pub latencies: Latencies,
}

/// A nonblocking connection.
pub(crate) struct Connection {
    pub stream: LoadStream,
    role: Role,
    stage: Stage,
    /// Frames that are sent after the upgrade.
    hello: Vec<u8>,
    /// Answers to them that are still missing.
    answers: usize,
    /// Messages of this publisher that were acknowledged.
    pub acks: u64,
    /// The start of a frame, or of the upgrade's answer, that is not whole.
    rest: Vec<u8>,
}

impl Connection {
    /// Connects, and asks for the upgrade. `index` chooses the source address in 127.0.0.0/8; `channels` are a
    /// subscriber's.
    pub(crate) fn open(
        target: &Target,
        server: SocketAddr,
        role: Role,
        index: usize,
        channels: Range<usize>,
        trust: Option<&Trust>,
    ) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let [_, _, high, low] = u32::try_from(index / PER_SOURCE)?.to_be_bytes();
        // Not 127.0.0.0, and not where servers listen: 127.0.0.1.
        let source = Ipv4Addr::new(127, 1, high, low.saturating_add(1));
        socket
            .bind(&SocketAddrV4::new(source, 0).into())
            .context("no port to connect from")?;
        socket.set_tcp_nodelay(true)?;
        socket
            .connect(&server.into())
            .with_context(|| format!("cannot connect to {server}"))?;
        let (path, answers, hello) = match role {
            Role::Subscriber => (&target.subscriber_path, channels.len(), &target.hello(channels)),
            Role::Publisher => (&target.publisher_path, 1, &target.publisher_hello),
        };
        let mut connection = Self {
            stream: LoadStream::new(socket.into(), trust)?,
            role,
            stage: Stage::Upgrading,
            hello: hello.iter().flat_map(|text| websocket::text_frame(text)).collect(),
            answers,
            acks: 0,
            rest: Vec::new(),
        };
        let request = websocket::upgrade_request(path, &server.to_string(), &target.headers);
        connection.say(request.as_bytes())?;
        Ok(connection)
    }

    /// Reads what is there; false once the server has closed.
    pub(crate) fn read(
        &mut self,
        buffer: &mut [u8],
        target: &Target,
        finder: &memmem::Finder<'_>,
        tally: &mut Tally,
    ) -> Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if self.rest.is_empty() {
            let taken = self.take(&buffer[..count], target, finder, tally)?;
            self.rest.extend_from_slice(&buffer[taken..count]);
        } else {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(&buffer[..count]);
            let taken = self.take(&bytes, target, finder, tally)?;
            bytes.drain(..taken);
            self.rest = bytes;
        }
        Ok(true)
    }

    /// Handles everything that is complete, and returns the number of its bytes.
    fn take(&mut self, bytes: &[u8], target: &Target, finder: &memmem::Finder<'_>, tally: &mut Tally) -> Result<usize> {
        let mut at = 0;
        if self.stage == Stage::Upgrading {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                ensure!(bytes.len() < HEAD_BYTES, "the answer to the upgrade does not end");
                return Ok(0);
            };
            self.upgraded(&bytes[..end], tally)?;
            at = end + 4;
        }
        while let Some(frame) = websocket::first_frame(&bytes[at..]) {
            let payload = &bytes[at..][frame.payload.clone()];
            match frame.kind {
                Kind::Data => self.data(payload, target, finder, tally),
                Kind::Ping => self.say(&websocket::pong_frame(payload))?,
                Kind::Pong => {}
                Kind::Close => bail!("the server closed: {}", String::from_utf8_lossy(payload)),
            }
            at += frame.payload.end;
        }
        Ok(at)
    }

    fn upgraded(&mut self, head: &[u8], tally: &mut Tally) -> Result<()> {
        let head = String::from_utf8_lossy(head);
        ensure!(
            head.starts_with("HTTP/1.1 101"),
            "no upgrade: {}",
            head.lines().next().unwrap_or_default()
        );
        let hello = std::mem::take(&mut self.hello);
        if hello.is_empty() {
            self.stage = Stage::Ready;
            tally.ready += 1;
        } else {
            self.stage = Stage::Greeting;
            self.say(&hello)?;
        }
        Ok(())
    }

    fn data(&mut self, payload: &[u8], target: &Target, finder: &memmem::Finder<'_>, tally: &mut Tally) {
        if self.stage == Stage::Greeting {
            let ready = target.ready.as_deref().unwrap_or_default();
            if memmem::find(payload, ready.as_bytes()).is_some() {
                self.answers -= 1;
                if self.answers == 0 {
                    self.stage = Stage::Ready;
                    tally.ready += 1;
                }
            }
            return;
        }
        match self.role {
            Role::Subscriber => {
                if let Some(age) = target.age_of(finder, payload) {
                    tally.deliveries += 1;
                    tally.latencies.record(age);
                }
            }
            Role::Publisher => {
                if let Some(ack) = &target.ack
                    && memmem::find(payload, ack.as_bytes()).is_some()
                {
                    self.acks += 1;
                    tally.acks += 1;
                }
            }
        }
    }

    /// Writes something small, for which an idle socket always has room.
    fn say(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Writes as much as there is room for, and returns how much.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        match self.stream.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => Ok(written?),
        }
    }
}
