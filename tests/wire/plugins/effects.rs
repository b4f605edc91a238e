//! Verdicts and effects as they reach clients: tags, discards, a plugin's own codes, grants, the decisions of a chain.

use crate::support::{Broker, json};

/// One tenant, its settings, and a chain of guests by name.
async fn broker(tenant: &str, guests: &[&str]) -> Broker {
    let mut config = format!("[server]\ndefault_tenant = \"t\"\n[[tenants]]\nname = \"t\"\n{tenant}\n");
    for guest in guests {
        config.extend(["[[tenants.chain]]\nplugin = \"", guest, "\"\ndeadline_ms = 500\n"]);
    }
    for guest in guests {
        config.extend(["[plugins.", guest, "]\nfile = \"guests/", guest, ".wasm\"\n"]);
    }
    Broker::start(&config).await
}

const OPEN: &str = "anonymous = true\ndefault = \"allow\"";

#[tokio::test]
async fn tags_are_on_the_envelope_live_and_in_history() {
    let tenant = format!("{OPEN}\nchannels = [{{ match = \"**\", history = {{ size = 10, ttl_seconds = 60 }} }}]");
    let broker = broker(&tenant, &["publish-tag"]).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await.publish("hi").await;
    assert_eq!(ann.expect_message("hi").await["tags"], json!({ "mood": "better" }));
    let history = ann.ask("history", json!({ "channel": "c" })).await;
    assert_eq!(history["messages"][0]["tags"], json!({ "mood": "better" }));
}

#[tokio::test]
async fn a_discarded_message_is_acknowledged_and_delivered_to_nobody() {
    let tenant = format!("{OPEN}\nchannels = [{{ match = \"**\", history = {{ size = 10, ttl_seconds = 60 }} }}]");
    let broker = broker(&tenant, &["publish-discard"]).await;
    let mut ann = broker.connect("ann").await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("c").await;
    ann.subscribe("c").await;
    let ack = ann
        .publish_with(json!({ "channel": "c", "data": "into the void" }))
        .await;
    assert_eq!(ack.get("offset"), None, "it took no place: {ack}");
    let history = bob.ask("history", json!({ "channel": "c" })).await;
    assert_eq!(
        (&history["offset"], &history["messages"]),
        (&json!(0), &json!([])),
        "{history}"
    );
    ann.still_works().await;
    assert!(!ann.has_waiting("message") && !bob.has_waiting("message"));
}

#[tokio::test]
async fn a_denial_names_the_plugin_and_its_reason() {
    let broker = broker(OPEN, &["publish-deny"]).await;
    let mut ann = broker.connect("ann").await;
    let error = ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4403).await;
    assert_eq!(
        (&error["plugin"], &error["reason"]),
        (&json!("publish-deny"), &json!("not_by_me_"))
    );
}

async fn own_codes(hook: &str) -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "t" }}
        plugins = {{ own = {{ file = "guests/own-codes.wasm" }} }}
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        chain = [{{ plugin = "own", hooks = ["{hook}"], deadline_ms = 500 }}]
        "#
    ))
    .await
}

#[tokio::test]
async fn a_plugin_may_refuse_a_connection_with_its_own_code() {
    let broker = own_codes("connect").await;
    let (error, mut ann) = broker.dial("ann").connect_refused(4850).await;
    assert_eq!(
        (&error["plugin"], &error["reason"]),
        (&json!("own"), &json!("own_reason"))
    );
    ann.expect_close(4850).await;
}

#[tokio::test]
async fn a_plugin_may_close_with_its_own_code() {
    let broker = own_codes("subscribe").await;
    let mut ann = broker.connect("ann").await;
    ann.fails("subscribe", json!({ "channel": "c" }), 4310).await;
    let notice = ann.push("disconnect").await;
    assert_eq!(
        (&notice["payload"]["code"], &notice["payload"]["reconnect"]),
        (&json!(4310), &json!(true))
    );
    ann.expect_close(4310).await;
}

#[tokio::test]
async fn a_plugin_may_refuse_a_message_with_its_own_code() {
    let broker = own_codes("publish").await;
    let mut ann = broker.connect("ann").await;
    let error = ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4600).await;
    assert_eq!(
        (&error["reason"], &error["retry_after_ms"]),
        (&json!("own_reason"), &json!(1234))
    );
    ann.still_works().await;
}

#[tokio::test]
async fn a_grant_gives_publish_and_presence_but_not_history() {
    let rules = "channels = [{ match = \"**\", presence = true, history = { size = 10, ttl_seconds = 60 } }]";
    let broker = broker(rules, &["grants"]).await;
    let mut ann = broker.connect("ann").await;
    assert_eq!(ann.welcome.get("user"), None, "accepted without a name");
    // Without the subscription no plugin has allowed the publish.
    let error = ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4403).await;
    assert_eq!(error.get("plugin"), None, "nobody refused, nobody allowed: {error}");
    ann.subscribe("c").await.publish("hi").await.expect_message("hi").await;
    assert_eq!(ann.ask("presence", json!({ "channel": "c" })).await["count"], 1);
    ann.fails("history", json!({ "channel": "c" }), 4403).await;
    ann.unsubscribe("c")
        .await
        .fails("publish", json!({ "channel": "c", "data": 1 }), 4403)
        .await;
}

#[tokio::test]
async fn without_any_accept_there_is_no_connection() {
    let broker = broker("default = \"allow\"", &["publish-allow"]).await;
    let (_, mut ann) = broker.dial("ann").connect_refused(4401).await;
    ann.expect_close(4502).await;
}

#[tokio::test]
async fn without_any_allow_nothing_is_allowed() {
    let broker = broker("anonymous = true", &["publish-allow"]).await;
    let mut ann = broker.connect("ann").await;
    ann.fails("subscribe", json!({ "channel": "c" }), 4403).await;
    ann.publish_with(json!({ "channel": "c", "data": "allowed by the plugin" }))
        .await;
}

#[tokio::test]
async fn any_deny_ends_the_chain() {
    for chain in [["publish-allow", "publish-deny"], ["publish-deny", "publish-allow"]] {
        let broker = broker(OPEN, &chain).await;
        let mut ann = broker.connect("ann").await;
        let error = ann.fails("publish", json!({ "channel": "c", "data": 1 }), 4403).await;
        assert_eq!(error["plugin"], "publish-deny");
    }
}

#[tokio::test]
async fn a_later_deny_leaves_no_tag_and_an_earlier_discard_asks_nobody() {
    let broker = broker(OPEN, &["publish-discard", "publish-deny"]).await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await.publish("gone").await.still_works().await;
    assert!(!ann.has_waiting("message"));
}

#[tokio::test]
async fn a_cached_verdict_is_reused_for_the_same_session_and_channel() {
    let broker = broker("anonymous = true", &["ask-once"]).await;
    let mut ann = broker.connect("ann").await;
    for n in 0..5 {
        ann.publish_with(json!({ "channel": "c", "data": n })).await;
    }
    ann.fails("publish", json!({ "channel": "other", "data": 1 }), 4503)
        .await;
}
