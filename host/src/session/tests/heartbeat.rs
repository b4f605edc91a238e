//! The heartbeat of a client that reads slowly: what counts as its life, on a clock that the test holds.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Client, alone, settle};
use super::support::{Stage, client_frame};

/// Longer than a heartbeat's jitter, so that one is due after each.
const PING: Duration = Duration::from_secs(28);

fn request(kind: &str, id: u64, payload: Value) -> Value {
    json!({"type": kind, "id": id, "payload": payload})
}

/// A client that is sent a large answer, of which the stream takes a part.
async fn slow_reader(stage: &Stage) -> Client {
    let shard = stage.shard.clone();
    tokio::task::spawn_local(async move { shard.alarms.ring().await });
    let ann = Client::open(stage, 10_000);
    ann.send(&[request("connect", 0, json!({"version": 1, "token": "ann"}))]);
    settle().await;
    ann.stream.receive();
    for id in 1..=20 {
        let payload = json!({"channel": "kept:a", "data": "x".repeat(2000)});
        ann.send(&[request("publish", id, payload)]);
        settle().await;
        ann.stream.receive();
    }
    ann.send(&[request("history", 21, json!({"channel": "kept:a"}))]);
    settle().await;
    ann
}

/// Time passes, while the client reads `bytes` of what is there.
async fn pass(client: &Client, time: Duration, bytes: usize) -> Vec<u8> {
    tokio::time::advance(time).await;
    settle().await;
    let written = client.stream.receive_some(bytes);
    settle().await;
    written
}

#[tokio::test(start_paused = true)]
async fn while_a_heartbeat_waits_behind_an_answer_reading_is_life() {
    alone(async {
        let stage = Stage::new("");
        let ann = slow_reader(&stage).await;
        // The answer has 40 KB, and takes eight heartbeats.
        let mut written = Vec::new();
        for _ in 0..8 {
            written.extend(pass(&ann, PING, 4_000).await);
            assert!(!ann.stream.is_shut_down(), "a client that reads was called silent");
        }
        assert!(!has_ping(&written), "the test reads too fast");
        // It reads the rest, the heartbeat among it, and has two heartbeats of time to answer.
        written.extend(pass(&ann, Duration::ZERO, usize::MAX).await);
        written.extend(pass(&ann, Duration::ZERO, usize::MAX).await);
        assert!(has_ping(&written));
        pass(&ann, PING, usize::MAX).await;
        assert!(!ann.stream.is_shut_down());
        ann.stream.send(&[0x8a, 0x80, 0, 0, 0, 0]);
        pass(&ann, PING, usize::MAX).await;
        assert!(!ann.stream.is_shut_down(), "its pong was not heard");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_neither_reads_nor_answers_is_silent() {
    alone(async {
        let stage = Stage::new("");
        let ann = slow_reader(&stage).await;
        for _ in 0..3 {
            pass(&ann, PING, 0).await;
        }
        assert!(ann.stream.is_shut_down() || stage.shard.clients_for_tests().is_empty() || ended(&stage));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn once_the_heartbeat_is_written_reading_is_no_life_any_more() {
    alone(async {
        let stage = Stage::new("");
        let ann = slow_reader(&stage).await;
        pass(&ann, PING, 4_000).await;
        // The heartbeat is written; behind it more than the client reads in time.
        pass(&ann, Duration::ZERO, usize::MAX).await;
        let written = pass(&ann, Duration::ZERO, usize::MAX).await;
        drop(written);
        for id in 30..40 {
            ann.stream.send(&client_frame(
                &request("history", id, json!({"channel": "kept:a"})).to_string(),
            ));
        }
        settle().await;
        for _ in 0..4 {
            pass(&ann, PING, 1_000).await;
        }
        assert!(ended(&stage), "who reads and never answers stays for ever");
    })
    .await;
}

/// A text frame of 60,000 bytes.
fn large_frame() -> Vec<u8> {
    client_frame(&request("publish", 1, json!({"channel": "kept:a", "data": "x".repeat(59_900)})).to_string())
}

/// A client that is connected and reads everything.
async fn connected(stage: &Stage) -> Client {
    let shard = stage.shard.clone();
    tokio::task::spawn_local(async move { shard.alarms.ring().await });
    let ann = Client::open(stage, 1_000_000);
    ann.send(&[request("connect", 0, json!({"version": 1, "token": "ann"}))]);
    settle().await;
    ann
}

#[tokio::test(start_paused = true)]
async fn a_message_that_hardly_goes_on_is_no_life() {
    alone(async {
        for (what, begin, more) in [
            // Half a frame, and a byte now and then; half a message, and heartbeats that are answered.
            ("frame", &large_frame()[..100], &b"x"[..]),
            ("message", b"\x01\x84\0\0\0\0text", b"\x8a\x80\0\0\0\0"),
        ] {
            let stage = Stage::new("");
            let ann = connected(&stage).await;
            ann.stream.send(begin);
            pass(&ann, PING, usize::MAX).await;
            assert!(!ended(&stage), "half a {what} may wait for a heartbeat");
            for _ in 0..3 {
                ann.stream.send(more);
                pass(&ann, PING, usize::MAX).await;
            }
            assert!(ended(&stage), "half a {what} is kept for ever");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_large_message_over_a_slow_line_has_its_time() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = connected(&stage).await;
        // 535 bytes a second.
        for part in large_frame().chunks(15_000) {
            pass(&ann, PING, usize::MAX).await;
            assert!(!ended(&stage), "it was called silent");
            ann.stream.send(part);
        }
        settle().await;
        assert_eq!(ann.ids().await, [1]);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn half_a_message_waits_while_the_client_reads_its_replies() {
    alone(async {
        let stage = Stage::new("");
        let ann = slow_reader(&stage).await;
        ann.stream.send(&large_frame()[..100]);
        for _ in 0..8 {
            pass(&ann, PING, 4_000).await;
            assert!(!ended(&stage), "a client that reads was called silent");
        }
    })
    .await;
}

/// Whether the shard has no connection that is not ending.
fn ended(stage: &Stage) -> bool {
    stage.shard.clients_for_tests().iter().all(|client| client.is_closed())
}

fn has_ping(bytes: &[u8]) -> bool {
    bytes.windows(2).any(|bytes| bytes == [0x89, 0])
}
