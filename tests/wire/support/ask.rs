//! A request that may be anything, on a connection of its own.

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::broker::Broker;
use super::http::{self, Response};
use super::within;

/// Nothing is sent before [`Ask::answer`] or [`Ask::status`].
#[derive(Clone)]
#[must_use]
pub(crate) struct Ask {
    address: SocketAddr,
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    from: Option<Ipv4Addr>,
}

impl Broker {
    /// A request to the default tenant, or to whatever `target` names.
    pub(crate) fn ask(&self, method: &str, target: &str) -> Ask {
        Ask {
            address: self.address,
            method: method.to_owned(),
            target: target.to_owned(),
            headers: Vec::new(),
            body: Vec::new(),
            from: None,
        }
    }

    /// A ticket for this token.
    pub(crate) async fn ticket(&self, tenant: &str, token: &str) -> String {
        let ask = self.ask("POST", &format!("/t/{tenant}/ticket")).bearer(token);
        let answer = ask.answer().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        answer["ticket"].as_str().expect("a ticket").to_owned()
    }
}

// === impl Ask ===

impl Ask {
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn bearer(self, token: &str) -> Self {
        self.header("Authorization", &format!("Bearer {token}"))
    }

    /// From this address of the machine.
    pub(crate) fn from(mut self, address: [u8; 4]) -> Self {
        self.from = Some(address.into());
        self
    }

    pub(crate) fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = body.as_ref().to_vec();
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("Content-Type", "application/json").body(body.to_string())
    }

    /// A connection on which nothing was sent.
    pub(crate) async fn silent(&self) -> TcpStream {
        http::dial_from(self.from, self.address, None).await
    }

    /// The head of the request, for a body of so many bytes.
    pub(crate) fn head(&self, bytes: usize) -> String {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.method, self.target, self.address);
        for (name, value) in &self.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        if self.method == "POST" {
            head.extend(["Content-Length: ", &bytes.to_string(), "\r\n"]);
        }
        head + "\r\n"
    }

    async fn begin(&self) -> TcpStream {
        let mut stream = self.silent().await;
        let request = [self.head(self.body.len()).as_bytes(), &self.body].concat();
        // Whoever is refused at once may not be able to send all.
        drop(stream.write_all(&request).await);
        stream
    }

    pub(crate) async fn answer(&self) -> Response {
        http::respond(&mut self.begin().await).await.0
    }

    /// The status alone, of an answer that may have no end.
    pub(crate) async fn status(&self) -> u16 {
        let mut stream = self.begin().await;
        let mut line = [0; 12];
        let reading = stream.read_exact(&mut line);
        within(reading, || format!("no answer to {}", self.target))
            .await
            .expect("a status line");
        String::from_utf8_lossy(&line[9..]).parse().expect("a number")
    }
}
