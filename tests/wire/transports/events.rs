//! Streams of events.

use serde_json::{Value, json};

use crate::support::http_client::{EventReader, ask};
use crate::support::shared::shared;
use crate::support::{Broker, token};

fn offsets(messages: &[Value]) -> Vec<u64> {
    messages
        .iter()
        .filter_map(|message| message["offset"].as_u64())
        .collect()
}

#[tokio::test]
async fn a_stream_is_what_connect_and_subscribe_would_be() {
    let broker = shared().await;
    let mut ann = EventReader::open(
        broker.address,
        None,
        "channels=room:sse-1,plain-sse&presence=false",
        &[],
    )
    .await;
    for (name, value) in [
        ("content-type", "text/event-stream"),
        ("cache-control", "no-store, no-transform"),
        ("x-accel-buffering", "no"),
        ("vary", "Origin"),
    ] {
        assert_eq!(ann.head.header(name), Some(value), "{name}");
    }
    assert!(ann.retry.is_some());
    let subscriptions = &ann.welcome["subscriptions"];
    assert_eq!(subscriptions[0]["channel"], "room:sse-1");
    assert_eq!(
        (&subscriptions[0]["offset"], &subscriptions[1]["channel"]),
        (&json!(0), &json!("plain-sse"))
    );
    assert!(ann.welcome["ping_ms"].is_u64() && ann.welcome["session_key"].is_string());
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sse-1").await.publish("hi").await;
    let join = ann.expect("join").await;
    assert_eq!(join["channel"], "room:sse-1");
    let message = ann.expect("message").await;
    assert_eq!((&message["payload"], &message["offset"]), (&json!("hi"), &json!(1)));
}

#[tokio::test]
async fn who_is_there_is_told_if_asked() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sse-presence").await;
    let ann = EventReader::open(broker.address, None, "channels=room:sse-presence&presence=true", &[]).await;
    let members = ann.welcome["subscriptions"][0]["presence"].as_array().expect("a list");
    assert!(members.iter().any(|member| member["session"] == bob.session()));
}

#[tokio::test]
async fn line_breaks_in_what_was_published_arrive() {
    let broker = shared().await;
    let mut ann = EventReader::open(broker.address, None, "channels=plain-sse-lines", &[]).await;
    let mut bob = broker.connect("bob").await;
    bob.send_text("{\"type\":\"publish\",\"id\":9,\"payload\":{\"channel\":\"plain-sse-lines\",\"data\":{\r\n\"a\":\n\n[1,\r2]}}}")
        .await;
    assert_eq!(ann.expect("message").await["payload"], json!({ "a": [1, 2] }));
}

#[tokio::test]
async fn who_comes_back_with_the_last_position_misses_nothing() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    // The header is what a browser sends; the query is for clients that cannot.
    for (name, by_header) in [("room:sse-again-1", true), ("room:sse-again-2", false)] {
        let query = format!("channels={name}");
        let mut ann = EventReader::open(broker.address, None, &query, &[]).await;
        bob.subscribe(name).await.publish(1).await;
        ann.expect("join").await;
        ann.expect("message").await;
        let id = ann.last_id.clone().expect("the event has a position");
        drop(ann);
        bob.publish(2).await.publish(3).await;
        let ann = if by_header {
            EventReader::open(broker.address, None, &query, &[("last-event-id", &id)]).await
        } else {
            EventReader::open(broker.address, None, &format!("{query}&last_event_id={id}"), &[]).await
        };
        let subscription = &ann.welcome["subscriptions"][0];
        assert_eq!(subscription["recovered"], true, "{name}");
        assert_eq!(offsets(subscription["messages"].as_array().unwrap()), [2, 3]);
        bob.unsubscribe(name).await;
    }
}

#[tokio::test]
async fn the_positions_of_several_channels_come_in_blocks_of_their_own() {
    // No heartbeat comes before the position.
    let config = "[server]\nping_ms = 3600000\ndefault_tenant = \"t\"\n[[tenants]]\nname = \"t\"\nanonymous = true\n\
                  default = \"allow\"\n[[tenants.channels]]\nmatch = \"room:*\"\njoin_leave = true\n\
                  history = { size = 100, ttl_seconds = 300 }\n";
    let broker = Broker::start(config).await;
    let query = "channels=room:sse-many-1,room:sse-many-2,plain-sse-many";
    let mut ann = EventReader::open(broker.address, None, query, &[]).await;
    let first = ann.last_id.clone().expect("the ack has a position");
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sse-many-2")
        .await
        .publish("a")
        .await
        .publish("b")
        .await;
    ann.expect("join").await;
    for _ in 0..2 {
        let message = ann.next().await;
        assert_eq!(
            (message.kind.as_str(), message.id),
            ("message", None),
            "a shared event names no position"
        );
    }
    let id = ann.new_id().await;
    assert_ne!(id, first);
    drop(ann);
    bob.publish("c").await;
    bob.subscribe("room:sse-many-1").await.publish("d").await;
    let ann = EventReader::open(broker.address, None, query, &[("last-event-id", &id)]).await;
    let subscriptions = ann.welcome["subscriptions"].as_array().unwrap();
    let messages = |place: usize| offsets(subscriptions[place]["messages"].as_array().unwrap());
    assert_eq!((messages(0), messages(1)), (vec![1], vec![3]));
    assert_eq!(
        subscriptions[2]["recovered"],
        Value::Null,
        "it has no history, and no position"
    );
}

#[tokio::test]
async fn a_position_that_no_stream_has_is_a_gap_and_no_silence() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sse-lost").await.publish("a").await;
    for id in [
        "garbage",
        "1-",
        "-",
        "99999999999999999999-x",
        "1-another-epoch",
        "~,~",
        "1-a,2-b",
    ] {
        let ann = EventReader::open(broker.address, None, "channels=room:sse-lost", &[("last-event-id", id)]).await;
        let subscription = &ann.welcome["subscriptions"][0];
        assert_eq!(subscription["recovered"], false, "{id}");
        assert_eq!(subscription["offset"], 1, "{id}");
    }
}

#[tokio::test]
async fn a_large_recovery_comes_in_parts_of_one_event() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sse-large").await;
    let text = "x".repeat(60_000);
    for _ in 0..40 {
        bob.publish(text.as_str()).await;
    }
    let first = EventReader::open(broker.address, None, "channels=room:sse-large", &[]).await;
    let epoch = first.welcome["subscriptions"][0]["epoch"].as_str().unwrap().to_owned();
    let id = format!("0-{epoch}");
    let mut ann = EventReader::open(
        broker.address,
        None,
        "channels=room:sse-large",
        &[("last-event-id", &id)],
    )
    .await;
    let subscription = &ann.welcome["subscriptions"][0];
    assert_eq!(subscription["recovered"], true);
    let expected: Vec<u64> = (1..=40).collect();
    assert_eq!(offsets(subscription["messages"].as_array().unwrap()), expected);
    assert_eq!(ann.position().await, format!("40-{epoch}"));
    bob.publish("after").await;
    loop {
        let event = ann.next().await;
        if event.kind == "message" {
            assert_eq!(event.envelope()["offset"], 41);
            break;
        }
    }
}

#[tokio::test]
async fn who_may_not_come_gets_a_status_and_who_may_later_a_stream() {
    let broker = shared().await;
    let ann = token::of("ann");
    let late = token::with(&json!({ "sub": "ann", "exp": token::seconds(-60) }));
    for (token, status, code) in [
        (None, 401, 4401),
        (Some("nonsense"), 401, 4401),
        (Some(late.as_str()), 401, 4410),
        (Some(ann.as_str()), 200, 0),
    ] {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let mut reader = EventReader::ask(broker.address, Some("keyed"), "channels=room:x", &headers).await;
        assert_eq!(reader.head.status, status, "{token:?}");
        if status != 200 {
            let body = reader.rest().await;
            let error: Value = serde_json::from_str(&body).expect("an envelope");
            assert_eq!(
                (&error["type"], &error["payload"]["code"]),
                (&json!("error"), &json!(code))
            );
        }
    }
}

#[tokio::test]
async fn a_limit_that_passes_is_told_in_a_stream_and_its_end() {
    let broker = Broker::start(
        "[[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n[tenants.limits]\nconnects_per_second = 1\n",
    )
    .await;
    let mut refused = None;
    for _ in 0..10 {
        let mut reader = EventReader::ask(broker.address, Some("t"), "channels=a", &[]).await;
        assert_eq!(reader.head.status, 200);
        let first = reader.next().await;
        if first.kind == "refused" {
            refused = Some((first.envelope(), reader));
            break;
        }
    }
    let (error, mut reader) = refused.expect("more than may come in a second");
    assert_eq!(error["payload"]["code"], 4429);
    assert_eq!(error["payload"]["retry_after_ms"].as_u64(), reader.retry);
    reader.end().await;
}

#[tokio::test]
async fn bad_queries_are_refused_with_a_sentence() {
    let broker = shared().await;
    let many: Vec<String> = (0..33).map(|n| format!("c{n}")).collect();
    for (query, says) in [
        ("channels=a,a".to_owned(), "twice"),
        ("channels=a%20b".to_owned(), "channels"),
        (format!("channels={}", many.join(",")), "32"),
        ("channels=a&presence=maybe".to_owned(), "presence"),
        ("channels=a&ticket=x&ticket=y".to_owned(), "ticket"),
    ] {
        let mut reader = EventReader::ask(broker.address, None, &query, &[]).await;
        assert_eq!(reader.head.status, 400, "{query}");
        let body = reader.rest().await;
        assert!(body.contains(says), "{query}: {body}");
    }
}

#[tokio::test]
async fn a_shutdown_says_when_to_come_back() {
    let broker = Broker::start("[[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n").await;
    let mut ann = EventReader::open(broker.address, Some("t"), "channels=a", &[]).await;
    broker.terminate();
    let last = ann.expect("disconnect").await;
    assert_eq!(
        (&last["payload"]["code"], &last["payload"]["reconnect"]),
        (&json!(4000), &json!(true))
    );
    assert_eq!(last["payload"]["retry_after_ms"].as_u64(), ann.retry);
    ann.end().await;
    assert_eq!(broker.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_silent_stream_has_comments() {
    let broker =
        Broker::start("[server]\nping_ms = 300\n[[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n")
            .await;
    let mut ann = EventReader::open(broker.address, Some("t"), "channels=a", &[]).await;
    ann.comment().await;
    ann.comment().await;
    ann.comment().await;
    // It lives all the same: nobody expects a client to say something here.
    let replies = ann
        .send(&[ask("publish", 1, json!({ "channel": "a", "data": 1 }))])
        .await;
    assert_eq!(replies[0]["type"], "ack");
    ann.expect("message").await;
}

#[tokio::test]
async fn a_client_that_hangs_up_leaves_its_channels() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:sse-leaves").await;
    let ann = EventReader::open(broker.address, None, "channels=room:sse-leaves", &[]).await;
    let session = ann.welcome["session"].clone();
    assert_eq!(bob.push("join").await["payload"]["session"], session);
    drop(ann);
    assert_eq!(bob.push("leave").await["payload"]["session"], session);
}
