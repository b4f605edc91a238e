//! Bans and their ends take effect in the sequence in which they were ordered, whichever node received the order, also
//! while Redis or a node is away.

use std::time::{Duration, Instant};

use super::control::{everywhere, nodes, user};
use crate::support::envelope::now_ms;
use crate::support::{Nodes, PATIENCE, Redis, Value, eventually, json, token};

/// The answers to an operator's order while Redis is away: it holds on this node, the others get it later.
async fn order_during_outage(nodes: &Nodes, node: usize, method: &str, name: &str, body: Value) {
    let path = format!("/tenants/acme/users/{name}/ban");
    let answer = nodes[node].call(method, &path, body).await;
    answer.problem(503, "backplane_unavailable");
    // Orders of two nodes are told apart by their millisecond, so the next one is of a later one.
    let now = now_ms();
    while now_ms() == now {
        tokio::task::yield_now().await;
    }
}

async fn ban(nodes: &Nodes, node: usize, name: &str, seconds: u64) {
    order_during_outage(nodes, node, "PUT", name, json!({ "seconds": seconds })).await;
}

async fn lift(nodes: &Nodes, node: usize, name: &str) {
    order_during_outage(nodes, node, "DELETE", name, Value::Null).await;
}

/// For how long every node refuses a user; none if they let it in.
async fn refusals(nodes: &Nodes, name: &str) -> Vec<Option<Duration>> {
    let mut refusals = Vec::new();
    for node in 0..nodes.count() {
        let dial = nodes[node].dial(name).token(&token::of(name));
        let mut client = dial.open().await;
        let id = client.send("connect", dial.payload()).await;
        let reply = client.reply(&id).await;
        let left = reply["payload"]["retry_after_ms"].as_u64();
        refusals.push(left.map(Duration::from_millis));
    }
    refusals
}

/// Waits until every node refuses a user for more than `over` seconds and at most `up_to`; 0: not at all.
async fn banned_everywhere(nodes: &Nodes, name: &str, over: u64, up_to: u64) {
    let range = Duration::from_secs(over)..=Duration::from_secs(up_to);
    eventually(PATIENCE, &format!("{name} to be refused for {range:?}"), async || {
        let refusals = refusals(nodes, name).await;
        let fits = |left: &Option<Duration>| range.contains(&left.unwrap_or_default());
        refusals.iter().all(fits).then_some(())
    })
    .await;
}

#[tokio::test]
async fn orders_of_an_outage_end_as_they_were_ordered() {
    let mut redis = Redis::with_aof().await;
    let nodes = nodes(&redis, "").await;
    let path = "/tenants/acme/users/was-banned/ban";
    nodes[0].call("PUT", path, json!({ "seconds": 3600 })).await.ok();
    let path = "/tenants/acme/users/shortened/ban";
    nodes[0].call("PUT", path, json!({ "seconds": 3600 })).await.ok();
    redis.kill().await;
    lift(&nodes, 1, "was-banned").await;
    ban(&nodes, 2, "shortened", 600).await;
    // On two nodes that cannot reach each other: only the time of the order tells which is later.
    ban(&nodes, 0, "banned-and-lifted", 3600).await;
    lift(&nodes, 1, "banned-and-lifted").await;
    lift(&nodes, 1, "lifted-and-banned").await;
    ban(&nodes, 0, "lifted-and-banned", 3600).await;
    ban(&nodes, 2, "banned-twice", 3600).await;
    ban(&nodes, 0, "banned-twice", 600).await;
    // Where the order was taken it holds at once.
    assert_ne!(refusals(&nodes, "lifted-and-banned").await[0], None);
    redis.restart().await;
    banned_everywhere(&nodes, "lifted-and-banned", 3000, 3600).await;
    banned_everywhere(&nodes, "banned-twice", 500, 600).await;
    banned_everywhere(&nodes, "shortened", 500, 600).await;
    banned_everywhere(&nodes, "was-banned", 0, 0).await;
    banned_everywhere(&nodes, "banned-and-lifted", 0, 0).await;
}

/// A plugin that bans every publisher for 60 s.
pub(super) const STRICT: &str = r#"
    [[tenants.chain]]
    plugin = "abuse_filter"
    hooks = ["publish"]
    deadline_ms = 1000
    grants = ["kv", "limiter"]
    config = { blocked_words = ["heck"], strikes = { disconnect_at = 0, ban_at = 1, ban_seconds = 60 } }
    "#;

#[tokio::test]
async fn a_plugins_ban_never_shortens_the_operators_on_any_node() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, STRICT).await;
    let mut ann = user(&nodes, 0, "ann").await;
    let path = "/tenants/acme/users/ann/ban";
    nodes[1].call("PUT", path, json!({ "seconds": 3600 })).await.ok();
    ann.expect_close(4505).await;
    nodes[1].call("DELETE", path, Value::Null).await.ok();
    let mut ann = user(&nodes, 0, "ann").await;
    ann.send("publish", json!({ "channel": "room:a", "data": "heck" }))
        .await;
    ann.expect_close(4505).await;
    banned_everywhere(&nodes, "ann", 30, 60).await;
    nodes[2].call("PUT", path, json!({ "seconds": 3600 })).await.ok();
    banned_everywhere(&nodes, "ann", 3000, 3600).await;
    nodes[2].call("PUT", path, json!({ "seconds": 10 })).await.ok();
    banned_everywhere(&nodes, "ann", 0, 10).await;
}

#[tokio::test]
async fn a_node_that_died_does_not_hold_up_bans_one_after_the_other() {
    let redis = Redis::start().await;
    let mut nodes = nodes(&redis, STRICT).await;
    let names: Vec<String> = (0..6).map(|n| format!("user-{n}")).collect();
    nodes.kill(2).await;
    let mut offenders = Vec::new();
    let mut elsewhere = Vec::new();
    for name in &names {
        offenders.push(user(&nodes, 0, name).await);
        elsewhere.push(user(&nodes, 1, name).await);
    }
    let began = Instant::now();
    for client in &mut offenders {
        client
            .send("publish", json!({ "channel": "room:a", "data": "heck" }))
            .await;
    }
    for client in &mut elsewhere {
        client.expect_close(4505).await;
    }
    // Each order waits for the report of the dead node; orders do not wait for each other.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_ban_ends_connections_everywhere_once() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, "").await;
    let mut anns = everywhere(&nodes, "ann").await;
    let path = "/tenants/acme/users/ann/ban";
    let answer = nodes[0].call("PUT", path, json!({ "seconds": 60 })).await.ok();
    assert_eq!(answer["affected"], 3);
    for ann in &mut anns {
        ann.expect_close(4505).await;
    }
    let answer = nodes[1].call("DELETE", path, Value::Null).await.ok();
    assert_eq!(answer["affected"], 3, "each node had it in memory");
}

#[tokio::test]
async fn an_address_is_banned_on_every_node_and_listed_and_lifted_on_any() {
    let redis = Redis::start().await;
    let nodes = super::control::nodes_of(&redis.url(), "anonymous = true", STRICT).await;
    let mut guests = Vec::new();
    for node in 0..nodes.count() {
        guests.push(nodes[node].connect("guest").await);
    }
    let mut ann = user(&nodes, 1, "ann").await;
    guests[0]
        .send("publish", json!({ "channel": "room:a", "data": "heck" }))
        .await;
    for guest in &mut guests {
        guest.expect_close(4505).await;
    }
    let refused = async |node: usize| {
        let dial = nodes[node].dial("guest");
        let mut client = dial.open().await;
        let id = client.send("connect", dial.payload()).await;
        client.reply(&id).await["payload"]["code"] == 4451
    };
    for node in 0..nodes.count() {
        eventually(PATIENCE, "the address to be refused", async || {
            refused(node).await.then_some(())
        })
        .await;
    }
    ann.still_works().await;
    let listed = nodes[2].read("/tenants/acme/bans").await;
    let ban = &listed["bans"][0];
    assert_eq!(
        (&ban["address"], &ban["by"]),
        (&json!("127.0.0.1"), &json!("plugin")),
        "{listed}"
    );
    let path = "/tenants/acme/addresses/127.0.0.1/ban";
    nodes[2].call("DELETE", path, Value::Null).await.ok();
    for node in 0..nodes.count() {
        nodes[node].connect("guest").await.still_works().await;
    }
    assert_eq!(nodes[0].read("/tenants/acme/bans").await["bans"], json!([]));
}

#[tokio::test]
async fn one_tenants_orders_that_wait_for_redis_push_out_none_of_anothers() {
    let mut redis = Redis::with_aof().await;
    let nodes = nodes(&redis, "").await;
    redis.kill().await;
    let order = async |tenant: &str, name: &str| {
        let path = format!("/tenants/{tenant}/users/{name}/ban");
        let answer = nodes[0].call("PUT", &path, json!({ "seconds": 3600 })).await;
        answer.problem(503, "backplane_unavailable");
    };
    // More than there is room for of one tenant.
    for n in 0..1100 {
        order("other", &format!("u{n}")).await;
    }
    order("acme", "ann").await;
    redis.restart().await;
    banned_everywhere(&nodes, "ann", 3000, 3600).await;
}

#[tokio::test]
async fn a_full_list_of_bans_is_told_by_any_node() {
    let redis = Redis::start().await;
    let nodes = super::control::nodes_of(&redis.url(), "limits = { bans = 2 }", "").await;
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        let path = format!("/tenants/acme/users/{name}/ban");
        nodes[n].call("PUT", &path, json!({ "seconds": 3600 })).await.ok();
    }
    let path = "/tenants/acme/users/c/ban";
    let answer = nodes[2].call("PUT", path, json!({ "seconds": 3600 })).await;
    answer.problem(409, "too_many_bans");
    user(&nodes, 2, "c").await.still_works().await;
    nodes[2]
        .call("DELETE", "/tenants/acme/users/a/ban", Value::Null)
        .await
        .ok();
    nodes[1].call("PUT", path, json!({ "seconds": 3600 })).await.ok();
    banned_everywhere(&nodes, "c", 3000, 3600).await;
    banned_everywhere(&nodes, "a", 0, 0).await;
}
