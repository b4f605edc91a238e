//! Pushed tenants while Redis is away, full, or has lost what it had.

use super::push::{NEW, OLD, acme, config, learns, nodes, refuses, tag};
use crate::support::push::keyed;
use crate::support::{Broker, PATIENCE, Redis, RedisCluster, eventually};

/// Nothing of a push came to be.
async fn is_unchanged(broker: &Broker, tag_before: &str) {
    eventually(PATIENCE, "an answer", async || {
        (broker.pushed("acme").await.response.status == 200).then_some(())
    })
    .await;
    assert_eq!(tag(broker).await, tag_before);
    acme(broker, OLD).await.still_works().await;
    refuses(broker, NEW).await;
}

#[tokio::test]
async fn while_redis_does_not_answer_nothing_is_changed_also_when_it_goes_on() {
    let redis = Redis::start().await;
    let nodes = nodes(2, &redis).await;
    let before = nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    let mut ann = acme(&nodes[0], OLD).await;
    redis.pause();
    nodes[0]
        .push("acme", &keyed(NEW, ""))
        .await
        .problem(503, "backplane_unavailable");
    nodes[0].delete("acme").await.problem(503, "backplane_unavailable");
    nodes[0].pushed("acme").await.problem(503, "backplane_unavailable");
    redis.resume();
    for broker in nodes.running() {
        is_unchanged(broker, &before).await;
    }
    ann.still_works().await;
}

#[tokio::test]
async fn a_redis_without_memory_or_with_a_broken_disk_takes_no_push() {
    let redis = Redis::start().await;
    let nodes = nodes(2, &redis).await;
    let before = nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    redis.run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let problem = nodes[0]
        .push("acme", &keyed(NEW, ""))
        .await
        .problem(503, "backplane_unavailable");
    assert!(problem["detail"].as_str().is_some(), "{problem}");
    nodes[0].log().wait_for(&["an admin call was refused", "OOM"]).await;
    redis.run(&["CONFIG", "SET", "maxmemory", "0"]).await;
    is_unchanged(&nodes[0], &before).await;

    // Its disk: a snapshot cannot be written.
    redis.run(&["CONFIG", "SET", "save", "3600 1"]).await;
    redis.make_unwritable();
    redis.call(&["BGSAVE"]).await;
    redis.info_is("rdb_last_bgsave_status", "err").await;
    nodes[0]
        .push("acme", &keyed(NEW, ""))
        .await
        .problem(503, "backplane_unavailable");
    nodes[0]
        .push("other", "anonymous = true\n")
        .await
        .problem(503, "backplane_unavailable");
    nodes[0].delete("acme").await.problem(503, "backplane_unavailable");
    nodes[0].log().wait_for(&["an admin call was refused", "MISCONF"]).await;
    redis.run(&["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]).await;
    is_unchanged(&nodes[0], &before).await;
    nodes[0].pushed("other").await.problem(404, "unknown_tenant");
    nodes[1].push_everywhere("acme", &keyed(NEW, "")).await;
}

#[tokio::test]
async fn what_redis_forgot_the_nodes_give_back() {
    let mut redis = Redis::start().await;
    let mut nodes = nodes(2, &redis).await;
    nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    nodes[0].push_everywhere("gone", "anonymous = true\n").await;
    nodes[0].delete("gone").await.tag();
    let version = nodes[0].push_everywhere("acme", &keyed(NEW, "")).await;
    let mut ann = acme(&nodes[0], NEW).await;
    redis.kill().await;
    redis.restart().await;
    eventually(PATIENCE, "the tenant in Redis", async || {
        let answer = nodes[0].pushed("acme").await;
        (answer.response.status == 200).then_some(())
    })
    .await;
    assert_eq!(tag(&nodes[0]).await, version);
    ann.still_works().await;
    // A node that begins anew learns it from Redis.
    nodes.kill(1).await;
    nodes.revive(1).await;
    learns(&nodes[1], NEW).await;
    refuses(&nodes[1], OLD).await;
    nodes[1].pushed("gone").await.problem(404, "unknown_tenant");
    let later = nodes[1]
        .push_if("acme", &keyed(OLD, ""), &format!("If-Match: {version}"))
        .await;
    later.tag();
    learns(&nodes[0], OLD).await;
}

#[tokio::test]
async fn in_a_redis_cluster_too() {
    let redis = RedisCluster::start().await;
    let nodes = crate::support::Nodes::start_with(2, &redis.url(), &config("")).await;
    nodes[0].push_everywhere("acme", &keyed(OLD, "")).await;
    let mut ann = acme(&nodes[1], OLD).await;
    nodes[1].push_everywhere("acme", &keyed(NEW, "")).await;
    refuses(&nodes[0], OLD).await;
    nodes[0].delete("acme").await.tag();
    ann.expect_disconnect(4507, "tenant_disabled", false).await;
}
