//! The envelope: bad ones, unknown fields, and the replies.

use crate::support::{json, shared};

#[tokio::test]
async fn what_is_no_envelope_closes_with_4500() {
    let broker = shared().await;
    let bystander = &mut broker.connect("bystander").await;
    let not_envelopes = [
        "",
        "{",
        "hello",
        "{\"type\":\"ping\",\"id\":1",
        "{\"type\":\"ping\",\"id\":1}{\"type\":\"ping\",\"id\":2}",
        "[]",
        "null",
        "17",
        "\"ping\"",
        "{}",
        "{\"id\":1}",
        "{\"type\":7,\"id\":1}",
        "{\"type\":null,\"id\":1}",
        // A request without an id, or with one that is neither a number nor a string.
        "{\"type\":\"ping\"}",
        "{\"type\":\"ping\",\"id\":null}",
        "{\"type\":\"ping\",\"id\":true}",
        "{\"type\":\"ping\",\"id\":{}}",
        "{\"type\":\"ping\",\"id\":[1]}",
        "{\"type\":\"publish\",\"payload\":{\"channel\":\"room:x\",\"data\":1}}",
    ];
    for text in not_envelopes {
        let mut ann = broker.dial(text).connect().await;
        ann.send_text(text).await;
        ann.expect_disconnect(4500, "bad_protocol", false).await;
        ann.expect_end().await;
    }
    bystander.still_works().await;
}

#[tokio::test]
async fn what_is_no_envelope_closes_before_connect_too() {
    let broker = shared().await;
    for text in ["{", "{}", "{\"type\":\"connect\",\"payload\":{\"version\":1}}"] {
        let mut ann = broker.dial(text).open().await;
        ann.send_text(text).await.expect_close(4500).await;
    }
}

#[tokio::test]
async fn an_unknown_type_is_an_error_and_the_connection_stays() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    for kind in ["dance", "", "CONNECT", "message", "ack", "disconnect"] {
        ann.fails(kind, json!({}), 4404).await;
    }
    ann.subscribe("room:after-unknown")
        .await
        .publish("hi")
        .await
        .expect_message("hi")
        .await;
}

#[tokio::test]
async fn unknown_fields_are_ignored() {
    let broker = shared().await;
    let mut ann = broker.dial("ann").with("colour", "blue").connect().await;
    let requests = [
        r#"{"mood":{"deep":[1]},"type":"subscribe","id":1,"ts":1,"payload":{"channel":"room:fields","volume":11}}"#,
        r#"{"type":"publish","payload":{"channel":"room:fields","data":"hi","x":null},"y":"z","id":2}"#,
    ];
    for (text, id) in requests.iter().zip(1..) {
        ann.send_text(*text).await;
        ann.acked(&json!(id)).await;
    }
    ann.expect_message("hi").await;
}

#[tokio::test]
async fn ids_come_back_as_they_were() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let ids = [
        json!(0),
        json!(-3),
        json!(9_007_199_254_740_993_u64),
        json!("7"),
        json!(""),
        json!("a \"quoted\" id, \\ and ü 👋 \n"),
    ];
    for id in ids {
        ann.send_text(json!({ "type": "ping", "id": id }).to_string()).await;
        ann.acked(&id).await;
        ann.send_text(json!({ "type": "dance", "id": id, "payload": {} }).to_string())
            .await;
        ann.refused(&id, 4404).await;
    }
}

#[tokio::test]
async fn ping_is_acknowledged() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.send_text(r#"{"type":"ping","id":"p"}"#).await;
    ann.acked(&json!("p")).await;
}

#[tokio::test]
async fn payloads_of_the_wrong_kind_are_bad_requests() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let channel = "room:wrong-kinds";
    let mut wrong = vec![
        ("publish", json!({ "channel": channel })),
        ("publish", json!({ "data": 1 })),
        ("publish", json!({ "channel": channel, "data": 1, "key": 7 })),
        ("publish", json!({ "channel": channel, "data": 1, "ephemeral": "yes" })),
        ("publish", json!({ "channel": channel, "data": 1, "echo": 1 })),
        ("subscribe", json!({ "channel": channel, "presence": "yes" })),
        ("subscribe", json!({ "channel": channel, "since": 7 })),
        ("subscribe", json!({ "channel": channel, "since": { "epoch": "e" } })),
        (
            "subscribe",
            json!({ "channel": channel, "since": { "epoch": 1, "offset": 1 } }),
        ),
        (
            "subscribe",
            json!({ "channel": channel, "since": { "epoch": "e", "offset": -1 } }),
        ),
        (
            "subscribe",
            json!({ "channel": channel, "since": { "epoch": "e", "offset": "1" } }),
        ),
        ("history", json!({ "channel": channel, "limit": "all" })),
        ("history", json!({ "channel": channel, "limit": -1 })),
        ("history", json!({ "channel": channel, "reverse": 1 })),
        ("history", json!({ "channel": channel, "since": [] })),
        ("refresh", json!({ "token": 7 })),
        ("refresh", json!({})),
    ];
    for kind in ["subscribe", "unsubscribe", "publish", "presence", "history"] {
        for payload in [
            json!(null),
            json!(7),
            json!("text"),
            json!([]),
            json!({}),
            json!({ "channel": 7 }),
        ] {
            wrong.push((kind, payload));
        }
    }
    for (kind, payload) in wrong {
        ann.fails(kind, payload, 4400).await;
    }
    ann.subscribe(channel)
        .await
        .publish("still here")
        .await
        .expect_message("still here")
        .await;
}

#[tokio::test]
async fn a_connect_payload_of_the_wrong_kind_is_a_bad_request() {
    let broker = shared().await;
    for payload in [
        json!(null),
        json!(1),
        json!({}),
        json!({ "version": 1, "token": 7 }),
        json!({ "version": 1, "subscribe": "room:x" }),
        json!({ "version": 1, "subscribe": [7] }),
    ] {
        let mut ann = broker.dial("ann").open().await;
        ann.fails("connect", payload, 4400).await;
    }
}

#[tokio::test]
async fn channel_names_outside_the_rules_are_bad_requests() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let too_long = "x".repeat(256);
    let too_long_in_bytes = "ü".repeat(128);
    for name in [
        "",
        " ",
        "a b",
        "a\n",
        "\u{0}",
        "a\u{7f}",
        "\u{85}",
        &too_long,
        &too_long_in_bytes,
    ] {
        for kind in ["subscribe", "unsubscribe", "presence", "history"] {
            ann.fails(kind, json!({ "channel": name }), 4400).await;
        }
        ann.fails("publish", json!({ "channel": name, "data": 1 }), 4400).await;
    }
    ann.still_works().await;
}

#[tokio::test]
async fn channel_names_within_the_rules_are_taken() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    let longest = "x".repeat(255);
    for name in ["a", ":", "a:b:c", "räume:ü", "👋", "*", "a/b?c#d", &longest] {
        ann.subscribe(name).await.publish(name).await;
        let message = ann.expect_message(name).await;
        assert_eq!(message["channel"], name);
    }
}

#[tokio::test]
async fn channel_names_are_case_sensitive() {
    let broker = shared().await;
    let mut ann = broker.connect("ann").await;
    ann.subscribe("Case").await;
    ann.to("case").publish("to the other").await;
    ann.to("Case").publish("to this one").await;
    ann.expect_message("to this one").await;
}

#[tokio::test]
async fn deep_nesting_harms_nobody() {
    let broker = shared().await;
    let mut bystander = broker.connect("bystander").await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let mut ann = broker.connect("ann").await;
    ann.send_text(format!(
        r#"{{"type":"publish","id":1,"payload":{{"channel":"deep","data":{deep}}}}}"#
    ))
    .await;
    // It may accept, refuse or close. The broker has to live on.
    ann.send_text(r#"{"type":"ping","id":2}"#).await;
    let frame = ann.frame().await;
    assert!(frame.is_some(), "an answer");
    bystander.still_works().await;
}
