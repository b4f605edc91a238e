//! A connection that may break at any time without failing a test: for clients that come back.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial::Dial;
use super::envelope::Envelope;
use super::http;
use super::nodes::Doors;
use super::poll_link::PollLink;
use super::socket::{Frame, Socket, opcode};

/// An address that does not answer in this time counts as closed.
const KNOCK: Duration = Duration::from_secs(5);

/// What a link receives next.
#[derive(Debug)]
pub(crate) enum Heard {
    /// One envelope.
    Envelope(Envelope),
    /// The end, with a close code or without.
    End(Option<u16>),
}

/// One connection.
pub(crate) struct Link {
    carrier: Carrier,
    next_id: u64,
}

enum Carrier {
    WebSocket(Socket),
    Polls(PollLink),
}

impl Link {
    /// Upgrades; none if no broker answers, or it refuses.
    pub(crate) async fn open(dial: &Dial, address: SocketAddr) -> Option<Self> {
        let knocking = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            stream.write_all(dial.request().as_bytes()).await.ok()?;
            let (response, early) = http::try_respond(&mut stream).await?;
            let socket = Socket::new(stream, early);
            (response.status == 101).then_some(Self {
                carrier: Carrier::WebSocket(socket),
                next_id: 1,
            })
        };
        timeout(KNOCK, knocking).await.ok()?
    }

    /// Polls the nodes in turn, from this one on. `open` is this session's alone.
    pub(crate) fn polling(doors: &Doors, door: usize, open: &str) -> Self {
        Self {
            carrier: Carrier::Polls(PollLink::open(doors, door, open)),
            next_id: 1,
        }
    }

    /// Sends a request and gives its id. Its reply shows whether it arrived.
    pub(crate) async fn send(&mut self, kind: &str, payload: Value) -> Value {
        let id = json!(self.next_id);
        self.next_id += 1;
        let envelope = json!({ "type": kind, "id": id, "payload": payload });
        match &mut self.carrier {
            Carrier::WebSocket(socket) => socket.send(&Frame::text(envelope.to_string())).await,
            Carrier::Polls(polls) => polls.send(envelope),
        }
        id
    }

    /// The next envelope, or the end. Safe to drop while it waits.
    pub(crate) async fn next(&mut self) -> Heard {
        let socket = match &mut self.carrier {
            Carrier::WebSocket(socket) => socket,
            Carrier::Polls(polls) => return polls.next().await,
        };
        loop {
            let Some(frame) = socket.next().await else {
                return Heard::End(None);
            };
            match frame.opcode {
                opcode::TEXT => {
                    let text = String::from_utf8(frame.payload).expect("text is UTF-8");
                    return Heard::Envelope(Envelope::read(text));
                }
                opcode::PING => socket.send(&Frame::new(opcode::PONG, frame.payload)).await,
                opcode::CLOSE => return Heard::End(frame.close_code()),
                _ => {}
            }
        }
    }

    /// The reply to request `id`; pushes that come before it go to `aside`. None: the link ended first.
    pub(crate) async fn reply(&mut self, id: &Value, mut aside: impl FnMut(Envelope)) -> Option<Envelope> {
        loop {
            match self.next().await {
                Heard::Envelope(envelope) if envelope.answers(id) => return Some(envelope),
                Heard::Envelope(envelope) => aside(envelope),
                Heard::End(_) => return None,
            }
        }
    }
}
