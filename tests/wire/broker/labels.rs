//! Labels of metrics: nobody but the operator chooses what is written there.

use std::collections::BTreeSet;

use crate::support::{Broker, Frame, json};

/// Every label of the broker's metrics, and who its values come from.
const LABELS: [(&str, &str); 12] = [
    ("tenant", "the config"),
    ("plugin", "the config"),
    ("hook", "the contract"),
    ("verdict", "the contract"),
    ("kind", "the broker's list of faults"),
    ("result", "the broker"),
    ("code", "the broker's table of codes"),
    ("call", "the admin API's table of endpoints"),
    ("status", "the broker"),
    ("what", "the broker"),
    ("why", "the broker"),
    ("le", "the broker's buckets"),
];

#[tokio::test]
async fn a_clients_close_code_makes_no_series() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t" }
        tenants = [{ name = "t", anonymous = true, default = "allow" }]
        "#,
    )
    .await;
    let codes: Vec<u16> = (3000..3040).chain([4000, 4001, 4500, 4888, 4999, 1000, 1001]).collect();
    let count = codes.len();
    for code in codes {
        let mut client = broker.connect("client").await;
        client.send_frame(&Frame::close(code, "")).await;
        assert_eq!(client.closed().await, Some(code));
    }
    let counted = |m: &crate::support::metrics::Metrics| {
        m.sum("sluicegate_disconnects_total", &[]) == Some(f64::from(u32::try_from(count).unwrap()))
    };
    let metrics = broker.metrics_when("every end", counted).await;
    let of = |code| metrics.sum("sluicegate_disconnects_total", &[("code", code)]);
    let series = metrics.label_values("sluicegate_disconnects_total", &[], "code");
    assert_eq!(series.len(), 3, "{series:?}");
    assert_eq!(
        [of("1000"), of("1001"), of("other")],
        [Some(1.0), Some(1.0), Some(45.0)]
    );
}

#[tokio::test]
async fn what_clients_and_plugins_say_is_in_no_label() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t" }
        plugins = { counts = { file = "guests/counts.wasm" } }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        chain = [{ plugin = "counts", deadline_ms = 500, grants = ["kv", "limiter", "metrics"] }]
        [[tenants.channels]]
        match = "**"
        history = { size = 10, ttl_seconds = 60 }
        presence = true
        "#,
    )
    .await;
    let mut ann = broker.connect("chosen-name").await;
    ann.subscribe("chosen-channel").await.publish("chosen-data").await;
    ann.ask("history", json!({ "channel": "chosen-history" })).await;
    ann.fails("chosen-type", json!({}), 4404).await;
    broker.dial("chosen").path("/chosen-path").refused().await;
    broker.dial("chosen").tenant("chosen-tenant").refused().await;
    broker.dial("chosen").host("chosen-host").connect().await.close().await;
    for path in ["/chosen", "/api/v1/chosen", "/api/v1/tenants/chosen-tenant/channels"] {
        broker.admin_get(path).await;
    }
    let text = broker.admin_get("/metrics").await.body;
    assert!(!text.contains("chosen"), "{text}");
    let known: BTreeSet<&str> = LABELS.iter().map(|(label, _)| *label).collect();
    for metric in crate::support::metrics::Metrics::read(&text).samples() {
        for label in metric.labels.keys() {
            assert!(
                known.contains(label.as_str()),
                "{}: say in this test who chooses the values of {label:?}",
                metric.name
            );
        }
    }
}
