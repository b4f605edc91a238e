//! One connection to the server, from its first request on. Knows its socket and how far it has come.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::ops::Range;

use anyhow::{Context, Result, bail, ensure};
use bench::latency::Latencies;
use bench::websocket::{self, Kind};
use memchr::memmem;
use socket2::{Domain, Socket, Type};

use crate::dialect::Dialect;
use crate::poller::Poller;
use crate::stream::{LoadStream, Trust};
use crate::target::DeliveredBy;

/// Connections from one source address: an address has some 28,000 ports to connect from.
const PER_SOURCE: usize = 1000;
/// Longest head of an answer.
const HEAD_BYTES: usize = 8192;

/// What the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Subscriber,
    Publisher,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The answer to the request has not come.
    Asking,
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
pub(crate) struct Connection<'t> {
    pub stream: LoadStream,
    dialect: &'t Dialect<'t>,
    role: Role,
    reading: Reading,
    stage: Stage,
    host: String,
    /// Frames that are sent after the upgrade.
    hello: Vec<u8>,
    /// Answers to them that are still missing.
    answers: usize,
    /// Messages of this publisher that were acknowledged.
    pub acks: u64,
    /// The start of something that is not whole.
    rest: Vec<u8>,
}

/// What is read.
enum Reading {
    Frames,
    Events,
    Answers(Poller),
}

impl<'t> Connection<'t> {
    /// Connects, and sends the first request. `index` chooses the source address in 127.0.0.0/8; `channels` are a
    /// subscriber's.
    pub(crate) fn open(
        dialect: &'t Dialect<'t>,
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
        let host = server.to_string();
        let mut connection = Self {
            stream: LoadStream::new(socket.into(), trust)?,
            dialect,
            role,
            reading: Reading::Frames,
            stage: Stage::Asking,
            host: host.clone(),
            hello: Vec::new(),
            answers: 1,
            acks: 0,
            rest: Vec::new(),
        };
        let target = dialect.target;
        let path = &target.subscriber_path;
        let request = match (role, target.delivered_by) {
            (Role::Publisher, _) => {
                connection.hello = dialect.publisher_hello()?;
                websocket::upgrade_request(&target.publisher_path, &host, &dialect.headers)
            }
            (Role::Subscriber, DeliveredBy::WebSocket) => {
                (connection.hello, connection.answers) = dialect.subscriber_hello(channels)?;
                websocket::upgrade_request(path, &host, &dialect.headers)
            }
            (Role::Subscriber, DeliveredBy::Events) => {
                connection.reading = Reading::Events;
                let headers = target.events_headers.join("\r\n");
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n\r\n")
            }
            (Role::Subscriber, DeliveredBy::Polls) => {
                let polling = target.polling()?;
                connection.reading = Reading::Answers(Poller::new(polling));
                connection.stage = if target.ready.is_some() {
                    Stage::Greeting
                } else {
                    Stage::Ready
                };
                Poller::first(polling, path, &host)
            }
        };
        connection.say(request.as_bytes())?;
        Ok(connection)
    }

    /// Whether nothing is waited for but messages.
    pub(crate) fn is_ready(&self) -> bool {
        self.stage == Stage::Ready
    }

    /// Reads what is there; false once the server has closed.
    pub(crate) fn read(&mut self, buffer: &mut [u8], tally: &mut Tally) -> Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Ok(false),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        if self.rest.is_empty() {
            let taken = self.take(&buffer[..count], tally)?;
            self.rest.extend_from_slice(&buffer[taken..count]);
        } else {
            let mut bytes = std::mem::take(&mut self.rest);
            bytes.extend_from_slice(&buffer[..count]);
            let taken = self.take(&bytes, tally)?;
            bytes.drain(..taken);
            self.rest = bytes;
        }
        Ok(true)
    }

    /// Handles everything that is complete, and returns the number of its bytes.
    fn take(&mut self, bytes: &[u8], tally: &mut Tally) -> Result<usize> {
        let mut at = 0;
        if self.stage == Stage::Asking {
            let Some(end) = memmem::find(bytes, b"\r\n\r\n") else {
                ensure!(bytes.len() < HEAD_BYTES, "the head of the answer does not end");
                return Ok(0);
            };
            self.accepted(&bytes[..end], tally)?;
            at = end + 4;
        }
        match self.reading {
            Reading::Frames => {
                while let Some(frame) = websocket::first_frame(&bytes[at..]) {
                    let payload = &bytes[at..][frame.payload.clone()];
                    match frame.kind {
                        Kind::Data => self.data(payload, tally),
                        Kind::Ping => self.say(&websocket::pong_frame(payload))?,
                        Kind::Pong => {}
                        Kind::Close => bail!("the server closed: {}", String::from_utf8_lossy(payload)),
                    }
                    at += frame.payload.end;
                }
            }
            Reading::Events => {
                if let Some(end) = memmem::rfind(&bytes[at..], b"\n\n") {
                    self.data(&bytes[at..at + end], tally);
                    at += end + 2;
                }
            }
            Reading::Answers(ref mut poller) => {
                let target = self.dialect.target;
                let polling = target.polling()?;
                if let Some(answer) = poller.hear(polling, bytes)? {
                    let next = poller.next(polling, &target.subscriber_path, &self.host);
                    self.say(next.as_bytes())?;
                    self.data(&bytes[answer.body..answer.end], tally);
                    at = answer.end;
                }
            }
        }
        Ok(at)
    }

    fn accepted(&mut self, head: &[u8], tally: &mut Tally) -> Result<()> {
        let head = String::from_utf8_lossy(head);
        let is_stream = matches!(self.reading, Reading::Events);
        ensure!(
            head.starts_with(if is_stream { "HTTP/1.1 200" } else { "HTTP/1.1 101" }),
            "refused: {}",
            head.lines().next().unwrap_or_default()
        );
        let hello = std::mem::take(&mut self.hello);
        let is_greeted = is_stream && self.dialect.ready.is_some();
        if hello.is_empty() && !is_greeted {
            self.stage = Stage::Ready;
            tally.ready += 1;
        } else {
            self.stage = Stage::Greeting;
            self.say(&hello)?;
        }
        Ok(())
    }

    fn data(&mut self, payload: &[u8], tally: &mut Tally) {
        if self.stage == Stage::Greeting {
            let ready = self.dialect.ready.as_ref();
            if ready.is_none_or(|ready| ready.find(payload).is_some()) {
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
                for age in self.dialect.ages_in(payload) {
                    tally.deliveries += 1;
                    tally.latencies.record(age);
                }
            }
            Role::Publisher => {
                if let Some(ack) = &self.dialect.ack
                    && ack.find(payload).is_some()
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
