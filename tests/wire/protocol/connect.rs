//! `connect`: its answers, and requests before, after and with it.

use crate::support::{Broker, json, shared, token};

#[tokio::test]
async fn the_ack_tells_what_a_client_needs() {
    let broker = shared().await;
    let welcome = broker.connect("ann").await.welcome;
    assert!(welcome["session"].as_str().is_some_and(|s| !s.is_empty()), "{welcome}");
    assert_eq!(welcome["node"], "node-under-test");
    assert_eq!(welcome["version"], 1);
    assert_eq!(welcome["ping_ms"], 25_000);
    assert_eq!(welcome["limits"]["message_bytes"], 65_536);
    assert_eq!(welcome["limits"]["channels"], 128);
    assert_eq!(welcome["limits"]["publish_per_second"], 10_000);
    let features = welcome["features"].as_array().expect("features is a list");
    assert!(features.iter().all(crate::support::Value::is_string), "{welcome}");
    assert_eq!(welcome.get("user"), None, "an anonymous session has no user");
    assert_eq!(welcome.get("expires_at"), None, "without a token nothing expires");
    assert_eq!(welcome.get("subscriptions"), None, "none were asked for");
}

#[tokio::test]
async fn the_ack_tells_the_user_and_the_expiry_of_the_token() {
    let broker = shared().await;
    let expiry = token::seconds(1000);
    let token = token::with(&json!({ "sub": "ann-of-connect", "exp": expiry }));
    let welcome = broker.dial("ann").tenant("keyed").token(&token).connect().await.welcome;
    assert_eq!(welcome["user"], "ann-of-connect");
    assert_eq!(welcome["expires_at"], expiry * 1000);
}

#[tokio::test]
async fn each_session_has_its_own_id() {
    let broker = shared().await;
    let ann = broker.connect("ann").await;
    let bob = broker.connect("bob").await;
    assert_ne!(ann.session(), bob.session());
}

#[tokio::test]
async fn connect_without_client_and_data_is_enough() {
    let broker = shared().await;
    let mut ann = broker.dial("ann").open().await;
    ann.ask("connect", json!({ "version": 1 })).await;
    ann.still_works().await;
}

#[tokio::test]
async fn another_version_is_a_bad_request() {
    let broker = shared().await;
    broker.dial("ann").with("version", 2).connect_refused(4400).await;
    broker.dial("bob").with("version", "1").connect_refused(4400).await;
}

#[tokio::test]
async fn connect_takes_a_list_of_subscriptions() {
    let broker = shared().await;
    let list = json!([
        { "channel": "room:with-connect", "presence": true },
        { "channel": "plain-with-connect" },
    ]);
    let mut ann = broker.dial("ann").subscribe(list).connect().await;
    let first = &ann.welcome["subscriptions"][0];
    assert_eq!(first["channel"], "room:with-connect");
    assert_eq!(first["offset"], 0);
    assert!(first["epoch"].is_string(), "{first}");
    assert_eq!(first["presence"][0]["session"], *ann.session());
    assert_eq!(ann.welcome["subscriptions"][1]["channel"], "plain-with-connect");
    assert_eq!(ann.welcome["subscriptions"].as_array().map(Vec::len), Some(2));

    ann.to("plain-with-connect").publish("one").await;
    ann.to("room:with-connect").publish("two").await;
    ann.expect_messages(["one", "two"]).await;
}

#[tokio::test]
async fn a_refused_subscription_in_connect_leaves_the_others() {
    let broker = shared().await;
    let list = json!([{ "channel": "secret:1" }, { "channel": "room:beside-a-refused" }]);
    let mut ann = broker.dial_as("ann-half-refused").subscribe(list).connect().await;
    let refused = &ann.welcome["subscriptions"][0];
    assert_eq!(refused["channel"], "secret:1");
    assert_eq!(refused["error"]["code"], 4403, "{refused}");
    ann.to("room:beside-a-refused")
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
}

#[tokio::test]
async fn anything_before_connect_closes_with_4500() {
    let broker = shared().await;
    let firsts = [
        ("subscribe", json!({ "channel": "room:early" })),
        ("publish", json!({ "channel": "room:early", "data": 1 })),
        ("unsubscribe", json!({ "channel": "room:early" })),
        ("presence", json!({ "channel": "room:early" })),
        ("history", json!({ "channel": "room:early" })),
        ("refresh", json!({ "token": "t" })),
        ("ping", json!({})),
    ];
    for (kind, payload) in firsts {
        let mut ann = broker.dial(kind).open().await;
        ann.send(kind, payload).await;
        ann.expect_close(4500).await;
    }
}

#[tokio::test]
async fn no_connect_in_time_closes_with_4501() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t", connect_timeout_ms = 150 }
        tenants = [{ name = "t", anonymous = true }]
        "#,
    )
    .await;
    let mut in_time = broker.connect("in time").await;
    let mut late = broker.dial("late").open().await;
    late.expect_close(4501).await.expect_end().await;
    in_time.still_works().await;
}

#[tokio::test]
async fn a_second_connect_is_a_bad_request_and_changes_nothing() {
    let broker = shared().await;
    let dial = broker.dial("ann");
    let mut ann = dial.connect().await;
    ann.fails("connect", dial.payload(), 4400).await;
    ann.subscribe("room:second-connect").await.publish("hi").await;
    let message = ann.expect_message("hi").await;
    assert_eq!(message["from"]["session"], *ann.session());
}

#[tokio::test]
async fn a_burst_is_carried_out_in_order() {
    let broker = shared().await;
    let dial = broker.dial("ann");
    let mut ann = dial.open().await;
    let channel = "room:burst";
    let requests = [
        ("connect", dial.payload()),
        ("subscribe", json!({ "channel": channel })),
        ("publish", json!({ "channel": channel, "data": "first" })),
        ("publish", json!({ "channel": channel, "data": "second" })),
        ("ping", json!({})),
    ];
    let mut segment = Vec::new();
    let mut ids = Vec::new();
    for (kind, payload) in requests {
        let (id, text) = ann.request(kind, &payload);
        segment.extend(crate::support::Frame::text(text).masked());
        ids.push(id);
    }
    ann.send_bytes(&segment).await;
    for id in &ids {
        let reply = ann.push("ack").await;
        assert_eq!(
            reply["id"], *id,
            "replies come in the order of the requests: {}",
            reply.text
        );
    }
    ann.expect_messages(["first", "second"]).await;
}
