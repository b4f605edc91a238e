//! Clients without a WebSocket, on a clock that the test holds: for how long each is taken to be there.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;

use super::client::{alone, settle};
use super::support::{Stage, apply};
use crate::framing::StreamHead;
use crate::http_sessions::HttpSessions;
use crate::hub::EventStream;
use crate::session::context::Context;
use crate::session::opening::Transport;
use crate::transport::ClientStream;
use crate::transport::memory::MemoryStream;
use protocol::names::Channel;
use protocol::{Codec, Connect, Subscribe};
use relay::{LocalSessions, Post, PostAnswer, PostKind};

/// Longer than a heartbeat's jitter, so that one is due after each.
const PING: Duration = Duration::from_secs(28);

fn ring(stage: &Stage) {
    let shard = stage.shard.clone();
    tokio::task::spawn_local(async move { shard.alarms.ring().await });
}

async fn pass(time: Duration) {
    tokio::time::advance(time).await;
    settle().await;
}

/// A text comes to who is subscribed to the channel.
async fn publish(stage: &mut Stage, from: &Rc<Context>, channel: &str, text: &str) {
    let payload = json!({ "channel": channel, "data": text }).to_string();
    apply(from, "publish", &payload).await.unwrap();
    stage.deliver();
}

// === streams of events ===

/// A stream of `kept:a` that takes `room` bytes before its client reads.
async fn stream(stage: &Stage, room: usize) -> Rc<MemoryStream> {
    let stream = MemoryStream::new(room);
    let channel = Channel::parse("kept:a").unwrap();
    let mut opening = Stage::opening(&stream, Some("ann"), &[]);
    let posts = Arc::<HttpSessions>::default().add(&"acme".into());
    opening.transport = Transport::Events {
        stream: ClientStream::Memory(stream.clone()),
        events: Box::new(EventStream::new(StreamHead::default(), vec![channel.clone()])),
        connect: Box::new(Connect {
            token: None,
            client_name: None,
            subscribe: vec![Subscribe {
                channel,
                since: None,
                presence: false,
            }],
            data: None,
        }),
        posts,
    };
    let session = opening.into_session(stage.shard.clone(), stage.shard.tenant("acme").unwrap());
    tokio::task::spawn_local(session.serve(Bytes::new()));
    settle().await;
    stream
}

fn text(stream: &MemoryStream) -> String {
    String::from_utf8(stream.receive()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_reads_a_stream_lives_without_a_word() {
    alone(async {
        let stage = Stage::new("");
        ring(&stage);
        let ann = stream(&stage, usize::MAX).await;
        let begin = text(&ann);
        assert!(
            begin.starts_with("HTTP/1.1 200 OK\r\n") && begin.contains("\nevent: ack\n"),
            "{begin}"
        );
        for _ in 0..20 {
            pass(PING).await;
            assert_eq!(text(&ann), ":\n\n");
        }
        assert_eq!(stage.shard.clients_for_tests().len(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_a_stream_is_given_up_after_two_heartbeats() {
    alone(async {
        let stage = Stage::new("");
        ring(&stage);
        let ann = stream(&stage, 0).await;
        pass(PING).await;
        assert_eq!(stage.shard.clients_for_tests().len(), 1);
        for _ in 0..3 {
            pass(PING).await;
        }
        assert!(ann.is_shut_down() || stage.shard.clients_for_tests().is_empty());
        assert_eq!(stage.shard.clients_for_tests().len(), 0, "nothing is kept of it");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_reads_too_slowly_is_told_so_and_may_come_back() {
    alone(async {
        let mut stage = Stage::new("outbox_bytes = 20000\npublish_per_second = 0");
        let ann = stream(&stage, 2_000).await;
        let bob = stage.connected("bob").await;
        for _ in 0..10 {
            publish(&mut stage, &bob, "kept:a", &"x".repeat(4_000)).await;
        }
        settle().await;
        let mut heard = String::new();
        for _ in 0..50 {
            heard += &text(&ann);
            settle().await;
        }
        let last = heard.trim_end().rsplit("\n\n").next().unwrap_or_default();
        assert!(
            last.starts_with("event: disconnect\ndata: ") && last.contains("\"code\":4001"),
            "{last}"
        );
        assert!(ann.is_shut_down());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_is_said_on_a_stream_is_ignored_and_not_for_ever() {
    alone(async {
        let stage = Stage::new("");
        let ann = stream(&stage, usize::MAX).await;
        ann.send(&vec![b'x'; 60_000]);
        settle().await;
        assert_eq!(stage.shard.clients_for_tests().len(), 1);
        ann.send(&[b'x'; 10_000]);
        settle().await;
        assert_eq!(stage.shard.clients_for_tests().len(), 0);
    })
    .await;
}

// === polls ===

/// A session of polls, and where its posts go.
struct Polled {
    sessions: Arc<HttpSessions>,
    name: Arc<str>,
    ack: u64,
}

impl Polled {
    fn open(stage: &Stage) -> Self {
        let sessions = Arc::<HttpSessions>::default();
        let posts = sessions.add(&"acme".into());
        let name = posts.name.clone();
        let mut opening = Stage::opening(&MemoryStream::new(0), Some("ann"), &[]);
        opening.transport = Transport::Polls {
            posts,
            codec: protocol::Codec::Json,
        };
        let session = opening.into_session(stage.shard.clone(), stage.shard.tenant("acme").unwrap());
        tokio::task::spawn_local(session.serve(Bytes::new()));
        Self { sessions, name, ack: 0 }
    }

    fn post(&self, wait: Duration, requests: &[serde_json::Value]) -> Post {
        Post {
            tenant: "acme".into(),
            session: self.name.clone(),
            open: None,
            kind: PostKind::Poll { ack: self.ack, wait },
            batch: None,
            requests: requests.iter().map(|request| request.to_string().into()).collect(),
            codec: Codec::Json,
        }
    }

    async fn poll(&mut self, wait: Duration, requests: &[serde_json::Value]) -> Option<serde_json::Value> {
        match self.sessions.post(self.post(wait, requests)).await {
            PostAnswer::Done(body) => {
                let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
                self.ack = answer["seq"].as_u64().unwrap();
                Some(answer["envelopes"].clone())
            }
            PostAnswer::Gone => None,
            other => panic!("{other:?}"),
        }
    }

    async fn connect(&mut self) {
        let connect =
            json!({"type": "connect", "id": 0, "payload": {"version": 1, "subscribe": [{"channel": "kept:a"}]}});
        let heard = self
            .poll(Duration::from_secs(1), &[connect])
            .await
            .expect("it is there");
        assert_eq!(heard[0]["type"], "ack", "{heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_without_a_poll_for_a_minute_is_over() {
    alone(async {
        let stage = Stage::new("");
        ring(&stage);
        let mut ann = Polled::open(&stage);
        ann.connect().await;
        for _ in 0..5 {
            pass(Duration::from_secs(55)).await;
            // Who waits is there, however long nothing comes.
            assert_eq!(ann.poll(Duration::from_secs(55), &[]).await, Some(json!([])));
        }
        pass(Duration::from_secs(61)).await;
        let heard = ann
            .poll(Duration::from_secs(1), &[])
            .await
            .expect("it hears of the end");
        assert_eq!(
            (&heard[0]["type"], &heard[0]["payload"]["code"]),
            (&json!("disconnect"), &json!(4408))
        );
        settle().await;
        assert_eq!(ann.poll(Duration::from_secs(1), &[]).await, None);
        assert_eq!(stage.shard.clients_for_tests().len(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_minute_begins_when_the_last_poll_is_answered_however_long_it_would_have_waited() {
    alone(async {
        for is_lost in [false, true] {
            let mut stage = Stage::new("");
            ring(&stage);
            let mut ann = Polled::open(&stage);
            ann.connect().await;
            let bob = stage.connected("bob").await;
            let waiting = ann.sessions.clone();
            let poll = ann.post(Duration::from_secs(55), &[]);
            let polling = tokio::task::spawn_local(async move { waiting.post(poll).await });
            pass(Duration::from_secs(15)).await;
            publish(&mut stage, &bob, "kept:a", "now").await;
            let answer = polling.await.unwrap();
            assert!(matches!(answer, PostAnswer::Done(_)), "{answer:?}");
            if is_lost {
                // It is said again, and answered at once.
                assert_eq!(ann.sessions.post(ann.post(Duration::from_secs(55), &[])).await, answer);
            }
            pass(Duration::from_secs(59)).await;
            assert_eq!(stage.shard.clients_for_tests().len(), 1, "ann may come back");
            pass(Duration::from_secs(2)).await;
            // The session waits for who hears of its end.
            pass(Duration::from_secs(16)).await;
            assert_eq!(stage.shard.clients_for_tests().len(), 0, "{is_lost}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_come_back_for_the_end_is_not_waited_for() {
    alone(async {
        let stage = Stage::new("");
        ring(&stage);
        let mut ann = Polled::open(&stage);
        ann.connect().await;
        pass(Duration::from_secs(61)).await;
        pass(Duration::from_secs(16)).await;
        assert_eq!(stage.shard.clients_for_tests().len(), 0);
        assert_eq!(ann.poll(Duration::from_secs(1), &[]).await, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_polls_is_bounded_like_any_outbox() {
    alone(async {
        let mut stage = Stage::new("outbox_bytes = 20000\npublish_per_second = 0");
        ring(&stage);
        let mut ann = Polled::open(&stage);
        ann.connect().await;
        let bob = stage.connected("bob").await;
        for _ in 0..10 {
            publish(&mut stage, &bob, "kept:a", &"x".repeat(4_000)).await;
        }
        settle().await;
        let heard = ann.poll(Duration::from_secs(1), &[]).await.expect("it hears why");
        assert_eq!(
            (heard.as_array().unwrap().len(), &heard[0]["payload"]["code"]),
            (1, &json!(4001)),
            "{heard}"
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_a_client_asks_that_does_not_read_is_bounded() {
    alone(async {
        let mut stage = Stage::new("outbox_bytes = 20000\npublish_per_second = 0");
        let mut ann = Polled::open(&stage);
        ann.connect().await;
        let bob = stage.connected("bob").await;
        // She never says that she has the answer with the first, and so many wait behind it that her requests wait too.
        publish(&mut stage, &bob, "kept:a", "first").await;
        let first = ann.sessions.post(ann.post(Duration::ZERO, &[])).await;
        for _ in 0..3 {
            publish(&mut stage, &bob, "kept:a", &"x".repeat(4_000)).await;
        }
        let publish = json!({"channel": "kept:b", "data": "y".repeat(60_000)});
        for (request, at_once) in [
            (json!({"type": "publish", "id": 1, "payload": publish}), 2),
            (json!({"type": "ping", "id": 1}), 126),
        ] {
            let requests = vec![request; at_once];
            let mut taken = 0;
            let refused = loop {
                let answer = ann.sessions.post(ann.post(Duration::ZERO, &requests)).await;
                if answer != first {
                    break answer;
                }
                taken += 1;
                assert!(taken < 20, "all of it waits");
            };
            assert!(matches!(refused, PostAnswer::Busy { .. }), "{refused:?}");
            // 240,000 bytes; and 256 requests with these.
            assert_eq!(taken, 2, "{at_once}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn posts_that_come_too_fast_are_told_to_wait() {
    alone(async {
        let stage = Stage::new("");
        let mut ann = Polled::open(&stage);
        ann.connect().await;
        // The session has no turn meanwhile.
        let polls: Vec<_> = (0..9)
            .map(|_| ann.sessions.post(ann.post(Duration::from_secs(1), &[])))
            .collect();
        let answers = futures_util::future::join_all(polls).await;
        let busy = answers
            .iter()
            .filter(|answer| matches!(answer, PostAnswer::Busy { .. }))
            .count();
        assert_eq!(busy, 1, "{answers:?}");
    })
    .await;
}
