//! Capabilities of plugins: the log, stores, buckets, counters; and the disconnect hook.

use crate::support::{Broker, json};

async fn broker(guest: &str, grants: &str) -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "t" }}
        plugins = {{ p = {{ file = "guests/{guest}.wasm" }} }}
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        chain = [{{ plugin = "p", deadline_ms = 500, grants = {grants} }}]
        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        chain = [{{ plugin = "p", deadline_ms = 500, grants = {grants} }}]
        "#
    ))
    .await
}

#[tokio::test]
async fn buckets_and_counters_are_the_tenants_own() {
    let broker = broker("counts", r#"["kv", "limiter", "metrics"]"#).await;
    for tenant in ["t", "other"] {
        let mut ann = broker.dial("ann").tenant(tenant).connect().await;
        let mut bob = broker.dial("bob").tenant(tenant).connect().await;
        ann.subscribe("c").await;
        // Two tokens for all sessions of the tenant; without one, the plugin discards.
        ann.publish(1).await;
        bob.to("c").publish(2).await.publish(3).await;
        ann.expect_messages([1, 2]).await;
        ann.still_works().await;
        assert!(!ann.has_waiting("message"), "the third was discarded");
        let labels = [("tenant", tenant), ("plugin", "p")];
        let counted =
            |m: &crate::support::metrics::Metrics| m.sum("sluicegate_plugin_seen_total", &labels) == Some(3.0);
        broker.metrics_when("the plugin's own counter", counted).await;
    }
}

#[tokio::test]
async fn what_a_plugin_prints_is_in_the_log() {
    let broker = broker("prints", "[]").await;
    let mut ann = broker.connect("ann").await;
    ann.to("c").publish(1).await.publish(2).await;
    let line = broker.log().wait_for(&["hello, line ends"]).await;
    assert!(line.contains("plugin=\"p\"") && line.contains("tenant=\"t\""), "{line}");
}

#[tokio::test]
async fn on_disconnect_is_told_the_close_code_and_changes_nothing() {
    let broker = broker("says-goodbye", "[]").await;
    broker.connect("ann").await.close().await;
    broker.log().wait_for(&["goodbye, 1000"]).await;
    let mut bob = broker.connect("bob").await;
    bob.send_text("{")
        .await
        .expect_disconnect(4500, "bad_protocol", false)
        .await;
    broker.log().wait_for(&["goodbye, 4500"]).await;
    // It trapped after that one: a fault that decides nothing.
    broker.log().wait_for(&["disconnect", "unreachable"]).await;
    let mut carl = broker.connect("carl").await;
    carl.subscribe("c").await.publish("hi").await.expect_message("hi").await;
    carl.fails("dance", json!({}), 4404).await;
}

/// A hundred lines of four KiB are more than a pipe takes.
#[tokio::test]
async fn a_log_that_nobody_reads_stops_nobody() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t", shards = 1 }
        plugins = { p = { file = "guests/log-nuls.wasm" } }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        chain = [{ plugin = "p", deadline_ms = 500 }]
        limits = { log_kib_per_second = 1048576 }
        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        "#,
    )
    .await;
    let mut bob = broker.dial("bob").tenant("other").connect().await;
    let mut ann = broker.connect("ann").await;
    let mark = broker.log().mark();
    let held = broker.log().hold().await;
    ann.to("c").publish(1).await.still_works().await;
    bob.to("c").publish(2).await.still_works().await;
    drop(held);
    let line = broker.log().wait_after(mark, &["\\u{0}\\u{0}"]).await;
    assert!(line.len() < 4_096 + 200, "{} bytes", line.len());
}

#[tokio::test]
async fn a_tenant_that_writes_more_than_its_bytes_is_told_how_many_lines_are_missing() {
    let broker = broker("log-nuls", "[]").await;
    let mut ann = broker.connect("ann").await;
    ann.to("c").publish(1).await.still_works().await;
    let lost = |m: &crate::support::metrics::Metrics| {
        m.sum("sluicegate_log_lines_lost_total", &[("why", "budget")])
            .unwrap_or_default()
            > 80.0
    };
    broker.metrics_when("lines over the budget", lost).await;
    // Another tenant with the same plugin has bytes of its own.
    let mark = broker.log().mark();
    let mut bob = broker.dial("bob").tenant("other").connect().await;
    bob.to("c").publish(1).await.still_works().await;
    broker.log().wait_after(mark, &["tenant=\"other\"", "\\u{0}"]).await;
}
