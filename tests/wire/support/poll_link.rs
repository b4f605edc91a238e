//! A client that polls whichever node answers, and may lose any answer.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::envelope::Envelope;
use super::http;
use super::link::Heard;
use super::nodes::Doors;

/// Requests that wait for the next poll at most, and envelopes that wait for the client.
const REQUESTS: usize = 64;
const HEARD: usize = 1_024;
/// How long a poll waits. A request that comes meanwhile waits for it.
const WAIT_MS: u64 = 200;
/// After this time a poll that nobody answers is said again, to another node.
const KNOCK: Duration = Duration::from_secs(2);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(50);
/// Tries of one poll, before the session is taken for lost.
const TRIES: usize = 200;

/// What the task of a session is told and tells.
pub(crate) struct PollLink {
    requests: mpsc::Sender<Value>,
    heard: mpsc::Receiver<Heard>,
}

struct Session {
    doors: Doors,
    /// The door of the next poll.
    door: usize,
    /// What names it, once the first answer is there; before, how it is begun again.
    name: Value,
    ack: u64,
    batch: u64,
}

// === impl PollLink ===

impl PollLink {
    /// Begins at this door. The first request has to be `connect`.
    pub(crate) fn open(doors: &Doors, door: usize, open: &str) -> Self {
        let (requests, asked) = mpsc::channel(REQUESTS);
        let (told, heard) = mpsc::channel(HEARD);
        let session = Session {
            doors: doors.clone(),
            door,
            name: json!({ "open": open }),
            ack: 0,
            batch: 0,
        };
        tokio::spawn(async move {
            let code = session.run(asked, &told).await;
            // A client that is gone need not know.
            drop(told.send(Heard::End(code)).await);
        });
        Self { requests, heard }
    }

    pub(crate) fn send(&self, request: Value) {
        match self.requests.try_send(request) {
            Err(mpsc::error::TrySendError::Full(request)) => panic!("more than {REQUESTS} requests wait: {request}"),
            // A session that is over says so.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    pub(crate) async fn next(&mut self) -> Heard {
        self.heard.recv().await.unwrap_or(Heard::End(None))
    }
}

// === impl Session ===

impl Session {
    /// Polls until the session is over, or its client is. Gives the code of its end.
    async fn run(mut self, mut asked: mpsc::Receiver<Value>, told: &mpsc::Sender<Heard>) -> Option<u16> {
        let mut requests = vec![asked.recv().await?];
        loop {
            let answer = self.poll(std::mem::take(&mut requests)).await?;
            for envelope in answer["envelopes"].as_array().expect("a list") {
                if envelope["type"] == "disconnect" {
                    return envelope["payload"]["code"]
                        .as_u64()
                        .and_then(|code| u16::try_from(code).ok());
                }
                told.send(Heard::Envelope(Envelope::read(envelope.to_string())))
                    .await
                    .ok()?;
            }
            while let Ok(request) = asked.try_recv() {
                requests.push(request);
            }
            if asked.is_closed() {
                return None;
            }
        }
    }

    /// One poll, said again until it is answered. None: the session is gone.
    async fn poll(&mut self, requests: Vec<Value>) -> Option<Value> {
        let mut body = self.name.clone();
        body["ack"] = self.ack.into();
        body["wait_ms"] = WAIT_MS.into();
        if !requests.is_empty() {
            self.batch += 1;
            body["batch"] = self.batch.into();
            body["requests"] = requests.into();
        }
        let body = body.to_string();
        // As an application does: the next try is not at once.
        let mut pause = tokio::time::interval(PAUSE);
        for _ in 0..TRIES {
            self.door += 1;
            if let Some(response) = self.ask(&body).await {
                match response.status {
                    200 => {
                        let answer: Value = serde_json::from_str(&response.body).expect("an answer");
                        self.name = json!({ "session": answer["session"] });
                        self.ack = answer["seq"].as_u64().expect("a number");
                        return Some(answer);
                    }
                    // Another time, or another node.
                    429 | 503 => {}
                    410 => return None,
                    other => panic!("a poll is answered {other}: {}", response.body),
                }
            }
            pause.tick().await;
        }
        None
    }

    /// None: nobody answers there.
    async fn ask(&self, body: &str) -> Option<http::Response> {
        let address = self.doors.nth(self.door)?;
        let request = format!(
            "POST /poll HTTP/1.1\r\nhost: {address}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        timeout(KNOCK, http::try_send(address, &request)).await.ok()?
    }
}
