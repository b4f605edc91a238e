//! A node is subscribed in Redis to its clients' channels, and to no others.

use std::collections::BTreeSet;

use crate::support::{Client, Nodes, PATIENCE, Redis, eventually};

/// The channels in Redis that have a subscriber and whose name has this text.
async fn listened(redis: &Redis, text: &str) -> BTreeSet<String> {
    let channels = redis.subscribed_channels().await.into_iter();
    channels.filter(|channel| channel.contains(text)).collect()
}

/// How many nodes are subscribed to a channel.
async fn nodes_at(redis: &Redis, channel: &str) -> i64 {
    let mut count = 0;
    for kind in ["NUMSUB", "SHARDNUMSUB"] {
        let answer = redis.run(&["PUBSUB", kind, channel]).await;
        count += answer.items()[1].number().expect("a count");
    }
    count
}

async fn counts(redis: &Redis, channel: &str, wanted: i64) {
    let what = format!("{wanted} nodes at {channel}");
    eventually(PATIENCE, &what, async || {
        (nodes_at(redis, channel).await == wanted).then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_first_in_listens_and_the_last_out_leaves() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    for name in ["room:lazy", "plain-lazy"] {
        assert_eq!(listened(&redis, name).await, BTreeSet::new(), "nobody is there");
        let mut ann = nodes[0].connect("ann").await;
        ann.subscribe(name).await;
        // The ack came after Redis had confirmed, so there is nothing to wait for.
        let channels = listened(&redis, name).await;
        assert_eq!(channels.len(), 1, "{channels:?}");
        let channel = channels.first().expect("just counted").clone();
        assert!(channel.starts_with("sg:"), "under the prefix: {channel}");

        let mut bob = nodes[0].connect("bob, on the same node").await;
        bob.subscribe(name).await;
        assert_eq!(nodes_at(&redis, &channel).await, 1, "a node listens once");
        let mut carl = nodes[1].connect("carl, on the other").await;
        carl.subscribe(name).await;
        assert_eq!(nodes_at(&redis, &channel).await, 2);

        ann.unsubscribe(name).await;
        carl.vanish();
        counts(&redis, &channel, 1).await;
        assert_still_hears(&mut ann, &mut bob, name).await;
        bob.close().await;
        counts(&redis, &channel, 0).await;
    }
}

async fn assert_still_hears(from: &mut Client, to: &mut Client, channel: &str) {
    from.to(channel).publish("still there?").await;
    to.expect_message("still there?").await;
}

#[tokio::test]
async fn no_node_listens_to_a_pattern() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    ann.subscribe("room:no-pattern").await;
    // With a pattern every node would get everything.
    assert_eq!(redis.run(&["PUBSUB", "NUMPAT"]).await.number(), Some(0));
}

#[tokio::test]
async fn many_channels_share_few_connections() {
    const MANY: usize = 120;
    let redis = Redis::start().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    for n in 0..MANY {
        ann.subscribe(&format!("many-{n}")).await;
    }
    assert_eq!(listened(&redis, "many-").await.len(), MANY);
    let clients = redis.run(&["CLIENT", "LIST", "TYPE", "pubsub"]).await;
    let connections = clients.text().expect("a list").lines().count();
    assert!((1..=8).contains(&connections), "{connections} connections");
}

#[tokio::test]
async fn coming_and_going_at_once_ends_well() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let name = "room:flutter";
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[0].connect("bob").await;
    let mut carl = nodes[1].connect("carl").await;
    for round in 0..50 {
        // Two clients of one node, so that one leaves while the other joins.
        let (leaves, comes) = if round % 2 == 0 {
            (&mut ann, &mut bob)
        } else {
            (&mut bob, &mut ann)
        };
        if round > 0 {
            let (_, subscribed) = tokio::join!(leaves.unsubscribe(name), comes.subscribe(name));
            let _ = subscribed;
        } else {
            comes.subscribe(name).await;
        }
        carl.to(name).publish(round).await;
        comes.expect_message(round).await;
    }
}
