//! The keys in Redis about connections. Each expires by itself if its node does not delete it.

use crate::support::{Nodes, PATIENCE, Redis, eventually};

const CONNECTION_TTL: i64 = 120;
const INSTANCE_TTL: i64 = 30;

async fn only_key(redis: &Redis, pattern: &str) -> String {
    let what = format!("one key like {pattern}");
    eventually(PATIENCE, &what, async || {
        let mut keys = redis.keys(pattern).await;
        assert!(keys.len() < 2, "{keys:?}");
        keys.pop()
    })
    .await
}

async fn assert_ttl(redis: &Redis, key: &str, longest: i64) {
    let ttl = redis.run(&["TTL", key]).await.number().expect("a time");
    assert!((1..=longest).contains(&ttl), "{key} lives {ttl} s");
}

#[tokio::test]
async fn connections_and_nodes_have_keys_that_end_by_themselves() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start(2, &redis.url()).await;
    let ann = nodes[0].connect("ann").await;
    let connection = only_key(&redis, &format!("sg:*ws:conn:{}", ann.session())).await;
    assert_ttl(&redis, &connection, CONNECTION_TTL).await;
    for node in ["node-0", "node-1"] {
        let instance = only_key(&redis, &format!("sg:*ws:instance:{node}")).await;
        assert_ttl(&redis, &instance, INSTANCE_TTL).await;
    }
    ann.close().await;
    eventually(PATIENCE, "the connection's key to go", async || {
        redis.keys("*ws:conn:*").await.is_empty().then_some(())
    })
    .await;
    nodes.drain(1).await;
    assert_eq!(
        redis.keys("*ws:instance:node-1").await,
        [] as [String; 0],
        "it took leave"
    );
}

#[tokio::test]
async fn no_key_is_without_the_prefix_or_without_an_end() {
    let redis = Redis::start().await;
    let nodes = Nodes::start(1, &redis.url()).await;
    let mut ann = nodes[0].connect("ann").await;
    for channel in ["room:keys", "plain-keys"] {
        ann.subscribe(channel).await.publish("hi").await;
        ann.publish_with(crate::support::json!({ "channel": channel, "data": 1, "key": "k" }))
            .await;
    }
    let keys = redis.keys("*").await;
    assert!(!keys.is_empty());
    for key in &keys {
        assert!(key.starts_with("sg:"), "{key}");
        // Abandoned keys must expire.
        let ttl = redis.run(&["TTL", key]).await.number();
        assert_ne!(ttl, Some(-1), "{key} has no end");
    }
}
