//! Long-poll.

use serde_json::{Value, json};

use crate::support::http_client::{Poller, ask, connect};
use crate::support::{Broker, shared, token, within};

async fn poller(broker: &Broker, channels: &[&str]) -> Poller {
    let mut poller = Poller::new(broker.address);
    let acks = poller.poll(&[connect(channels)]).await;
    assert_eq!(acks[0]["type"], "ack", "{acks:?}");
    poller
}

#[tokio::test]
async fn a_session_of_polls_is_like_any_other() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:poll-1").await;
    let mut ann = Poller::new(broker.address);
    let acks = ann.poll(&[connect(&["room:poll-1"])]).await;
    let payload = &acks[0]["payload"];
    assert_eq!(
        (&payload["disconnect_after_ms"], &payload["subscriptions"][0]["offset"]),
        (&json!(15_000), &json!(0))
    );
    assert_eq!(bob.push("join").await["payload"]["session"], payload["session"]);
    bob.publish("one").await;
    let messages = ann.collect(1).await;
    assert_eq!(
        (&messages[0]["type"], &messages[0]["payload"]),
        (&json!("message"), &json!("one"))
    );
    // What it asks is answered among what it hears.
    let mut heard = ann
        .poll(&[ask("publish", 7, json!({ "channel": "room:poll-1", "data": "two" }))])
        .await;
    while heard.len() < 2 {
        heard.extend(ann.poll(&[]).await);
    }
    assert!(
        heard
            .iter()
            .any(|envelope| envelope["id"] == 7 && envelope["type"] == "ack"),
        "{heard:?}"
    );
    assert!(heard.iter().any(|envelope| envelope["payload"] == "two"), "{heard:?}");
}

#[tokio::test]
async fn a_poll_waits_until_there_is_something() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:poll-waits").await;
    let mut ann = poller(&broker, &["room:poll-waits"]).await;
    let body = ann.body(&[]);
    let (answer, ()) = tokio::join!(ann.raw(&[], &body), async {
        bob.push("join").await;
        bob.publish("now").await;
    });
    assert_eq!(ann.take(answer)[0]["payload"], "now");
    let mut body = ann.body(&[]);
    body["wait_ms"] = 1.into();
    let before = ann.ack;
    let answer = ann.raw(&[], &body).await;
    assert_eq!(ann.take(answer), Vec::<Value>::new(), "there is nothing");
    assert_eq!(ann.ack, before);
}

#[tokio::test]
async fn a_lost_answer_loses_nothing_and_a_lost_post_is_carried_out_once() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:poll-lost").await;
    let mut ann = poller(&broker, &["room:poll-lost"]).await;
    bob.publish("a").await;
    let body = ann.body(&[ask("publish", 5, json!({ "channel": "room:poll-lost", "data": "b" }))]);
    // The client hears none of these answers but the last.
    let first = ann.raw(&[], &body).await;
    for _ in 0..3 {
        assert_eq!(ann.raw(&[], &body).await.body, first.body);
    }
    let mut heard = ann.take(first);
    while !heard.iter().any(|envelope| envelope["payload"] == "b") {
        heard.extend(ann.poll(&[]).await);
    }
    let messages: Vec<_> = heard
        .iter()
        .filter(|envelope| envelope["type"] == "message")
        .map(|m| m["offset"].clone())
        .collect();
    assert_eq!(messages, [1, 2], "{heard:?}");
    assert_eq!(heard.iter().filter(|envelope| envelope["id"] == 5).count(), 1);
}

#[tokio::test]
async fn a_first_connect_that_is_said_again_finds_its_session() {
    let broker = shared().await;
    let ann = Poller::new(broker.address);
    let open = format!("{:032x}", rand_text());
    for body in [
        json!({ "open": open, "requests": [connect(&["room:poll-open"])] }),
        json!({ "requests": [{ "type": "connect", "id": 0, "payload": { "version": 1, "open": format!("{open}2") } }] }),
        json!({ "requests": [{ "type": "connect", "id": 0, "open": format!("{open}3"), "payload": { "version": 1 } }] }),
    ] {
        let first = ann.raw(&[], &body).await;
        assert_eq!(
            (first.status, ann.raw(&[], &body).await.body),
            (200, first.body.clone())
        );
        let other = ann
            .raw(&[], &json!({ "open": "another", "requests": [connect(&[])] }))
            .await;
        assert_ne!(other.body, first.body);
    }
}

fn rand_text() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.expect("it is later").as_nanos()
}

#[tokio::test]
async fn a_second_poll_ends_the_first_with_nothing() {
    let broker = shared().await;
    let mut ann = poller(&broker, &["room:poll-two"]).await;
    let body = ann.body(&[]);
    let waits = ann.raw(&[], &body);
    // Others come, and wait for a moment, until the first is answered: the first of them that comes behind it ends it.
    let others = async {
        let mut short = body.clone();
        short["wait_ms"] = 1.into();
        loop {
            ann.raw(&[], &short).await;
        }
    };
    let first = within(
        async {
            tokio::select! {
                first = waits => first,
                () = others => unreachable!("they come for ever"),
            }
        },
        || "the first poll waits on".into(),
    )
    .await;
    let answer: Value = serde_json::from_str(&first.body).expect("an answer");
    assert_eq!(
        (&answer["envelopes"], &answer["seq"]),
        (&json!([]), &json!(ann.ack)),
        "{answer}"
    );
}

#[tokio::test]
async fn polls_that_say_nothing_sensible_are_answered() {
    let broker = shared().await;
    let mut ann = poller(&broker, &["room:poll-bad"]).await;
    let session = ann.session.clone().unwrap();
    let (name, _) = session.split_once('.').unwrap();
    for (body, status) in [
        (json!({ "session": session, "ack": 2 }), 400),
        (json!({ "session": session, "ack": "1" }), 400),
        (json!({ "session": session, "ack": -1 }), 400),
        (
            json!({ "session": session, "batch": 9, "requests": [ask("ping", 1, Value::Null)] }),
            400,
        ),
        (json!({ "session": session, "requests": [{ "type": "ping" }] }), 400),
        (json!({ "session": session, "requests": {} }), 400),
        (json!({ "session": format!("{name}.{}", "0".repeat(32)) }), 401),
        (json!({ "session": "nonsense" }), 401),
        (json!({ "session": format!("{}.x", "0".repeat(32)) }), 410),
        (json!({ "requests": [] }), 400),
        (json!({ "requests": [ask("ping", 1, Value::Null)] }), 400),
        (json!({ "open": "x".repeat(300), "requests": [connect(&[])] }), 400),
        (json!([]), 400),
    ] {
        let response = ann.raw(&[], &body).await;
        assert_eq!(response.status, status, "{body}: {}", response.body);
    }
    let heard = ann.poll(&[ask("ping", 77, Value::Null)]).await;
    assert_eq!(heard[0]["id"], 77, "the session goes on");
}

#[tokio::test]
async fn a_refused_connect_is_told_with_200() {
    let broker = shared().await;
    for token in [None, Some("nonsense")] {
        let poller = Poller::of(broker.address, "keyed");
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        let response = poller.raw(&headers, &json!({ "requests": [connect(&[])] })).await;
        let answer: Value = serde_json::from_str(&response.body).unwrap();
        let told: Vec<_> = answer["envelopes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| (e["type"].clone(), e["payload"]["code"].clone()))
            .collect();
        assert_eq!(response.status, 200);
        assert_eq!(
            told,
            [(json!("error"), json!(4401)), (json!("disconnect"), json!(4502))]
        );
    }
    let mut ann = Poller::of(broker.address, "keyed");
    let bearer = format!("Bearer {}", token::of("ann"));
    let response = ann
        .raw(
            &[("authorization", &bearer)],
            &json!({ "requests": [connect(&["room:poll-keyed"])] }),
        )
        .await;
    assert_eq!(ann.take(response)[0]["payload"]["user"], "ann");
}

#[tokio::test]
async fn who_is_sent_away_hears_it_by_the_next_poll() {
    let broker = Broker::start("[[tenants]]\nname = \"t\"\nanonymous = true\ndefault = \"allow\"\n").await;
    let mut ann = Poller::of(broker.address, "t");
    ann.poll(&[connect(&["a"])]).await;
    broker.terminate();
    let heard = ann.collect(1).await;
    assert_eq!(
        (&heard[0]["type"], &heard[0]["payload"]["code"]),
        (&json!("disconnect"), &json!(4000))
    );
    assert_eq!(broker.exit_code().await, Some(0));
}

#[tokio::test]
async fn a_large_history_is_one_envelope() {
    let broker = shared().await;
    let mut bob = broker.connect("bob").await;
    bob.subscribe("room:poll-large").await;
    let text = "z".repeat(60_000);
    for _ in 0..40 {
        bob.publish(text.as_str()).await;
    }
    let mut ann = poller(&broker, &["plain-poll-large"]).await;
    let mut heard = ann
        .poll(&[ask("history", 3, json!({ "channel": "room:poll-large" }))])
        .await;
    while heard.is_empty() {
        heard = ann.poll(&[]).await;
    }
    assert_eq!(heard[0]["payload"]["messages"].as_array().unwrap().len(), 40);
}
