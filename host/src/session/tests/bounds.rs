//! Replies to a client that does not read them: what waits is bounded, and nothing is told in part.

use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, alone, settle};
use super::connection::connect;
use super::support::{Stage, apply, texts};
use crate::session::context::Context;
use protocol::codes;

const OUTBOX: usize = 200_000;
const MESSAGE: usize = 10_000;
/// What a part of a large reply has at least: the messages that fit into 64 KiB.
const PART: usize = 60_000;
/// What waits at most: as many bytes of replies as of messages, a part of a large reply, and what stands around them.
const MOST: usize = OUTBOX + PART + 30_000;

/// Channels `kept:0` and so on, each with so many messages. Gives their epochs.
async fn stage(channels: usize, messages: usize) -> (Stage, Vec<Value>) {
    let stage = Stage::new(&format!("outbox_bytes = {OUTBOX}\npublish_per_second = 0"));
    let bob = stage.connected("bob").await;
    let mut epochs = Vec::new();
    for channel in 0..channels {
        let ack = publish(&bob, channel, messages).await;
        epochs.push(ack["epoch"].clone());
    }
    (stage, epochs)
}

async fn publish(bob: &Rc<Context>, channel: usize, messages: usize) -> Value {
    let payload = json!({ "channel": format!("kept:{channel}"), "data": "x".repeat(MESSAGE) }).to_string();
    let mut ack = Value::Null;
    for _ in 0..messages {
        ack = apply(bob, "publish", &payload).await.unwrap();
    }
    ack
}

fn since(channel: usize, epoch: &Value, offset: u64) -> Value {
    json!({ "channel": format!("kept:{channel}"), "since": { "epoch": epoch, "offset": offset } })
}

fn offsets(payload: &Value) -> Vec<u64> {
    let messages = payload["messages"].as_array().map_or(&[][..], Vec::as_slice);
    messages
        .iter()
        .filter_map(|message| message["offset"].as_u64())
        .collect()
}

fn waiting(stage: &Stage) -> usize {
    let clients = stage.shard.clients_for_tests();
    clients
        .iter()
        .map(|client| client.waiting_bytes())
        .max()
        .unwrap_or_default()
}

/// Reads all that comes, a little at a time. What waits is bounded all the while.
async fn read_slowly(client: &Client, stage: &Stage) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        settle().await;
        assert!(waiting(stage) <= MOST, "{} bytes wait", waiting(stage));
        let more = client.stream.receive();
        if more.is_empty() {
            return bytes;
        }
        bytes.extend(more);
    }
}

#[tokio::test]
async fn a_connect_that_recovers_many_channels_is_handed_over_while_its_client_reads() {
    alone(async {
        let (mut stage, epochs) = stage(8, 8).await;
        let ann = Client::open(&stage, 10_000);
        let subscribe: Vec<_> = (0..).zip(&epochs).map(|(n, epoch)| since(n, epoch, 1)).collect();
        let payload = json!({ "version": 1, "token": "ann", "subscribe": subscribe });
        ann.send(&[json!({ "type": "connect", "id": 1, "payload": payload })]);
        ann.send(&[json!({ "type": "ping", "id": 2 })]);
        settle().await;
        assert!(waiting(&stage) <= MOST);
        // What is published meanwhile comes after the ack.
        let bob = stage.connected("carl").await;
        publish(&bob, 7, 1).await;
        stage.deliver();
        let all = texts(&read_slowly(&ann, &stage).await);
        let kinds: Vec<_> = all.iter().map(|one| one["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["ack", "message", "ack"]);
        let subscriptions = all[0]["payload"]["subscriptions"].as_array().unwrap();
        for one in subscriptions {
            assert_eq!(
                (&one["recovered"], &one["offset"]),
                (&json!(true), &json!(8)),
                "{}",
                one["channel"]
            );
            assert_eq!(offsets(one), (2..=8).collect::<Vec<_>>());
        }
        assert_eq!((subscriptions.len(), &all[1]["offset"]), (8, &json!(9)));
    })
    .await;
}

#[tokio::test]
async fn a_history_that_is_larger_than_what_may_wait_arrives_whole() {
    alone(async {
        let (stage, epochs) = stage(1, 60).await;
        for (asked, expected) in [
            (json!({ "limit": 1000 }), (1..=60).collect::<Vec<_>>()),
            (json!({ "limit": 50 }), (1..=50).collect()),
            (json!({ "limit": 1000, "reverse": true }), (1..=60).rev().collect()),
            (
                json!({ "limit": 50, "since": { "epoch": epochs[0], "offset": 8 } }),
                (9..=58).collect(),
            ),
            (
                json!({ "limit": 50, "reverse": true, "since": { "epoch": epochs[0], "offset": 60 } }),
                (10..=59).rev().collect(),
            ),
        ] {
            let mut payload = asked.clone();
            payload["channel"] = json!("kept:0");
            let ann = Client::open(&stage, 10_000);
            let history = json!({ "type": "history", "id": 1, "payload": payload });
            ann.send(&[connect(), history, json!({ "type": "ping", "id": 2 })]);
            let all = texts(&read_slowly(&ann, &stage).await);
            assert_eq!(offsets(&all[1]["payload"]), expected, "{asked}");
            assert_eq!((&all[1]["payload"]["offset"], all.len()), (&json!(60), 3));
            ann.stream.hang_up();
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_forgotten_before_it_was_read_is_never_told_in_part() {
    alone(async {
        let (stage, epochs) = stage(1, 100).await;
        let ann = Client::open(&stage, 10_000);
        ann.send(&[connect()]);
        settle().await;
        ann.send(&[json!({ "type": "subscribe", "id": 1, "payload": since(0, &epochs[0], 0) })]);
        settle().await;
        let bob = stage.connected("bob").await;
        // The history has room for 1,000 messages.
        let payload = json!({ "channel": "kept:0", "data": 1 }).to_string();
        for _ in 0..1000 {
            apply(&bob, "publish", &payload).await.unwrap();
        }
        let bytes = read_slowly(&ann, &stage).await;
        assert!(ann.stream.is_shut_down());
        let close = wire::close_frame(codes::SLOW_CONSUMER.number, codes::SLOW_CONSUMER.reason);
        assert!(bytes.ends_with(&close), "the close frame is between fragments");
        let all = texts(&bytes);
        assert!(all.iter().all(|one| one["id"] != 1), "no ack");
        assert!(bytes.len() > PART, "some of it had been sent");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_of_a_large_reply_is_sent_away() {
    alone(async {
        let (stage, _) = stage(1, 100).await;
        let mut ann = Client::open(&stage, 10_000);
        ann.send(&[connect()]);
        ann.receive().await;
        ann.send(&[json!({ "type": "history", "id": 1, "payload": { "channel": "kept:0", "limit": 1000 } })]);
        settle().await;
        assert!((PART..MOST).contains(&waiting(&stage)), "{}", waiting(&stage));
        for wait in [51, 6] {
            tokio::time::advance(Duration::from_secs(wait)).await;
            settle().await;
        }
        assert_eq!(waiting(&stage), 0, "closed, and forgotten");
    })
    .await;
}

#[tokio::test]
async fn who_is_cut_off_amid_a_large_reply_gets_a_close_frame_and_nothing_else() {
    alone(async {
        let (stage, _) = stage(1, 100).await;
        let ann = Client::open(&stage, 10_000);
        ann.send(&[connect()]);
        settle().await;
        ann.send(&[json!({ "type": "history", "id": 1, "payload": { "channel": "kept:0", "limit": 1000 } })]);
        settle().await;
        let client = stage.shard.clients_for_tests().pop().unwrap();
        client.cut_off(codes::KICKED, None);
        let bytes = read_slowly(&ann, &stage).await;
        assert!(bytes.ends_with(&wire::close_frame(codes::KICKED.number, codes::KICKED.reason)));
        assert_eq!(texts(&bytes).len(), 1, "the ack of connect alone is whole");
        assert!(bytes.len() < PART, "{}: what waited is dropped", bytes.len());
    })
    .await;
}

#[tokio::test]
async fn a_list_of_members_is_told_whole_or_refused() {
    let stage = Stage::new("outbox_bytes = 1024");
    let bob = stage.connected("bob").await;
    let ask = json!({ "channel": "kept:full", "presence": true }).to_string();
    let ack = apply(&bob, "subscribe", &ask).await.unwrap();
    assert_eq!(ack["presence"].as_array().map(Vec::len), Some(1));
    let mut others = Vec::new();
    for n in 0..20 {
        let other = stage.connected(&format!("user-{n}")).await;
        apply(&other, "subscribe", "{\"channel\":\"kept:full\"}").await.unwrap();
        others.push(other);
    }
    let refused = apply(&bob, "presence", "{\"channel\":\"kept:full\"}")
        .await
        .unwrap_err();
    assert_eq!(refused.code, 4430);
    let late = stage.connected("late").await;
    let refused = apply(&late, "subscribe", &ask).await.unwrap_err();
    assert_eq!((refused.code, late.subscription_count()), (4430, 0));
    assert_eq!(stage.shard.hub.borrow().listeners(&Stage::topic("kept:full")), 21);
    drop(others);
}

#[tokio::test]
async fn over_the_tenants_channels_a_subscribe_and_a_publish_are_refused() {
    let stage = Stage::new("open_channels = 4");
    let (ann, bob) = (stage.connected("ann").await, stage.connected("bob").await);
    let channel = |name: &str| json!({ "channel": name, "data": 1 }).to_string();
    apply(&ann, "subscribe", &channel("a")).await.unwrap();
    apply(&ann, "publish", &channel("kept:b")).await.unwrap();
    for kind in ["subscribe", "publish"] {
        let refused = apply(&ann, kind, &channel("kept:c")).await.unwrap_err();
        assert_eq!(refused.code, 4430, "{kind}");
    }
    apply(&ann, "publish", &channel("unheard")).await.unwrap();
    apply(&ann, "history", &channel("kept:c")).await.unwrap();
    apply(&bob, "subscribe", &channel("a")).await.unwrap();
    apply(&bob, "subscribe", &channel("kept:c")).await.unwrap();
    assert!(ann.remove_subscription(&Stage::topic("a").channel));
    apply(&bob, "unsubscribe", &channel("a")).await.unwrap();
    apply(&ann, "subscribe", &channel("d")).await.unwrap();
}
