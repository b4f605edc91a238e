//! A client without a WebSocket: streams of events, posts beside them, and polls.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::chunks::Chunks;
use super::http::{Response, dial, send, try_respond};
use super::within;

/// A request with a body, and its response.
pub(crate) async fn post(address: SocketAddr, path: &str, headers: &[(&str, &str)], body: &str) -> Response {
    let headers = [headers, &[LAST]].concat();
    send(address, request("POST", address, path, &headers, Some(body))).await
}

/// For a request that is the last of its connection.
const LAST: (&str, &str) = ("connection", "close");

fn request(method: &str, address: SocketAddr, path: &str, headers: &[(&str, &str)], body: Option<&str>) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
    for (name, value) in headers {
        write!(text, "{name}: {value}\r\n").expect("a text takes all");
    }
    if let Some(body) = body {
        write!(text, "content-length: {}\r\n", body.len()).expect("a text takes all");
    }
    text + "\r\n" + body.unwrap_or_default()
}

// === streams of events ===

/// One event, or a block that has only a position.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Empty in a block that has only a position.
    pub kind: String,
    pub data: String,
    pub id: Option<String>,
}

impl Event {
    pub(crate) fn envelope(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A client that reads a stream.
pub(crate) struct EventReader {
    address: SocketAddr,
    /// `/t/TENANT`, or nothing.
    base: String,
    stream: TcpStream,
    /// Where a proxy sends the stream in chunks.
    chunks: Option<Chunks>,
    /// Read, and not taken apart.
    text: String,
    /// Blocks that were not taken, in their order.
    events: VecDeque<Event>,
    /// The status and the headers of the answer.
    pub head: Response,
    /// The position of what was taken last.
    pub last_id: Option<String>,
    /// What the server wished last, in milliseconds.
    pub retry: Option<u64>,
    /// Comments, which keep the connection alive.
    pub comments: usize,
    /// The payload of the first event, if that is the ack.
    pub welcome: Value,
}

impl EventReader {
    /// Asks for a stream of the tenant `tenant`, or of the default one, with these pairs in the query.
    pub(crate) async fn ask(address: SocketAddr, tenant: Option<&str>, query: &str, headers: &[(&str, &str)]) -> Self {
        let base = tenant.map_or_else(String::new, |tenant| format!("/t/{tenant}"));
        let mut stream = dial(address, None).await;
        let headers = [headers, &[LAST]].concat();
        let asked = request("GET", address, &format!("{base}/sse?{query}"), &headers, None);
        stream.write_all(asked.as_bytes()).await.expect("the request is taken");
        let mut reader = Self {
            address,
            base,
            stream,
            chunks: None,
            text: String::new(),
            events: VecDeque::new(),
            head: Response {
                status: 0,
                headers: Vec::new(),
                body: String::new(),
            },
            last_id: None,
            retry: None,
            comments: 0,
            welcome: Value::Null,
        };
        within(reader.read_head(), || "no head of a stream".into()).await;
        reader
    }

    /// Opens a stream, and takes its ack.
    pub(crate) async fn open(address: SocketAddr, tenant: Option<&str>, query: &str, headers: &[(&str, &str)]) -> Self {
        let mut reader = Self::ask(address, tenant, query, headers).await;
        let ack = reader.next().await;
        assert_eq!((reader.head.status, ack.kind.as_str()), (200, "ack"), "{ack:?}");
        reader.welcome = ack.envelope()["payload"].clone();
        reader
    }

    async fn read_head(&mut self) {
        while !self.text.contains("\r\n\r\n") {
            assert!(self.read().await, "the stream ends before its head");
        }
        let (head, rest) = self.text.split_once("\r\n\r\n").expect("it is there");
        self.head = super::http::read_head(head);
        let rest = rest.to_owned();
        self.text = String::new();
        self.chunks = (self.head.header("transfer-encoding") == Some("chunked")).then(Chunks::default);
        self.add(rest.as_bytes());
    }

    fn add(&mut self, bytes: &[u8]) {
        let of_body = self.chunks.as_mut().map(|chunks| chunks.take(bytes));
        // The tests' texts are ASCII, which no read cuts.
        self.text += str::from_utf8(of_body.as_deref().unwrap_or(bytes)).expect("whole characters");
    }

    /// Reads more; false at the end.
    async fn read(&mut self) -> bool {
        if self.chunks.as_ref().is_some_and(Chunks::is_over) {
            return false;
        }
        let mut bytes = vec![0; 65_536];
        match self.stream.read(&mut bytes).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.add(&bytes[..count]);
                true
            }
        }
    }

    /// The next event; positions, comments and wishes are noted.
    pub(crate) async fn next(&mut self) -> Event {
        let event = within(self.next_or_end(), || "no event".into()).await;
        event.unwrap_or_else(|| panic!("the stream ended; left: {:?}", self.text))
    }

    /// The same; none at the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.take_block()
                && !event.data.is_empty()
            {
                return Some(event);
            }
            self.take_apart();
            if self.events.is_empty() && !self.read().await {
                return None;
            }
        }
    }

    /// The next block, whose position is noted.
    fn take_block(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        if event.id.is_some() {
            self.last_id.clone_from(&event.id);
        }
        Some(event)
    }

    fn take_apart(&mut self) {
        while let Some((block, rest)) = self.text.split_once("\n\n") {
            let mut event = Event::default();
            let mut lines = Vec::new();
            for line in block.split('\n').filter(|line| !line.is_empty()) {
                let (field, value) = line.split_once(':').unwrap_or((line, ""));
                let value = value.strip_prefix(' ').unwrap_or(value);
                match field {
                    "event" => value.clone_into(&mut event.kind),
                    "data" => lines.push(value),
                    "id" => event.id = Some(value.to_owned()),
                    "retry" => self.retry = value.parse().ok(),
                    "" => self.comments += 1,
                    other => panic!("a field {other:?} in {block:?}"),
                }
            }
            event.data = lines.join("\n");
            self.text = rest.to_owned();
            if event != Event::default() {
                self.events.push_back(event);
            }
        }
    }

    /// The next event, which is of this type.
    pub(crate) async fn expect(&mut self, kind: &str) -> Value {
        let event = self.next().await;
        assert_eq!(event.kind, kind, "{event:?}");
        event.envelope()
    }

    /// The newest position; the first one is waited for.
    pub(crate) async fn position(&mut self) -> String {
        match &self.last_id {
            Some(id) => id.clone(),
            None => self.new_id().await,
        }
    }

    /// Waits until the newest position is another one.
    pub(crate) async fn new_id(&mut self) -> String {
        let before = self.last_id.clone();
        within(
            async {
                while self.last_id == before {
                    if let Some(event) = self.take_block() {
                        assert_eq!(event.data, "", "an event before the position");
                    } else {
                        assert!(self.read().await, "the stream ended");
                        self.take_apart();
                    }
                }
            },
            || "no new position".into(),
        )
        .await;
        self.last_id.clone().expect("there is one")
    }

    /// Waits for a comment.
    pub(crate) async fn comment(&mut self) {
        let before = self.comments;
        within(
            async {
                while self.comments == before {
                    assert!(self.read().await, "the stream ended");
                    self.take_apart();
                }
            },
            || "no comment".into(),
        )
        .await;
    }

    /// Everything up to the end, as it is.
    pub(crate) async fn rest(&mut self) -> String {
        within(async { while self.read().await {} }, || "the stream goes on".into()).await;
        std::mem::take(&mut self.text)
    }

    /// The end of the stream, with nothing before it.
    pub(crate) async fn end(&mut self) {
        let event = within(self.next_or_end(), || "the stream goes on".into()).await;
        assert_eq!(event, None);
    }

    /// How its posts name the session.
    pub(crate) fn credential(&self) -> String {
        let text = |name: &str| self.welcome[name].as_str().expect("the ack has it").to_owned();
        format!("{}.{}", text("session"), text("session_key"))
    }

    /// Posts requests beside the stream.
    pub(crate) async fn post(&self, headers: &[(&str, &str)], requests: &Value) -> Response {
        let credential = self.credential();
        let headers = [&[("sluicegate-session", credential.as_str())], headers].concat();
        let path = format!("{}/send", self.base);
        post(self.address, &path, &headers, &requests.to_string()).await
    }

    /// The replies to them.
    pub(crate) async fn send(&self, requests: &[Value]) -> Vec<Value> {
        let response = self.post(&[], &requests.into()).await;
        assert_eq!(response.status, 200, "{}", response.body);
        serde_json::from_str(&response.body).expect("a list of replies")
    }
}

// === polls ===

/// A client that polls, on a connection that it keeps.
pub(crate) struct Poller {
    pub address: SocketAddr,
    path: String,
    pub session: Option<String>,
    /// The newest answer that it has.
    pub ack: u64,
    batch: u64,
    /// The connection, and where it leads.
    kept: Option<(SocketAddr, TcpStream)>,
}

impl Poller {
    /// Begins a session of the default tenant.
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self {
            address,
            path: "/poll".into(),
            session: None,
            ack: 0,
            batch: 0,
            kept: None,
        }
    }

    pub(crate) fn of(address: SocketAddr, tenant: &str) -> Self {
        Self {
            path: format!("/t/{tenant}/poll"),
            ..Self::new(address)
        }
    }

    /// A poll as it is, on a connection of its own.
    pub(crate) async fn raw(&self, headers: &[(&str, &str)], body: &Value) -> Response {
        post(self.address, &self.path, headers, &body.to_string()).await
    }

    /// What its next poll with these requests says.
    pub(crate) fn body(&mut self, requests: &[Value]) -> Value {
        let mut body = json!({ "ack": self.ack, "requests": requests });
        if let Some(session) = &self.session {
            body["session"] = session.as_str().into();
        }
        if !requests.is_empty() {
            self.batch += 1;
            body["batch"] = self.batch.into();
        }
        body
    }

    /// Polls, and takes what comes.
    pub(crate) async fn poll(&mut self, requests: &[Value]) -> Vec<Value> {
        let body = self.body(requests).to_string();
        let request = request("POST", self.address, &self.path, &[], Some(&body));
        let mut answer = self.on_kept(&request).await;
        if answer.is_none() {
            self.kept = Some((self.address, dial(self.address, None).await));
            answer = self.on_kept(&request).await;
        }
        self.take(answer.expect("the server answers before it closes"))
    }

    /// The answer to a request on the connection that is kept. None: there is none, or it was closed meanwhile.
    async fn on_kept(&mut self, request: &str) -> Option<Response> {
        let (_, mut kept) = self.kept.take().filter(|(address, _)| *address == self.address)?;
        kept.write_all(request.as_bytes()).await.ok()?;
        let (answer, _) = try_respond(&mut kept).await?;
        if answer.header("connection") != Some("close") {
            self.kept = Some((self.address, kept));
        }
        Some(answer)
    }

    /// Takes an answer.
    pub(crate) fn take(&mut self, response: Response) -> Vec<Value> {
        assert_eq!(response.status, 200, "{}", response.body);
        let answer: Value = serde_json::from_str(&response.body).expect("an answer");
        self.session = Some(answer["session"].as_str().expect("a session").to_owned());
        self.ack = answer["seq"].as_u64().expect("a number");
        answer["envelopes"].as_array().expect("a list").clone()
    }

    /// Polls until so many envelopes came.
    pub(crate) async fn collect(&mut self, count: usize) -> Vec<Value> {
        let mut envelopes = Vec::new();
        while envelopes.len() < count {
            envelopes.extend(self.poll(&[]).await);
        }
        envelopes
    }
}

/// A request.
pub(crate) fn ask(kind: &str, id: u64, payload: Value) -> Value {
    json!({ "type": kind, "id": id, "payload": payload })
}

/// `connect`, with these subscriptions.
pub(crate) fn connect(channels: &[&str]) -> Value {
    let subscribe: Vec<_> = channels.iter().map(|channel| json!({ "channel": channel })).collect();
    ask("connect", 0, json!({ "version": 1, "subscribe": subscribe }))
}
