//! `publish`: who receives it, in which order, and in which form.

use std::collections::HashSet;

use crate::support::{json, shared};

#[tokio::test]
async fn every_subscriber_gets_the_same_message() {
    let broker = shared().await;
    let channel = "room:same";
    let mut ann = broker.dial_as("ann-of-same").connect().await;
    let mut bob = broker.dial_as("bob-of-same").connect().await;
    ann.subscribe(channel).await;
    bob.subscribe(channel).await;
    let ack = ann
        .publish_with(json!({ "channel": channel, "data": { "text": "hi" } }))
        .await;
    for listener in [&mut ann, &mut bob] {
        let message = listener.expect_message(json!({ "text": "hi" })).await;
        assert_eq!(message["id"], ack["message"]);
        assert_eq!(message["channel"], channel);
        assert_eq!((&message["epoch"], &message["offset"]), (&ack["epoch"], &ack["offset"]));
        assert_eq!(message["offset"], 1);
        assert_eq!(message["from"]["user"], "ann-of-same");
        assert_eq!(message.get("tags"), None, "no plugin tagged it: {}", message.text);
    }
    let from = bob.fails("subscribe", json!({ "channel": channel }), 4405).await;
    assert_eq!(from["retry"], false);
}

#[tokio::test]
async fn a_message_tells_the_session_it_came_from() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:from").await;
    ann.to("room:from").publish("hi").await;
    let message = bob.message().await;
    assert_eq!(
        message["from"],
        json!({ "session": ann.session() }),
        "an anonymous sender has no user"
    );
}

#[tokio::test]
async fn a_channel_without_history_has_no_positions() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("plain-publish").await;
    let ack = ann.publish_with(json!({ "channel": "plain-publish", "data": 1 })).await;
    assert_eq!((ack.get("epoch"), ack.get("offset")), (None, None), "{ack}");
    let message = ann.expect_message(1).await;
    assert_eq!(
        (message.get("epoch"), message.get("offset")),
        (None, None),
        "{}",
        message.text
    );
}

#[tokio::test]
async fn any_json_arrives_byte_for_byte() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("room:bytes").await;
    let texts = [
        "null",
        "true",
        "-0.0e+10",
        "12345678901234567890123456789",
        "1.10",
        "\"\\u00fc ü \\n \\/ 👋\"",
        "[ 1 ,2,\t[ ] ]",
        "{\"b\":1,\"a\":2,\"b\":3, \"nested\" : {\"x\":[{}]}}",
        "\"\"",
    ];
    for (text, id) in texts.iter().zip(100..) {
        let request = format!(r#"{{"type":"publish","id":{id},"payload":{{"channel":"room:bytes","data":{text}}}}}"#);
        ann.send_text(request).await;
        ann.acked(&json!(id)).await;
        assert_eq!(ann.message().await.payload_text(), *text);
    }
}

#[tokio::test]
async fn one_publishers_messages_keep_their_order() {
    const COUNT: u64 = 300;
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:order").await;
    let mut ids = HashSet::new();
    for n in 0..COUNT {
        ann.send("publish", json!({ "channel": "room:order", "data": n })).await;
    }
    for n in 0..COUNT {
        let message = bob.expect_message(n).await;
        assert_eq!(message["offset"], n + 1, "offsets grow by exactly one");
        assert!(ids.insert(message["id"].to_string()), "ids are unique");
    }
}

#[tokio::test]
async fn all_subscribers_see_one_order() {
    const EACH: usize = 100;
    let broker = shared().await;
    let channel = "room:one-order";
    let mut listeners = [broker.connect("carl").await, broker.connect("dora").await];
    for listener in &mut listeners {
        listener.subscribe(channel).await;
    }
    let publish = async |name: &'static str| {
        let mut publisher = broker.connect(name).await;
        for n in 0..EACH {
            publisher.to(channel).publish(format!("{name} {n}")).await;
        }
    };
    tokio::join!(publish("ann"), publish("bob"));
    let mut orders = Vec::new();
    for listener in &mut listeners {
        let mut order = Vec::new();
        for _ in 0..2 * EACH {
            order.push(listener.message().await["payload"].to_string());
        }
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1]);
}

#[tokio::test]
async fn with_echo_false_the_publisher_does_not_hear_itself() {
    let broker = shared().await;
    let channel = "room:echo";
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    ann.subscribe(channel).await;
    bob.subscribe(channel).await;
    ann.publish_with(json!({ "channel": channel, "data": "quiet", "echo": false }))
        .await;
    ann.publish_with(json!({ "channel": channel, "data": "loud", "echo": true }))
        .await;
    ann.expect_message("loud").await;
    bob.expect_messages(["quiet", "loud"]).await;
}

#[tokio::test]
async fn one_may_publish_without_listening() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:outside").await;
    ann.subscribe("room:fence-of-outside").await;
    ann.to("room:outside").publish("hi").await;
    ann.to("room:fence-of-outside").publish("fence").await;
    bob.expect_message("hi").await;
    ann.expect_message("fence").await;
}

#[tokio::test]
async fn ephemeral_messages_take_no_history() {
    let broker = shared().await;
    let channel = "room:ephemeral";
    let mut ann = broker.connect("ann").await;
    ann.subscribe(channel).await.publish("kept").await;
    let ack = ann
        .publish_with(json!({ "channel": channel, "data": "typing", "ephemeral": true }))
        .await;
    assert_eq!(ack.get("offset"), None, "{ack}");
    ann.publish("kept too").await;
    ann.expect_message("kept").await;
    let typing = ann.expect_message("typing").await;
    assert_eq!(typing.get("offset"), None, "{}", typing.text);
    assert_eq!(
        ann.expect_message("kept too").await["offset"],
        2,
        "no offset was used up"
    );
    let history = ann.ask("history", json!({ "channel": channel })).await;
    let kept: Vec<_> = history["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["payload"])
        .collect();
    assert_eq!(kept, ["kept", "kept too"]);
}
