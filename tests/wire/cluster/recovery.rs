//! `since` on another node: all nodes share the history.

use crate::support::recovery::{every_position_has_an_answer, offsets, recovers_amid_a_stream, since};
use crate::support::{Nodes, Redis, json};

#[tokio::test]
async fn who_comes_back_elsewhere_misses_nothing() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "room:elsewhere";
    let mut bob = nodes[1].connect("bob").await;
    let mut ann = nodes[0].connect("ann").await;
    let joined = ann.subscribe_with(json!({ "channel": channel })).await;
    bob.to(channel);
    let mut live = Vec::new();
    for n in 1..=4 {
        bob.publish(n).await;
        live.push(ann.expect_message(n).await);
    }
    ann.vanish();
    for n in 5..=6 {
        bob.publish(n).await;
    }
    let mut ann = nodes[1].connect("ann, on the other node").await;
    let ack = ann.subscribe_with(since(channel, &joined["epoch"], 2)).await;
    assert_eq!((&ack["recovered"], &ack["offset"]), (&json!(true), &json!(6)), "{ack}");
    assert_eq!(offsets(&ack), [3, 4, 5, 6]);
    for (kept, live) in ack["messages"].as_array().expect("messages").iter().zip(&live[2..]) {
        for field in ["type", "id", "channel", "payload", "epoch", "offset", "from"] {
            assert_eq!(kept[field], live[field], "{field}");
        }
    }
    bob.publish(7).await;
    assert_eq!(ann.expect_message(7).await["offset"], 7);
}

#[tokio::test]
async fn what_is_gone_or_never_was_is_told_on_every_node() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = "short:told";
    let mut ann = nodes[0].connect("ann").await;
    let epoch = ann.subscribe_with(json!({ "channel": channel })).await["epoch"].clone();
    for n in 1..=5 {
        ann.to(channel).publish(n).await;
    }
    for (epoch, offset) in [(&epoch, 1), (&epoch, 99), (&json!("another"), 4)] {
        let mut bob = nodes[1].connect("bob").await;
        let ack = bob.subscribe_with(since(channel, epoch, offset)).await;
        assert_eq!((&ack["recovered"], &ack["offset"]), (&json!(false), &json!(5)), "{ack}");
        assert_eq!(offsets(&ack), [] as [u64; 0]);
    }
    let mut carl = nodes[1].connect("carl").await;
    let ack = carl.subscribe_with(since(channel, &epoch, 2)).await;
    assert_eq!(
        (&ack["recovered"], offsets(&ack)),
        (&json!(true), vec![3, 4, 5]),
        "{ack}"
    );
}

#[tokio::test]
async fn recovery_amid_a_stream_from_elsewhere_has_no_hole_and_no_double() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let ann = nodes[0].connect("ann").await;
    recovers_amid_a_stream(ann, nodes[1].connect("bob"), "room:amid").await;
}

#[tokio::test]
async fn history_is_the_same_on_every_node() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let channel = json!({ "channel": "room:same" });
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    let [one, other] = [
        ann.ask("history", channel.clone()).await,
        bob.ask("history", channel.clone()).await,
    ];
    assert_eq!(one["offset"], 0);
    assert_eq!(
        one["epoch"], other["epoch"],
        "one epoch, also for a history that is empty"
    );
    for n in 1..=3 {
        ann.to("room:same").publish(n).await;
    }
    let here = ann.ask("history", channel.clone()).await;
    assert_eq!(offsets(&here), [1, 2, 3]);
    assert_eq!(here["messages"], bob.ask("history", channel).await["messages"]);
}

#[tokio::test]
async fn positions_at_all_their_ends_are_answered_as_by_a_node_alone() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    every_position_has_an_answer(&mut ann, "short:ends").await;
}
