//! `authorize`: rules by channel, action and claim.

use crate::support::{Broker, Client, Value, json, token};

const RULES: &str = r#"
    [[tenants.chain.config.rules]]
    channels = "room:*"
    allow = ["subscribe", "publish"]
    [[tenants.chain.config.rules]]
    channels = "news"
    allow = ["subscribe"]
    [[tenants.chain.config.rules]]
    channels = "wall"
    allow = ["publish"]
    [[tenants.chain.config.rules]]
    channels = "news"
    allow = ["publish"]
    when = { role = "editor" }
    [[tenants.chain.config.rules]]
    channels = "inbox:{user}"
    allow = ["subscribe", "publish"]
    [[tenants.chain.config.rules]]
    channels = "team:{claim:team}:*"
    allow = ["subscribe", "publish"]
    [[tenants.chain.config.rules]]
    channels = "admin:**"
    allow = ["subscribe", "publish", "presence", "history"]
    when = { role = "admin" }
"#;

async fn broker() -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "t" }}
        plugins = {{ gatekeeper = {{ file = "plugins/authorize.wasm" }} }}
        [[tenants]]
        name = "t"
        [[tenants.chain]]
        plugin = "gatekeeper"
        deadline_ms = 200
        [tenants.chain.config]
        keys = [{{ alg = "HS256", secret = "{}" }}]
        {RULES}
        "#,
        token::SECRET
    ))
    .await
}

async fn connect(broker: &Broker, user: &str, mut claims: Value) -> Client {
    claims["sub"] = json!(user);
    claims["exp"] = json!(token::seconds(3600));
    broker.dial(user).token(&token::with(&claims)).connect().await
}

/// Refused by the plugin, under the name that the config gives it.
async fn denied(client: &mut Client, kind: &str, channel: &str) {
    let error = client.fails(kind, json!({ "channel": channel, "data": 1 }), 4403).await;
    assert_eq!(error["plugin"], "gatekeeper", "{error}");
    assert_eq!(error["retry"], false);
}

async fn allowed(client: &mut Client, kind: &str, channel: &str) {
    client.ask(kind, json!({ "channel": channel, "data": 1 })).await;
}

#[tokio::test]
async fn what_no_rule_fits_is_denied() {
    let broker = broker().await;
    let mut ann = connect(&broker, "ann", json!({})).await;
    for channel in ["secret", "room", "room:1:2", "Room:1", "rooms:1", "xroom:1"] {
        denied(&mut ann, "subscribe", channel).await;
        denied(&mut ann, "publish", channel).await;
    }
    ann.subscribe("room:1")
        .await
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
}

#[tokio::test]
async fn a_denied_subscription_hears_nothing() {
    let broker = broker().await;
    let mut ann = connect(&broker, "ann", json!({})).await;
    let mut editor = connect(&broker, "ed", json!({ "role": "admin" })).await;
    denied(&mut ann, "subscribe", "admin:1").await;
    ann.subscribe("room:1").await;
    editor
        .to("admin:1")
        .publish("not for ann")
        .await
        .to("room:1")
        .publish("fence")
        .await;
    ann.expect_message("fence").await;
}

#[tokio::test]
async fn each_action_is_granted_by_itself() {
    let broker = broker().await;
    let mut ann = connect(&broker, "ann", json!({})).await;
    allowed(&mut ann, "subscribe", "news").await;
    denied(&mut ann, "publish", "news").await;
    allowed(&mut ann, "publish", "wall").await;
    denied(&mut ann, "subscribe", "wall").await;
}

#[tokio::test]
async fn when_asks_the_claims() {
    let broker = broker().await;
    for (claims, is_editor) in [
        (json!({ "role": "editor" }), true),
        (json!({ "role": "reader" }), false),
        (json!({ "role": ["reader"] }), false),
        (json!({ "role": "editor2" }), false),
        (json!({ "Role": "editor" }), false),
        (json!({ "role": null }), false),
        (json!({}), false),
    ] {
        let mut ann = connect(&broker, "ann", claims).await;
        if is_editor {
            allowed(&mut ann, "publish", "news").await;
        } else {
            denied(&mut ann, "publish", "news").await;
        }
        ann.close().await;
    }
}

#[tokio::test]
async fn the_user_in_a_pattern_is_ones_own() {
    let broker = broker().await;
    let mut ann = connect(&broker, "ann", json!({})).await;
    allowed(&mut ann, "subscribe", "inbox:ann").await;
    for channel in [
        "inbox:bob",
        "inbox:ann:1",
        "inbox:",
        "inbox:{user}",
        "inbox:Ann",
        "inbox:anna",
    ] {
        denied(&mut ann, "subscribe", channel).await;
    }
}

#[tokio::test]
async fn a_users_name_is_never_a_pattern() {
    let broker = broker().await;
    for name in ["*", "**", "a:*", "{user}", "{claim:team}"] {
        let mut eve = connect(&broker, name, json!({ "team": name })).await;
        denied(&mut eve, "subscribe", "inbox:bob").await;
        denied(&mut eve, "subscribe", "team:red:1").await;
        denied(&mut eve, "subscribe", "admin:1").await;
    }
}

#[tokio::test]
async fn a_claim_in_a_pattern_is_ones_own() {
    let broker = broker().await;
    let mut ann = connect(&broker, "ann", json!({ "team": "red" })).await;
    allowed(&mut ann, "subscribe", "team:red:1").await;
    denied(&mut ann, "subscribe", "team:blue:1").await;
    denied(&mut ann, "subscribe", "team:red").await;
    let mut nobody = connect(&broker, "nobody", json!({})).await;
    for channel in ["team::1", "team:red:1", "team:{claim:team}:1", "team:null:1"] {
        denied(&mut nobody, "subscribe", channel).await;
    }
}

#[tokio::test]
async fn a_refreshed_token_brings_its_claims() {
    let broker = broker().await;
    let mut ann = connect(&broker, "ann", json!({ "role": "reader" })).await;
    denied(&mut ann, "publish", "news").await;
    let promoted = json!({ "sub": "ann", "role": "editor", "exp": token::seconds(3600) });
    ann.ask("refresh", json!({ "token": token::with(&promoted) })).await;
    allowed(&mut ann, "publish", "news").await;
}
