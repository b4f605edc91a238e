//! The way to a connection: address, tenant, headers, token; then upgrade, then `connect`.

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};
use sha1::{Digest, Sha1};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::client::Client;
use super::http::{self, Response};
use super::socket::Socket;

const KEY: &str = "c2x1aWNlIHRlc3QgbnVtYg==";
const KEY_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A connection to be. Nothing is sent before [`Dial::open`] or [`Dial::connect`].
#[must_use]
pub(crate) struct Dial {
    address: SocketAddr,
    name: String,
    path: String,
    host: Option<String>,
    protocols: Vec<String>,
    headers: Vec<(String, String)>,
    receive_buffer: Option<u32>,
    from: Option<Ipv4Addr>,
    /// What is sent before the request.
    preface: Vec<u8>,
    payload: Map<String, Value>,
}

impl Dial {
    /// To the default tenant of the broker at `address`; `name` is how failures call this client.
    pub(crate) fn new(address: SocketAddr, name: &str) -> Self {
        let payload = json!({ "version": 1, "client": { "name": name, "version": "0" } });
        Self {
            address,
            name: name.to_owned(),
            path: "/ws".into(),
            host: None,
            protocols: vec!["sluicegate.v1.json".into()],
            headers: Vec::new(),
            receive_buffer: None,
            from: None,
            preface: Vec::new(),
            payload: payload.as_object().unwrap().clone(),
        }
    }

    /// To this tenant, by its path.
    pub(crate) fn tenant(mut self, tenant: &str) -> Self {
        self.path = format!("/t/{tenant}/ws");
        self
    }

    /// With this `Host` header.
    pub(crate) fn host(mut self, host: &str) -> Self {
        self.host = Some(host.to_owned());
        self
    }

    /// To this path.
    pub(crate) fn path(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }

    /// Offers these subprotocols, or none.
    pub(crate) fn protocols(mut self, protocols: &[&str]) -> Self {
        self.protocols = protocols.iter().map(|&p| p.to_owned()).collect();
        self
    }

    /// In MessagePack.
    pub(crate) fn packed(self) -> Self {
        self.protocols(&["sluicegate.v1.msgpack"])
    }

    /// With one more header in the upgrade request.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a token in the `connect` payload.
    pub(crate) fn token(self, token: &str) -> Self {
        self.with("token", token)
    }

    /// With a field in the `connect` payload.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.payload.insert(key.to_owned(), value.into());
        self
    }

    /// With subscriptions in the `connect` payload.
    pub(crate) fn subscribe(self, subscriptions: Value) -> Self {
        self.with("subscribe", subscriptions)
    }

    /// With a small receive buffer, so that a client that does not read is soon noticed.
    pub(crate) fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Through what listens at this address.
    pub(crate) fn to(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// From this address of the machine.
    pub(crate) fn from(mut self, address: [u8; 4]) -> Self {
        self.from = Some(address.into());
        self
    }

    /// With these bytes before the request, as a proxy may send them.
    pub(crate) fn preface(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.preface = bytes.as_ref().to_vec();
        self
    }

    /// A connection on which nothing was sent.
    pub(crate) async fn silent(&self) -> TcpStream {
        http::dial_from(self.from, self.address, self.receive_buffer).await
    }

    /// The response to the upgrade; none if the connection was closed without one.
    pub(crate) async fn answer(&self) -> Option<Response> {
        let mut stream = self.silent().await;
        // Whoever is closed at once may not be able to send.
        let request = [&self.preface, self.request().as_bytes()].concat();
        stream.write_all(&request).await.ok();
        http::try_respond(&mut stream).await.map(|(response, _)| response)
    }

    /// The upgrade request, and the response whatever it is.
    pub(crate) async fn upgrade(&self) -> (Response, Socket) {
        let mut stream = self.silent().await;
        stream
            .write_all(&[&self.preface, self.request().as_bytes()].concat())
            .await
            .expect("the request is taken");
        let (response, early) = http::respond(&mut stream).await;
        (response, Socket::new(stream, early))
    }

    /// The upgrade request.
    pub(crate) fn request(&self) -> String {
        let host = self.host.clone().unwrap_or_else(|| self.address.to_string());
        let mut request = format!(
            "GET {} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n",
            self.path
        );
        if !self.protocols.is_empty() {
            request.extend(["Sec-WebSocket-Protocol: ", &self.protocols.join(", "), "\r\n"]);
        }
        for (name, value) in &self.headers {
            request.extend([name, ": ", value, "\r\n"]);
        }
        request + "\r\n"
    }

    /// The status with which the upgrade is refused.
    pub(crate) async fn refused(&self) -> Response {
        let (response, _) = self.upgrade().await;
        assert_ne!(response.status, 101, "{} was upgraded: {response:?}", self.name);
        response
    }

    /// Upgrades; no `connect` yet.
    pub(crate) async fn open(&self) -> Client {
        let (response, socket) = self.upgrade().await;
        assert_eq!(response.status, 101, "{} was not upgraded: {response:?}", self.name);
        let accept = STANDARD.encode(Sha1::digest(format!("{KEY}{KEY_GUID}")));
        assert_eq!(response.header("sec-websocket-accept"), Some(accept.as_str()));
        Client::new(&self.name, socket, response)
    }

    /// The payload of the `connect` that [`Dial::connect`] would send.
    pub(crate) fn payload(&self) -> Value {
        Value::Object(self.payload.clone())
    }

    /// Upgrades and connects.
    pub(crate) async fn connect(&self) -> Client {
        let mut client = self.open().await;
        client.welcome = client.ask("connect", self.payload()).await;
        client
    }

    /// Upgrades and sends a `connect` that is refused with this error code: its payload, and the
    /// client that now waits for its close.
    pub(crate) async fn connect_refused(&self, code: u16) -> (Value, Client) {
        let mut client = self.open().await;
        let error = client.fails("connect", self.payload(), code).await;
        (error, client)
    }
}
