//! Receivers that do not read: the three policies, and that other receivers are not affected.

use crate::support::{Broker, Client, PATIENCE, json};

/// More than the kernel buffers of a connection and its outbox take together.
const MESSAGES: u64 = 400;
const MESSAGE_BYTES: usize = 32_768;

async fn broker() -> Broker {
    Broker::start(
        r#"
        server = { default_tenant = "t", shards = 2 }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        limits = { outbox_bytes = 131072, publish_per_second = 0 }
        [[tenants.channels]]
        match = "disconnect:*"
        history = { size = 1000, ttl_seconds = 300 }
        [[tenants.channels]]
        match = "drop:*"
        history = { size = 1000, ttl_seconds = 300 }
        overflow = "drop"
        [[tenants.channels]]
        match = "lossy:*"
        overflow = "drop"
        [[tenants.channels]]
        match = "conflate:*"
        history = { size = 1000, ttl_seconds = 300 }
        overflow = "conflate"
        "#,
    )
    .await
}

/// A client that is subscribed to `channel` and reads nothing until the test does.
async fn sleeper(broker: &Broker, channel: &str) -> Client {
    let mut sleeper = broker.dial("sleeper").receive_buffer(4096).connect().await;
    sleeper.subscribe(channel).await;
    sleeper
}

/// Publishes 1 to [`MESSAGES`] in `channel`; a subscriber that reads receives each.
async fn flood(broker: &Broker, channel: &str) -> Client {
    let mut publisher = broker.connect("publisher").await;
    let mut reader = broker.connect("reader").await;
    reader.subscribe(channel).await;
    let padding = "x".repeat(MESSAGE_BYTES);
    for n in 1..=MESSAGES {
        publisher
            .publish_with(json!({ "channel": channel, "data": { "n": n, "padding": padding } }))
            .await;
        let message = reader.message().await;
        assert_eq!(message["payload"]["n"], n, "who reads is not hindered");
    }
    publisher
}

#[tokio::test]
async fn disconnect_closes_with_4001_and_can_be_resumed() {
    let broker = broker().await;
    let channel = "disconnect:1";
    let mut sleeper = sleeper(&broker, channel).await;
    flood(&broker, channel).await.still_works().await;
    let counted = [("code", "4001")];
    broker
        .metrics_when("a slow consumer", |m| {
            m.sum("sluicegate_disconnects_total", &counted) == Some(1.0)
        })
        .await;

    // What was on the way still comes, in order; then the end, with a close frame if it found room.
    let closed = sleeper.closed().await;
    assert!(matches!(closed, None | Some(4001)), "{closed:?}");
    let mut last = 0;
    let mut epoch = json!(null);
    while sleeper.has_waiting("message") {
        let message = sleeper.message().await;
        assert_eq!(message["offset"], last + 1, "no hole before the end");
        last += 1;
        epoch = message["epoch"].clone();
    }
    assert!(
        last < MESSAGES,
        "a receiver that reads nothing cannot have been served all"
    );

    let mut again = broker.connect("sleeper, awake").await;
    let since = json!({ "epoch": epoch, "offset": MESSAGES - 2 });
    let ack = again
        .subscribe_with(json!({ "channel": channel, "since": since }))
        .await;
    assert_eq!(ack["recovered"], true);
    assert_eq!(ack["messages"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn drop_leaves_out_the_newest_and_a_gap_tells() {
    let broker = broker().await;
    let channel = "drop:1";
    let mut sleeper = sleeper(&broker, channel).await;
    let mut publisher = flood(&broker, channel).await;
    // Awake again: while it reads, markers are published until one of them finds room.
    let is_awake = std::cell::Cell::new(false);
    let marking = async {
        while !is_awake.get() {
            publisher
                .publish_with(json!({ "channel": channel, "data": "marker" }))
                .await;
        }
    };
    let reading = async {
        let mut heard = Vec::new();
        let mut told = false;
        loop {
            let message = sleeper.message().await;
            told |= sleeper.has_waiting("unsubscribed");
            if message["payload"] == "marker" || told {
                is_awake.set(true);
                return (heard, message["offset"].as_u64().expect("an offset"), told);
            }
            heard.push(message["offset"].as_u64().expect("an offset"));
        }
    };
    let both = async { tokio::join!(marking, reading) };
    let ((), (heard, marker, told)) = tokio::time::timeout(PATIENCE, both).await.expect("a marker arrives");
    // The kernel's buffers may find room again amid the flood, so there may be more than one gap.
    assert_eq!(
        heard[..3],
        [1, 2, 3],
        "the newest are dropped, not the oldest: {heard:?}"
    );
    assert!(heard.is_sorted_by(|a, b| a < b), "in order: {heard:?}");
    let kept = u64::try_from(heard.len()).unwrap();
    assert!(kept < MESSAGES, "something was dropped");
    assert!(told || marker > kept + 1, "a gap tells: {kept} heard, then {marker}");
    sleeper.still_works().await;
}

#[tokio::test]
async fn conflate_keeps_only_the_newest() {
    let broker = broker().await;
    let channel = "conflate:1";
    let mut sleeper = sleeper(&broker, channel).await;
    flood(&broker, channel).await.still_works().await;
    let mut heard = Vec::new();
    while heard.last() != Some(&MESSAGES) {
        heard.push(sleeper.message().await["offset"].as_u64().expect("an offset"));
    }
    assert!(heard.is_sorted(), "in order: {heard:?}");
    assert!(
        heard.len() < usize::try_from(MESSAGES).unwrap(),
        "the ones between were left out"
    );
    sleeper.still_works().await;
}

#[tokio::test]
async fn a_sleeper_in_one_channel_does_not_hinder_those_in_others() {
    let broker = broker().await;
    let _sleeper = sleeper(&broker, "drop:2").await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("disconnect:2").await;
    flood(&broker, "drop:2").await;
    ann.publish("hi").await.expect_message("hi").await;
}

#[tokio::test]
async fn drop_without_offsets_tells_by_ending_the_subscription() {
    let broker = broker().await;
    let channel = "lossy:1";
    let mut sleeper = sleeper(&broker, channel).await;
    let mut publisher = flood(&broker, channel).await;
    let notice = sleeper.push("unsubscribed").await;
    assert_eq!(notice["channel"], channel, "{}", notice.text);
    assert_eq!(
        notice["payload"],
        json!({ "code": 4002, "reason": "insufficient_state" }),
        "{}",
        notice.text
    );
    let mut last = 0;
    while sleeper.has_waiting("message") {
        let n = sleeper.message().await["payload"]["n"].as_u64().expect("a number");
        assert_eq!(n, last + 1, "no hole before the end");
        last = n;
    }
    sleeper.fails("unsubscribe", json!({ "channel": channel }), 4406).await;
    sleeper.subscribe(channel).await;
    publisher
        .publish_with(json!({ "channel": channel, "data": "again" }))
        .await;
    sleeper.expect_message("again").await;
}

#[tokio::test]
async fn ephemeral_messages_are_dropped_and_cut_nobody_off() {
    let broker = broker().await;
    let channel = "disconnect:ephemeral";
    let mut sleeper = sleeper(&broker, channel).await;
    let mut publisher = broker.connect("publisher").await;
    let padding = "x".repeat(MESSAGE_BYTES);
    for _ in 0..MESSAGES {
        publisher
            .publish_with(json!({ "channel": channel, "data": padding, "ephemeral": true }))
            .await;
    }
    // Its reply comes behind everything that was not dropped.
    sleeper.still_works().await;
    let mut heard = 0;
    while sleeper.has_waiting("message") {
        sleeper.message().await;
        heard += 1;
    }
    assert!(heard < MESSAGES, "some were dropped");
    publisher
        .publish_with(json!({ "channel": channel, "data": "kept" }))
        .await;
    assert_eq!(sleeper.expect_message("kept").await["offset"], 1);
}
