//! The broker needs no other rights in Redis than those in OPERATIONS, and names a missing one.

use super::control::{everywhere, nodes_at, user};
use crate::support::{Nodes, PATIENCE, Redis, RedisCluster, Sentinels, Value, eventually, json};

const OPERATIONS: &str = include_str!("../../../docs/OPERATIONS.md");

/// Creates the user of OPERATIONS, with the ACL line from there.
async fn let_in(redis: &Redis, cluster: bool) {
    let mut lines = OPERATIONS
        .lines()
        .filter(|line| line.starts_with("ACL SETUSER sluicegate") && line.contains("+ssubscribe") == cluster);
    let line = lines
        .next()
        .expect("OPERATIONS has the line")
        .replace("SECRET", "secret");
    let words: Vec<&str> = line.split(' ').collect();
    redis.run(&words).await;
}

/// Uses everything that a broker stores in Redis, plugins' values and limits too, and ends.
async fn use_everything(mut nodes: Nodes) {
    let mut anns = everywhere(&nodes, "ann").await;
    let mut bob = user(&nodes, 1, "bob").await;
    bob.subscribe("room:a").await;
    for n in 0..3 {
        bob.publish_with(json!({ "channel": "room:a", "data": n, "key": format!("k{n}") }))
            .await;
    }
    for ann in &mut anns {
        ann.expect_messages([0, 1, 2]).await;
    }
    let history = bob
        .ask("history", json!({ "channel": "room:a", "reverse": true }))
        .await;
    assert_eq!(history["messages"].as_array().unwrap().len(), 3);
    let presence = bob.ask("presence", json!({ "channel": "room:a" })).await;
    assert_eq!(presence["members"].as_array().unwrap().len(), 4);
    bob.unsubscribe("room:a").await;
    let path = "/tenants/acme/users/ann/ban";
    nodes[0].call("PUT", path, json!({ "seconds": 60 })).await.ok();
    for ann in &mut anns {
        ann.expect_close(4505).await;
    }
    nodes[1].call("DELETE", path, Value::Null).await.ok();
    // A plugin's strike is counted by the cluster, and ends in a ban.
    let mut ann = user(&nodes, 2, "ann").await;
    ann.send("publish", json!({ "channel": "room:b", "data": "heck" }))
        .await;
    ann.expect_close(4505).await;
    bob.close().await;
    nodes.kill(2).await;
    nodes.revive(2).await;
    for node in 0..nodes.count() {
        nodes.drain(node).await;
    }
}

async fn nothing_was_refused(redis: &Redis) {
    let refused = redis.run(&["ACL", "LOG"]).await;
    assert!(refused.items().is_empty(), "{refused:?}");
}

fn with_user(url: &str) -> String {
    url.replacen("://", "://sluicegate:secret@", 1)
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_one_server() {
    let redis = Redis::start().await;
    let_in(&redis, false).await;
    use_everything(nodes_at(&with_user(&redis.url()), super::bans::STRICT).await).await;
    nothing_was_refused(&redis).await;
}

#[tokio::test]
async fn the_documented_rights_are_enough_with_sentinels() {
    let sentinels = Sentinels::start().await;
    for server in &sentinels.servers {
        let_in(server, false).await;
    }
    use_everything(nodes_at(&with_user(&sentinels.url()), super::bans::STRICT).await).await;
    nothing_was_refused(&sentinels.servers[0]).await;
}

#[tokio::test]
async fn the_documented_rights_are_enough_for_a_cluster() {
    let cluster = RedisCluster::start().await;
    for master in &cluster.masters {
        let_in(master, true).await;
    }
    use_everything(nodes_at(&with_user(&cluster.url()), super::bans::STRICT).await).await;
    for master in &cluster.masters {
        nothing_was_refused(master).await;
    }
}

#[tokio::test]
async fn a_right_that_is_missing_is_named_until_it_is_given() {
    let redis = Redis::start().await;
    let_in(&redis, false).await;
    redis
        .run(&["ACL", "SETUSER", "sluicegate", "-xadd", "resetchannels", "&other:*"])
        .await;
    let nodes = Nodes::start_unready(1, &with_user(&redis.url()), &crate::support::shared::config()).await;
    nodes[0].log().wait_for(&["missing: +xadd &sg:*"]).await;
    let ready = nodes[0].admin_get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.body.contains("missing: +xadd &sg:*"), "{ready:?}");
    redis.run(&["ACL", "SETUSER", "sluicegate", "+xadd", "&sg:*"]).await;
    eventually(PATIENCE, "readiness", async || {
        (nodes[0].admin_get("/readyz").await.status == 200).then_some(())
    })
    .await;
}
