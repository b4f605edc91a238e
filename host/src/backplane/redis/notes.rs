//! What nodes say to each other beside the channels.

use bytes::Bytes;
use redis::Value;
use tokio::sync::mpsc;

use super::Inner;
use super::script::LIVE;
use crate::backplane::{Nodes, Reply, Unavailable};

/// Notes that wait to be read at most; what is more is lost, and whoever sent it is not answered.
const WAITING: usize = 1024;

/// Where notes to this instance arrive.
pub(super) struct Notes {
    channels: [String; 2],
    reader: mpsc::Sender<Bytes>,
}

impl Notes {
    pub fn new(channels: [String; 2]) -> (Self, mpsc::Receiver<Bytes>) {
        let (reader, notes) = mpsc::channel(WAITING);
        (Self { channels, reader }, notes)
    }

    /// The channels to listen to: everybody's, and this instance's.
    pub fn channels(&self) -> &[String] {
        &self.channels
    }

    /// Takes what arrived in `channel`, if it is one of these.
    pub fn take(&self, channel: &str, note: &Bytes) -> bool {
        let ours = self.channels.iter().any(|name| name == channel);
        if ours && self.reader.try_send(note.clone()).is_err() {
            tracing::warn!("a note of another node is lost: too many wait");
        }
        ours
    }
}

impl Nodes for super::RedisBackplane {
    fn instance(&self) -> &str {
        &self.0.instance
    }

    fn live(&self) -> Reply<'_, Vec<String>> {
        Box::pin(self.0.live())
    }

    fn send<'a>(&'a self, to: Option<&'a str>, note: Vec<u8>) -> Reply<'a, ()> {
        Box::pin(async move {
            let channel = self.0.feeds.names.notes(to);
            let mut send = redis::cmd(self.0.servers.publish_command());
            send.arg(&channel).arg(note);
            self.0.servers.run(channel.as_bytes(), &send).await.map(drop)
        })
    }
}

impl Inner {
    async fn live(&self) -> Result<Vec<String>, Unavailable> {
        let answer = self.servers.call(&LIVE.call([self.feeds.names.instances()])).await?;
        let Value::Array(instances) = answer else {
            return Ok(Vec::new());
        };
        let text = |value| match value {
            Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
            _ => None,
        };
        Ok(instances.into_iter().filter_map(text).collect())
    }
}
