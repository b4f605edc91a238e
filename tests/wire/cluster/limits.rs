//! Limits of a tenant and of a user hold on all nodes together, also when everybody comes at once.

use std::time::Duration;

use crate::support::{Nodes, Redis, eventually, token};

const EVERYBODY: usize = 100;
const ROOM: usize = 10;
/// From a connection's end until its place is free on every node.
const FREED: Duration = Duration::from_secs(10);

fn config(limits: &str) -> String {
    format!(
        r#"
        server = {{ default_tenant = "t", shards = 2 }}
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [[tenants]]
        name = "t"
        default = "allow"
        chain = [{{ plugin = "authorize", hooks = ["connect"], deadline_ms = 1000, config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }} }}]
        limits = {{ {limits} }}
        "#,
        token::SECRET
    )
}

/// Connects a hundred at once, over all nodes. Returns how many were accepted, and keeps those connected.
async fn race(nodes: &Nodes, user: impl Fn(usize) -> String) -> Vec<crate::support::Client> {
    let mut racing = Vec::new();
    for n in 0..EVERYBODY {
        let user = user(n);
        let dial = nodes[n % nodes.count()].dial(&user).token(&token::of(&user));
        racing.push(tokio::spawn(async move {
            let mut client = dial.open().await;
            let id = client.send("connect", dial.payload()).await;
            let reply = client.reply(&id).await;
            if reply.kind() == "ack" {
                return Some(client);
            }
            assert_eq!(reply["payload"]["code"], 4430, "{}", reply.text);
            client.expect_close(4506).await;
            None
        }));
    }
    let mut admitted = Vec::new();
    for racer in racing {
        admitted.extend(racer.await.expect("a racer does not panic"));
    }
    admitted
}

/// Tries again until a client is accepted, because a place is free again.
async fn there_is_room(nodes: &Nodes, node: usize, user: &str) {
    eventually(FREED, "a free place", async || {
        let dial = nodes[node].dial(user).token(&token::of(user));
        let mut client = dial.open().await;
        let id = client.send("connect", dial.payload()).await;
        (client.reply(&id).await.kind() == "ack").then_some(())
    })
    .await;
}

#[tokio::test]
async fn connections_of_the_tenant_hold_in_a_race() {
    let redis = Redis::start().await;
    let nodes = Nodes::start_with(3, &redis.url(), &config("connections = 10")).await;
    let mut admitted = race(&nodes, |n| format!("user-{n}")).await;
    assert_eq!(admitted.len(), ROOM);
    // A closed connection makes room on every node.
    for node in 0..nodes.count() {
        admitted.pop().expect("ten are there").vanish();
        there_is_room(&nodes, node, "late").await;
    }
}

#[tokio::test]
async fn connections_of_a_user_hold_in_a_race() {
    let redis = Redis::start().await;
    let nodes = Nodes::start_with(3, &redis.url(), &config("connections_per_user = 10")).await;
    let mut admitted = race(&nodes, |_| "ann".to_owned()).await;
    assert_eq!(admitted.len(), ROOM);
    there_is_room(&nodes, 1, "bob").await;
    admitted.pop().expect("ten are there").vanish();
    there_is_room(&nodes, 2, "ann").await;
}

#[tokio::test]
async fn a_dead_nodes_clients_find_room_elsewhere_at_once() {
    let redis = Redis::start().await;
    let mut nodes = Nodes::start_with(2, &redis.url(), &config("connections_per_user = 2")).await;
    let dial = |nodes: &Nodes, node: usize| nodes[node].dial("ann").token(&token::of("ann"));
    let _first = dial(&nodes, 1).connect().await;
    let _second = dial(&nodes, 1).connect().await;
    dial(&nodes, 0).connect_refused(4430).await;
    nodes.kill(1).await;
    // Long before its heartbeat runs out; Redis has to see that its connections ended.
    there_is_room(&nodes, 0, "ann").await;
}
