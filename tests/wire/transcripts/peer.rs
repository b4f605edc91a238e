//! One connection of a transcript: a request and its answer, as lines; after an upgrade, messages.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::http::dial;
use crate::support::socket::{Frame, Socket, opcode};
use crate::support::within;

/// What a client sends that shows nothing of its upgrade.
const NONCE: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

pub(super) enum Peer {
    Http(HttpPeer),
    WebSocket(Socket),
    /// Amid a change.
    None,
}

pub(super) struct HttpPeer {
    stream: TcpStream,
    /// Read, and not heard.
    unread: Vec<u8>,
    /// The lines of the answer's head; none before it came, and after its end.
    head: Vec<String>,
    place: Place,
}

/// How far the answer was heard.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Nothing,
    Head,
    Body,
}

impl Peer {
    /// Sends a request: its lines, with those that say nothing here.
    pub(super) async fn ask(address: SocketAddr, lines: &[String]) -> Self {
        let mut parts = lines.splitn(2, String::is_empty);
        let (head, body) = (
            parts.next().unwrap_or_default(),
            parts.next().unwrap_or_default().concat(),
        );
        let mut request = format!("{}\r\nHost: {address}\r\n", head[0]);
        let upgrade = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            NONCE,
        ];
        let is_short = head[0].contains("/ws ") && head.len() == 1;
        let added = upgrade.iter().filter(|_| is_short).copied();
        for line in head[1..].iter().map(String::as_str).chain(added) {
            write!(request, "{line}\r\n").expect("a text takes all");
        }
        if head[0].starts_with("POST") {
            write!(request, "Content-Length: {}\r\n", body.len()).expect("a text takes all");
        }
        let mut stream = dial(address, None).await;
        stream
            .write_all((request + "\r\n" + &body).as_bytes())
            .await
            .expect("the request is taken");
        Self::Http(HttpPeer {
            stream,
            unread: Vec::new(),
            head: Vec::new(),
            place: Place::Nothing,
        })
    }

    /// Sends messages.
    pub(super) async fn say(&mut self, lines: &[String]) {
        let Self::WebSocket(socket) = self else {
            panic!("only a WebSocket goes on to say something: {lines:?}");
        };
        for line in lines {
            let frame = match closing(line) {
                Some((code, reason)) => Frame::close(code, reason),
                None => Frame::text(line.as_str()),
            };
            socket.send(&frame).await;
        }
    }

    /// The line that stands where `expected` is expected: of a head, the header of this name.
    pub(super) async fn hear(&mut self, expected: &str) -> String {
        within(self.next_line(expected), || {
            format!("nothing comes in place of {expected}")
        })
        .await
    }

    async fn next_line(&mut self, expected: &str) -> String {
        match self {
            Self::WebSocket(socket) => message(socket).await,
            Self::Http(http) => {
                let line = http.next_line(expected).await;
                if http.place == Place::Body && http.head[0].contains(" 101 ") {
                    let Self::Http(http) = std::mem::replace(self, Self::None) else {
                        unreachable!("it is one");
                    };
                    *self = Self::WebSocket(Socket::new(http.stream, http.unread));
                }
                line
            }
            Self::None => unreachable!("a change is made at once"),
        }
    }
}

impl HttpPeer {
    async fn next_line(&mut self, expected: &str) -> String {
        match self.place {
            Place::Nothing => {
                loop {
                    let line = self.read_line().await;
                    if line.is_empty() {
                        break;
                    }
                    self.head.push(line);
                }
                self.place = Place::Head;
                self.head[0].clone()
            }
            Place::Head if expected.is_empty() => {
                self.place = Place::Body;
                String::new()
            }
            Place::Head => {
                let name = |line: &str| line.split(':').next().unwrap_or_default().to_ascii_lowercase();
                let found = self.head.iter().find(|line| name(line) == name(expected));
                let value = found.and_then(|line| line.split_once(':')).map(|(_, value)| value);
                // Names of headers are the same in upper and lower case.
                format!(
                    "{}:{}",
                    expected.split(':').next().unwrap_or_default(),
                    value.unwrap_or_default()
                )
            }
            Place::Body => loop {
                let line = self.read_line().await;
                if line != ":" {
                    break line;
                }
                // A heartbeat has an empty line behind it.
                self.read_line().await;
            },
        }
    }

    /// The next line, or what stands before the end.
    async fn read_line(&mut self) -> String {
        loop {
            let end = self.unread.iter().position(|&byte| byte == b'\n');
            if let Some(end) = end {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned();
            }
            let length = self.head.iter().find_map(|line| {
                let (name, value) = line.split_once(": ")?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.parse().ok())?
            });
            let is_whole = self.place == Place::Body && length.is_some_and(|length: usize| self.unread.len() >= length);
            if is_whole || self.stream.read_buf(&mut self.unread).await.unwrap_or(0) == 0 {
                let rest = std::mem::take(&mut self.unread);
                assert!(!rest.is_empty(), "the broker hung up");
                return String::from_utf8_lossy(&rest).into_owned();
            }
        }
    }
}

/// The next message of the broker; heartbeats are left out.
async fn message(socket: &mut Socket) -> String {
    loop {
        let frame = socket.next().await.expect("the broker hung up");
        match (frame.opcode, frame.close_code()) {
            (opcode::PING, _) => {}
            (_, Some(code)) => {
                let reason = String::from_utf8_lossy(&frame.payload[2..]).into_owned();
                return format!("(closes: {code} {reason})").replace(" )", ")");
            }
            _ => return String::from_utf8(frame.payload).expect("a text"),
        }
    }
}

/// The code and the reason of a line that stands for a close frame.
fn closing(line: &str) -> Option<(u16, &str)> {
    let inside = line.strip_prefix("(closes: ")?.strip_suffix(')')?;
    let (code, reason) = inside.split_once(' ').unwrap_or((inside, ""));
    Some((code.parse().ok()?, reason))
}
