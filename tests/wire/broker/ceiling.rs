//! The ceiling over all that a node keeps for a tenant: what is told at it, that others notice nothing, and that memory
//! comes back.

use crate::support::metrics::Metrics;
use crate::support::{Broker, json};

const MEMORY: &str = "sluicegate_tenant_memory_bytes";
const MIB: f64 = 1_048_576.0;
const CHANNELS: u64 = 64;

async fn broker() -> Broker {
    Broker::start(
        r#"
        server = { shards = 2 }
        [[tenants]]
        name = "small"
        memory_mib = 1
        anonymous = true
        default = "allow"
        limits = { publish_per_second = 0, requests_per_second = 0, channels_per_connection = 2000 }
        channels = [{ match = "kept:*", history = { size = 1000, ttl_seconds = 600 } }]
        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        limits = { publish_per_second = 0 }
        channels = [{ match = "**", history = {} }]
        "#,
    )
    .await
}

fn bytes(metrics: &Metrics, tenant: &str, what: &str) -> f64 {
    metrics.sum(MEMORY, &[("tenant", tenant), ("what", what)]).unwrap()
}

fn all(metrics: &Metrics, tenant: &str) -> f64 {
    metrics.sum(MEMORY, &[("tenant", tenant)]).unwrap()
}

#[tokio::test]
async fn the_oldest_histories_are_shortened_and_who_comes_back_for_them_is_told() {
    let broker = broker().await;
    let mut ann = broker.dial("ann").tenant("small").connect().await;
    let data = "x".repeat(10_000);
    let mut acks = Vec::new();
    for n in 0..CHANNELS {
        let channel = format!("kept:{n}");
        acks.push(ann.publish_with(json!({ "channel": channel, "data": data })).await);
        assert!(all(&broker.metrics().await, "small") <= MIB);
    }
    let mut told = Vec::new();
    for (n, ack) in acks.iter().enumerate() {
        let since = json!({ "epoch": ack["epoch"], "offset": 0 });
        let payload = json!({ "channel": format!("kept:{n}"), "since": since });
        told.push(ann.subscribe_with(payload).await["recovered"].as_bool().unwrap());
    }
    let gone = told.iter().take_while(|recovered| !**recovered).count();
    assert!(
        (1..64).contains(&gone) && told[gone..].iter().all(|recovered| *recovered),
        "{told:?}"
    );
    // What was told is lost goes on from here.
    ann.to("kept:0").publish("new").await;
    ann.expect_message("new").await;
}

#[tokio::test]
async fn what_waits_for_those_who_do_not_read_is_below_the_ceiling_and_refused_for_no_other_tenant() {
    let broker = broker().await;
    let mut sleepers = Vec::new();
    for n in 0..4 {
        let dial = broker
            .dial(&format!("sleeper {n}"))
            .tenant("small")
            .receive_buffer(4096);
        let mut sleeper = dial.connect().await;
        sleeper.subscribe("c").await;
        sleepers.push(sleeper);
    }
    let mut ann = broker.dial("ann").tenant("small").connect().await;
    let mut bob = broker.dial("bob").tenant("other").connect().await;
    bob.subscribe("c").await;
    let data = "x".repeat(50_000);
    // Until the kernel's buffers and then the tenant's memory are full.
    let error = loop {
        let id = ann.send("publish", json!({ "channel": "c", "data": data })).await;
        let reply = ann.reply(&id).await;
        if reply.kind() == "error" {
            break reply["payload"].clone();
        }
    };
    assert_eq!(
        (&error["code"], &error["reason"]),
        (&json!(4430), &json!("limit_exceeded"))
    );
    assert!(error["message"].as_str().unwrap().contains("memory_mib"), "{error}");
    ann.fails("subscribe", json!({ "channel": "d" }), 4430).await;
    ann.fails("publish", json!({ "channel": "kept:1", "data": 1 }), 4430)
        .await;
    let metrics = broker.metrics().await;
    assert!(
        bytes(&metrics, "small", "outboxes") >= 0.9 * MIB,
        "{:?}",
        bytes(&metrics, "small", "outboxes")
    );
    let labels = [("tenant", "small"), ("what", "memory")];
    assert!(metrics.sum("sluicegate_tenant_throttled_total", &labels) >= Some(3.0));
    bob.to("c").publish("hi").await;
    bob.expect_message("hi").await;
    for sleeper in sleepers {
        sleeper.vanish();
    }
    let given_back = |m: &Metrics| bytes(m, "small", "outboxes") == 0.0;
    broker.metrics_when("memory given back", given_back).await;
    ann.subscribe("d").await;
    ann.to("d").publish("again").await;
    ann.expect_message("again").await;
}

#[tokio::test]
async fn subscriptions_count_until_their_connections_are_gone() {
    let broker = broker().await;
    let mut hoarders = Vec::new();
    let mut opened = 0;
    // Connections from one address have half of it at most; what is joined beside counts as well.
    let refused = 'full: loop {
        let mut hoarder = broker
            .dial(&format!("hoarder {}", hoarders.len()))
            .tenant("small")
            .connect()
            .await;
        for n in 0..300 {
            let id = hoarder.send("subscribe", json!({ "channel": format!("c{n}") })).await;
            let reply = hoarder.reply(&id).await;
            if reply.kind() == "error" {
                hoarders.push(hoarder);
                break 'full reply["payload"].clone();
            }
            opened += 1;
        }
        hoarders.push(hoarder);
    };
    assert_eq!(refused["code"], 4430, "{refused}");
    assert!((600..2_000).contains(&opened), "{opened}");
    let metrics = broker.metrics().await;
    let taken = bytes(&metrics, "small", "channels");
    assert!((0.9 * MIB..MIB + 2_000.0).contains(&taken), "{taken} of {opened}");
    for hoarder in hoarders {
        hoarder.vanish();
    }
    broker
        .metrics_when("memory given back", |m| all(m, "small") == 0.0)
        .await;
    let mut ann = broker.dial("ann").tenant("small").connect().await;
    ann.subscribe("c1").await;
}

#[tokio::test]
async fn instances_are_counted_for_their_tenant_and_its_hooks_are_timed() {
    let broker = Broker::start(
        r#"
        server = { shards = 1 }
        plugins = { tagger = { file = "guests/publish-tag.wasm" } }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        chain = [{ plugin = "tagger", deadline_ms = 500 }]
        [[tenants]]
        name = "asleep"
        anonymous = true
        chain = [{ plugin = "tagger", deadline_ms = 500 }]
        "#,
    )
    .await;
    let mut ann = broker.dial("ann").tenant("t").connect().await;
    ann.subscribe("c").await.publish(1).await.expect_message(1).await;
    let metrics = broker.metrics().await;
    let counted = bytes(&metrics, "t", "instances");
    assert_eq!(Some(counted), metrics.sum("sluicegate_sandbox_memory_bytes", &[]));
    assert!(counted > 0.0);
    let seconds = |tenant| metrics.sum("sluicegate_tenant_hook_seconds_total", &[("tenant", tenant)]);
    assert!(seconds("t") > Some(0.0), "{:?}", seconds("t"));
    assert_eq!(seconds("asleep"), None);
}

#[tokio::test]
async fn what_tenants_use_is_on_the_metrics_once_they_use_something() {
    let broker = broker().await;
    let mut bob = broker.dial("bob").tenant("other").connect().await;
    bob.subscribe("c").await;
    let moved = |m: &Metrics, name: &str| m.sum(name, &[("tenant", "other")]).unwrap_or(0.0) > 0.0;
    loop {
        for n in 0..100 {
            bob.to("c").publish(n).await;
            bob.expect_message(n).await;
        }
        let metrics = broker.metrics().await;
        let seconds = ["request", "delivery"].map(|what| format!("sluicegate_tenant_{what}_seconds_total"));
        if seconds.iter().all(|name| moved(&metrics, name)) {
            assert!(bytes(&metrics, "other", "histories") > 0.0);
            assert!(
                metrics
                    .sum("sluicegate_tenant_waiting", &[("tenant", "other")])
                    .is_some()
            );
            let series = metrics
                .samples()
                .filter(|sample| sample.name != "sluicegate_tenant_quarantined");
            let tenants = series.filter_map(|sample| sample.labels.get("tenant"));
            assert!(
                tenants.into_iter().all(|tenant| tenant == "other"),
                "the other one sleeps"
            );
            return;
        }
    }
}
