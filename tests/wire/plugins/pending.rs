//! Plugins whose instance is being made: their sessions wait, in their order and for a bounded time; nobody else does.

use crate::support::metrics::Metrics;
use crate::support::{Broker, Client, json};

const FAULTS: &str = "sluicegate_plugin_faults_total";
const MALLORYS: [(&str, &str); 1] = [("tenant", "mallory")];

/// Two tenants on one shard. The plugin of `mallory` traps on the message 0, and its next `init` loops: the first was on trial, the second for
/// its first use.
async fn broker() -> Broker {
    Broker::start(
        r#"
        server = { shards = 1 }
        plugins = { tagger = { file = "guests/publish-tag.wasm" }, loops = { file = "guests/init-loops-later.wasm" } }
        [[tenants]]
        name = "well"
        anonymous = true
        default = "allow"
        limits = { publish_per_second = 0 }
        chain = [{ plugin = "tagger", deadline_ms = 500 }]
        [[tenants]]
        name = "mallory"
        anonymous = true
        default = "allow"
        chain = [{ plugin = "loops", deadline_ms = 500, grants = ["kv"], config = { good = 2 } }]
        "#,
    )
    .await
}

/// A session of `mallory` whose plugin has no instance any more.
async fn without_instance(broker: &Broker) -> Client {
    let mut mallory = broker.dial("mallory").tenant("mallory").connect().await;
    mallory.subscribe("c").await;
    mallory
        .fails("publish", json!({ "channel": "c", "data": 0 }), 4503)
        .await;
    mallory
}

#[tokio::test]
async fn while_one_tenants_init_loops_the_others_of_its_shard_are_served() {
    let broker = broker().await;
    let mut ann = broker.dial("ann").tenant("well").connect().await;
    ann.subscribe("c").await;
    let mut mallory = without_instance(&broker).await;
    let first = mallory.send("publish", json!({ "channel": "c", "data": 1 })).await;
    let second = mallory.send("publish", json!({ "channel": "c", "data": 2 })).await;
    for n in 0..100 {
        let message = ann.publish(n).await.expect_message(n).await;
        assert_eq!(message["tags"], json!({ "mood": "better" }), "{}", message.text);
    }
    let faults = broker.metrics().await.sum(FAULTS, &MALLORYS);
    assert_eq!(faults, Some(1.0), "all that while the first publish waited");
    // The init is ended, or on a busy machine the wait for it; who waited is told so. The second waits for another instance, in
    // its order.
    for id in [first, second] {
        let error = mallory.refused(&id, 4503).await;
        assert_eq!(
            (&error["retry"], &error["plugin"]),
            (&json!(true), &json!("loops")),
            "{error}"
        );
    }
    ann.still_works().await;
}

#[tokio::test]
async fn a_connection_that_ends_while_it_waits_leaves_nothing() {
    let broker = broker().await;
    let mut mallory = without_instance(&broker).await;
    mallory.send("publish", json!({ "channel": "c", "data": 1 })).await;
    mallory.vanish();
    let is_gone = |m: &Metrics| m.sum("sluicegate_connections", &MALLORYS) == Some(0.0);
    broker.metrics_when("the connection is gone", is_gone).await;
    let mut ann = broker.dial("ann").tenant("well").connect().await;
    ann.subscribe("c").await.publish(1).await.expect_message(1).await;
}

#[tokio::test]
async fn on_every_shard_the_first_calls_wait_until_there_is_an_instance() {
    let broker = Broker::start(
        r#"
        server = { shards = 4, default_tenant = "t" }
        plugins = { tagger = { file = "guests/publish-tag.wasm" } }
        tenants = [{ name = "t", anonymous = true, default = "allow", chain = [{ plugin = "tagger", deadline_ms = 500 }] }]
        "#,
    )
    .await;
    // So many that no shard is without one.
    for n in 0..24 {
        let mut client = broker.connect(&format!("client {n}")).await;
        client.subscribe("c").await;
        let id = client.send("publish", json!({ "channel": "c", "data": 1 })).await;
        for data in 2..=3 {
            client.send("publish", json!({ "channel": "c", "data": data })).await;
        }
        client.acked(&id).await;
        client.expect_messages([1, 2, 3]).await;
        client.close().await;
    }
    assert_eq!(broker.metrics().await.sum(FAULTS, &[("tenant", "t")]), Some(0.0));
    let instances = broker.metrics().await.sum("sluicegate_plugin_instances", &[]);
    assert!(instances > Some(1.0), "{instances:?}");
}
