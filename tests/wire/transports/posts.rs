//! Posts beside a stream of events.

use serde_json::{Value, json};

use crate::support::http_client::{EventReader, Poller, ask, connect, post};
use crate::support::{Broker, shared};

async fn reader(broker: &Broker, channel: &str) -> EventReader {
    EventReader::open(broker.address, None, &format!("channels={channel}"), &[]).await
}

#[tokio::test]
async fn replies_come_in_the_order_of_their_requests_and_pushes_by_the_stream() {
    let broker = shared().await;
    let mut ann = reader(&broker, "room:send-1").await;
    let replies = ann
        .send(&[
            ask("publish", 1, json!({ "channel": "room:send-1", "data": "a" })),
            ask("subscribe", 2, json!({ "channel": "room:send-2" })),
            ask("nonsense", 3, json!({})),
            ask("history", 4, json!({ "channel": "room:send-1" })),
            ask("publish", 5, json!({ "channel": "room:send-2", "data": "b" })),
            ask("ping", 6, Value::Null),
        ])
        .await;
    let told: Vec<_> = replies
        .iter()
        .map(|reply| (reply["id"].as_u64().unwrap(), reply["type"].as_str().unwrap()))
        .collect();
    let expected = [(1, "ack"), (2, "ack"), (3, "error"), (4, "ack"), (5, "ack"), (6, "ack")];
    assert_eq!(told, expected);
    assert_eq!(replies[3]["payload"]["messages"][0]["payload"], "a");
    let first = ann.next().await;
    assert_eq!(
        (first.envelope()["payload"].clone(), first.id.is_some()),
        (json!("a"), true)
    );
    let second = ann.next().await;
    assert_eq!(
        (second.envelope()["payload"].clone(), second.id),
        (json!("b"), None),
        "it is no channel of the URL"
    );
}

#[tokio::test]
async fn a_batch_that_is_posted_again_is_carried_out_once() {
    let broker = shared().await;
    let mut ann = reader(&broker, "room:send-batch").await;
    let say = |data: &str| json!([ask("publish", 1, json!({ "channel": "room:send-batch", "data": data }))]);
    let first = ann.post(&[("sluicegate-batch", "1")], &say("a")).await;
    let again = ann.post(&[("sluicegate-batch", "1")], &say("a")).await;
    assert_eq!((first.status, &first.body), (200, &again.body));
    for (batch, status) in [("3", 400), ("0", 400), ("-1", 400), ("x", 400), ("2", 200), ("1", 400)] {
        let response = ann.post(&[("sluicegate-batch", batch)], &say("b")).await;
        assert_eq!(response.status, status, "{batch}: {}", response.body);
    }
    assert_eq!(ann.expect("message").await["payload"], "a");
    assert_eq!(ann.expect("message").await["payload"], "b");
    let replies = ann
        .send(&[ask("history", 9, json!({ "channel": "room:send-batch" }))])
        .await;
    assert_eq!(replies[0]["payload"]["messages"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_large_history_is_one_reply() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:send-large").await;
    let text = "y".repeat(60_000);
    for _ in 0..30 {
        bob.publish(text.as_str()).await;
    }
    let ann = reader(&broker, "plain-send-large").await;
    let replies = ann
        .send(&[ask("history", 1, json!({ "channel": "room:send-large" }))])
        .await;
    assert_eq!(replies[0]["payload"]["messages"].as_array().unwrap().len(), 30);
    // There is no room for more behind it, and what has none is not carried out.
    let channel = json!({ "channel": "room:send-large" });
    let publish = json!({ "channel": "room:send-large", "data": "one more" });
    let replies = ann
        .send(&[
            ask("history", 2, channel.clone()),
            ask("publish", 3, publish),
            ask("ping", 4, Value::Null),
        ])
        .await;
    let told = |reply: &Value| (reply["id"].clone(), reply["payload"]["code"].clone());
    assert_eq!(told(&replies[0]), (json!(2), Value::Null));
    for (reply, id) in replies[1..].iter().zip([3, 4]) {
        assert_eq!(told(reply), (json!(id), json!(4430)));
    }
    assert_eq!(replies.len(), 3);
    let replies = ann.send(&[ask("history", 5, channel)]).await;
    assert_eq!(replies[0]["payload"]["offset"], 30);
}

#[tokio::test]
async fn posts_that_cannot_be_carried_out_are_answered_and_change_nothing() {
    let broker = shared().await;
    let mut ann = reader(&broker, "room:send-bad").await;
    let publish = |n: u64| ask("publish", n, json!({ "channel": "room:send-bad", "data": n }));
    let no_id = json!({ "type": "ping" });
    let many: Vec<Value> = (0..10_000).map(publish).collect();
    for (body, status, says) in [
        ("nonsense".to_owned(), 400, "list"),
        ("{}".to_owned(), 400, "list"),
        ("[1]".to_owned(), 400, "envelope"),
        (json!([publish(1), no_id]).to_string(), 400, "id"),
        (json!(many).to_string(), 413, "at most"),
        (
            json!([ask("publish", 1, json!({ "channel": "a", "data": "x".repeat(70_000) }))]).to_string(),
            413,
            "message_bytes",
        ),
        ("x".repeat(300_000), 413, "bytes"),
        ("[]".to_owned(), 200, "[]"),
    ] {
        let credential = ann.credential();
        let response = post(broker.address, "/send", &[("sluicegate-session", &credential)], &body).await;
        assert_eq!(response.status, status, "{:.80}: {}", body, response.body);
        assert!(response.body.contains(says), "{:.80}: {}", body, response.body);
    }
    let replies = ann.send(&[publish(7)]).await;
    assert_eq!(replies[0]["payload"]["offset"], 1, "nothing before it was published");
    assert_eq!(ann.expect("message").await["payload"], 7);
}

#[tokio::test]
async fn a_session_is_its_clients_alone() {
    let broker = shared().await;
    let ann = reader(&broker, "room:send-mine").await;
    let bob = reader(&broker, "room:send-mine").await;
    let (session, key) = (
        ann.welcome["session"].as_str().unwrap(),
        bob.welcome["session_key"].as_str().unwrap(),
    );
    for (credential, status) in [
        (format!("{session}.{key}"), 401),
        (format!("{session}."), 401),
        (session.to_owned(), 401),
        (String::new(), 401),
        (format!("{}.{key}", "0".repeat(32)), 410),
        (ann.credential(), 200),
    ] {
        let response = post(broker.address, "/send", &[("sluicegate-session", &credential)], "[]").await;
        assert_eq!(response.status, status, "{credential}: {}", response.body);
    }
    // The same names, asked of another tenant.
    let response = post(
        broker.address,
        "/t/keyed/send",
        &[("sluicegate-session", &ann.credential())],
        "[]",
    )
    .await;
    assert_eq!(response.status, 410);
}

#[tokio::test]
async fn a_session_is_asked_in_its_own_way() {
    let broker = shared().await;
    let ann = reader(&broker, "room:send-own-way").await;
    let poll = json!({ "session": ann.credential(), "wait_ms": 0 }).to_string();
    let refused = post(broker.address, "/poll", &[], &poll).await;
    assert!(refused.status == 400 && refused.body.contains("/send"), "{refused:?}");
    let mut bob = Poller::new(broker.address);
    bob.poll(&[connect(&[])]).await;
    let credential = bob.session.clone().expect("it is open");
    let ping = json!([ask("ping", 1, Value::Null)]).to_string();
    let refused = post(broker.address, "/send", &[("sluicegate-session", &credential)], &ping).await;
    assert!(refused.status == 400 && refused.body.contains("/poll"), "{refused:?}");
    // Both go on.
    assert_eq!(ann.send(&[ask("ping", 2, Value::Null)]).await[0]["id"], 2);
    assert_eq!(bob.poll(&[ask("ping", 3, Value::Null)]).await[0]["id"], 3);
}

#[tokio::test]
async fn a_session_that_is_over_is_gone() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:send-gone").await;
    let ann = reader(&broker, "room:send-gone").await;
    let credential = ann.credential();
    bob.push("join").await;
    drop(ann);
    bob.push("leave").await;
    let response = post(broker.address, "/send", &[("sluicegate-session", &credential)], "[]").await;
    assert_eq!(response.status, 410);
}
