//! Requests whose plugin has no instance: they wait in their order and for a bounded time, and nobody else waits.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, alone, settle};
use super::connection::{connect, publish};
use super::support::{Stage, apply, begin};
use chain::HookKind;
use protocol::codes;

/// How long a request waits for instances.
const PENDING_CALL: Duration = Duration::from_secs(5);

/// Every request that asks a chain, and the hook that it asks.
const REQUESTS: [(&str, &str, HookKind); 6] = [
    ("connect", r#"{"version":1,"token":"ann"}"#, HookKind::Connect),
    ("refresh", r#"{"token":"ann"}"#, HookKind::Connect),
    ("subscribe", r#"{"channel":"kept:a"}"#, HookKind::Subscribe),
    ("publish", r#"{"channel":"kept:a","data":1}"#, HookKind::Publish),
    ("history", r#"{"channel":"kept:a"}"#, HookKind::Subscribe),
    ("presence", r#"{"channel":"kept:a"}"#, HookKind::Subscribe),
];

#[tokio::test]
async fn each_request_waits_for_the_instance_and_nobody_is_asked_before() {
    for (kind, payload, hook) in REQUESTS {
        let stage = Stage::new("");
        let ann = if kind == "connect" {
            stage.context()
        } else {
            stage.connected("ann").await
        };
        stage.asked.lock().clear();
        stage.instance.lose(hook);
        let mut outcome = begin(&ann, kind, payload);
        assert!(!poll_fn(|cx| Poll::Ready(outcome.poll(cx).is_ready())).await, "{kind}");
        assert_eq!(stage.instance.waiting(), 1, "{kind}");
        assert!(stage.asked.lock().is_empty(), "{kind}");
        stage.instance.bring();
        assert!(outcome.answer().await.is_ok(), "{kind}");
        assert_eq!(stage.instance.waiting(), 0, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_too_long_is_refused_with_a_fault_that_may_be_retried() {
    for (kind, payload, hook) in REQUESTS {
        let stage = Stage::new("");
        let ann = if kind == "connect" {
            stage.context()
        } else {
            stage.connected("ann").await
        };
        stage.instance.lose(hook);
        let begun = tokio::time::Instant::now();
        let refusal = apply(&ann, kind, payload).await.unwrap_err();
        assert_eq!((refusal.code, refusal.reply().retry), (4503, true), "{kind}");
        assert!((PENDING_CALL..PENDING_CALL * 2).contains(&begun.elapsed()), "{kind}");
        assert_eq!(stage.instance.waiting(), 0, "{kind}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_channels_of_a_connect_wait_together() {
    let payload = r#"{"version":1,"token":"ann","subscribe":[{"channel":"a"},{"channel":"b"},{"channel":"c"}]}"#;
    for is_made in [true, false] {
        let stage = Stage::new("");
        let ann = stage.context();
        stage.instance.lose(HookKind::Subscribe);
        let begun = tokio::time::Instant::now();
        let bring = async {
            if is_made {
                tokio::time::advance(PENDING_CALL / 2).await;
                stage.instance.bring();
            }
        };
        let (ack, ()) = tokio::join!(apply(&ann, "connect", payload), bring);
        let ack = ack.expect("who it is was asked before");
        let subscriptions = ack["subscriptions"].as_array().unwrap();
        let codes: Vec<_> = subscriptions
            .iter()
            .map(|entry| entry["error"]["code"].as_u64())
            .collect();
        let expected = if is_made { None } else { Some(4503) };
        assert_eq!(codes, [expected; 3], "{ack}");
        assert!(
            begun.elapsed() < PENDING_CALL * 2,
            "the limit is the request's, not the channel's"
        );
    }
}

#[tokio::test]
async fn a_publish_does_not_overtake_one_that_waits_for_an_instance() {
    alone(async {
        let mut stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        let mut bob = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        bob.send(&[
            connect(),
            json!({"type": "subscribe", "id": 1, "payload": {"channel": "a"}}),
        ]);
        assert_eq!((ann.ids().await, bob.ids().await), (vec![0], vec![0, 1]));
        stage.gate.close();
        ann.send(&[publish(1)]);
        settle().await;
        stage.instance.lose(HookKind::Publish);
        ann.send(&[publish(2)]);
        settle().await;
        // It is made while the second waits behind the first, which the backplane has.
        stage.instance.bring();
        ann.send(&[publish(3), publish(4)]);
        settle().await;
        assert_eq!(stage.gate.waiting(), 1, "the others come after the second");
        stage.gate.let_through(1000);
        assert_eq!(ann.ids().await, [0, 1, 2, 3, 4]);
        stage.deliver();
        let messages: Vec<Value> = bob
            .receive()
            .await
            .iter()
            .filter(|push| push["type"] == "message")
            .map(|push| push["payload"].clone())
            .collect();
        assert_eq!(messages, [1, 2, 3, 4]);
    })
    .await;
}

#[tokio::test]
async fn while_one_session_waits_another_is_served_and_a_dropped_one_leaves_nothing() {
    alone(async {
        let stage = Stage::new("");
        let (mut ann, mut bob) = (Client::open(&stage, usize::MAX), Client::open(&stage, usize::MAX));
        ann.send(&[connect()]);
        bob.send(&[connect()]);
        assert_eq!((ann.ids().await, bob.ids().await), (vec![0], vec![0]));
        stage.instance.lose(HookKind::Publish);
        ann.send(&[publish(1)]);
        settle().await;
        assert_eq!(stage.instance.waiting(), 1);
        // Its subscribe hook has an instance.
        bob.send(&[json!({"type": "subscribe", "id": 1, "payload": {"channel": "a"}})]);
        assert_eq!((ann.ids().await, bob.ids().await), (vec![0], vec![0, 1]));
        for client in stage.shard.clients_for_tests() {
            client.cut_off(codes::KICKED, None);
        }
        settle().await;
        assert_eq!(stage.instance.waiting(), 0);
        assert_eq!(stage.gate.joined(), 0);
        assert_eq!(
            stage
                .asked
                .lock()
                .iter()
                .filter(|call| call.starts_with("disconnect"))
                .count(),
            2
        );
    })
    .await;
}

#[tokio::test]
async fn the_closing_frames_do_not_wait_for_the_plugins_that_hear_of_the_end() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        assert_eq!(ann.ids().await, [0]);
        stage.instance.lose(HookKind::Disconnect);
        stage
            .shard
            .clients_for_tests()
            .pop()
            .unwrap()
            .cut_off(codes::KICKED, None);
        assert_eq!(ann.receive().await.last().unwrap()["type"], "disconnect");
        assert!(ann.stream.is_shut_down());
        assert_eq!(stage.instance.waiting(), 1);
        assert!(!stage.asked.lock().iter().any(|call| call.starts_with("disconnect")));
        stage.instance.bring();
        settle().await;
        assert_eq!(stage.asked.lock().last().unwrap(), "disconnect 4504");
    })
    .await;
}
