//! A revoked token is refused by every node: by those that are told, and by those that were away when they would have been.

use super::control::{nodes, user};
use crate::support::{Client, Nodes, PATIENCE, Redis, Value, eventually, json, token};

const REVOCATIONS: &str = "/tenants/acme/revocations";

fn token_of(user: &str, jti: &str) -> String {
    token::with(&json!({ "sub": user, "jti": jti, "iat": token::seconds(-60), "exp": token::seconds(3600) }))
}

async fn connect(nodes: &Nodes, node: usize, token: &str) -> Client {
    nodes[node].dial("somebody").token(token).connect().await
}

/// The code that each node refuses a token with; 0: it lets it in.
async fn refusals(nodes: &Nodes, token: &str) -> Vec<u64> {
    let mut codes = Vec::new();
    for node in 0..nodes.count() {
        let dial = nodes[node].dial("somebody").token(token);
        let mut client = dial.open().await;
        let id = client.send("connect", dial.payload()).await;
        let reply = client.reply(&id).await;
        codes.push(reply["payload"]["code"].as_u64().unwrap_or(0));
    }
    codes
}

async fn refused_everywhere(nodes: &Nodes, token: &str) {
    eventually(PATIENCE, "every node to refuse the token", async || {
        (refusals(nodes, token).await == [4401; 3]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_revocation_ends_sessions_on_every_node_and_is_taken_back_on_any() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, "").await;
    let (stolen, anns) = (token_of("bob", "stolen"), token_of("ann", "a"));
    let mut ended = Vec::new();
    for node in 0..nodes.count() {
        ended.push(connect(&nodes, node, &stolen).await);
        ended.push(connect(&nodes, node, &anns).await);
    }
    let mut kept = user(&nodes, 1, "bob").await;
    let by_token = nodes[0].order(REVOCATIONS, json!({ "jti": "stolen" })).await;
    let by_user = nodes[1].order(REVOCATIONS, json!({ "user": "ann" })).await;
    assert_eq!((&by_token["affected"], &by_user["affected"]), (&json!(3), &json!(3)));
    for client in &mut ended {
        client.expect_close(4502).await;
    }
    kept.still_works().await;
    for token in [&stolen, &anns] {
        assert_eq!(refusals(&nodes, token).await, [4401; 3]);
    }
    kept.fails("refresh", json!({ "token": stolen }), 4401).await;
    for node in 0..nodes.count() {
        let listed = nodes[node].read(REVOCATIONS).await;
        assert_eq!(listed["revocations"].as_array().map(Vec::len), Some(2), "{listed}");
    }
    let path = format!("{REVOCATIONS}/{}", by_token["id"].as_str().unwrap());
    nodes[2].call("DELETE", &path, Value::Null).await.ok();
    assert_eq!(refusals(&nodes, &stolen).await, [0; 3]);
    assert_eq!(refusals(&nodes, &anns).await, [4401; 3]);
}

#[tokio::test]
async fn a_node_that_was_away_refuses_what_was_revoked_meanwhile() {
    let redis = Redis::start().await;
    let mut nodes = nodes(&redis, "").await;
    let stolen = token_of("bob", "stolen");
    nodes.drain(2).await;
    nodes[0].order(REVOCATIONS, json!({ "jti": "stolen" })).await;
    nodes[0].order(REVOCATIONS, json!({ "user": "ann" })).await;
    nodes.revive(2).await;
    // It is told by nobody, so it asks at a refresh as at a connect.
    let mut bob = connect(&nodes, 2, &token_of("bob", "kept")).await;
    bob.fails("refresh", json!({ "token": stolen }), 4401).await;
    bob.still_works().await;
    bob.ask("refresh", json!({ "token": token_of("bob", "kept too") }))
        .await;
    assert_eq!(refusals(&nodes, &stolen).await, [4401; 3]);
    assert_eq!(refusals(&nodes, &token_of("ann", "a")).await, [4401; 3]);
}

#[tokio::test]
async fn a_session_on_a_node_that_did_not_hear_ends_when_its_place_is_renewed() {
    let redis = Redis::start().await;
    let nodes = nodes(&redis, "").await;
    nodes[0].order(REVOCATIONS, json!({ "jti": "heard" })).await;
    let stolen = token_of("bob", "stolen");
    let mut bob = connect(&nodes, 1, &stolen).await;
    let mut ann = connect(&nodes, 1, &token_of("ann", "kept")).await;
    // As if it had been ordered while the nodes were away.
    let heard = redis.keys("*:revoked-token:heard").await.remove(0);
    let unheard = heard.replace(":heard", ":stolen");
    redis.run(&["RENAME", &heard, &unheard]).await;
    bob.expect_close(4502).await;
    ann.still_works().await;
    assert_eq!(refusals(&nodes, &stolen).await, [4401; 3]);
}

#[tokio::test]
async fn a_revocation_amid_an_outage_holds_where_it_was_given_and_everywhere_afterwards() {
    let mut redis = Redis::with_aof().await;
    let nodes = nodes(&redis, "").await;
    let stolen = token_of("bob", "stolen");
    let mut here = connect(&nodes, 0, &stolen).await;
    let mut elsewhere = connect(&nodes, 1, &stolen).await;
    redis.kill().await;
    let answer = nodes[0].call("POST", REVOCATIONS, json!({ "jti": "stolen" })).await;
    answer.problem(503, "backplane_unavailable");
    here.expect_close(4502).await;
    assert_eq!(refusals(&nodes, &stolen).await[0], 4401);
    redis.restart().await;
    elsewhere.expect_close(4502).await;
    refused_everywhere(&nodes, &stolen).await;
}

#[tokio::test]
async fn a_full_list_of_revocations_is_told_by_any_node() {
    let redis = Redis::start().await;
    let nodes = super::control::nodes_of(&redis.url(), "limits = { revocations = 2 }", "").await;
    for (n, jti) in ["a", "b", "a"].into_iter().enumerate() {
        nodes[n].order(REVOCATIONS, json!({ "jti": jti })).await;
    }
    let answer = nodes[2].call("POST", REVOCATIONS, json!({ "jti": "c" })).await;
    answer.problem(409, "too_many_revocations");
    assert_eq!(refusals(&nodes, &token_of("ann", "c")).await, [0; 3]);
    let listed = nodes[1].read(REVOCATIONS).await;
    let path = format!("{REVOCATIONS}/{}", listed["revocations"][0]["id"].as_str().unwrap());
    nodes[1].call("DELETE", &path, Value::Null).await.ok();
    nodes[2].order(REVOCATIONS, json!({ "jti": "c" })).await;
    assert_eq!(refusals(&nodes, &token_of("ann", "c")).await, [4401; 3]);
}
