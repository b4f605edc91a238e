//! `since`: a reconnecting client misses nothing, or is told that it did.

use crate::support::recovery::{offsets, recovers_amid_a_stream, since};
use crate::support::{Broker, Frame, Value, json, shared};

/// Publishes 1 to `count`, and gives the epoch.
async fn published(broker: &Broker, channel: &str, count: i64) -> Value {
    let mut ann = broker.connect("ann").await;
    let epoch = ann.subscribe_with(json!({ "channel": channel })).await["epoch"].clone();
    ann.to(channel);
    for n in 1..=count {
        ann.publish(n).await;
    }
    epoch
}

fn assert_unrecovered(ack: &Value, epoch: &Value, newest: u64) {
    assert_eq!(ack["recovered"], false, "{ack}");
    assert_eq!(
        (&ack["epoch"], &ack["offset"]),
        (epoch, &json!(newest)),
        "the newest position: {ack}"
    );
    let none = ack.get("messages").is_none_or(|m| *m == json!([]));
    assert!(none, "never a partial recovery: {ack}");
}

#[tokio::test]
async fn exactly_the_missed_messages_come_and_then_the_live_ones() {
    let broker = shared().await;
    let channel = "room:recover";
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    let joined = ann.subscribe_with(json!({ "channel": channel })).await;
    for n in 1..=4 {
        bob.to(channel).publish(n).await;
    }
    let mut live = Vec::new();
    for n in 1..=4 {
        live.push(ann.expect_message(n).await);
    }
    ann.vanish();

    let mut ann = broker.connect("ann, back again").await;
    let ack = ann.subscribe_with(since(channel, &joined["epoch"], 2)).await;
    assert_eq!(ack["recovered"], true, "{ack}");
    assert_eq!(ack["offset"], 4);
    assert_eq!(offsets(&ack), [3, 4], "oldest first");
    for (missed, live) in ack["messages"].as_array().unwrap().iter().zip(&live[2..]) {
        for field in ["type", "id", "channel", "payload", "epoch", "offset", "from"] {
            assert_eq!(missed[field], live[field], "{field}");
        }
    }
    bob.publish(5).await;
    assert_eq!(ann.expect_message(5).await["offset"], 5);
}

#[tokio::test]
async fn who_missed_nothing_is_recovered() {
    let broker = shared().await;
    let channel = "room:nothing-missed";
    let epoch = published(&broker, channel, 2).await;
    let mut bob = broker.connect("bob").await;
    let ack = bob.subscribe_with(since(channel, &epoch, 2)).await;
    assert_eq!(ack["recovered"], true, "{ack}");
    assert_eq!(offsets(&ack), [] as [u64; 0]);
}

#[tokio::test]
async fn recovery_works_in_the_list_of_connect() {
    let broker = shared().await;
    let channel = "room:recover-in-connect";
    let epoch = published(&broker, channel, 3).await;
    let bob = broker
        .dial("bob")
        .subscribe(json!([since(channel, &epoch, 1)]))
        .connect()
        .await;
    let ack = &bob.welcome["subscriptions"][0];
    assert_eq!(ack["recovered"], true, "{ack}");
    assert_eq!(offsets(ack), [2, 3]);
}

#[tokio::test]
async fn another_epoch_is_not_recovered() {
    let broker = shared().await;
    let channel = "room:other-epoch";
    let epoch = published(&broker, channel, 3).await;
    let mut bob = broker.connect("bob").await;
    let ack = bob.subscribe_with(since(channel, &json!("another"), 1)).await;
    assert_unrecovered(&ack, &epoch, 3);
    // The subscription is made all the same.
    bob.to(channel).publish(4).await.expect_message(4).await;
}

#[tokio::test]
async fn what_was_evicted_is_not_recovered_in_part() {
    let broker = shared().await;
    let channel = "short:evicted";
    let epoch = published(&broker, channel, 5).await;
    let mut bob = broker.connect("bob").await;
    let ack = bob.subscribe_with(since(channel, &epoch, 1)).await;
    assert_unrecovered(&ack, &epoch, 5);

    let mut carl = broker.connect("carl").await;
    let ack = carl.subscribe_with(since(channel, &epoch, 2)).await;
    assert_eq!(ack["recovered"], true, "all that is missing is kept: {ack}");
    assert_eq!(offsets(&ack), [3, 4, 5]);
}

#[tokio::test]
async fn a_position_of_the_future_is_not_recovered() {
    let broker = shared().await;
    let channel = "room:future";
    let epoch = published(&broker, channel, 2).await;
    let mut bob = broker.connect("bob").await;
    let ack = bob.subscribe_with(since(channel, &epoch, 99)).await;
    assert_unrecovered(&ack, &epoch, 2);
}

#[tokio::test]
async fn without_the_right_to_history_nothing_old_is_shown() {
    let broker = shared().await;
    let channel = "quiet:recovery";
    let mut ann = broker.dial_as("ann-of-quiet").connect().await;
    let epoch = ann.subscribe_with(json!({ "channel": channel })).await["epoch"].clone();
    ann.to(channel).publish("secret until now").await;
    let mut bob = broker.dial_as("bob-of-quiet").connect().await;
    // Refused, or taken without a recovery: both keep the past closed.
    let id = bob
        .send(
            "subscribe",
            json!({ "channel": channel, "since": { "epoch": epoch, "offset": 0 } }),
        )
        .await;
    let reply = bob.reply(&id).await;
    assert!(!reply.text.contains("secret until now"), "{}", reply.text);
    assert_ne!(reply["payload"]["recovered"], true, "{}", reply.text);
}

#[tokio::test]
async fn recovery_amid_a_stream_has_no_hole_and_no_double() {
    let broker = shared().await;
    let ann = broker.connect("ann").await;
    recovers_amid_a_stream(ann, broker.connect("bob"), "room:amid").await;
}

#[tokio::test]
async fn what_was_on_its_way_while_history_was_read_comes_once() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t", shards = 1 }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        channels = [{ match = "**", history = { size = 100, ttl_seconds = 60 } }]
        "#,
    )
    .await;
    let channel = "on-its-way";
    // There is a subscriber already, so messages are on their way to the shard when bob joins.
    let mut ann = broker.connect("ann").await;
    let epoch = ann.subscribe_with(json!({ "channel": channel })).await["epoch"].clone();
    let mut bob = broker.connect("bob").await;
    let mut segment = Vec::new();
    for n in 1..=10 {
        let (_, text) = bob.request("publish", &json!({ "channel": channel, "data": n }));
        segment.extend(Frame::text(text).masked());
    }
    let (id, text) = bob.request("subscribe", &since(channel, &epoch, 0));
    segment.extend(Frame::text(text).masked());
    bob.send_bytes(&segment).await;
    let ack = bob.acked(&id).await;
    assert_eq!(offsets(&ack), (1..=10).collect::<Vec<_>>());
    bob.to(channel).publish(11).await.expect_message(11).await;
    ann.expect_messages(1..=11).await;
}
