//! The same envelopes in MessagePack: who gets them, and that they say the same.

use crate::support::message_pack;
use crate::support::recovery::{offsets, since};
use crate::support::{Broker, Client, Frame, Value, json, shared};

async fn packed(broker: &Broker, name: &str) -> Client {
    broker.dial(name).packed().connect().await
}

#[tokio::test]
async fn the_first_subprotocol_of_the_clients_list_that_is_known_is_spoken() {
    let broker = shared().await;
    for (offered, spoken) in [
        (&["sluicegate.v1.msgpack"][..], Some("sluicegate.v1.msgpack")),
        (
            &["sluicegate.v1.msgpack", "sluicegate.v1.json"],
            Some("sluicegate.v1.msgpack"),
        ),
        (
            &["sluicegate.v1.json", "sluicegate.v1.msgpack"],
            Some("sluicegate.v1.json"),
        ),
        (
            &["sluicegate.v2.cbor", "bearer.x", "sluicegate.v1.msgpack"],
            Some("sluicegate.v1.msgpack"),
        ),
        (&["bearer.x"], None),
        (&[], None),
    ] {
        let mut client = broker.dial("ann").protocols(offered).connect().await;
        assert_eq!(client.handshake.header("sec-websocket-protocol"), spoken, "{offered:?}");
        client.still_works().await;
    }
    let refused = broker
        .dial("ann")
        .protocols(&["sluicegate.v2.cbor", "mqtt"])
        .refused()
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn everything_that_can_be_asked_is_answered() {
    let broker = shared().await;
    let channel = "room:packed";
    let mut bob = broker.connect("bob").await;
    bob.to(channel).publish("before").await;
    let mut ann = broker
        .dial("ann")
        .packed()
        .subscribe(
            json!([{ "channel": channel, "presence": true }, { "channel": "no spaces allowed".replace(' ', "") }]),
        )
        .connect()
        .await;
    assert_eq!(ann.welcome["limits"]["message_bytes"], 65_536);
    let first = &ann.welcome["subscriptions"][0];
    assert_eq!(
        (&first["channel"], &first["offset"]),
        (&json!(channel), &json!(1)),
        "{first}"
    );
    assert_eq!(first["presence"], json!([{ "session": ann.session() }]));
    let epoch = first["epoch"].clone();

    let data = json!({ "text": "hi", "numbers": [0, -1, 4_294_967_296_u64, 1.5, u64::MAX, i64::MIN], "none": null });
    let ack = ann
        .publish_with(json!({ "channel": channel, "data": data, "key": "k" }))
        .await;
    assert_eq!(ack["offset"], 2);
    let again = ann
        .publish_with(json!({ "channel": channel, "data": 1, "key": "k" }))
        .await;
    assert_eq!(
        (&again["message"], &again["duplicate"]),
        (&ack["message"], &json!(true))
    );
    let message = ann.expect_message(data.clone()).await;
    assert_eq!((&message["id"], &message["offset"]), (&ack["message"], &json!(2)));
    assert_eq!(message["from"], json!({ "session": ann.session() }));

    let history = ann
        .ask("history", json!({ "channel": channel, "limit": 1, "reverse": true }))
        .await;
    assert_eq!(history["messages"][0]["payload"], data);
    let joins = bob
        .subscribe_with(json!({ "channel": channel, "presence": true }))
        .await;
    assert_eq!(joins["presence"].as_array().map(Vec::len), Some(2));
    assert_eq!(ann.push("join").await["payload"], json!({ "session": bob.session() }));
    let members = ann.ask("presence", json!({ "channel": channel })).await;
    assert_eq!(members["count"], 2);
    bob.unsubscribe(channel).await;
    assert_eq!(ann.push("leave").await["payload"]["session"], bob.session());

    // An integral float is an integer, where the protocol wants one.
    let recovered = json!({ "channel": "room:packed", "since": { "epoch": epoch, "offset": 1.0 } });
    ann.fails("subscribe", recovered.clone(), 4405).await;
    ann.unsubscribe(channel).await;
    let recovered = ann.subscribe_with(recovered).await;
    assert_eq!((&recovered["recovered"], offsets(&recovered)), (&json!(true), vec![2]));
    assert_eq!(recovered["messages"][0]["payload"], data);

    ann.fails("subscribe", json!({ "channel": 7 }), 4400).await;
    ann.fails("wave", json!({}), 4404).await;
    ann.still_works().await;
    ann.close().await;
}

impl Client {
    async fn close_of(&mut self, frame: &Frame) {
        self.send_frame(frame)
            .await
            .expect_disconnect(4500, "bad_protocol", false)
            .await;
    }
}

#[tokio::test]
async fn frames_of_the_other_kind_end_the_connection() {
    let broker = shared().await;
    let ping = r#"{"type":"ping","id":1}"#;
    packed(&broker, "ann").await.close_of(&Frame::text(ping)).await;
    broker.connect("bob").await.close_of(&message_pack::frame(ping)).await;
}

#[tokio::test]
async fn an_id_comes_back_as_it_went() {
    let broker = shared().await;
    let mut ann = packed(&broker, "ann").await;
    let ids = [
        json!("a \"b\" \n ü"),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(-1),
        json!(1.5),
        json!(""),
    ];
    for id in ids.into_iter().chain([json!({ "$number": "1e400" })]) {
        let ping = json!({ "type": "ping", "id": id }).to_string();
        ann.send_frame(&message_pack::frame(&ping)).await;
        assert_eq!(ann.acked(&id).await, json!({}), "{id}");
    }
}

#[tokio::test]
async fn one_channel_has_both_formats_and_each_receiver_gets_its_own() {
    let broker = shared().await;
    let channel = "room:mixed";
    let mut in_json = broker.connect("in JSON").await;
    let mut in_message_pack = packed(&broker, "in MessagePack").await;
    let joined = in_json.subscribe_with(json!({ "channel": channel })).await;
    in_message_pack.subscribe(channel).await;
    // What JSON says, and what that is in MessagePack.
    for (id, (text, value)) in (100..).zip([
        (
            "{ \"a\" : [1, 2.50] ,\t\"b\":\"\\u00fc\"}",
            json!({ "a": [1, 2.5], "b": "ü" }),
        ),
        ("-0.0e+10", json!(-0.0)),
        ("1e2", json!(100.0)),
        ("18446744073709551615", json!(u64::MAX)),
        (
            "12345678901234567890123456789",
            json!({ "$number": "12345678901234567890123456789" }),
        ),
        (
            "[0.1234567890123456789]",
            json!([{ "$number": "0.1234567890123456789" }]),
        ),
        ("3.14159265358979323846", json!({ "$number": "3.14159265358979323846" })),
        ("\"\\ud83d\\ude00\"", json!("😀")),
        ("null", json!(null)),
    ]) {
        let request = format!(r#"{{"type":"publish","id":{id},"payload":{{"channel":"{channel}","data":{text}}}}}"#);
        in_json.send_text(request).await.acked(&json!(id)).await;
        assert_eq!(in_json.message().await.payload_text(), text, "byte for byte");
        let message = in_message_pack.message().await;
        assert_eq!(message["payload"], value, "{text}");
    }
    // And the other way.
    for (value, text) in [
        (json!({ "a": [1, -2.5, "ü\n"] }), r#"{"a":[1,-2.5,"ü\n"]}"#),
        (json!(1.0), "1.0"),
        (json!(u64::MAX), "18446744073709551615"),
        (
            json!({ "$number": "2.718281828459045235360" }),
            "2.718281828459045235360",
        ),
        (json!(null), "null"),
        (json!([[], {}]), "[[],{}]"),
    ] {
        in_message_pack.to(channel).publish(value.clone()).await;
        assert_eq!(in_json.message().await.payload_text(), text);
        in_message_pack.expect_message(value).await;
    }
    let missed = packed(&broker, "later")
        .await
        .subscribe_with(since(channel, &joined["epoch"], 0))
        .await;
    assert_eq!(offsets(&missed), (1..=15).collect::<Vec<_>>());
    assert_eq!(
        missed["messages"][5]["payload"],
        json!([{ "$number": "0.1234567890123456789" }])
    );
}

#[tokio::test]
async fn a_recovery_that_is_larger_than_the_outbox_comes_in_parts() {
    let broker = Broker::start(
        r#"
        server = { default_tenant = "t", shards = 1 }
        [[tenants]]
        name = "t"
        anonymous = true
        default = "allow"
        limits = { outbox_bytes = 131072, publish_per_second = 0 }
        channels = [{ match = "**", history = { size = 100, ttl_seconds = 60 } }]
        "#,
    )
    .await;
    let mut ann = packed(&broker, "ann").await;
    let epoch = ann.subscribe_with(json!({ "channel": "c" })).await["epoch"].clone();
    ann.unsubscribe("c").await.to("c");
    let data = |n: u64| format!("{n} {}", "x".repeat(30_000));
    for n in 1..=40 {
        ann.publish(data(n)).await;
    }
    let all = ann.subscribe_with(since("c", &epoch, 0)).await;
    assert_eq!(all["recovered"], true);
    assert_eq!(offsets(&all), (1..=40).collect::<Vec<_>>());
    let payloads = all["messages"]
        .as_array()
        .expect("messages")
        .iter()
        .map(|message| &message["payload"]);
    assert!(payloads.eq((1..=40).map(|n| Value::from(data(n))).collect::<Vec<_>>().iter()));
    ann.publish("after").await.expect_message("after").await;

    // A page has as many as fit, and the next begins after its last.
    let mut seen = 0;
    while seen < 41 {
        let page = ann
            .ask(
                "history",
                json!({ "channel": "c", "since": { "epoch": epoch, "offset": seen } }),
            )
            .await;
        let offsets = offsets(&page);
        assert_eq!(offsets.first(), Some(&(seen + 1)), "{offsets:?}");
        assert!(offsets.len() <= 5, "more than may wait for a client: {offsets:?}");
        seen = *offsets.last().expect("some");
    }
}

#[tokio::test]
async fn data_that_is_too_long_as_json_is_refused() {
    let broker = shared().await;
    let mut ann = packed(&broker, "ann").await;
    // One byte each in MessagePack, five in JSON.
    let nothing = |count: usize| json!({ "channel": "room:long", "data": vec![Value::Null; count] });
    ann.publish_with(nothing(13_000)).await;
    ann.fails("publish", nothing(20_000), 4413).await;
    ann.still_works().await;
}

#[tokio::test]
async fn what_is_published_is_encoded_once_for_each_format() {
    let broker = shared().await;
    let channel = "room:shared-frames";
    let mut listeners = Vec::new();
    for n in 0..3 {
        listeners.push(packed(&broker, &format!("packed {n}")).await);
        listeners.push(broker.connect(&format!("plain {n}")).await);
    }
    for listener in &mut listeners {
        listener.subscribe(channel).await;
    }
    listeners[0].publish(json!({ "n": 1 })).await;
    let mut texts = Vec::new();
    for listener in &mut listeners {
        let message = listener.expect_message(json!({ "n": 1 })).await;
        texts.push(message.text);
    }
    assert!(texts.iter().step_by(2).all(|text| *text == texts[0]));
    assert!(texts.iter().skip(1).step_by(2).all(|text| *text == texts[1]));
}
