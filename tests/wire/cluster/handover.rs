//! A node whose process hands over to another on the same machine: one node all the time, for clients, operators and other nodes.

use rustix::process::Signal;

use crate::support::admin::full_key;
use crate::support::broker::serve;
use crate::support::config::{Home, complete};
use crate::support::recovery::{offsets, since};
use crate::support::service::{Service, Serving};
use crate::support::{Broker, PATIENCE, Redis, eventually, json};

fn config(redis: &Redis, node: &str, drain_seconds: u32) -> String {
    format!(
        r#"
        {}
        [server]
        default_tenant = "t"
        node = "{node}"
        drain_seconds = {drain_seconds}
        [backplane]
        kind = "redis"
        url = "{}"
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        [[tenants.channels]]
        match = "room:*"
        history = {{}}
        presence = true
        "#,
        full_key(),
        redis.url()
    )
}

#[tokio::test]
async fn messages_are_recovered_and_the_name_goes_over() {
    let redis = Redis::start().await;
    let node = Service::new(Home::new()).start(&config(&redis, "node-0", 1)).await;
    let other = Broker::start(&config(&redis, "node-1", 1)).await;
    let mut ann = node.connect("ann").await;
    let mut bob = other.connect("bob").await;
    let joined = ann.subscribe_with(json!({ "channel": "room:1" })).await;
    bob.to("room:1").publish(1).await;
    ann.expect_message(1).await;
    let first = Serving::first(&node);
    let second = first.hand_over().await;
    ann.expect_disconnect(4000, "shutting_down", true).await;
    bob.publish(2).await;
    let mut ann = node.connect("ann, again").await;
    let ack = ann.subscribe_with(since("room:1", &joined["epoch"], 1)).await;
    assert_eq!((&ack["recovered"], offsets(&ack)), (&json!(true), vec![2]), "{ack}");
    bob.publish(3).await;
    ann.expect_message(3).await;

    first.gone().await;
    // Who left with the first process is not present any more, and the node is listed.
    let present = eventually(PATIENCE, "one who is present", async || {
        let answer = bob.ask("presence", json!({ "channel": "room:1" })).await;
        (answer["members"].as_array()?.len() == 1).then_some(answer)
    })
    .await;
    assert_eq!(present["members"][0]["session"], ann.session(), "{present}");
    assert_eq!(redis.keys("sg:*ws:instance:node-0").await.len(), 1);
    let home = Home::new();
    home.write(&complete(&config(&redis, "node-0", 1)));
    let twin = serve(&home, "info").await;
    assert_eq!(twin.exit_code().await, Some(1), "the name is taken");
    second.signal(Signal::TERM);
    second.gone().await;
    assert_eq!(redis.keys("sg:*ws:instance:node-0").await.len(), 0);
}

#[tokio::test]
async fn orders_reach_who_still_drains() {
    let redis = Redis::start().await;
    let node = Service::new(Home::new()).start(&config(&redis, "node-0", 3_600)).await;
    let other = Broker::start(&config(&redis, "node-1", 1)).await;
    let counts = async |expected: u64| {
        eventually(PATIENCE, "the number of connections", async || {
            let counted = other.read("/tenants/t").await;
            let nodes = counted["nodes"].as_array()?;
            assert_eq!(nodes.len(), 2, "each once: {counted}");
            (nodes[0]["connections"] == expected).then_some(())
        })
        .await;
    };
    let mut ann = node.connect("ann").await;
    let mut bob = node.connect("bob").await;
    counts(2).await;
    let first = Serving::first(&node);
    let second = first.hand_over().await;
    // The first is told to go at once, the next much later.
    ann.expect_disconnect(4000, "shutting_down", true).await;
    ann.expect_end().await;
    let mut carl = node.connect("carl").await;
    counts(2).await;
    // Another one takes over while the first process still drains.
    let third = second.hand_over().await;
    carl.expect_disconnect(4000, "shutting_down", true).await;
    second.gone().await;
    counts(1).await;
    let mut dora = node.connect("dora").await;
    counts(2).await;
    bob.still_works().await;
    for client in [&mut bob, &mut dora] {
        let path = format!("/tenants/t/sessions/{}/disconnect", client.session());
        let done = other.order(&path, json!({})).await;
        assert_eq!(done["affected"], 1, "{done}");
        client.expect_close(4504).await;
    }
    first.gone().await;
    third.signal(Signal::TERM);
    third.gone().await;
}
