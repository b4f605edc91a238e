//! Limits: each has a clear answer, and there is room again when something has ended.

use crate::support::{Broker, PATIENCE, json, token};

async fn broker(limits: &str) -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "t" }}
        [plugins.authorize]
        file = "plugins/authorize.wasm"
        [[tenants]]
        name = "t"
        default = "allow"
        chain = [{{ plugin = "authorize", hooks = ["connect"], deadline_ms = 200, config = {{ keys = [{{ alg = "HS256", secret = "{}" }}] }} }}]
        limits = {{ {limits} }}
        [[tenants]]
        name = "other"
        anonymous = true
        default = "allow"
        "#,
        token::SECRET
    ))
    .await
}

async fn gauge_is(broker: &Broker, connections: f64) {
    let name = "sluicegate_connections";
    let is_so = |m: &crate::support::metrics::Metrics| m.sum(name, &[]) == Some(connections);
    broker.metrics_when("that the connection is gone", is_so).await;
}

#[tokio::test]
async fn channels_per_connection() {
    let broker = broker("channels_per_connection = 2").await;
    let mut ann = broker.dial("ann").token(&token::of("ann")).connect().await;
    assert_eq!(ann.welcome["limits"]["channels"], 2);
    ann.subscribe("a").await.subscribe("b").await;
    let error = ann.fails("subscribe", json!({ "channel": "c" }), 4430).await;
    assert_eq!(error["reason"], "limit_exceeded");
    ann.unsubscribe("a")
        .await
        .subscribe("c")
        .await
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
    // Another connection has its own count, and the list of connect is counted as well.
    let list = json!([{ "channel": "a" }, { "channel": "b" }, { "channel": "c" }]);
    let bob = broker
        .dial("bob")
        .token(&token::of("bob"))
        .subscribe(list)
        .connect()
        .await;
    assert_eq!(bob.welcome["subscriptions"][1]["channel"], "b");
    assert_eq!(
        bob.welcome["subscriptions"][2]["error"]["code"], 4430,
        "{}",
        bob.welcome
    );
}

#[tokio::test]
async fn connections_per_user() {
    let broker = broker("connections_per_user = 2").await;
    let dial = |user: &str| broker.dial(user).token(&token::of(user));
    let mut first = dial("ann").connect().await;
    let second = dial("ann").connect().await;
    let (error, mut third) = dial("ann").connect_refused(4430).await;
    assert_eq!(error["reason"], "limit_exceeded");
    third.expect_close(4506).await;
    dial("bob").connect().await.close().await;
    first.still_works().await;
    gauge_is(&broker, 2.0).await;
    second.vanish();
    gauge_is(&broker, 1.0).await;
    dial("ann").connect().await.still_works().await;
}

#[tokio::test]
async fn connections_of_the_tenant() {
    let broker = broker("connections = 2").await;
    let dial = |user: &str| broker.dial(user).token(&token::of(user));
    let mut ann = dial("ann").connect().await;
    let bob = dial("bob").connect().await;
    let (_, mut carl) = dial("carl").connect_refused(4430).await;
    carl.expect_close(4506).await;
    broker.dial("neighbour").tenant("other").connect().await.close().await;
    ann.still_works().await;
    bob.close().await;
    gauge_is(&broker, 1.0).await;
    dial("carl").connect().await.still_works().await;
}

#[tokio::test]
async fn publish_per_second() {
    let broker = broker("publish_per_second = 5").await;
    let mut ann = broker.dial("ann").token(&token::of("ann")).connect().await;
    assert_eq!(ann.welcome["limits"]["publish_per_second"], 5);
    let payload = json!({ "channel": "c", "data": 1 });
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(ann.send("publish", payload.clone()).await);
    }
    let mut granted = 0;
    let mut refused = 0;
    for id in ids {
        let reply = ann.reply(&id).await;
        if reply.kind() == "ack" {
            granted += 1;
            continue;
        }
        refused += 1;
        let error = &reply["payload"];
        assert_eq!(error["code"], 4429, "{}", reply.text);
        assert_eq!(
            (&error["reason"], &error["retry"]),
            (&json!("rate_limited"), &json!(true))
        );
        let wait = error["retry_after_ms"].as_u64().expect("retry_after_ms");
        assert!((1..=1000).contains(&wait), "at five a second: {}", reply.text);
    }
    assert!(granted >= 10, "the burst is twice the rate, {granted} were granted");
    assert!(refused > 0);
    // Another connection is not affected, and this one may publish again in a moment.
    let mut bob = broker.dial("bob").token(&token::of("bob")).connect().await;
    bob.publish_with(payload.clone()).await;
    let again = async {
        loop {
            let id = ann.send("publish", payload.clone()).await;
            if ann.reply(&id).await.kind() == "ack" {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, again).await.expect("the bucket refills");
}

#[tokio::test]
async fn message_bytes() {
    let broker = broker("message_bytes = 1024").await;
    let mut bob = broker.dial("bob").token(&token::of("bob")).connect().await;
    let mut ann = broker.dial("ann").token(&token::of("ann")).connect().await;
    assert_eq!(ann.welcome["limits"]["message_bytes"], 1024);
    let envelope = |data: usize| {
        let empty = r#"{"type":"publish","id":1,"payload":{"channel":"c","data":""}}"#;
        let (head, tail) = empty.split_at(empty.len() - 3);
        format!("{head}{}{tail}", "x".repeat(data - empty.len()))
    };
    ann.send_text(envelope(1024)).await.acked(&json!(1)).await;
    ann.send_text(envelope(1025)).await.expect_close(1009).await;
    bob.still_works().await;
}
