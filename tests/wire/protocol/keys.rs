//! `key`: the same publish twice is one message.

use crate::support::{Broker, PATIENCE, json, shared};

#[tokio::test]
async fn a_key_seen_before_is_acknowledged_again_and_delivered_once() {
    let broker = shared().await;
    for channel in ["room:keys", "plain-keys"] {
        let mut ann = broker.connect("ann").await;
        let mut bob = broker.connect("bob").await;
        bob.subscribe(channel).await;
        let first = ann
            .publish_with(json!({ "channel": channel, "data": "first", "key": "k" }))
            .await;
        assert_eq!(first.get("duplicate"), None, "{first}");
        let again = ann
            .publish_with(json!({ "channel": channel, "data": "again", "key": "k" }))
            .await;
        assert_eq!(again["duplicate"], true, "{again}");
        assert_eq!(again["message"], first["message"]);
        assert_eq!(again.get("offset"), first.get("offset"));
        ann.to(channel).publish("fence").await;
        bob.expect_messages(["first", "fence"]).await;
    }
}

#[tokio::test]
async fn keys_hold_across_connections() {
    let broker = shared().await;
    let payload = json!({ "channel": "room:keys-across", "data": "hi", "key": "k" });
    let first = broker.connect("ann").await.publish_with(payload.clone()).await;
    let again = broker.connect("ann, back again").await.publish_with(payload).await;
    assert_eq!(again["message"], first["message"]);
    assert_eq!(again["duplicate"], true);
}

#[tokio::test]
async fn other_keys_and_other_channels_are_other_messages() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("room:keys-a").await.subscribe("room:keys-b").await;
    for (channel, key) in [("room:keys-a", "k"), ("room:keys-a", "l"), ("room:keys-b", "k")] {
        let data = format!("{channel} {key}");
        let ack = ann
            .publish_with(json!({ "channel": channel, "data": data, "key": key }))
            .await;
        assert_eq!(ack.get("duplicate"), None, "{ack}");
        ann.expect_message(data).await;
    }
}

#[tokio::test]
async fn a_key_is_forgotten_after_its_window() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t" }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        channels = [{ match = "**", idempotency_seconds = 1 }]
        limits = { publish_per_second = 0 }
        "#,
    )
    .await;
    let mut ann = broker.connect("ann").await;
    let payload = json!({ "channel": "c", "data": 1, "key": "k" });
    let first = ann.publish_with(payload.clone()).await;
    let asking = async { while ann.publish_with(payload.clone()).await["message"] == first["message"] {} };
    tokio::time::timeout(PATIENCE, asking)
        .await
        .expect("the window of one second ends");
}
