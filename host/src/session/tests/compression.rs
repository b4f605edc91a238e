//! Compressed requests: a few bytes may be many messages, and those are taken a few at a time.

use bytes::Bytes;
use serde_json::{Value, json};

use super::client::{Client, alone};
use super::support::Stage;
use crate::session::backlog::{Backlog, Incoming};
use crate::session::opening::Transport;
use crate::transport::memory::MemoryStream;
use protocol::Body;
use wire::{Decoder, DeflateWindow, Deflater, FrameKind, Inflater};

/// A frame of a client, compressed.
fn compressed(deflater: &mut Deflater, request: &Value) -> Vec<u8> {
    let frame = deflater.frame(FrameKind::Text, request.to_string().as_bytes(), DeflateWindow::Full);
    let frame = frame.expect("it is long enough");
    assert_eq!(wire::payload_start(&frame), 2, "it is short now");
    let mut masked = vec![frame[0], frame[1] | 0x80, 0, 0, 0, 0];
    masked.extend(&frame[2..]);
    masked
}

fn publish(id: u64, bytes: usize) -> Value {
    json!({"type": "publish", "id": id, "payload": {"channel": "a", "data": "a".repeat(bytes)}})
}

#[test]
fn what_was_read_is_taken_a_few_messages_at_a_time() {
    let context = Stage::new("").context();
    let mut deflater = Deflater::default();
    let mut bytes: Vec<u8> = (0..50)
        .flat_map(|id| compressed(&mut deflater, &publish(id, 5_000)))
        .collect();
    assert!(bytes.len() < 8_192, "one read");
    let (mut decoder, mut inflater) = (Decoder::new(65_536).with_deflate(), Inflater::default());
    let mut backlog = Backlog::default();
    let mut ids = Vec::new();
    backlog.decode(&mut decoder, &mut bytes, &mut inflater, &context.client);
    loop {
        let mut taken = 0;
        while let Some(Incoming::Request(Ok(request))) = backlog.take_first() {
            let Body::Publish(_) = request.body else { panic!() };
            ids.push(request.id);
            taken += 1;
        }
        assert_eq!(taken, 2, "5,000 bytes each");
        if !decoder.has_unread() {
            break;
        }
        backlog.decode(&mut decoder, &mut [], &mut inflater, &context.client);
    }
    let ids: Vec<_> = ids
        .iter()
        .map(|id| String::from_utf8_lossy(id.as_json()).into_owned())
        .collect();
    assert_eq!(ids, (0..50).map(|id| id.to_string()).collect::<Vec<_>>());
}

#[tokio::test]
async fn all_of_them_are_answered_in_their_order() {
    alone(async {
        let stage = Stage::new("");
        for burst in [1, 7, 60] {
            let stream = MemoryStream::new(usize::MAX);
            let mut opening = Stage::opening(&stream, None, &[]);
            if let Transport::WebSocket { deflate, .. } = &mut opening.transport {
                *deflate = Some(DeflateWindow::Full);
            }
            let session = opening.into_session(stage.shard.clone(), stage.shard.tenant("acme").unwrap());
            tokio::task::spawn_local(session.serve(Bytes::new()));
            let mut ann = Client {
                stream,
                received: Vec::new(),
            };
            ann.send(&[json!({"type": "connect", "id": 0, "payload": {"version": 1, "token": "ann"}})]);
            assert_eq!(ann.ids().await, [0]);
            let mut deflater = Deflater::default();
            let frames = (1..=burst).map(|id| compressed(&mut deflater, &publish(id, 5_000)));
            ann.stream.send(&frames.collect::<Vec<_>>().concat());
            while ann.ids().await.len() <= usize::try_from(burst).unwrap() {}
            assert_eq!(ann.ids().await, (0..=burst).collect::<Vec<_>>());
        }
    })
    .await;
}
