//! The operator publishes.

use super::broker;
use crate::support::message_pack::bytes;
use crate::support::{json, token};

#[tokio::test]
async fn what_the_operator_says_reaches_subscribers_byte_for_byte() {
    let broker = broker().await;
    let mut ann = broker.user("ann").await;
    ann.subscribe("room:1").await;
    let body = r#"{"channel":"room:1","data":{"b": 1.50,  "a":[null]}}"#;
    let answer = crate::support::admin::request(
        broker.admin,
        "POST",
        "/tenants/acme/publish",
        Some(crate::support::admin::KEY),
        body.as_bytes(),
    );
    let answer = answer.await.ok();
    let message = ann.message().await;
    assert_eq!(message.payload_text(), r#"{"b": 1.50,  "a":[null]}"#);
    assert_eq!(message["id"], answer["message"]);
    assert_eq!((&message["epoch"], &message["offset"]), (&answer["epoch"], &json!(1)));
    assert_eq!(answer["offset"], 1);
    assert!(
        message.get("from").is_none(),
        "nobody of the tenant said it: {}",
        message.text
    );
    assert!(answer.get("duplicate").is_none());
}

#[tokio::test]
async fn a_key_makes_two_publishes_one() {
    let broker = broker().await;
    let mut ann = broker.user("ann").await;
    ann.subscribe("plain").await;
    let path = "/tenants/acme/publish";
    let body = |data| json!({ "channel": "plain", "data": data, "key": "k" });
    let first = broker.order(path, body(1)).await;
    assert!(first.get("offset").is_none(), "a channel without history: {first}");
    let second = broker.order(path, body(2)).await;
    assert_eq!(second["duplicate"], true);
    assert_eq!(second["message"], first["message"]);
    broker
        .order(path, json!({ "channel": "plain", "data": 3, "ephemeral": true }))
        .await;
    ann.expect_messages([1, 3]).await;
}

#[tokio::test]
async fn the_limits_of_messages_hold_for_the_operator() {
    let broker = broker().await;
    let publish = async |data: usize| {
        let body = json!({ "channel": "c", "data": "x".repeat(data - 2) });
        broker.call("POST", "/tenants/acme/publish", body).await
    };
    publish(65_536).await.ok();
    publish(65_537).await.problem(413, "too_large");
    publish(2_000_000).await.problem(413, "too_large");
    let refused = |m: &crate::support::metrics::Metrics| {
        m.sum(
            "sluicegate_publishes_total",
            &[("tenant", "acme"), ("result", "refused")],
        )
    };
    assert_eq!(
        refused(&broker.metrics().await),
        Some(1.0),
        "the largest was never read"
    );
}

#[tokio::test]
async fn a_broadcast_tells_what_became_of_each_channel() {
    let broker = broker().await;
    let mut ann = broker.user("ann").await;
    ann.subscribe("room:1").await.subscribe("plain").await;
    let path = "/tenants/acme/broadcast";
    let body = json!({ "channels": ["plain", "room:1", "room:2"], "data": "all", "key": "b" });
    let answer = broker.order(path, body.clone()).await;
    assert_eq!((&answer["published"], &answer["failed"]), (&json!(3), &json!(0)));
    let channel = |n: usize| answer["results"][n]["channel"].as_str().unwrap().to_owned();
    assert_eq!([channel(0), channel(1), channel(2)], ["plain", "room:1", "room:2"]);
    assert_eq!(answer["results"][1]["offset"], 1);
    ann.expect_messages(["all", "all"]).await;
    let again = broker.order(path, body).await;
    assert_eq!(again["results"][2]["duplicate"], true);

    let many: Vec<_> = (0..1000).map(|n| format!("many:{n}")).collect();
    let answer = broker.order(path, json!({ "channels": many, "data": 1 })).await;
    assert_eq!(
        (&answer["published"], &answer["results"][999]["channel"]),
        (&json!(1000), &json!("many:999"))
    );

    let too_large = json!({ "channels": ["a", "b"], "data": "x".repeat(70_000) });
    let answer = broker.order(path, too_large).await;
    assert_eq!(
        (&answer["failed"], &answer["results"][1]["error"]["code"]),
        (&json!(2), &json!("too_large"))
    );
}

#[tokio::test]
async fn a_broadcast_names_each_channel_once_and_not_too_many() {
    let broker = broker().await;
    let path = "/tenants/acme/broadcast";
    let many: Vec<_> = (0..1001).map(|n| format!("many:{n}")).collect();
    for channels in [json!([]), json!(["a", "a"]), json!(many), json!(["a b"]), json!("a")] {
        let answer = broker
            .call("POST", path, json!({ "channels": channels, "data": 1 }))
            .await;
        answer.problem(422, "bad_body");
    }
}

#[tokio::test]
async fn bytes_are_published_and_read_as_base64() {
    let broker = broker().await;
    let mut ann = broker.dial("ann").packed().token(&token::of("ann")).connect().await;
    ann.subscribe("bytes:1").await;
    let path = "/tenants/acme/publish";
    let body = json!({ "channel": "bytes:1", "data": "AP+A", "encoding": "base64" });
    broker.order(path, body).await;
    let message = ann.message().await;
    assert_eq!(message["payload"], bytes(&[0, 255, 128]));
    let history = broker.read("/tenants/acme/channels/bytes%3A1/history").await;
    let kept = &history["messages"][0];
    assert_eq!(
        (&kept["payload"], &kept["encoding"]),
        (&json!("AP+A"), &json!("base64"))
    );
    for refused in [
        json!({ "channel": "bytes:1", "data": "AP+A" }),
        json!({ "channel": "bytes:1", "data": { "a": 1 } }),
        json!({ "channel": "bytes:1", "data": "AP-A", "encoding": "base64" }),
        json!({ "channel": "bytes:1", "data": 7, "encoding": "base64" }),
        json!({ "channel": "room:1", "data": "AP+A", "encoding": "base64" }),
    ] {
        broker.call("POST", path, refused).await.problem(409, "wrong_content");
    }
    let hex = json!({ "channel": "bytes:1", "data": "00ff80", "encoding": "hex" });
    broker.call("POST", path, hex).await.problem(422, "bad_body");
    // What is limited is the bytes.
    let large =
        |length: usize| json!({ "channel": "bytes:1", "data": "AAAA".repeat(length / 3), "encoding": "base64" });
    broker.call("POST", path, large(65_535)).await.ok();
    broker.call("POST", path, large(65_538)).await.problem(413, "too_large");
    let all = json!({ "channels": ["bytes:1", "room:1"], "data": "AP+A", "encoding": "base64" });
    let answer = broker.order("/tenants/acme/broadcast", all).await;
    assert_eq!((&answer["published"], &answer["failed"]), (&json!(1), &json!(1)));
    assert_eq!(answer["results"][1]["error"]["code"], "wrong_content");
}
