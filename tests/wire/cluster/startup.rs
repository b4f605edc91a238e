//! A Redis that is not there when a node starts.

use std::time::Duration;

use crate::support::shared::config;
use crate::support::{Nodes, Redis, eventually};

/// From the start of Redis until a node reports that it is ready.
const NOTICED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_node_waits_for_redis_and_says_so() {
    let mut redis = Redis::with_aof().await;
    redis.kill().await;
    let nodes = Nodes::start_unready(1, &redis.url(), &config()).await;
    let broker = &nodes[0];
    assert_eq!(broker.admin_get("/healthz").await.status, 200, "it lives");
    assert_eq!(broker.admin_get("/readyz").await.status, 503, "and is not ready");
    redis.restart().await;
    eventually(NOTICED, "readiness", async || {
        (broker.admin_get("/readyz").await.status == 200).then_some(())
    })
    .await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("room:at-last")
        .await
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
}

#[tokio::test]
async fn a_node_that_lost_redis_is_not_ready_until_it_is_back() {
    let mut redis = Redis::with_aof().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    let broker = &nodes[0];
    let status = async |wanted: u16| {
        eventually(NOTICED, &format!("/readyz to be {wanted}"), async || {
            (broker.admin_get("/readyz").await.status == wanted).then_some(())
        })
        .await;
    };
    redis.kill().await;
    status(503).await;
    assert_eq!(
        broker.admin_get("/healthz").await.status,
        200,
        "nobody should restart it for that"
    );
    redis.restart().await;
    status(200).await;
}
