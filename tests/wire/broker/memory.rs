//! What a tenant's clients can make a node keep: channels, histories, and what waits for those who do not read.

use crate::support::metrics::Metrics;
use crate::support::{Broker, json, token};

const OPEN: &str = "sluicegate_tenant_open_channels";
const MEMORY: &str = "sluicegate_tenant_memory_bytes";
const HISTORIES: [(&str, &str); 1] = [("what", "histories")];

async fn broker(limits: &str) -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "t", shards = 2 }}
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [[tenants]]
        name = "t"
        default = "allow"
        chain = [{{ plugin = "authorize", hooks = ["connect"], deadline_ms = 200, config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }} }}]
        limits = {{ publish_per_second = 0, requests_per_second = 0{limits} }}
        [[tenants.channels]]
        match = "kept:**"
        history = {{ size = 1000, ttl_seconds = 1 }}
        presence = true
        [[tenants.channels]]
        match = "long:**"
        history = {{ size = 1000, ttl_seconds = 600 }}
        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        channels = [{{ match = "**", history = {{}} }}]
        "#,
        token::SECRET
    ))
    .await
}

async fn user(broker: &Broker, name: &str) -> crate::support::Client {
    broker.dial(name).token(&token::of(name)).connect().await
}

fn open(metrics: &Metrics, tenant: &str) -> Option<f64> {
    metrics.sum(OPEN, &[("tenant", tenant)])
}

#[tokio::test]
async fn reading_random_channels_makes_nothing() {
    let broker = broker(", open_channels = 10").await;
    let mut ann = user(&broker, "ann").await;
    ann.subscribe("kept:own").await;
    let mut ids = Vec::new();
    for n in 0..3000 {
        ids.push(ann.send("history", json!({ "channel": format!("kept:{n}") })).await);
        ids.push(ann.send("presence", json!({ "channel": format!("kept:{n}") })).await);
        if n % 50 == 49 {
            for id in ids.drain(..) {
                ann.acked(&id).await;
            }
        }
    }
    let metrics = broker.metrics().await;
    assert_eq!(open(&metrics, "t"), Some(1.0));
    assert_eq!(metrics.sum(MEMORY, &HISTORIES), Some(0.0));
}

#[tokio::test]
async fn what_an_unused_channel_told_is_recovered_from() {
    let broker = broker("").await;
    let (mut ann, mut bob) = (user(&broker, "ann").await, user(&broker, "bob").await);
    let told = ann.ask("history", json!({ "channel": "long:new" })).await;
    bob.to("long:new").publish(1).await.publish(2).await;
    let since = json!({ "epoch": told["epoch"], "offset": told["offset"] });
    let ack = ann
        .subscribe_with(json!({ "channel": "long:new", "since": since }))
        .await;
    assert_eq!(
        (&ack["recovered"], ack["messages"].as_array().map(Vec::len)),
        (&json!(true), Some(2))
    );
}

#[tokio::test]
async fn over_the_open_channels_of_a_tenant_new_ones_are_refused_and_come_back_when_there_is_room() {
    let broker = broker(", open_channels = 4").await;
    let (mut ann, mut bob) = (user(&broker, "ann").await, user(&broker, "bob").await);
    ann.subscribe("a").await.subscribe("b").await;
    for (kind, payload) in [
        ("subscribe", json!({ "channel": "c" })),
        ("publish", json!({ "channel": "kept:c", "data": 1 })),
        ("publish", json!({ "channel": "c", "data": 1, "key": "k" })),
    ] {
        let error = ann.fails(kind, payload, 4430).await;
        assert_eq!(
            (&error["reason"], &error["retry"]),
            (&json!("limit_exceeded"), &json!(false))
        );
        assert!(
            error["message"].as_str().unwrap().contains("limits.open_channels"),
            "{error}"
        );
    }
    // What needs no channel of its own goes on, and so does everybody else.
    ann.to("nobody-listens").publish(1).await;
    bob.subscribe("a").await.subscribe("c").await.subscribe("d").await;
    bob.fails("subscribe", json!({ "channel": "e" }), 4430).await;
    ann.to("d").publish("hi").await;
    bob.expect_message("hi").await;
    let mut neighbour = broker.dial("neighbour").tenant("other").connect().await;
    neighbour.subscribe("e").await;
    assert_eq!(open(&broker.metrics().await, "t"), Some(4.0));
    ann.unsubscribe("b").await;
    bob.unsubscribe("c").await.unsubscribe("d").await;
    bob.vanish();
    broker.metrics_when("room again", |m| open(m, "t") == Some(1.0)).await;
    ann.subscribe("e").await;
}

#[tokio::test]
async fn a_flood_into_histories_stays_inside_the_tenants_memory_and_goes_away() {
    let broker = broker(", history_mib = 1, message_bytes = 65536").await;
    let (mut ann, mut mallory) = (user(&broker, "ann").await, user(&broker, "mallory").await);
    ann.to("long:ann").publish("small").await;
    let data = "x".repeat(30_000);
    for n in 0..100 {
        mallory
            .publish_with(json!({ "channel": format!("kept:{n}"), "data": data }))
            .await;
        let metrics = broker.metrics().await;
        let bytes = metrics.sum(MEMORY, &HISTORIES).unwrap();
        assert!(bytes <= 600_000.0, "{bytes} after {n}: one user has half of it");
    }
    let kept = ann.ask("history", json!({ "channel": "long:ann" })).await;
    assert_eq!(kept["messages"].as_array().map(Vec::len), Some(1), "{kept}");
    // What ann keeps for ten minutes is all that is left.
    broker
        .metrics_when("the flood is forgotten", |m| {
            m.sum(MEMORY, &HISTORIES) < Some(2000.0) && open(m, "t") == Some(1.0)
        })
        .await;
}

#[tokio::test]
async fn unread_recoveries_and_histories_take_no_more_than_outboxes() {
    const CHANNELS: u64 = 8;
    let broker = broker(", outbox_bytes = 262144, message_bytes = 65536").await;
    let mut bob = user(&broker, "bob").await;
    let data = "x".repeat(60_000);
    let mut subscribe = Vec::new();
    for n in 0..CHANNELS {
        let channel = format!("long:{n}");
        let mut ack = json!(null);
        for _ in 0..40 {
            ack = bob.publish_with(json!({ "channel": channel, "data": data })).await;
        }
        subscribe.push(json!({ "channel": channel, "since": { "epoch": ack["epoch"], "offset": 0 } }));
    }
    let dial = broker.dial("ann").token(&token::of("ann")).receive_buffer(4096);
    let mut ann = dial.open().await;
    let mut payload = dial.payload();
    payload["subscribe"] = json!(subscribe);
    let id = ann.send("connect", payload).await;
    let mut carl = broker
        .dial("carl")
        .token(&token::of("carl"))
        .receive_buffer(4096)
        .connect()
        .await;
    let history = carl
        .send("history", json!({ "channel": "long:0", "limit": 1000 }))
        .await;
    let waiting = broker
        .metrics_when("that something waits", |m| {
            m.sum("sluicegate_outbox_bytes", &[]) > Some(0.0)
        })
        .await;
    let waiting = waiting.sum("sluicegate_outbox_bytes", &[]).unwrap();
    assert!(waiting <= 2.0 * 2.0 * 262_144.0, "{waiting} bytes wait");
    let ack = ann.acked(&id).await;
    for one in ack["subscriptions"].as_array().unwrap() {
        let messages = one["messages"].as_array().map(Vec::len);
        assert_eq!((&one["recovered"], messages), (&json!(true), Some(40)));
    }
    let history = carl.acked(&history).await;
    assert_eq!(history["messages"].as_array().map(Vec::len), Some(40));
    ann.still_works().await;
}
