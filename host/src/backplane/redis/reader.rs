//! Takes what arrived from Redis, in its order, and brings it to the shards that want it.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Inner;
use super::codec::{self, Pushed};
use super::ear::{Heard, Queue};
use super::feed::Next;
use crate::backplane::Envelope;
use crate::backplane::envelope::PresenceChange;
use crate::observe::LogThrottle;

/// Messages taken from the queue at once.
const TURN: usize = 256;

/// Reads for ever. A shard whose inbox is full holds everything up: that is how a node says that it has too much
/// to do, and what then no longer fits the queue is made up for from the history.
pub(super) async fn read(inner: Arc<Inner>, queue: Queue, mut heard: mpsc::Receiver<Heard>) {
    let mut turn = Vec::with_capacity(TURN);
    let mut shards = Vec::new();
    while heard.recv_many(&mut turn, TURN).await > 0 {
        for one in turn.drain(..) {
            queue.took(&one);
            take(&inner, one, &mut shards).await;
        }
    }
}

async fn take(inner: &Arc<Inner>, heard: Heard, shards: &mut Vec<usize>) {
    let channel = heard.channel;
    let Some(topic) = inner.feeds.topic(&channel) else {
        // A note of another node, our own probe, or what nobody wants any more.
        if !inner.notes.take(&channel, &heard.payload) {
            inner.probes.hear_ours(&channel, &heard.payload);
        }
        return;
    };
    let envelope = match codec::read_pushed(&topic, heard.payload) {
        Some(Pushed::Message(publication)) => {
            let publication = Arc::new(publication);
            match inner.feeds.take(&channel, &publication, shards) {
                Next::Deliver => Envelope::Message(publication),
                Next::Nothing => return,
                Next::Fill => {
                    inner.fill(channel.into());
                    return;
                }
            }
        }
        Some(Pushed::Presence {
            member,
            joined,
            version,
        }) => {
            inner.feeds.shards(&channel, shards);
            Envelope::Presence(Arc::new(PresenceChange::new(topic, member, joined, version)))
        }
        None => {
            static LOG: LogThrottle = LogThrottle::new();
            if let Some(others) = LOG.allow() {
                let why = "a message in Redis cannot be read: is a newer version running beside this one?";
                tracing::warn!(%topic, others, "{why}");
            }
            return;
        }
    };
    inner.deliver(&envelope, shards).await;
}
