//! SIGHUP: new settings and new plugins, under connections that stay.

use crate::support::{Broker, json, token};

fn config(word: &str, extra: &str) -> String {
    format!(
        r#"
        server = {{ default_tenant = "t" }}
        [plugins.transform]
        file = "plugins/transform.wasm"
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        {extra}
        [[tenants.chain]]
        plugin = "transform"
        deadline_ms = 200
        config = {{ rules = [{{ channels = "**", words = {{ {word} = "****" }} }}] }}
        "#
    )
}

#[tokio::test]
async fn new_plugin_settings_hold_for_connections_that_stay() {
    let broker = Broker::start(&config("heck", "")).await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("c").await;
    ann.to("c").publish("what the heck").await;
    bob.expect_message("what the ****").await;

    broker.reload(&config("darn", "")).await;
    ann.publish("darn the heck").await;
    bob.expect_message("**** the heck").await;
    broker.connect("carl").await.to("c").publish("darn").await;
    bob.expect_message("****").await;
}

#[tokio::test]
async fn new_channel_settings_and_limits_hold() {
    let broker = Broker::start(&config("heck", "")).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c")
        .await
        .fails("history", json!({ "channel": "c" }), 4400)
        .await;
    let extra = r#"
        channels = [{ match = "**", history = { size = 10, ttl_seconds = 60 }, presence = true }]
        limits = { channels_per_connection = 1 }
    "#;
    broker.reload(&config("heck", extra)).await;
    let bob = broker.connect("bob").await;
    assert_eq!(bob.welcome["limits"]["channels"], 1);
    ann.publish("still heard").await.expect_message("still heard").await;
    ann.ask("history", json!({ "channel": "c" })).await;
}

#[tokio::test]
async fn a_new_tenant_comes_and_one_that_left_is_told() {
    let two = |name: &str| {
        format!(
            "tenants = [{{ name = \"stays\", anonymous = true, default = \"allow\" }}, \
             {{ name = \"{name}\", anonymous = true }}]"
        )
    };
    let broker = Broker::start(&two("leaves")).await;
    let mut stays = broker.dial("stays").tenant("stays").connect().await;
    let mut leaves = broker.dial("leaves").tenant("leaves").connect().await;
    assert_eq!(broker.dial("early").tenant("comes").refused().await.status, 404);
    broker.reload(&two("comes")).await;
    leaves.expect_disconnect(4507, "tenant_disabled", false).await;
    broker.dial("comes").tenant("comes").connect().await.still_works().await;
    assert_eq!(broker.dial("late").tenant("leaves").refused().await.status, 404);
    stays
        .subscribe("c")
        .await
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
}

#[tokio::test]
async fn a_swapped_plugin_file_is_used() {
    let swapped = |file: &str| {
        format!(
            r#"
            server = {{ default_tenant = "t" }}
            plugins = {{ door = {{ file = "{file}" }} }}
            [[tenants]]
            name = "t"
            anonymous = true
            default = "allow"
            chain = [{{ plugin = "door", on_fault = "deny" }}]
            "#
        )
    };
    let broker = Broker::start(&swapped("guests/publish-allow.wasm")).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;
    // The same name, other bytes.
    let deny = crate::support::guests::compile("publish-deny");
    broker.home.put("guests/publish-allow.wasm", deny);
    broker.hang_up().await;
    let error = ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4403).await;
    assert_eq!(error["plugin"], "door");
    // Another name.
    broker.reload(&swapped("guests/publish-tag.wasm")).await;
    ann.publish("hi again").await.expect_message("hi again").await;
}

/// The config `bad` is refused with a log line that has `words`, and the old one holds.
async fn refused(bad: &str, words: &[&str]) {
    let broker = Broker::start(&config("heck", "")).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await;
    let mark = broker.log().mark();
    broker.home.write(bad);
    broker.hang_up().await;
    broker.log().wait_after(mark, words).await;
    ann.publish("what the heck").await.expect_message("what the ****").await;
    broker.connect("bob").await.to("c").publish("heck").await;
    ann.expect_message("****").await;
    assert_eq!(broker.admin_get("/readyz").await.status, 200);
}

#[tokio::test]
async fn a_typo_is_refused_and_the_old_config_holds() {
    refused("[servr]\nlisten = \"127.0.0.1:0\"\n", &["servr", "server"]).await;
}

#[tokio::test]
async fn broken_toml_is_refused_and_the_old_config_holds() {
    refused("[server\n", &["sluicegate.toml"]).await;
}

#[tokio::test]
async fn bad_plugin_settings_are_refused_and_the_old_config_holds() {
    let bad = crate::support::config::complete(&config("heck", "").replace("rules", "rulez"));
    refused(&bad, &["transform", "rulez"]).await;
}

#[tokio::test]
async fn a_missing_plugin_is_refused_and_the_old_config_holds() {
    let bad = config("heck", "").replace("plugins/transform.wasm", "plugins/no_such.wasm");
    refused(&crate::support::config::complete(&bad), &["no_such.wasm"]).await;
}

#[tokio::test]
async fn good_and_refused_reloads_are_counted_apart() {
    let broker = Broker::start(&config("heck", "")).await;
    broker.hang_up().await;
    let ok = broker.metrics().await;
    broker.home.write("[servr]");
    broker.hang_up().await;
    let failed = broker.metrics().await;
    let of = |metrics: &crate::support::metrics::Metrics, result: &str| {
        metrics.sum("sluicegate_reloads_total", &[("result", result)])
    };
    assert_eq!(of(&ok, "ok"), Some(1.0));
    assert_eq!(
        of(&failed, "ok"),
        Some(1.0),
        "the refused one is counted as another result"
    );
    assert_eq!(failed.sum("sluicegate_reloads_total", &[]), Some(2.0));
}

#[tokio::test]
async fn the_keys_of_authorize_can_be_rolled() {
    let keyed = |secret: &str| {
        format!(
            r#"
            server = {{ default_tenant = "t" }}
            plugins = {{ authorize = {{ file = "plugins/authorize.wasm" }} }}
            [[tenants]]
            name = "t"
            chain = [{{ plugin = "authorize", deadline_ms = 200, config = {{ keys = [{{ alg = "HS256", secret = "{secret}" }}] }} }}]
            "#
        )
    };
    let broker = Broker::start(&keyed("the-old-secret-of-32-bytes-or-more")).await;
    broker
        .dial("early")
        .token(&token::of("ann"))
        .connect_refused(4401)
        .await;
    broker.reload(&keyed(token::SECRET)).await;
    broker.dial("ann").token(&token::of("ann")).connect().await;
}
