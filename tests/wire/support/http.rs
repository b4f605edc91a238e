//! The part of HTTP/1.1 that the tests need: one request on one connection.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::chunks::Chunks;
use super::within;

/// A response; for an upgrade, without the bytes behind its head.
#[derive(Debug)]
pub(crate) struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// Empty for an upgrade.
    pub body: String,
}

impl Response {
    /// The value of a header by its lower-case name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

/// Opens a connection, with a small receive buffer if `receive_buffer` says so.
pub(crate) async fn dial(address: SocketAddr, receive_buffer: Option<u32>) -> TcpStream {
    dial_from(None, address, receive_buffer).await
}

/// The same from an address of this machine, `127.0.0.0/8`.
pub(crate) async fn dial_from(from: Option<Ipv4Addr>, address: SocketAddr, receive_buffer: Option<u32>) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    if let Some(from) = from {
        socket.bind((from, 0).into()).expect("an address of this machine");
    }
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).expect("SO_RCVBUF");
    }
    let stream = within(socket.connect(address), || format!("{address} does not answer")).await;
    let stream = stream.unwrap_or_else(|e| panic!("connecting to {address}: {e}"));
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream
}

/// `GET path` and its whole response.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    send(address, request).await
}

/// Sends a request as it is, and gives its whole response.
pub(crate) async fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> Response {
    let mut stream = dial(address, None).await;
    stream.write_all(request.as_ref()).await.expect("the request is taken");
    let (response, _) = respond(&mut stream).await;
    response
}

/// The same; none if nobody answers there.
pub(crate) async fn try_send(address: SocketAddr, request: &str) -> Option<Response> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let (response, _) = try_respond(&mut stream).await?;
    Some(response)
}

/// Reads a response and, after an upgrade, what came too early behind it.
pub(crate) async fn respond(stream: &mut TcpStream) -> (Response, Vec<u8>) {
    let response = try_respond(stream).await;
    response.expect("the server answers before it closes")
}

/// The same; none if the stream ends before the whole head is there.
pub(crate) async fn try_respond(stream: &mut TcpStream) -> Option<(Response, Vec<u8>)> {
    let mut bytes = Vec::new();
    let whole = async {
        loop {
            let head_end = bytes.windows(4).position(|w| w == b"\r\n\r\n");
            if let Some(end) = head_end {
                return Some(end + 4);
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return None;
            }
        }
    };
    let end = within(whole, || "no whole response head".into()).await?;
    let mut rest = bytes.split_off(end);
    let mut response = read_head(&String::from_utf8_lossy(&bytes));
    if response.status == 101 {
        return Some((response, rest));
    }
    within(
        async {
            // The body ends after its length, at the end of a chunked body, or with the stream.
            while !is_whole(&response, &rest) && stream.read_buf(&mut rest).await.unwrap_or(0) > 0 {}
        },
        || "no whole response body".into(),
    )
    .await;
    let chunked = response.header("transfer-encoding") == Some("chunked");
    let body = if chunked { Chunks::default().take(&rest) } else { rest };
    response.body = String::from_utf8_lossy(&body).into_owned();
    Some((response, Vec::new()))
}

fn is_whole(response: &Response, body: &[u8]) -> bool {
    if response.status == 204 {
        return true;
    }
    match response.header("content-length") {
        Some(length) => body.len() >= length.parse().expect("a length"),
        None => body.ends_with(b"0\r\n\r\n") && response.header("transfer-encoding").is_some(),
    }
}

pub(super) fn read_head(head: &str) -> Response {
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let headers = lines.map(|line| {
        let (name, value) = line.split_once(':').expect("a header has a colon");
        (name.to_ascii_lowercase(), value.trim().to_owned())
    });
    Response {
        status: status.unwrap_or_else(|| panic!("no status line: {head:?}")),
        headers: headers.collect(),
        body: String::new(),
    }
}

#[test]
fn the_harness_reads_heads() {
    let response = read_head("HTTP/1.1 404 Not Found\r\nX-A: b\r\n\r\n");
    assert_eq!((response.status, response.header("x-a")), (404, Some("b")));
}
