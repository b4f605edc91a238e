//! A node's name belongs to one process: a second one is refused while the first lives.

use std::time::{Duration, Instant};

use super::control::{nodes, user};
use crate::support::{Nodes, PATIENCE, Redis, eventually, json};

#[tokio::test]
async fn a_second_node_of_a_name_is_refused_while_the_first_lives() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(2, &redis.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    let (twin, _home) = nodes.start_twin(0).await;
    assert_eq!(twin.exit_code().await, Some(1));
    let said = twin.stderr.text();
    for part in [
        "another node that lives is called \"node-0\"",
        "server.node",
        "stop the other one",
    ] {
        assert!(said.contains(part), "{part:?} is missing in:\n{said}");
    }
    assert!(!twin.stdout.text().contains("listening"), "it took no connections");
    ann.still_works().await;
    let listed = redis.keys("sg:*ws:instance:node-0").await;
    assert_eq!(
        listed.len(),
        1,
        "the one that was refused takes nothing away: {listed:?}"
    );
}

#[tokio::test]
async fn a_node_that_finds_redis_later_is_refused_then() {
    let mut redis = Redis::with_aof().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    redis.kill().await;
    let (twin, _home) = nodes.start_twin(0).await;
    twin.stdout.wait_for(&["listening on http://"]).await;
    redis.restart().await;
    assert_eq!(twin.exit_code().await, Some(1));
    assert!(twin.stderr.text().contains("server.node"), "{}", twin.stderr.text());
}

#[tokio::test]
async fn what_a_killed_node_left_behind_refuses_nobody_and_is_not_named_beside_it() {
    let redis = Redis::start().await;
    let mut nodes = nodes(&redis, "").await;
    let mut ann = user(&nodes, 0, "ann").await;
    nodes.kill(2).await;
    nodes.revive(2).await;
    let began = Instant::now();
    let order = nodes[0].order("/tenants/acme/users/ann/disconnect", json!({})).await;
    assert_eq!(order["affected"], 1);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    ann.expect_close(4504).await;
    let counts = nodes[1].read("/tenants/acme").await;
    let named: Vec<_> = counts["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| &node["node"])
        .collect();
    assert_eq!(named, ["node-0", "node-1", "node-2"]);
}

#[tokio::test]
async fn a_node_is_in_the_registry_when_it_is_ready() {
    let redis = Redis::start().await;
    let _nodes = Nodes::start(1, &redis.url()).await;
    eventually(PATIENCE / 10, "the node's key", async || {
        (redis.keys("sg:*ws:instance:node-0").await.len() == 1).then_some(())
    })
    .await;
}
