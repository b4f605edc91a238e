//! `subscribe` and `unsubscribe`.

use crate::support::{json, shared};

#[tokio::test]
async fn a_subscriber_hears_what_others_publish() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sentence").await;
    ann.subscribe("room:sentence").await.publish("hi").await;
    bob.expect_message("hi").await;
}

#[tokio::test]
async fn the_ack_tells_the_position_in_a_channel_with_history() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let ack = ann.subscribe_with(json!({ "channel": "room:position" })).await;
    assert_eq!(ack["offset"], 0, "{ack}");
    let epoch = ack["epoch"].as_str().expect("an epoch").to_owned();
    ann.to("room:position").publish(1).await.publish(2).await;
    let mut bob = broker.connect("bob").await;
    let ack = bob.subscribe_with(json!({ "channel": "room:position" })).await;
    assert_eq!((&ack["offset"], &ack["epoch"]), (&json!(2), &json!(epoch)), "{ack}");
    assert_eq!(ack.get("messages"), None, "nobody asked for them: {ack}");
}

#[tokio::test]
async fn the_ack_tells_no_position_in_a_channel_without_history() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let ack = ann.subscribe_with(json!({ "channel": "no-position" })).await;
    assert_eq!((ack.get("offset"), ack.get("epoch")), (None, None), "{ack}");
}

#[tokio::test]
async fn subscribing_twice_is_refused_and_delivers_once() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("room:twice").await;
    ann.fails("subscribe", json!({ "channel": "room:twice" }), 4405).await;
    ann.publish("once").await.publish("fence").await;
    ann.expect_messages(["once", "fence"]).await;
}

#[tokio::test]
async fn leaving_what_one_does_not_listen_to_is_refused() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.fails("unsubscribe", json!({ "channel": "room:never-joined" }), 4406)
        .await;
    ann.subscribe("room:joined").await.unsubscribe("room:joined").await;
    ann.fails("unsubscribe", json!({ "channel": "room:joined" }), 4406)
        .await;
}

#[tokio::test]
async fn after_unsubscribe_nothing_comes() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    ann.subscribe("left")
        .await
        .subscribe("kept")
        .await
        .unsubscribe("left")
        .await;
    bob.to("left")
        .publish("unheard")
        .await
        .to("kept")
        .publish("fence")
        .await;
    ann.expect_message("fence").await;
}

#[tokio::test]
async fn one_can_come_back_to_a_channel() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    for round in 0..3 {
        ann.subscribe("room:again")
            .await
            .publish(round)
            .await
            .expect_message(round)
            .await;
        ann.unsubscribe("room:again").await;
    }
}

#[tokio::test]
async fn who_does_not_listen_hears_nothing() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:bobs").await;
    ann.to("room:others")
        .publish("not for bob")
        .await
        .to("room:bobs")
        .publish("for bob")
        .await;
    bob.expect_message("for bob").await;
}
