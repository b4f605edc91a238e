//! A client at the far end of a stream in memory, whose connection is served beside the test.

use std::rc::Rc;

use bytes::Bytes;
use serde_json::Value;
use tokio::task::LocalSet;

use super::support::{Stage, client_frame, texts};
use crate::transport::memory::MemoryStream;

pub(super) struct Client {
    pub stream: Rc<MemoryStream>,
    pub received: Vec<Value>,
}

impl Client {
    /// A client of the tenant `acme` that takes `room` bytes before it reads.
    pub(super) fn open(stage: &Stage, room: usize) -> Self {
        Self::of("acme", stage, room)
    }

    pub(super) fn of(tenant: &str, stage: &Stage, room: usize) -> Self {
        let stream = MemoryStream::new(room);
        let opening = Stage::opening(&stream, None, &[]);
        let session = opening.into_session(stage.shard.clone(), stage.shard.tenant(tenant).unwrap());
        tokio::task::spawn_local(session.serve(Bytes::new()));
        Self {
            stream,
            received: Vec::new(),
        }
    }

    pub(super) fn send(&self, requests: &[Value]) {
        let frames: Vec<u8> = requests
            .iter()
            .flat_map(|request| client_frame(&request.to_string()))
            .collect();
        self.stream.send(&frames);
    }

    /// What came so far, as soon as nobody has anything to do.
    pub(super) async fn receive(&mut self) -> &[Value] {
        settle().await;
        self.received.extend(texts(&self.stream.receive()));
        &self.received
    }

    pub(super) async fn ids(&mut self) -> Vec<u64> {
        let received = self.receive().await;
        received.iter().filter_map(|envelope| envelope["id"].as_u64()).collect()
    }
}

/// Lets every task go on until all of them wait.
pub(super) async fn settle() {
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
}

pub(super) async fn alone(test: impl Future<Output = ()>) {
    LocalSet::new().run_until(test).await;
}
