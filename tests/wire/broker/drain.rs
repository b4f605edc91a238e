//! SIGTERM and SIGINT: every client gets 4000, then the broker ends.

use std::time::Instant;

use tokio::net::TcpStream;

use crate::support::{Broker, PATIENCE, Value, within};

const CONFIG: &str = r#"
    server = { default_tenant = "t", drain_seconds = 2, shards = 2 }
    [[tenants]]
    name = "t"
    anonymous = true
    default = "allow"
"#;

fn check_notice(notice: &Value) {
    let wait = notice["retry_after_ms"].as_u64();
    assert!(wait.is_some(), "so that not all come back at once: {notice}");
}

#[tokio::test]
async fn sigterm_tells_everybody_and_ends_with_0() {
    let broker = Broker::start(CONFIG).await;
    let mut clients = Vec::new();
    for n in 0..10 {
        clients.push(broker.connect(&format!("client {n}")).await);
    }
    clients[0].subscribe("c").await.publish("before the end").await;
    let started = Instant::now();
    broker.terminate();
    clients[0].expect_message("before the end").await;
    for client in &mut clients {
        check_notice(&client.expect_disconnect(4000, "shutting_down", true).await);
        client.expect_end().await;
    }
    assert_eq!(broker.exit_code().await, Some(0));
    assert!(started.elapsed() < PATIENCE, "within drain_seconds and some");
}

#[tokio::test]
async fn sigint_does_the_same() {
    let broker = Broker::start(CONFIG).await;
    let mut ann = broker.connect("ann").await;
    broker.interrupt();
    check_notice(&ann.expect_disconnect(4000, "shutting_down", true).await);
    assert_eq!(broker.exit_code().await, Some(0));
}

#[tokio::test]
async fn without_connections_the_end_comes_at_once() {
    let broker = Broker::start(&CONFIG.replace("drain_seconds = 2", "drain_seconds = 3600")).await;
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));
}

#[tokio::test]
async fn who_never_reads_or_answers_does_not_hold_it_up() {
    let broker = Broker::start(CONFIG).await;
    let mute = broker.connect("mute").await;
    let unconnected = broker.dial("upgraded, no connect").open().await;
    let silent = TcpStream::connect(broker.address)
        .await
        .expect("a connection without a request");
    broker.terminate();
    assert_eq!(broker.exit_code().await, Some(0));
    drop((mute, unconnected, silent));
}

#[tokio::test]
async fn a_draining_broker_takes_nobody_in() {
    let broker = Broker::start(&CONFIG.replace("drain_seconds = 2", "drain_seconds = 1")).await;
    let mut ann = broker.connect("ann").await;
    broker.terminate();
    ann.push("disconnect").await;
    // Nobody listens any more, or it answers with a refusal; that may need a moment.
    let turned_away = async {
        loop {
            match TcpStream::connect(broker.address).await {
                Err(_) => break,
                Ok(stream) => drop(stream),
            }
        }
    };
    within(turned_away, || "new connections are still taken".into()).await;
    assert_eq!(broker.exit_code().await, Some(0));
}
