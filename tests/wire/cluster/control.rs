//! The operator's orders reach every node, whichever node receives them.

use crate::support::admin::full_key;
use crate::support::{Client, Nodes, Redis, Value, json, token};

pub(super) async fn nodes(redis: &Redis, chain: &str) -> Nodes {
    nodes_at(&redis.url(), chain).await
}

pub(super) async fn nodes_at(url: &str, chain: &str) -> Nodes {
    nodes_of(url, "", chain).await
}

/// `tenant`: lines of the tenant `acme`. Beside it there is `other`.
pub(super) async fn nodes_of(url: &str, tenant: &str, chain: &str) -> Nodes {
    let config = format!(
        r#"
        [server]
        default_tenant = "acme"
        shards = 2
        {keys}
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [plugins.abuse_filter]
        file = "plugins/abuse_filter.wasm"
        [[tenants]]
        name = "acme"
        default = "allow"
        {tenant}
        [[tenants.chain]]
        plugin = "authorize"
        hooks = ["connect"]
        deadline_ms = 1000
        config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }}
        {chain}
        [[tenants.channels]]
        match = "room:*"
        history = {{ size = 100, ttl_seconds = 300 }}
        presence = true
        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        "#,
        keys = full_key(),
        secret = token::SECRET
    );
    Nodes::start_with(3, url, &config).await
}

pub(super) async fn user(nodes: &Nodes, node: usize, name: &str) -> Client {
    nodes[node].dial(name).token(&token::of(name)).connect().await
}

/// The user on every node.
pub(super) async fn everywhere(nodes: &Nodes, name: &str) -> Vec<Client> {
    let mut clients = Vec::new();
    for node in 0..nodes.count() {
        let mut client = user(nodes, node, name).await;
        client.subscribe("room:a").await.subscribe("room:b").await;
        clients.push(client);
    }
    clients
}

#[tokio::test]
async fn after_an_unsubscribe_nothing_of_the_channel_comes_on_any_node() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, "").await;
    let mut anns = everywhere(&nodes, "ann").await;
    let mut bob = user(&nodes, 2, "bob").await;
    bob.subscribe("room:a").await;
    bob.to("room:a").publish("before").await;
    for ann in &mut anns {
        ann.expect_message("before").await;
    }
    let order = nodes[0].order("/tenants/acme/users/ann/unsubscribe", json!({ "channel": "room:a" }));
    assert_eq!(order.await["affected"], 3);
    bob.to("room:a").publish("after").await;
    bob.to("room:b").publish("elsewhere").await;
    for ann in &mut anns {
        ann.push("unsubscribed").await;
        // A later message by the same way shows that nothing came before it.
        ann.expect_message("elsewhere").await;
    }
}

#[tokio::test]
async fn a_ban_ends_connections_and_refuses_new_ones_on_every_node() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, "").await;
    let mut anns = everywhere(&nodes, "ann").await;
    let ban = nodes[1].call("PUT", "/tenants/acme/users/ann/ban", json!({ "seconds": 60 }));
    ban.await.ok();
    for ann in &mut anns {
        ann.expect_close(4505).await;
    }
    for node in 0..3 {
        let dial = nodes[node].dial("ann").token(&token::of("ann"));
        dial.connect_refused(4451).await;
    }
    nodes[2]
        .call("DELETE", "/tenants/acme/users/ann/ban", Value::Null)
        .await
        .ok();
    for node in 0..3 {
        user(&nodes, node, "ann").await.still_works().await;
    }
}

#[tokio::test]
async fn a_plugins_ban_ends_the_users_connections_on_every_node() {
    let redis = Redis::start().await;
    let chain = r#"
        [[tenants.chain]]
        plugin = "abuse_filter"
        hooks = ["publish"]
        deadline_ms = 1000
        grants = ["kv", "limiter"]
        config = { blocked_words = ["heck"], strikes = { disconnect_at = 0, ban_at = 1, ban_seconds = 60 } }
        "#;
    let nodes = nodes(&redis, chain).await;
    let mut anns = everywhere(&nodes, "ann").await;
    let mut bob = user(&nodes, 1, "bob").await;
    anns[0]
        .send("publish", json!({ "channel": "room:a", "data": "heck" }))
        .await;
    for ann in &mut anns {
        ann.expect_close(4505).await;
    }
    bob.still_works().await;
}

#[tokio::test]
async fn lists_and_reading_are_of_all_nodes() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, "").await;
    let mut anns = everywhere(&nodes, "ann").await;
    let published = nodes[0]
        .order("/tenants/acme/publish", json!({ "channel": "room:a", "data": 1 }))
        .await;
    assert_eq!(published["offset"], 1);
    for ann in &mut anns {
        ann.expect_message(1).await;
    }
    for node in 0..3 {
        let channels = nodes[node].read("/tenants/acme/channels").await;
        let expected = json!([{ "channel": "room:a", "subscribers": 3 }, { "channel": "room:b", "subscribers": 3 }]);
        assert_eq!(channels["channels"], expected);
        let connections = nodes[node].read("/tenants/acme/connections?user=ann").await;
        let connections = connections["connections"].as_array().unwrap();
        let mut on: Vec<_> = connections.iter().map(|one| one["node"].as_str().unwrap()).collect();
        on.sort_unstable();
        assert_eq!(on, ["node-0", "node-1", "node-2"]);
        let presence = nodes[node].read("/tenants/acme/channels/room%3Aa/presence").await;
        assert_eq!(presence["members"].as_array().unwrap().len(), 3);
        let history = nodes[node].read("/tenants/acme/channels/room%3Aa/history").await;
        assert_eq!(history["messages"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_named() {
    let redis = Redis::start().await;
    let mut nodes = nodes(&redis, "").await;
    let mut ann = user(&nodes, 0, "ann").await;
    nodes.kill(2).await;
    let answer = nodes[0]
        .call("POST", "/tenants/acme/users/ann/disconnect", json!({}))
        .await;
    let problem = answer.problem(504, "nodes_unreachable");
    assert!(problem.to_string().contains("node-2"), "{problem}");
    ann.expect_close(4504).await;
}
