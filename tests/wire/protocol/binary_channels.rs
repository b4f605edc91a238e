//! Channels of bytes: as they are in MessagePack, base64 in JSON.

use crate::support::message_pack::bytes;
use crate::support::recovery::since;
use crate::support::{Broker, Client, Value, json, shared};

/// Publishes these bytes.
async fn publish_bytes(client: &mut Client, channel: &str, data: Value) -> Value {
    let payload = if data.is_string() {
        json!({ "channel": channel, "data": data, "encoding": "base64" })
    } else {
        json!({ "channel": channel, "data": data })
    };
    client.publish_with(payload).await
}

/// The next message has these bytes, in the form of this client.
async fn expect_bytes(client: &mut Client, data: Value) {
    let message = client.message().await;
    let encoding = if data.is_string() { json!("base64") } else { Value::Null };
    assert_eq!(
        (&message["payload"], &message["encoding"]),
        (&data, &encoding),
        "{}",
        message.text
    );
}

#[tokio::test]
async fn bytes_reach_each_receiver_in_its_form() {
    let broker = shared().await;
    let channel = "bytes:both";
    let mut in_json = broker.connect("in JSON").await;
    let mut in_message_pack = broker.dial("in MessagePack").packed().connect().await;
    let joined = in_json.subscribe_with(json!({ "channel": channel })).await;
    in_message_pack.subscribe(channel).await;
    let all = [
        (json!("AP+A"), bytes(&[0, 255, 128])),
        (json!(""), bytes(b"")),
        (json!("+/+/"), bytes(&[0xfb, 0xff, 0xbf])),
        (json!("bm90IEpTT04="), bytes(b"not JSON")),
    ];
    for (text, packed) in &all {
        for publisher in [&mut in_json, &mut in_message_pack] {
            let data = if publisher.handshake.header("sec-websocket-protocol") == Some("sluicegate.v1.json") {
                text
            } else {
                packed
            };
            publish_bytes(publisher, channel, data.clone()).await;
        }
        for _ in 0..2 {
            expect_bytes(&mut in_json, text.clone()).await;
            expect_bytes(&mut in_message_pack, packed.clone()).await;
        }
    }
    // What is kept is the same.
    let mut later = broker.dial("later").packed().connect().await;
    let missed = later.subscribe_with(since(channel, &joined["epoch"], 0)).await;
    let kept = missed["messages"].as_array().expect("messages");
    assert!(
        kept.iter()
            .step_by(2)
            .map(|message| &message["payload"])
            .eq(all.iter().map(|(_, packed)| packed))
    );
    let history = in_json.ask("history", json!({ "channel": channel, "limit": 1 })).await;
    let kept = &history["messages"][0];
    assert_eq!(
        (&kept["payload"], &kept["encoding"]),
        (&json!("AP+A"), &json!("base64"))
    );
}

#[tokio::test]
async fn data_of_the_other_kind_is_a_bad_request() {
    let broker = shared().await;
    let mut in_json = broker.connect("in JSON").await;
    let mut in_message_pack = broker.dial("in MessagePack").packed().connect().await;
    let mut listener = broker.connect("listener").await;
    listener
        .subscribe("bytes:refused")
        .await
        .subscribe("room:refused")
        .await;
    for payload in [
        json!({ "channel": "bytes:refused", "data": "eHl6" }),
        json!({ "channel": "bytes:refused", "data": { "a": 1 } }),
        json!({ "channel": "bytes:refused", "data": null }),
        json!({ "channel": "bytes:refused", "data": "eHl", "encoding": "base64" }),
        json!({ "channel": "bytes:refused", "data": "-_-_", "encoding": "base64" }),
        json!({ "channel": "bytes:refused", "data": "eHl6\n", "encoding": "base64" }),
        json!({ "channel": "bytes:refused", "data": 7, "encoding": "base64" }),
        json!({ "channel": "bytes:refused", "data": "eHl6", "encoding": "hex" }),
        json!({ "channel": "bytes:refused", "data": "eHl6", "encoding": true }),
        json!({ "channel": "room:refused", "data": "eHl6", "encoding": "base64" }),
    ] {
        in_json.fails("publish", payload, 4400).await;
    }
    for payload in [
        json!({ "channel": "bytes:refused", "data": "eHl6" }),
        json!({ "channel": "bytes:refused", "data": "eHl6", "encoding": "base64" }),
        json!({ "channel": "bytes:refused", "data": [bytes(b"xyz")] }),
        json!({ "channel": "room:refused", "data": bytes(b"xyz") }),
    ] {
        in_message_pack.fails("publish", payload, 4400).await;
    }
    publish_bytes(&mut in_message_pack, "bytes:refused", bytes(b"xyz")).await;
    expect_bytes(&mut listener, json!("eHl6")).await;
}

#[tokio::test]
async fn what_is_limited_is_the_bytes() {
    let broker = shared().await;
    let mut in_json = broker.connect("in JSON").await;
    let mut in_message_pack = broker.dial("in MessagePack").packed().connect().await;
    in_json.subscribe("bytes:large").await;
    // A third more as base64 than a message may have.
    let large = vec![7; 65_000];
    publish_bytes(&mut in_message_pack, "bytes:large", bytes(&large)).await;
    let message = in_json.message().await;
    assert_eq!(
        message["payload"].as_str().map(str::len),
        Some(large.len().div_ceil(3) * 4)
    );
}

/// A chain of one guest, and a tenant where every channel is binary.
async fn broker_with(guest: &str) -> Broker {
    Broker::start(&format!(
        r#"
        server = {{ default_tenant = "t", shards = 1 }}
        plugins.p.file = "guests/{guest}.wasm"
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        channels = [{{ match = "text:*" }}, {{ match = "**", content = "binary" }}]
        chain = [{{ plugin = "p", hooks = ["publish"], deadline_ms = 1000 }}]
        "#
    ))
    .await
}

#[tokio::test]
async fn a_plugin_of_0_1_gets_base64_and_answers_by_it() {
    // It replaces by what it was given.
    let broker = broker_with("publish-echo").await;
    let mut ann = broker.dial("ann").packed().connect().await;
    ann.subscribe("bytes").await;
    publish_bytes(&mut ann, "bytes", bytes(&[0, 255])).await;
    expect_bytes(&mut ann, bytes(&[0, 255])).await;
}

#[tokio::test]
async fn a_plugin_that_answers_by_something_else_is_at_fault() {
    let broker = broker_with("bad-json").await;
    let mut ann = broker.dial("ann").packed().connect().await;
    ann.subscribe("bytes").await;
    let error = ann
        .fails("publish", json!({ "channel": "bytes", "data": bytes(b"xyz") }), 4503)
        .await;
    assert_eq!(error["plugin"], "p");
    broker
        .log()
        .wait_for(&["replaced bytes by what is no JSON string in base64"])
        .await;
}

#[tokio::test]
async fn a_plugin_that_asks_gets_the_bytes() {
    let broker = broker_with("message-content").await;
    let mut ann = broker.dial("ann").packed().connect().await;
    ann.subscribe("bytes").await.subscribe("text:1").await;
    publish_bytes(&mut ann, "bytes", bytes(b"\0not JSON\xff")).await;
    expect_bytes(&mut ann, bytes(b"\xffnot JSON\xff")).await;
    ann.to("text:1").publish("json").await.expect_message("json").await;
}
