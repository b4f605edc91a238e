//! A revocation also drops what waits for a slow client: only what the system's buffers hold still
//! arrives.

use super::config;
use crate::support::{Broker, Client, json};

/// Much more than the system's buffers of a connection take: what they do not take waits in the outbox.
const MESSAGES: u64 = 400;
const MESSAGE_BYTES: usize = 32_768;
/// The system takes at most some megabytes of that.
const MOST_OF_THEM: u64 = 300;

async fn broker() -> Broker {
    let config = config("").replace("shards = 2", "shards = 1").replace(
        "publish_per_second = 0",
        "publish_per_second = 0\noutbox_bytes = 67108864",
    );
    Broker::start(&config).await
}

/// A client that reads nothing until the test does, and for whom all of `c` and then one message of `d` was
/// queued.
async fn backed_up(broker: &Broker) -> Client {
    let dial = broker.dial("ann").token(&crate::support::token::of("ann"));
    let mut ann = dial.receive_buffer(4096).connect().await;
    ann.subscribe("c").await.subscribe("d").await;
    // On the same shard, so what bob received was queued for ann.
    let mut bob = broker.user("bob").await;
    bob.subscribe("c").await.subscribe("d").await;
    let padding = "x".repeat(MESSAGE_BYTES);
    for n in 1..=MESSAGES {
        let data = json!({ "n": n, "padding": padding });
        bob.publish_with(json!({ "channel": "c", "data": data })).await;
        assert_eq!(bob.message().await["payload"]["n"], n);
    }
    bob.publish("kept").await.expect_message("kept").await;
    ann
}

#[tokio::test]
async fn an_unsubscribe_forgets_what_waits_in_the_channel_and_nothing_else() {
    let broker = broker().await;
    let mut ann = backed_up(&broker).await;
    let done = broker
        .order("/tenants/acme/users/ann/unsubscribe", json!({ "channel": "c" }))
        .await;
    assert_eq!(done["affected"], 1);
    let mut of_c = 0;
    let kept = loop {
        let message = ann.message().await;
        if message["channel"] == "d" {
            break message;
        }
        of_c += 1;
        assert_eq!(message["payload"]["n"], of_c, "in order, as far as it had got");
    };
    assert_eq!(kept["payload"], "kept");
    assert!(of_c < MOST_OF_THEM, "{of_c} came");
    assert_eq!(ann.push("unsubscribed").await["channel"], "c");
    ann.still_works().await;
    assert!(!ann.has_waiting("message"));
}

#[tokio::test]
async fn a_disconnect_forgets_all_that_waits() {
    let broker = broker().await;
    let mut ann = backed_up(&broker).await;
    let done = broker.order("/tenants/acme/users/ann/disconnect", json!({})).await;
    assert_eq!(done["affected"], 1);
    let mut came = 0;
    loop {
        let envelope = ann
            .take("a message or the end", |e| {
                ["message", "disconnect"].contains(&e.kind())
            })
            .await;
        if envelope.kind() == "disconnect" {
            break;
        }
        came += 1;
        assert_eq!(envelope["payload"]["n"], came, "in order, as far as it had got");
    }
    assert!(came < MOST_OF_THEM, "{came} came");
    ann.expect_close(4504).await;
}
