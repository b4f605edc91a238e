//! What nodes say to each other beside the channels.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

/// Messages that wait to be read at most; what is more is lost, and whoever sent it is not answered.
const WAITING: usize = 1024;

/// Where control messages to this instance arrive.
pub(super) struct ControlMessages {
    channels: [Arc<str>; 2],
    reader: mpsc::Sender<Bytes>,
}

impl ControlMessages {
    pub(super) fn new(channels: [String; 2]) -> (Self, mpsc::Receiver<Bytes>) {
        let (reader, messages) = mpsc::channel(WAITING);
        let channels = channels.map(Arc::from);
        (Self { channels, reader }, messages)
    }

    /// The channels to listen to: everybody's, and this instance's.
    pub(super) fn channels(&self) -> &[Arc<str>] {
        &self.channels
    }

    /// Takes what arrived in `channel`, if it is one of these. Nothing in it: another node asks whether somebody listens.
    pub(super) fn take(&self, channel: &str, message: &Bytes) {
        let is_ours = self.channels.iter().any(|name| **name == *channel);
        if is_ours && !message.is_empty() && self.reader.try_send(message.clone()).is_err() {
            tracing::warn!("a control message of another node is lost: too many wait");
        }
    }
}
