//! Each command applied to a context, and what it answers.

use serde_json::json;

use super::support::{Stage, apply, begin, texts};
use crate::session::outcome::Outcome;
use crate::transport::{Carrier, ClientStream};

#[tokio::test]
async fn a_message_is_acknowledged_and_comes_home_by_the_hub() {
    let mut stage = Stage::new("");
    let (ann, bob) = (stage.connected("ann").await, stage.connected("bob").await);
    let ack = apply(&bob, "subscribe", "{\"channel\":\"kept:a\",\"presence\":true}")
        .await
        .unwrap();
    assert_eq!(
        (&ack["offset"], ack["presence"][0]["user"].as_str()),
        (&json!(0), Some("bob"))
    );
    let ack = apply(&ann, "publish", "{\"channel\":\"kept:a\",\"data\":[1]}")
        .await
        .unwrap();
    assert_eq!((&ack["channel"], &ack["offset"]), (&json!("kept:a"), &json!(1)));
    stage.deliver();
    let Carrier::Stream(ClientStream::Memory(stream)) = &bob.client.carrier else {
        unreachable!()
    };
    let pushes = texts(&stream.receive());
    let message = pushes.iter().find(|push| push["type"] == "message").unwrap();
    assert_eq!((&message["payload"], &message["id"]), (&json!([1]), &ack["message"]));
}

#[tokio::test]
async fn each_refusal_has_its_code_and_changes_nothing() {
    let stage = Stage::new("publish_per_second = 1");
    let ann = stage.connected("ann").await;
    apply(&ann, "subscribe", "{\"channel\":\"kept:a\"}").await.unwrap();
    for (kind, payload, code) in [
        ("subscribe", json!({"channel": "kept:a"}), 4405),
        ("subscribe", json!({"channel": "denied"}), 4403),
        ("subscribe", json!({"channel": "plain", "presence": true}), 4400),
        ("unsubscribe", json!({"channel": "plain"}), 4406),
        ("publish", json!({"channel": "denied", "data": 1}), 4403),
        ("history", json!({"channel": "plain"}), 4400),
        ("presence", json!({"channel": "plain"}), 4400),
        (
            "history",
            json!({"channel": "kept:a", "since": {"epoch": "other", "offset": 1}}),
            4416,
        ),
        ("refresh", json!({"token": "bob"}), 4403),
    ] {
        let refusal = apply(&ann, kind, &payload.to_string()).await.unwrap_err();
        assert_eq!(refusal.code, code, "{kind} {payload}");
    }
    assert_eq!(
        (ann.subscription_count(), ann.caller.user().as_deref()),
        (1, Some("ann"))
    );
    assert_eq!(stage.gate.joined(), 1);
    // One was denied; a burst of two is what the rate allows.
    apply(&ann, "publish", "{\"channel\":\"a\",\"data\":1}").await.unwrap();
    let refusal = apply(&ann, "publish", "{\"channel\":\"a\",\"data\":1}")
        .await
        .unwrap_err();
    assert_eq!(refusal.code, 4429);
}

#[tokio::test]
async fn what_needs_no_wait_is_done_at_once() {
    let stage = Stage::new("");
    let ann = stage.connected("ann").await;
    apply(&ann, "subscribe", "{\"channel\":\"a\"}").await.unwrap();
    for (kind, payload) in [
        ("ping", "{}"),
        ("publish", "{\"channel\":\"a\",\"data\":1}"),
        ("publish", "{\"channel\":\"discarded\",\"data\":1}"),
        ("refresh", "{\"token\":\"ann\"}"),
        ("unsubscribe", "{\"channel\":\"a\"}"),
    ] {
        let outcome = begin(&ann, kind, payload);
        assert!(matches!(outcome, Outcome::Done(Ok(_))), "{kind}");
    }
    assert_eq!((ann.subscription_count(), stage.gate.joined()), (0, 0));
}

#[tokio::test]
async fn history_shares_the_messages_with_their_receivers() {
    let stage = Stage::new("");
    let ann = stage.connected("ann").await;
    let data = "x".repeat(4000);
    for _ in 0..3 {
        let payload = json!({"channel": "kept:a", "data": data});
        apply(&ann, "publish", &payload.to_string()).await.unwrap();
    }
    let history = || begin(&ann, "history", "{\"channel\":\"kept:a\"}").answer();
    let (one, two) = (history().await.unwrap().envelope, history().await.unwrap().envelope);
    let addresses = |envelope: protocol::Encoded| -> Vec<_> {
        let large = envelope.into_parts().filter(|part| part.len() > 4000);
        large.map(|part| part.as_ptr()).collect()
    };
    let whole: serde_json::Value = serde_json::from_slice(&one.to_vec()).unwrap();
    assert_eq!(whole["payload"]["messages"].as_array().unwrap().len(), 3);
    let (one, two) = (addresses(one), addresses(two));
    assert_eq!(one.len(), 3);
    assert_eq!(one, two, "no answer has a copy of its own");
}
