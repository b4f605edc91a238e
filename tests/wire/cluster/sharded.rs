//! Redis Cluster: sharded channels, and slots that move.

use crate::chaos::{HEALED, Load, Run, STEADY, What};
use crate::support::shared::config as shared_config;
use crate::support::{Nodes, PATIENCE, RedisCluster, eventually, json};

#[tokio::test]
async fn messages_and_histories_are_spread_over_the_masters() {
    let cluster = RedisCluster::start().await;
    let nodes = Nodes::start(2, &cluster.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    for n in 0..20 {
        let channel = format!("room:spread-{n}");
        bob.subscribe(&channel).await;
        ann.to(&channel).publish(n).await;
        let message = bob.expect_message(n).await;
        assert_eq!((&message["channel"], &message["offset"]), (&json!(channel), &json!(1)));
    }
    for (n, master) in cluster.masters.iter().enumerate() {
        let sharded = master.run(&["PUBSUB", "SHARDCHANNELS", "*"]).await.texts();
        assert!(!sharded.is_empty(), "master {n} carries some of the channels");
        let plain = master.run(&["PUBSUB", "CHANNELS", "*spread*"]).await.texts();
        assert!(
            plain.is_empty(),
            "a channel that is not sharded goes to every master: {plain:?}"
        );
    }
}

#[tokio::test]
async fn a_moved_slot_costs_nobody_a_message() {
    let cluster = RedisCluster::start().await;
    let nodes = Nodes::start(3, &cluster.url()).await;
    let mut run = Run::start(&nodes.doors, Load { channels: 3, ..STEADY });
    run.canary(HEALED).await;
    for channel in run.channels().to_owned() {
        let slots = cluster.slots_of(&channel).await;
        assert!(!slots.is_empty(), "{channel} has keys");
        for slot in slots {
            run.fault(&format!("slot {slot} of {channel} moves"));
            cluster.move_slot(slot).await;
        }
        cluster.is_well().await;
        run.canary(HEALED).await;
    }
    run.finish().await;
}

#[tokio::test]
async fn in_a_slot_on_its_way_only_what_cannot_be_done_is_refused() {
    let cluster = RedisCluster::start().await;
    let nodes = Nodes::start(2, &cluster.url()).await;
    let channel = "room:on-its-way";
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    bob.subscribe(channel).await;
    ann.to(channel).publish(0).await;
    bob.expect_message(0).await;
    let slot = cluster.slots_of("on-its-way").await[0];
    cluster.begin_to_move(slot).await;
    // A key that nobody used is not there, and what the others need is: Redis says that they are on their way.
    let mut asked = Vec::new();
    for n in 1..=9 {
        let mut payload = json!({ "channel": channel, "data": n });
        if n % 3 == 0 {
            payload["key"] = n.to_string().into();
        }
        asked.push((n, ann.send("publish", payload).await));
    }
    for (n, id) in asked {
        if n % 3 == 0 {
            ann.refused(&id, 4504).await;
        } else {
            ann.acked(&id).await;
        }
    }
    bob.expect_messages([1, 2, 4, 5, 7, 8]).await;
    cluster.move_slot(slot).await;
    eventually(PATIENCE, "the slot to be served again", async || {
        let payload = json!({ "channel": channel, "data": 10, "key": "last" });
        let id = ann.send("publish", payload).await;
        (ann.reply(&id).await.kind() == "ack").then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_master_that_comes_back_is_found_again() {
    let mut cluster = RedisCluster::start().await;
    let nodes = Nodes::start(2, &cluster.url()).await;
    let mut run = Run::start(&nodes.doors, Load { channels: 6, ..STEADY });
    run.canary(HEALED).await;
    cluster.masters[0].kill().await;
    run.fault("a master is killed");
    cluster.masters[0].restart().await;
    cluster.is_well().await;
    run.fault("over");
    run.canary(HEALED).await;
    run.finish().await;
}

#[tokio::test]
async fn a_replica_that_takes_over_has_all_that_was_acknowledged() {
    let mut cluster = RedisCluster::with_replicas().await;
    let config = format!("{}\n[backplane]\nreplicas = 1", shared_config());
    let nodes = Nodes::start_with(3, &cluster.url(), &config).await;
    let mut run = Run::start(&nodes.doors, Load { channels: 6, ..STEADY });
    run.canary(HEALED).await;
    for master in 0..2 {
        run.fault(&format!("master {master} dies"));
        cluster.fail_over(master).await;
        run.fault("over");
        run.canary(HEALED).await;
    }
    let events = run.finish().await;
    let is_lost = |what: &What| {
        matches!(
            what,
            What::Subscribed {
                recovered: Some(false),
                ..
            }
        )
    };
    assert!(
        !events.iter().any(|event| is_lost(&event.what)),
        "nobody is told of a loss"
    );
}
