//! What nodes hand each other where Redis is a Cluster, or has a replica that takes over.

use serde_json::json;

use crate::support::http_client::{Poller, ask, connect};
use crate::support::{Nodes, PATIENCE, RedisCluster, Sentinels, eventually, token};

/// A client of the node 1 that polls at the node 0.
async fn polls_elsewhere(nodes: &Nodes) -> Poller {
    let mut ann = Poller::new(nodes[1].address);
    ann.poll(&[connect(&["room:topologies"])]).await;
    ann.address = nodes[0].address;
    goes_on(&mut ann).await;
    ann
}

/// Polls until the session answers again.
async fn goes_on(poller: &mut Poller) {
    eventually(PATIENCE, "an answer of another node", async || {
        let mut body = poller.body(&[]);
        body["wait_ms"] = json!(0);
        let answer = poller.raw(&[], &body).await;
        assert!([200, 503].contains(&answer.status), "{answer:?}");
        (answer.status == 200).then(|| poller.take(answer))
    })
    .await;
    let mut told = poller.poll(&[ask("ping", 4711, json!({}))]).await;
    while told.iter().all(|envelope| envelope["id"] != 4711) {
        told = poller.poll(&[]).await;
    }
}

/// The slots of the channels over which nodes hand each other posts.
async fn slots_of_posts(cluster: &RedisCluster) -> Vec<u16> {
    let mut slots = Vec::new();
    for master in &cluster.masters {
        for channel in master.run(&["PUBSUB", "SHARDCHANNELS", "*:relay:*"]).await.texts() {
            let slot = master.run(&["CLUSTER", "KEYSLOT", &channel]).await.number();
            slots.push(slot.and_then(|slot| u16::try_from(slot).ok()).expect("a slot"));
        }
    }
    slots.sort_unstable();
    slots.dedup();
    slots
}

#[tokio::test]
async fn posts_find_their_node_in_a_cluster_also_when_its_slot_moves() {
    let cluster = RedisCluster::start().await;
    let nodes = Nodes::start(2, &cluster.url()).await;
    let mut ann = polls_elsewhere(&nodes).await;
    let slots = slots_of_posts(&cluster).await;
    assert_eq!(slots.len(), 2, "each node has a channel of its own: {slots:?}");
    for slot in slots {
        cluster.move_slot(slot).await;
        goes_on(&mut ann).await;
    }
    let ticket = nodes[0].ticket("keyed", &token::of("ann")).await;
    let target = format!("/t/keyed/sse?channels=room:t&ticket={ticket}");
    assert_eq!(nodes[1].ask("GET", &target).status().await, 200);
    assert_eq!(nodes[0].ask("GET", &target).status().await, 401);
}

#[tokio::test]
async fn after_a_failover_posts_go_on_and_no_ticket_is_good_that_may_have_been_used() {
    let mut sentinels = Sentinels::start().await;
    let nodes = Nodes::start(2, &sentinels.url()).await;
    let mut ann = polls_elsewhere(&nodes).await;
    let before = nodes[0].ticket("keyed", &token::of("ann")).await;
    sentinels.fail_over().await;
    goes_on(&mut ann).await;
    for node in nodes.running() {
        let upgrade = node.dial("ann").path(&format!("/t/keyed/ws?ticket={before}"));
        let status = eventually(PATIENCE, "Redis to be followed", async || {
            Some(upgrade.answer().await?.status).filter(|status| *status != 503)
        });
        assert_eq!(status.await, 401, "the replica may not know that it was redeemed");
    }
    let after = nodes[0].ticket("keyed", &token::of("ann")).await;
    let upgrade = nodes[1].dial("ann").path(&format!("/t/keyed/ws?ticket={after}"));
    assert_eq!(upgrade.answer().await.expect("an answer").status, 101);
}
