//! Pings of the server, and silent clients.

use tokio::time::timeout;

use crate::support::socket::opcode;
use crate::support::{Broker, Client, Frame, PATIENCE, json};

async fn hasty() -> Broker {
    Broker::start(
        r#"
        server = { default_tenant = "t", ping_ms = 200 }
        tenants = [{ name = "t", anonymous = true }]
        "#,
    )
    .await
}

async fn silent(broker: &Broker) -> Client {
    let mut silent = broker.connect("silent").await;
    silent.ignore_pings();
    silent
}

#[tokio::test]
async fn the_server_pings_every_ping_ms() {
    let broker = hasty().await;
    let mut ann = broker.connect("ann").await;
    assert_eq!(ann.welcome["ping_ms"], 200);
    for _ in 0..3 {
        let ping = ann.frame().await.expect("a frame");
        assert_eq!(ping.opcode, opcode::PING, "{ping:?}");
        ann.send_frame(&Frame::new(opcode::PONG, ping.payload)).await;
    }
}

#[tokio::test]
async fn a_silent_client_is_closed_with_4408_and_one_that_answers_is_not() {
    let broker = hasty().await;
    let mut answering = broker.connect("answering").await;
    let mut silent = silent(&broker).await;
    let closing = silent.expect_disconnect(4408, "no_heartbeat", true);
    tokio::select! {
        _ = closing => {}
        code = answering.closed() => panic!("the one that answers was closed: {code:?}"),
    }
    answering.still_works().await;
}

#[tokio::test]
async fn a_client_that_cannot_see_pings_may_send_its_own() {
    let broker = hasty().await;
    let mut talking = broker.connect("talking").await;
    talking.ignore_pings();
    let mut silent = silent(&broker).await;
    let talk = async {
        loop {
            talking.still_works().await;
        }
    };
    let closing = silent.expect_close(4408);
    tokio::select! {
        _ = closing => {}
        () = talk => unreachable!(),
    }
    talking.still_works().await;
}

#[tokio::test]
async fn a_ping_comes_in_time_also_on_a_busy_connection() {
    let broker = hasty().await;
    let mut ann = broker.connect("ann").await;
    ann.ignore_pings();
    let talking = async {
        let mut pings = 0;
        while pings < 2 {
            ann.send_text(r#"{"type":"ping","id":1}"#).await;
            let frame = ann.frame().await.expect("a frame");
            pings += usize::from(frame.opcode == opcode::PING);
        }
    };
    timeout(PATIENCE, talking).await.expect("two pings");
}

/// A large answer has to pass through a small socket. Heartbeats wait behind it, so the client cannot answer them; that it
/// reads is life enough.
#[tokio::test]
async fn a_client_that_reads_a_large_answer_slowly_is_not_silent() {
    const MESSAGES: usize = 8;
    const MESSAGE_BYTES: usize = 1_000_000;
    /// The system says that there is room again when a third of its buffer is free, which may have 4 MiB.
    const AT_ONCE: usize = 3_000_000;
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t", ping_ms = 3000 }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        limits = { message_bytes = 2000000, outbox_bytes = 33554432 }
        [[tenants.channels]]
        match = "kept"
        history = { size = 100, ttl_seconds = 300 }
        "#,
    )
    .await;
    // Another connection's heartbeats are the clock.
    let mut clock = broker.connect("clock").await;
    clock.to("kept");
    for _ in 0..MESSAGES {
        clock.publish("x".repeat(MESSAGE_BYTES)).await;
    }
    // Through a smaller one so much takes seconds on a busy machine.
    let mut slow = broker.dial("slow").receive_buffer(65_536).connect().await;
    // Two of them: more than the system's buffers take.
    let ids = [(); 2].map(|()| slow.request("history", &json!({ "channel": "kept" })));
    for (_, text) in &ids {
        slow.send_text(text).await;
    }
    for _ in 0..3 {
        loop {
            let frame = clock.frame().await.expect("a frame");
            if frame.opcode == opcode::PING {
                clock.send_frame(&Frame::new(opcode::PONG, frame.payload)).await;
                break;
            }
        }
        slow.read_ahead(AT_ONCE).await;
    }
    for (id, _) in &ids {
        let answer = slow.acked(id).await;
        assert_eq!(answer["messages"].as_array().unwrap().len(), MESSAGES);
    }
    slow.still_works().await;
}
