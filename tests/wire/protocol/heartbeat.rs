//! Pings of the server, and silent clients.

use tokio::time::timeout;

use crate::support::socket::opcode;
use crate::support::{Broker, Client, Frame, PATIENCE};

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
