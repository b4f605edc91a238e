//! Clients that send without end, or read nothing: what they get is bounded, and others go on.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::admin::{KEY, full_key};
use crate::support::{Broker, PATIENCE, Value, eventually, http};

const OPEN: &str = r#"
    [server]
    default_tenant = "t"
    shards = 1
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
    limits = { message_bytes = 2000000 }
    [[tenants.channels]]
    match = "kept"
    history = { size = 100, ttl_seconds = 300 }
"#;

/// A WebSocket that is open, as bytes.
async fn upgraded(broker: &Broker) -> TcpStream {
    let mut stream = http::dial(broker.address, None).await;
    let request = "GET /ws HTTP/1.1\r\nHost: t\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2x1aWNlIHRlc3QgbnVtYg==\r\n\r\n";
    stream
        .write_all(request.as_bytes())
        .await
        .expect("the request is taken");
    assert_eq!(http::respond(&mut stream).await.0.status, 101);
    stream
}

/// More than the system's buffers take.
const FLOOD_BYTES: usize = 64 * 1_048_576;

#[tokio::test]
async fn who_goes_on_to_send_after_the_end_is_cut_off() {
    let broker = Broker::start(OPEN).await;
    let mut others = broker.connect("others").await;
    others.subscribe("c").await;
    // A text frame that is no envelope, and a close frame; both masked with zeros.
    for last_words in [&b"\x81\x84\0\0\0\0nope"[..], &b"\x88\x80\0\0\0\0"[..]] {
        let mut stream = upgraded(&broker).await;
        stream.write_all(last_words).await.expect("it is open");
        let part = vec![0; 65_536];
        let mut taken = 0;
        while taken < FLOOD_BYTES && stream.write_all(&part).await.is_ok() {
            taken += part.len();
        }
        assert!(taken < FLOOD_BYTES, "after {last_words:?} all of it was read");
        others.publish("still here").await.expect_message("still here").await;
    }
}

/// Calls with one key at once.
const PLACES: usize = 16;

#[tokio::test]
async fn answers_that_nobody_reads_keep_the_places_of_their_calls() {
    let broker = Broker::start(&format!("{OPEN}\n{}", full_key())).await;
    let mut ann = broker.connect("ann").await;
    ann.to("kept");
    for _ in 0..8 {
        ann.publish("x".repeat(1_000_000)).await;
    }
    let path = "/api/v1/tenants/t/channels/kept/history";
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {KEY}\r\n\r\n");
    let mut unread = Vec::new();
    for _ in 0..PLACES {
        let mut stream = http::dial(broker.admin, Some(4_096)).await;
        stream
            .write_all(request.as_bytes())
            .await
            .expect("the request is taken");
        // Its answer has begun, and has no room.
        let mut begin = [0; 12];
        stream.read_exact(&mut begin).await.expect("an answer");
        assert_eq!(&begin, b"HTTP/1.1 200");
        unread.push(stream);
    }
    let history = "/tenants/t/channels/kept/history?limit=1";
    broker.call("GET", history, Value::Null).await.problem(503, "busy");
    // What is given up gives its place back.
    drop(unread.pop());
    let answered = async || {
        let answer = broker.call("GET", history, Value::Null).await;
        (answer.response.status == 200).then_some(())
    };
    eventually(PATIENCE, "a place is free again", answered).await;
}

#[tokio::test]
async fn a_request_that_is_refused_is_the_last_of_its_connection() {
    let broker = Broker::start(OPEN).await;
    let two = "GET /nothing HTTP/1.1\r\nHost: t\r\n\r\n".repeat(2);
    let mut stream = http::dial(broker.address, None).await;
    stream.write_all(two.as_bytes()).await.expect("the requests are taken");
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.expect("the end");
    assert_eq!(answers.matches("HTTP/1.1 404").count(), 1, "{answers}");
    assert!(answers.to_ascii_lowercase().contains("connection: close"), "{answers}");
}
