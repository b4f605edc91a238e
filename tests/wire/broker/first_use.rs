//! Tenants sleep until they are first used: no instance of their plugins is made before. A plugin that cannot be used then
//! quarantines its tenant, as one does that fails when it is loaded.

use crate::support::metrics::Metrics;
use crate::support::{Broker, Client, json};

const INSTANCES: &str = "sluicegate_sandbox_instances";

/// The tenant `victim`, which is the default one, and `mallory`, with a plugin whose `init` is good so often: the trial at
/// the start is the first time.
fn config(good: u8, more: &str) -> String {
    format!(
        r#"
        server = {{ shards = 1, default_tenant = "victim" }}
        plugins = {{ tagger = {{ file = "guests/publish-tag.wasm" }}, later = {{ file = "guests/init-err-later.wasm" }} }}
        [[tenants]]
        name = "victim"
        anonymous = true
        default = "allow"
        chain = [{{ plugin = "tagger", deadline_ms = 500 }}]
        [[tenants]]
        name = "mallory"
        anonymous = true
        default = "allow"
        chain = [{{ plugin = "later", deadline_ms = 500, grants = ["kv"], config = {{ good = {good} }}, {more} }}]
        "#
    )
}

fn quarantined(metrics: &Metrics, tenant: &str) -> Option<f64> {
    metrics.sum("sluicegate_tenant_quarantined", &[("tenant", tenant)])
}

async fn is_sent_away(client: &mut Client) {
    let notice = client.expect_disconnect(4003, "server_error", true).await;
    let after = notice["retry_after_ms"].as_u64().expect("a time to come back after");
    assert!((15_000..60_000).contains(&after), "{after}");
}

async fn mallory(broker: &Broker, name: &str) -> Client {
    let mut client = broker.dial(name).tenant("mallory").connect().await;
    client.subscribe("c").await;
    client
}

#[tokio::test]
async fn nobody_has_an_instance_before_it_is_asked_for() {
    let broker = Broker::start(&config(9, "")).await;
    assert_eq!(broker.metrics().await.sum(INSTANCES, &[]), Some(0.0));
    assert_eq!(
        broker.metrics().await.sum("sluicegate_sandbox_memory_bytes", &[]),
        Some(0.0)
    );
    mallory(&broker, "one").await.publish(1).await.expect_message(1).await;
    let metrics = broker.metrics().await;
    assert_eq!(metrics.sum(INSTANCES, &[]), Some(1.0));
    assert!(metrics.sum("sluicegate_sandbox_memory_bytes", &[]) > Some(4096.0));
}

#[tokio::test]
async fn eager_ones_are_there_from_the_start() {
    let broker = Broker::start(&config(9, "eager = true")).await;
    let is_there =
        |metrics: &Metrics| metrics.sum("sluicegate_plugin_instances", &[("tenant", "mallory")]) == Some(1.0);
    broker.metrics_when("the eager instance", is_there).await;
}

#[tokio::test]
async fn an_init_that_fails_then_quarantines_the_whole_tenant() {
    let broker = Broker::start(&config(1, "")).await;
    assert_eq!(broker.admin_get("/readyz").await.body, "ready\n");
    let mut ann = broker.connect("ann").await;
    ann.subscribe("c").await;
    let (mut first, mut idle) = (mallory(&broker, "first").await, mallory(&broker, "idle").await);

    let publish = json!({ "channel": "c", "data": 1 });
    first.send("publish", publish.clone()).await;
    first.send("publish", publish).await;
    // Not with a refusal that names the plugin: the client is to come back later.
    is_sent_away(&mut first).await;
    // Also who asked for nothing.
    is_sent_away(&mut idle).await;
    let mut late = broker.dial("late").tenant("mallory").open().await;
    is_sent_away(&mut late).await;

    broker
        .metrics_when("the quarantine", |metrics| quarantined(metrics, "mallory") == Some(1.0))
        .await;
    assert_eq!(quarantined(&broker.metrics().await, "victim"), Some(0.0));
    let ready = broker.admin_get("/readyz").await;
    assert_eq!(ready.status, 200);
    let said = "quarantined: mallory: its clients are sent away: ";
    let line = ready.body.lines().find(|line| line.starts_with(said));
    assert!(
        line.is_some_and(|line| line.contains("tenants[1].chain[0]") && line.contains("FORGED")),
        "{ready:?}"
    );
    broker
        .log()
        .wait_for(&["a tenant is quarantined", "mallory", "FORGED"])
        .await;
    ann.publish("hi").await.expect_message("hi").await;

    // A reload that mends it lets it in.
    broker.reload(&config(9, "")).await;
    mallory(&broker, "again").await.publish(2).await.expect_message(2).await;
    assert_eq!(broker.admin_get("/readyz").await.body, "ready\n");
}

#[tokio::test]
async fn trials_at_the_start_take_a_bounded_time_and_the_rest_is_tried_when_it_is_used() {
    // Each `init` of `slow` takes two seconds of processor time, so that nobody after it is tried.
    let tenant = |name: &str, plugin: &str, more: &str| {
        format!(
            r#"{{ name = "{name}", anonymous = true, default = "allow", chain = [{{ plugin = "{plugin}", {more} }}] }},"#
        )
    };
    let tenants = [
        tenant("slow", "slow", ""),
        tenant("untried", "err", ""),
        tenant("eager", "err", "eager = true"),
        tenant("victim", "tagger", "deadline_ms = 500"),
    ];
    let broker = Broker::start(&format!(
        r#"
        server = {{ default_tenant = "victim" }}
        plugins.slow.file = "guests/init-loop.wasm"
        plugins.err.file = "guests/init-err.wasm"
        plugins.tagger.file = "guests/publish-tag.wasm"
        tenants = [{}]
        "#,
        tenants.concat()
    ))
    .await;
    let shown = |metrics: &Metrics| ["slow", "untried", "eager", "victim"].map(|tenant| quarantined(metrics, tenant));
    let [no, yes] = [Some(0.0), Some(1.0)];
    assert_eq!(shown(&broker.metrics().await), [yes, no, yes, no]);

    let mut client = broker.dial("client").tenant("untried").connect().await;
    client.subscribe("c").await;
    client.send("publish", json!({ "channel": "c", "data": 1 })).await;
    is_sent_away(&mut client).await;
    broker
        .metrics_when("the quarantine", |metrics| shown(metrics) == [yes, yes, yes, no])
        .await;
    broker.connect("ann").await.still_works().await;
}
