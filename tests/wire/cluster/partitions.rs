//! Channels lie in partitions: many are subscribed with few commands, and a moved slot affects its
//! partition only.

use crate::support::shared::config as shared_config;
use crate::support::{Nodes, PATIENCE, Redis, RedisCluster, eventually, json};

const CHANNELS: usize = 10_000;
const RESUBSCRIBED: &str = "sluicegate_backplane_resubscribed_total";
/// Pending requests of a client.
const TOGETHER: usize = 200;

fn many_channels() -> String {
    shared_config().replacen(
        "[tenants.limits]",
        &format!("[tenants.limits]\n        channels_per_connection = {CHANNELS}"),
        1,
    )
}

/// How often a command was called since the statistics were reset, on all masters.
async fn calls(masters: &[Redis], command: &str) -> i64 {
    let mut calls = 0;
    for master in masters {
        let info = master.run(&["INFO", "commandstats"]).await;
        let line = format!("cmdstat_{command}:calls=");
        let text = info.text().expect("a text");
        let count = text
            .lines()
            .find_map(|stat| stat.strip_prefix(&line)?.split(',').next());
        calls += count.map_or(0, |count| count.parse::<i64>().expect("a number"));
    }
    calls
}

async fn reset_calls(masters: &[Redis]) {
    for master in masters {
        master.run(&["CONFIG", "RESETSTAT"]).await;
    }
}

async fn subscribed(masters: &[Redis], of: &str) -> usize {
    let mut channels = 0;
    for master in masters {
        let names = master.run(&["PUBSUB", "SHARDCHANNELS", of]).await;
        channels += names.items().len();
    }
    channels
}

#[tokio::test]
async fn ten_thousand_channels_are_subscribed_again_with_few_commands() {
    let cluster = RedisCluster::start().await;
    let nodes = Nodes::start_with(1, &cluster.url(), &many_channels()).await;
    let mut ann = nodes[0].connect("ann").await;
    for first in (0..CHANNELS).step_by(TOGETHER) {
        let mut asked = Vec::new();
        for n in first..first + TOGETHER {
            asked.push(ann.send("subscribe", json!({ "channel": format!("many-{n}") })).await);
        }
        for id in asked {
            ann.acked(&id).await;
        }
    }
    assert_eq!(subscribed(&cluster.masters, "*many-*").await, CHANNELS);
    reset_calls(&cluster.masters).await;
    for master in &cluster.masters {
        master.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    }
    eventually(PATIENCE, "all to be subscribed again", async || {
        (subscribed(&cluster.masters, "*many-*").await == CHANNELS).then_some(())
    })
    .await;
    let commands = calls(&cluster.masters, "ssubscribe").await;
    assert!(commands <= 300, "{commands} commands");
    ann.to("many-7").publish("hi").await.expect_message("hi").await;
}

#[tokio::test]
async fn a_moved_slot_concerns_its_partition_only() {
    let cluster = RedisCluster::start().await;
    let nodes = Nodes::start(2, &cluster.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    for n in 0..50 {
        bob.subscribe(&format!("room:stays-{n}")).await;
    }
    bob.subscribe("room:goes").await;
    ann.to("room:goes").publish(0).await;
    bob.expect_message(0).await;
    let slot = cluster.slots_of("room:goes").await[0];
    reset_calls(&cluster.masters).await;
    let lost = nodes[1].metrics().await.sum(RESUBSCRIBED, &[]);
    cluster.move_slot(slot).await;
    cluster.is_well().await;
    eventually(PATIENCE, "the channel to be subscribed where it is now", async || {
        (subscribed(&cluster.masters, "*room:goes").await == 1).then_some(())
    })
    .await;
    eventually(PATIENCE, "publishes to pass", async || {
        let id = ann.send("publish", json!({ "channel": "room:goes", "data": 1 })).await;
        (ann.reply(&id).await.kind() == "ack").then_some(())
    })
    .await;
    bob.expect_message(1).await;
    let commands = calls(&cluster.masters, "ssubscribe").await;
    // Its channels on each node, the liveness channels, and some attempts that came too early.
    assert!(commands <= 20, "{commands} commands");
    assert_eq!(nodes[1].metrics().await.sum(RESUBSCRIBED, &[]), lost);
}

#[tokio::test]
async fn a_node_with_another_number_of_partitions_says_so_and_publishes_nothing() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    let config = format!("{}\n[backplane]\npartitions = 64", shared_config());
    let others = Nodes::start_unready(1, &redis.url(), &config).await;
    eventually(PATIENCE, "the node to say why it is not ready", async || {
        let ready = others[0].admin_get("/readyz").await;
        (ready.status == 503 && ready.body.contains("set backplane.partitions to 256")).then_some(())
    })
    .await;
    let mut ann = others[0].connect("ann").await;
    ann.fails("publish", json!({ "channel": "room:mixed", "data": 1 }), 4504)
        .await;
    assert_eq!(nodes[0].admin_get("/readyz").await.status, 200);
    let keys = redis.keys("*room:mixed*").await;
    assert!(keys.is_empty(), "nothing of it is in Redis: {keys:?}");
}
