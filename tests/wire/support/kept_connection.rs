//! A connection on which a session polls, as it comes from the socket.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::{Response, dial, respond};
use super::http_client::{Poller, connect};
use super::{Broker, within};

/// Polls until the broker knows the head: HTTP reads one, and then one more from its first byte.
pub(crate) const UNTIL_KNOWN: usize = 3;

/// A connection on which a session polls.
pub(crate) struct KeptConnection {
    pub(crate) stream: TcpStream,
    /// What names the session.
    pub(crate) session: String,
    /// Lines of headers of each poll, each with its end.
    lines: String,
}

impl KeptConnection {
    /// Begins a session on another connection, and polls here until the head is known.
    pub(crate) async fn open(broker: &Broker, lines: &str) -> Self {
        let mut kept = Self::fresh(broker, lines).await;
        for _ in 0..UNTIL_KNOWN {
            kept.send(&kept.poll()).await;
            let answer = kept.answer().await;
            assert_eq!(answer.status, 200, "{answer:?}");
        }
        kept
    }

    /// Begins a session on another connection. Nothing came on this one.
    pub(crate) async fn fresh(broker: &Broker, lines: &str) -> Self {
        let mut poller = Poller::new(broker.address);
        poller.poll(&[connect(&["c"])]).await;
        Self {
            stream: dial(broker.address, None).await,
            session: poller.session.expect("it is open"),
            lines: lines.to_owned(),
        }
    }

    /// Another connection of the same session.
    pub(crate) async fn another(&self, broker: &Broker) -> Self {
        Self {
            stream: dial(broker.address, None).await,
            session: self.session.clone(),
            lines: String::new(),
        }
    }

    /// A poll that waits for longer than a test.
    pub(crate) fn long_poll(&self) -> String {
        self.request(&body(&self.session, 55_000))
    }

    /// The answer to a poll that waits: another poll behind it ends it with nothing.
    pub(crate) async fn ended_by_another(&mut self, broker: &Broker) -> Response {
        let mut other = self.another(broker).await;
        let others = async {
            loop {
                other.send(&other.poll()).await;
                other.answer().await;
            }
        };
        tokio::select! {
            answer = self.answer() => answer,
            () = others => unreachable!("they come for ever"),
        }
    }

    /// A poll that finds nothing.
    pub(crate) fn poll(&self) -> String {
        self.poll_of(&self.session)
    }

    pub(crate) fn poll_of(&self, session: &str) -> String {
        self.request(&body(session, 1))
    }

    pub(crate) fn request(&self, body: &str) -> String {
        let (lines, length) = (&self.lines, body.len());
        format!("POST /poll HTTP/1.1\r\nHost: a\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
    }

    pub(crate) async fn send(&mut self, bytes: &str) {
        self.stream.write_all(bytes.as_bytes()).await.expect("it is taken");
    }

    pub(crate) async fn answer(&mut self) -> Response {
        let (answer, _) = respond(&mut self.stream).await;
        answer
    }

    /// What comes until the broker ends the connection.
    pub(crate) async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset is an end as well.
        let end = async { while self.stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {} };
        within(end, || "the connection goes on".into()).await;
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Of a poll. All have the same length, and so the same head.
fn body(session: &str, wait_ms: u32) -> String {
    format!("{{\"session\":\"{session}\",\"ack\":1,\"wait_ms\":{wait_ms:>5}}}")
}
