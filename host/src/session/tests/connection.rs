//! The loop over a stream in memory: order, bounds, and what goes on while requests are pending.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{Client, alone, settle};
use super::support::{Stage, texts};
use crate::transport::memory::MemoryStream;
use protocol::codes;
use registry::BanSubject;

pub(super) fn connect() -> Value {
    json!({"type": "connect", "id": 0, "payload": {"version": 1, "token": "ann"}})
}

pub(super) fn publish(id: u64) -> Value {
    json!({"type": "publish", "id": id, "payload": {"channel": "a", "data": id}})
}

#[tokio::test]
async fn publishes_are_pending_side_by_side_up_to_a_bound_and_answered_in_their_order() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        assert_eq!(ann.ids().await, [0]);
        stage.gate.close();
        let requests: Vec<_> = (1..=70).map(publish).collect();
        ann.send(&requests);
        // What comes behind them is not read.
        settle().await;
        ann.send(&[json!({"type": "ping", "id": 71})]);
        assert_eq!(ann.ids().await, [0]);
        assert_eq!(stage.gate.waiting(), 64);
        assert!(ann.stream.unread() > 0, "a connection with that much to do reads on");
        stage.gate.let_through(3);
        assert_eq!(ann.ids().await, [0, 1, 2, 3]);
        stage.gate.let_through(1000);
        assert_eq!(ann.ids().await, (0..=71).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn another_request_waits_for_the_publishes_before_it_and_they_for_it() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        settle().await;
        stage.gate.close();
        let subscribe = json!({"type": "subscribe", "id": 2, "payload": {"channel": "a"}});
        ann.send(&[publish(1), subscribe, publish(3), json!({"type": "ping", "id": 4})]);
        for (ids, waiting) in [
            (vec![0], 1),
            (vec![0, 1], 1),
            (vec![0, 1, 2], 1),
            (vec![0, 1, 2, 3, 4], 0),
        ] {
            assert_eq!(ann.ids().await, ids);
            assert_eq!(stage.gate.waiting(), waiting, "after {ids:?}");
            stage.gate.let_through(1);
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_begins_behind_a_refusal_that_ends_the_connection() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        settle().await;
        stage.gate.close();
        let kicked = json!({"type": "publish", "id": 2, "payload": {"channel": "kicked", "data": 2}});
        ann.send(&[publish(1), kicked, publish(3)]);
        assert_eq!(ann.ids().await, [0]);
        assert_eq!(stage.gate.waiting(), 1);
        stage.gate.let_through(9);
        assert_eq!(ann.ids().await, [0, 1, 2]);
        assert_eq!(ann.received.last().unwrap()["type"], "disconnect");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn while_a_request_is_pending_the_heartbeat_goes_on_and_nobody_is_called_silent() {
    alone(async {
        let stage = Stage::new("");
        let shard = stage.shard.clone();
        tokio::task::spawn_local(async move { shard.alarms.ring().await });
        let mut ann = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        settle().await;
        stage.gate.close();
        ann.send(&[json!({"type": "subscribe", "id": 1, "payload": {"channel": "a"}})]);
        settle().await;
        for _ in 0..4 {
            tokio::time::advance(Duration::from_secs(28)).await;
            settle().await;
        }
        let written = ann.stream.receive();
        assert!(written.windows(2).any(|bytes| bytes == [0x89, 0]), "no ping");
        stage.gate.let_through(1);
        assert_eq!(ann.ids().await, [1]);
        assert_eq!(ann.received.len(), 1, "{:?}", ann.received);
    })
    .await;
}

#[tokio::test]
async fn who_is_cut_off_does_not_wait_for_what_is_pending_and_who_is_sent_away_gets_its_answers() {
    for (cut_off, ids) in [(true, vec![0]), (false, vec![0, 1])] {
        alone(async {
            let stage = Stage::new("");
            let mut ann = Client::open(&stage, usize::MAX);
            ann.send(&[connect()]);
            assert_eq!(ann.ids().await, [0]);
            stage.gate.close();
            ann.send(&[
                publish(1),
                json!({"type": "subscribe", "id": 2, "payload": {"channel": "a"}}),
            ]);
            settle().await;
            let client = stage.shard.clients_for_tests().pop().unwrap();
            if cut_off {
                client.cut_off(codes::KICKED, None);
            } else {
                client.signal_close(codes::SHUTTING_DOWN, None);
            }
            settle().await;
            assert_eq!(ann.stream.is_shut_down(), cut_off);
            stage.gate.let_through(1);
            assert_eq!(ann.ids().await, ids, "cut off: {cut_off}");
            assert_eq!(ann.received.last().unwrap()["type"], "disconnect");
            assert!(ann.stream.is_shut_down());
        })
        .await;
    }
}

#[tokio::test]
async fn a_ban_holds_also_when_the_connection_ends_before_its_refusal_was_sent() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        ann.send(&[connect()]);
        assert_eq!(ann.ids().await, [0]);
        stage.gate.close();
        ann.send(&[
            publish(1),
            json!({"type": "publish", "id": 2, "payload": {"channel": "banned", "data": 2}}),
        ]);
        settle().await;
        stage
            .shard
            .clients_for_tests()
            .pop()
            .unwrap()
            .cut_off(codes::KICKED, None);
        assert_eq!(ann.ids().await, [0], "the refusal waits behind the publish before it");
        let registry = &stage.shard.common.registry;
        assert!(registry.check_ban("acme", &BanSubject::User("ann".into())).is_err());
    })
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_read_from_and_a_large_answer_arrives_whole() {
    alone(async {
        let stage = Stage::new("outbox_bytes = 65536");
        let mut ann = Client::open(&stage, 10_000);
        ann.send(&[connect()]);
        ann.ids().await;
        let data = "x".repeat(2000);
        for id in 1..=60 {
            ann.send(&[json!({"type": "publish", "id": id, "payload": {"channel": "kept:a", "data": data}})]);
            ann.receive().await;
        }
        let history = |id| json!({"type": "history", "id": id, "payload": {"channel": "kept:a"}});
        ann.send(&[history(61), history(62)]);
        settle().await;
        let client = stage.shard.clients_for_tests().pop().unwrap();
        assert!(client.waiting_bytes() < 150_000, "both answers wait");
        let mut bytes = Vec::new();
        loop {
            let more = ann.stream.receive();
            if more.is_empty() {
                break;
            }
            bytes.extend(more);
            settle().await;
        }
        let whole = texts(&bytes);
        let counts: Vec<_> = whole
            .iter()
            .map(|answer| answer["payload"]["messages"].as_array().map_or(0, Vec::len))
            .collect();
        assert_eq!(counts, [60, 60]);
    })
    .await;
}

#[tokio::test]
async fn what_a_burst_asks_is_answered_by_one_write() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Client::open(&stage, usize::MAX);
        let subscribe = |id: u64| json!({"type": "subscribe", "id": id, "payload": {"channel": format!("c{id}")}});
        let requests: Vec<_> = std::iter::once(connect()).chain((1..=20).map(subscribe)).collect();
        ann.send(&requests);
        assert_eq!(ann.ids().await, (0..=20).collect::<Vec<_>>());
        assert_eq!(ann.stream.writes(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_connection_at_rest_is_small() {
    let stage = Stage::new("");
    let opening = Stage::opening(&MemoryStream::new(0), None, &[]);
    let session = opening.into_session(stage.shard.clone(), stage.shard.tenant("acme").unwrap());
    // The task of each idle connection holds this: what is seldom awaited in it is boxed.
    let sizes = (size_of_val(&*session), size_of_val(&session.serve(Bytes::new())));
    assert!(sizes.0 <= 256 && sizes.1 <= 576, "{sizes:?}");
}

#[tokio::test]
async fn a_burst_of_large_answers_goes_on_while_the_client_reads() {
    alone(async {
        let stage = Stage::new("outbox_bytes = 65536");
        let mut ann = Client::open(&stage, usize::MAX);
        let data = "x".repeat(40_000);
        ann.send(&[connect()]);
        ann.send(&[json!({"type": "publish", "id": 1, "payload": {"channel": "kept:a", "data": data}})]);
        settle().await;
        let history = |id| json!({"type": "history", "id": id, "payload": {"channel": "kept:a"}});
        ann.send(&[history(2), history(3), history(4)]);
        assert_eq!(ann.ids().await, [0, 1, 2, 3, 4]);
    })
    .await;
}
