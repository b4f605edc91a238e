//! One client of the storm: the way from its socket to the messages that it missed, a step after the other. Knows neither the
//! other clients nor the time.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use socket2::{Domain, Socket, Type};

use bench::websocket::{self, Kind};

/// Clients with one source address: an address has some 28,000 ports to connect from.
const PER_SOURCE: usize = 1_000;
/// Longest answer to an upgrade.
const HEAD_BYTES: usize = 8_192;

/// How far a client has come. Each step is begun with [`StormClient::begin`] and made when the server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Nowhere,
    /// The upgrade is answered.
    Upgraded,
    /// `connect` is acknowledged: the token is verified, and the plugins let the client in.
    Connected,
    /// It is subscribed to its channel without history.
    Subscribed,
    /// It is subscribed to its channel with history, and has what it missed there.
    Recovered,
}

/// A position in a channel, and how many messages came after it.
#[derive(Clone, Debug)]
pub(crate) struct Missed {
    pub channel: String,
    pub epoch: String,
    pub offset: u64,
    pub messages: usize,
}

/// What became of a client when it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    Waits,
    /// The step that was begun is made.
    Made,
    /// It was told to try again.
    TriesAgain,
}

/// A nonblocking client.
pub(crate) struct StormClient {
    stream: TcpStream,
    server: SocketAddr,
    stage: Stage,
    /// The upgrade was asked for.
    is_greeted: bool,
    /// The step that was begun and is not answered.
    asked: Option<Stage>,
    received: Vec<u8>,
    /// Messages that were pushed to it since it was asked for them.
    pushed: Vec<Value>,
}

// === impl StormClient ===

impl StormClient {
    /// A socket on its way to `server`. `number` chooses the source address in 127.0.0.0/8, of another net for each `wave`.
    pub(crate) fn open(server: SocketAddr, wave: u8, number: usize) -> Result<Self> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        let [_, _, _, low] = u32::try_from(number / PER_SOURCE)?.to_be_bytes();
        let source = Ipv4Addr::new(127, 2, wave, low.saturating_add(1));
        socket
            .bind(&SocketAddrV4::new(source, 0).into())
            .context("no port to connect from")?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            outcome => outcome.with_context(|| format!("cannot connect to {server}"))?,
        }
        Ok(Self {
            stream: socket.into(),
            server,
            stage: Stage::Nowhere,
            is_greeted: false,
            asked: None,
            received: Vec::new(),
            pushed: Vec::new(),
        })
    }

    pub(crate) fn stream(&self) -> &TcpStream {
        &self.stream
    }

    pub(crate) fn stage(&self) -> Stage {
        self.stage
    }

    /// Begins the step to `stage`.
    pub(crate) fn begin(&mut self, stage: Stage, token: &str, missed: &Missed) -> Result<()> {
        let request = |kind: &str, payload: Value| {
            let envelope = json!({ "type": kind, "id": stage as u8, "payload": payload });
            websocket::text_frame(&envelope.to_string())
        };
        let bytes = match stage {
            Stage::Nowhere => bail!("nobody goes back to where the storm began"),
            // Said when the socket is connected.
            Stage::Upgraded => Vec::new(),
            Stage::Connected => request("connect", json!({ "version": 1, "token": token })),
            Stage::Subscribed => request("subscribe", json!({ "channel": format!("plain:{}", missed.channel) })),
            Stage::Recovered => {
                let since = json!({ "epoch": missed.epoch, "offset": missed.offset });
                request("subscribe", json!({ "channel": missed.channel, "since": since }))
            }
        };
        self.asked = Some(stage);
        self.say(&bytes)
    }

    /// Publishes, and asks for no answer in particular.
    pub(crate) fn publish(&mut self, channel: &str, data: &Value) -> Result<()> {
        let envelope = json!({ "type": "publish", "id": "p", "payload": { "channel": channel, "data": data } });
        self.say(&websocket::text_frame(&envelope.to_string()))
    }

    /// Its socket takes bytes. The first time, it is connected, or failed to be.
    pub(crate) fn writable(&mut self) -> Result<()> {
        if !std::mem::replace(&mut self.is_greeted, true) {
            if let Some(error) = self.stream.take_error()? {
                bail!("cannot connect to {}: {error}", self.server);
            }
            let request = websocket::upgrade_request("/ws", &self.server.to_string(), &[]);
            self.say(request.as_bytes())?;
        }
        Ok(())
    }

    /// Reads what is there.
    pub(crate) fn readable(&mut self, buffer: &mut [u8], missed: &Missed) -> Result<Progress> {
        match self.stream.read(buffer) {
            Ok(0) => bail!("the server hung up on a client that is {:?}", self.stage),
            Ok(count) => self.received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Progress::Waits),
            Err(error) => return Err(error).with_context(|| format!("a client that is {:?}", self.stage)),
        }
        let mut progress = Progress::Waits;
        if self.stage == Stage::Nowhere && self.take_upgrade()? {
            progress = Progress::Made;
        }
        while let Some(frame) = websocket::first_frame(&self.received) {
            let end = frame.payload.end;
            let payload = self.received[frame.payload].to_vec();
            self.received.drain(..end);
            match frame.kind {
                Kind::Data => match self.heard(serde_json::from_slice(&payload)?, missed)? {
                    Progress::TriesAgain => return Ok(Progress::TriesAgain),
                    Progress::Made => progress = Progress::Made,
                    Progress::Waits => {}
                },
                Kind::Ping => self.say(&websocket::pong_frame(&payload))?,
                Kind::Pong => {}
                Kind::Close => bail!("the server closed a client that is {:?}", self.stage),
            }
        }
        Ok(progress)
    }

    /// The messages that were pushed to it since it was last asked.
    pub(crate) fn take_pushed(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.pushed)
    }

    /// Ends it as a machine does that is gone: the server sees a reset.
    pub(crate) fn reset(self) -> Result<()> {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO))?;
        Ok(())
    }

    fn take_upgrade(&mut self) -> Result<bool> {
        let Some(end) = self.received.windows(4).position(|four| four == b"\r\n\r\n") else {
            ensure!(
                self.received.len() < HEAD_BYTES,
                "the answer to the upgrade does not end"
            );
            return Ok(false);
        };
        let head = String::from_utf8_lossy(&self.received[..end]).into_owned();
        ensure!(head.starts_with("HTTP/1.1 101"), "the upgrade is refused: {head}");
        self.received.drain(..end + 4);
        self.make(Stage::Upgraded);
        Ok(true)
    }

    fn heard(&mut self, envelope: Value, missed: &Missed) -> Result<Progress> {
        match envelope["type"].as_str() {
            Some("message") => self.pushed.push(envelope),
            Some("ack") if self.asked.is_some_and(|stage| envelope["id"] == json!(stage as u8)) => {
                if self.asked == Some(Stage::Recovered) {
                    let payload = &envelope["payload"];
                    let messages = payload["messages"].as_array().map_or(0, Vec::len);
                    let is_whole = payload["recovered"] == true && messages == missed.messages;
                    ensure!(
                        is_whole,
                        "{} messages were missed, and it got {envelope}",
                        missed.messages
                    );
                }
                if let Some(stage) = self.asked {
                    self.make(stage);
                }
                return Ok(Progress::Made);
            }
            Some("error") if envelope["payload"]["retry"] == true => return Ok(Progress::TriesAgain),
            Some("error" | "disconnect") => bail!("a client that is {:?} heard {envelope}", self.stage),
            _ => {}
        }
        Ok(Progress::Waits)
    }

    fn make(&mut self, stage: Stage) {
        self.stage = stage;
        self.asked = None;
    }

    /// What a client says fits into its socket.
    fn say(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }
}
