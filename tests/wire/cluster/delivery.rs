//! Messages, positions and keys across nodes.

use crate::support::message_pack::bytes;
use crate::support::recovery::since;
use crate::support::{Frame, Nodes, Redis, Value, json};

#[tokio::test]
async fn what_is_published_on_one_node_reaches_the_others_in_order() {
    const COUNT: u64 = 200;
    let redis = Redis::start().await;
    let nodes = Nodes::start(3, &redis.url()).await;
    for channel in ["room:order", "plain-order"] {
        let mut ann = nodes[0].connect("ann, who publishes").await;
        let mut bob = nodes[1].connect("bob").await;
        let mut carl = nodes[2].connect("carl").await;
        for listener in [&mut ann, &mut bob, &mut carl] {
            listener.subscribe(channel).await;
        }
        // All at once, because only then one could overtake another.
        let mut sent = Vec::new();
        for n in 1..=COUNT {
            sent.push(ann.send("publish", json!({ "channel": channel, "data": n })).await);
        }
        for id in &sent {
            ann.acked(id).await;
        }
        for listener in [&mut ann, &mut bob, &mut carl] {
            listener.expect_messages(1..=COUNT).await;
        }
    }
}

#[tokio::test]
async fn replies_to_one_burst_come_in_the_order_of_the_requests() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    let mut burst = Vec::new();
    let mut expected = Vec::new();
    for n in 0..200 {
        let (kind, payload) = match n % 10 {
            7 => ("unsubscribe", json!({ "channel": "nowhere" })),
            9 => ("ping", json!({})),
            _ => ("publish", json!({ "channel": format!("room:{}", n % 3), "data": n })),
        };
        let (id, text) = ann.request(kind, &payload);
        burst.extend(Frame::text(text).masked());
        expected.push((id, if kind == "unsubscribe" { "error" } else { "ack" }));
    }
    ann.send_bytes(&burst).await;
    for (id, kind) in expected {
        let reply = ann
            .take("the next reply", |e| ["ack", "error"].contains(&e.kind()))
            .await;
        assert_eq!((&reply["id"], reply.kind()), (&id, kind), "{}", reply.text);
    }
}

#[tokio::test]
async fn acks_and_pushes_agree_on_every_node() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:agree";
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    let joined = bob.subscribe_with(json!({ "channel": channel })).await;
    assert_eq!(joined["offset"], 0);
    ann.subscribe(channel).await;
    for n in 1..=5 {
        // By turns, because all nodes share one order.
        let publisher = if n % 2 == 0 { &mut ann } else { &mut bob };
        let ack = publisher.publish_with(json!({ "channel": channel, "data": n })).await;
        assert_eq!((&ack["epoch"], &ack["offset"]), (&joined["epoch"], &json!(n)), "{ack}");
        for listener in [&mut ann, &mut bob] {
            let push = listener.expect_message(n).await;
            let seen = [&push["id"], &push["epoch"], &push["offset"]];
            assert_eq!(seen, [&ack["message"], &ack["epoch"], &ack["offset"]], "{}", push.text);
        }
    }
}

#[tokio::test]
async fn two_publishers_on_two_nodes_have_one_order() {
    const EACH: u64 = 100;
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:one-order";
    let mut publishers = [nodes[0].connect("ann").await, nodes[1].connect("bob").await];
    let mut listeners = [nodes[0].connect("carl").await, nodes[1].connect("dora").await];
    for listener in &mut listeners {
        listener.subscribe(channel).await;
    }
    for n in 0..EACH {
        for (who, publisher) in publishers.iter_mut().enumerate() {
            let data = json!([who, n]);
            publisher
                .send("publish", json!({ "channel": channel, "data": data }))
                .await;
        }
    }
    let mut orders: Vec<Vec<(Value, u64)>> = Vec::new();
    for listener in &mut listeners {
        let mut order = Vec::new();
        for _ in 0..2 * EACH {
            let message = listener.message().await;
            order.push((
                message["payload"].clone(),
                message["offset"].as_u64().expect("an offset"),
            ));
        }
        let offsets: Vec<u64> = order.iter().map(|(_, offset)| *offset).collect();
        assert_eq!(offsets, (1..=2 * EACH).collect::<Vec<_>>());
        orders.push(order);
    }
    assert_eq!(orders[0], orders[1]);
    for who in 0..2 {
        let own = orders[0].iter().filter(|(data, _)| data[0] == who);
        let numbers: Vec<u64> = own.map(|(data, _)| data[1].as_u64().expect("a number")).collect();
        assert_eq!(
            numbers,
            (0..EACH).collect::<Vec<_>>(),
            "each publisher's own order is kept"
        );
    }
}

#[tokio::test]
async fn a_key_holds_on_every_node() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    for channel in ["room:keys", "plain-keys"] {
        let mut ann = nodes[0].connect("ann").await;
        let mut bob = nodes[1].connect("bob").await;
        bob.subscribe(channel).await;
        let payload = |data: &str| json!({ "channel": channel, "data": data, "key": "k" });
        let first = ann.publish_with(payload("first")).await;
        assert_eq!(first.get("duplicate"), None, "{first}");
        let again = bob.publish_with(payload("again")).await;
        assert_eq!(again["duplicate"], true, "{again}");
        for field in ["message", "epoch", "offset"] {
            assert_eq!(again.get(field), first.get(field), "{field}: {again}");
        }
        ann.to(channel).publish("fence").await;
        bob.expect_messages(["first", "fence"]).await;
    }
}

#[tokio::test]
async fn an_ephemeral_message_crosses_and_leaves_nothing() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:typing";
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    bob.subscribe(channel).await;
    ann.publish_with(json!({ "channel": channel, "data": "…", "ephemeral": true }))
        .await;
    let push = bob.expect_message("…").await;
    assert_eq!(push.get("offset"), None, "{}", push.text);
    let kept = bob.ask("history", json!({ "channel": channel })).await;
    assert_eq!((&kept["offset"], &kept["messages"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn tenants_stay_apart_on_one_redis() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:apart";
    let mut ann = nodes[0].dial_as("ann").connect().await;
    let mut bob = nodes[1].dial_as("bob").connect().await;
    let mut stranger = nodes[1].connect("of the open tenant").await;
    bob.subscribe(channel).await;
    stranger.subscribe(channel).await;
    ann.to(channel).publish("for ours").await;
    bob.expect_message("for ours").await;
    stranger.publish("for theirs").await;
    let first = stranger.expect_message("for theirs").await;
    assert_eq!(first["offset"], 1, "another history: {}", first.text);
}

#[tokio::test]
async fn formats_and_bytes_are_what_they_were_on_another_node() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let mut here = nodes[0].dial("here").packed().connect().await;
    let mut there = nodes[1].dial("there").packed().connect().await;
    let mut in_json = nodes[1].connect("there, in JSON").await;
    for client in [&mut here, &mut there, &mut in_json] {
        client.subscribe("room:formats").await.subscribe("bytes:formats").await;
    }
    let data = json!({ "a": [1, -2.5, "ü"], "b": { "$number": "123456789012345678901234567890.5" } });
    here.to("room:formats").publish(data.clone()).await;
    there.expect_message(data).await;
    let text = r#"{"a":[1,-2.5,"ü"],"b":123456789012345678901234567890.5}"#;
    assert_eq!(in_json.message().await.payload_text(), text);
    let binary = bytes(&[0, 255, 128]);
    let ack = here
        .publish_with(json!({ "channel": "bytes:formats", "data": binary }))
        .await;
    there.expect_message(binary.clone()).await;
    let message = in_json.expect_message("AP+A").await;
    assert_eq!(message["encoding"], "base64");
    // From the history that all nodes share.
    let mut late = nodes[1].dial("late").packed().connect().await;
    let missed = late.subscribe_with(since("bytes:formats", &ack["epoch"], 0)).await;
    assert_eq!(missed["messages"][0]["payload"], binary);
}
