//! Redis under Sentinel: the replica takes over, and the broker follows.

use std::time::Duration;

use crate::chaos::{Run, STEADY};
use crate::support::shared::config as shared_config;
use crate::support::{Nodes, Sentinels, json};

/// From the promotion until everybody is served again.
const FOLLOWED: Duration = Duration::from_secs(10);

#[tokio::test]
async fn the_broker_follows_a_failover() {
    let mut sentinels = Sentinels::start().await;
    let nodes = Nodes::start(3, &sentinels.url()).await;
    let mut run = Run::start(&nodes.doors, STEADY);
    run.canary(FOLLOWED).await;
    for _ in 0..2 {
        run.fault("failover");
        sentinels.fail_over().await;
        run.fault("over");
        run.canary(FOLLOWED).await;
    }
    run.finish().await;
}

#[tokio::test]
async fn what_no_replica_has_is_not_acknowledged() {
    let sentinels = Sentinels::start().await;
    let config = format!("{}\n[backplane]\nreplicas = 1", shared_config());
    let nodes = Nodes::start_with(2, &sentinels.url(), &config).await;
    let channel = "room:replicated";
    let mut ann = nodes[0].connect("ann").await;
    let mut bob = nodes[1].connect("bob").await;
    bob.subscribe(channel).await;
    let publish = |n: u32| json!({ "channel": channel, "data": n, "key": n.to_string() });
    ann.publish_with(publish(1)).await;
    bob.expect_message(1).await;

    let replica = &sentinels.servers[1 - sentinels.master().await];
    replica.pause();
    ann.fails("publish", publish(2), 4504).await;
    // It was published all the same, so it is published again with its key.
    bob.expect_message(2).await;
    // A master that waits for its replica does not count as dead.
    let mut asked = Vec::new();
    for n in 0..12 {
        let payload = json!({ "channel": format!("room:waits-{n}"), "data": n });
        asked.push(ann.send("publish", payload).await);
    }
    for id in &asked {
        ann.refused(id, 4504).await;
    }
    assert_eq!(nodes[0].admin_get("/readyz").await.status, 200);
    assert!(!nodes[0].log().text().contains("Redis is gone"));
    replica.resume();
    let again = ann.publish_with(publish(2)).await;
    assert_eq!((&again["duplicate"], &again["offset"]), (&json!(true), &json!(2)));
    ann.publish_with(publish(3)).await;
    bob.expect_message(3).await;
}
