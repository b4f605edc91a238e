//! All nodes share what plugins count and store: a limit is one limit, and strikes of all nodes add up.

use crate::support::config::abuse_filter;
use crate::support::{Client, Nodes, Redis, json, token};

async fn connect(nodes: &Nodes, node: usize, user: &str) -> Client {
    nodes[node].dial(user).token(&token::of(user)).connect().await
}

/// How many of `count` messages pass, which are offered to each in turn.
async fn passed(clients: &mut [Client], count: usize) -> usize {
    let mut passed = 0;
    for n in 0..count {
        let client = &mut clients[n % 3];
        let id = client.send("publish", json!({ "channel": "c", "data": n })).await;
        passed += usize::from(client.reply(&id).await.kind() == "ack");
    }
    passed
}

#[tokio::test]
async fn a_users_rate_is_one_for_all_nodes() {
    let redis = Redis::start().await;
    let settings = "per_user = { rate = 0.001, burst = 10 }";
    let nodes = Nodes::start_with(3, &redis.url(), &abuse_filter(settings)).await;
    let mut clients = Vec::new();
    for node in 0..3 {
        clients.push(connect(&nodes, node, "ann").await);
    }
    assert_eq!(passed(&mut clients, 60).await, 10);
}

#[tokio::test]
async fn strikes_of_all_nodes_add_up() {
    let redis = Redis::start().await;
    let settings = r#"blocked_words = ["darn"], strikes = { disconnect_at = 3, ban_at = 0 }"#;
    let nodes = Nodes::start_with(3, &redis.url(), &abuse_filter(settings)).await;
    let darn = json!({ "channel": "c", "data": "darn" });
    for node in 0..2 {
        let mut ann = connect(&nodes, node, "ann").await;
        ann.fails("publish", darn.clone(), 4422).await;
    }
    let mut ann = connect(&nodes, 2, "ann").await;
    let id = ann.send("publish", darn.clone()).await;
    ann.refused(&id, 4422).await;
    ann.expect_close(4504).await;
    let values = redis.keys("sg:v:*").await;
    assert_eq!(values, ["sg:v:{t/abuse}:strikes:u:ann"]);
}

/// A second tenant beside `t`, whose filter cannot wait for Redis.
const HASTY: &str = r#"
    [[tenants]]
    name = "hasty"
    anonymous = true
    default = "allow"
    [[tenants.chain]]
    plugin = "abuse"
    deadline_ms = 1
    grants = ["kv", "limiter"]
    config = { blocked_words = ["darn"], strikes = { disconnect_at = 1000, ban_at = 0 } }
    "#;

#[tokio::test]
async fn a_tenant_that_cannot_wait_for_redis_keeps_nobody_elses_strikes_from_being_counted() {
    let redis = Redis::start().await;
    let settings = r#"blocked_words = ["darn"], strikes = { disconnect_at = 1, ban_at = 0 }"#;
    let config = format!("{}\n{HASTY}", abuse_filter(settings));
    let nodes = Nodes::start_with(1, &redis.url(), &config).await;
    let darn = json!({ "channel": "c", "data": "darn" });
    let mut hasty = nodes[0].dial("hasty").tenant("hasty").connect().await;
    for _ in 0..8 {
        redis.run(&["CLIENT", "PAUSE", "20", "ALL"]).await;
        let id = hasty.send("publish", darn.clone()).await;
        hasty.reply(&id).await;
        let mut ann = connect(&nodes, 0, "ann").await;
        let id = ann.send("publish", darn.clone()).await;
        ann.refused(&id, 4422).await;
        // Uncounted, the strike would have no consequence.
        ann.expect_close(4504).await;
    }
}
