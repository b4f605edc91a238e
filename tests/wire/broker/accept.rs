//! Before any session: slow headers, too many connections, bad requests.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Broker, http, within};

const ANONYMOUS: &str = r#"tenants = [{ name = "t", anonymous = true }]"#;

/// Reads until the server ends the stream. Returns all of it.
async fn last_words(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    // A reset is an end as well.
    let reading = async { stream.read_to_end(&mut said).await.ok() };
    within(reading, || "the server keeps the connection open".into()).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn who_does_not_finish_the_request_head_is_let_go() {
    let broker = Broker::start(&format!(
        "server = {{ default_tenant = \"t\", header_timeout_ms = 200 }}\n{ANONYMOUS}"
    ))
    .await;
    let mut ann = broker.connect("ann").await;
    for (head, status) in [
        ("", ""),
        ("GET /ws HTT", "HTTP/1.1 408 "),
        ("GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n", "HTTP/1.1 408 "),
    ] {
        let mut slow = http::dial(broker.address, None).await;
        slow.write_all(head.as_bytes()).await.expect("taken");
        let said = last_words(&mut slow).await;
        assert!(
            said.starts_with(status) && said.is_empty() == status.is_empty(),
            "{head:?}: {said}"
        );
    }
    broker
        .log()
        .wait_for(&["INFO", "a request could not be read", "timeout"])
        .await;
    ann.still_works().await;
}

#[tokio::test]
async fn a_request_that_cannot_be_read_is_told_so() {
    let broker = Broker::start(&format!("server = {{ default_tenant = \"t\" }}\n{ANONYMOUS}")).await;
    let long = format!("GET /ws HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(500_000));
    for (request, status) in [
        ("hello\r\n\r\n", 400),
        ("GET /ws HTTP/9.9\r\n\r\n", 400),
        ("\u{1}\u{2}\r\n\r\n", 400),
        ("GET /ws HTTP/1.1\r\nHost: x\r\n folded: x\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (&long, 431),
    ] {
        let mut stream = http::dial(broker.address, None).await;
        stream.write_all(request.as_bytes()).await.ok();
        let said = last_words(&mut stream).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{said}");
    }
    broker.connect("ann").await.still_works().await;
}

#[tokio::test]
async fn max_connections_bounds_the_node() {
    let broker = Broker::start(&format!(
        "server = {{ default_tenant = \"t\", max_connections = 3 }}\n{ANONYMOUS}"
    ))
    .await;
    let mut inside = Vec::new();
    for n in 0..3 {
        inside.push(broker.connect(&format!("client {n}")).await);
    }
    // Refused with a response or by an end; never upgraded.
    let mut fourth = http::dial(broker.address, None).await;
    fourth.write_all(broker.dial("fourth").request().as_bytes()).await.ok();
    let said = last_words(&mut fourth).await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 503"), "{said}");
    for client in &mut inside {
        client.still_works().await;
    }
    inside.pop().unwrap().close().await;
    // The place is free a moment after the connection is closed.
    let place = async { while !comes_in(&broker).await {} };
    within(place, || "the free place is not given".into()).await;
    assert_eq!(
        broker.admin_get("/healthz").await.status,
        200,
        "the admin listener counts apart"
    );
}

/// Whether one more connection is upgraded now.
async fn comes_in(broker: &Broker) -> bool {
    let mut stream = http::dial(broker.address, None).await;
    let request = broker.dial("one more").request();
    let mut head = [0; 12];
    let answered = stream.write_all(request.as_bytes()).await.is_ok() && stream.read_exact(&mut head).await.is_ok();
    answered && head == *b"HTTP/1.1 101"
}
