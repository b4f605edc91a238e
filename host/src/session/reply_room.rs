//! How many bytes the reply to one request may have: what waits for a client is bounded, replies too.

use std::cell::Cell;

use super::refusal::Refusal;
use crate::hub::ClientConnection;
use protocol::{Codec, RequestId, codes};

/// What is left of the bytes that may wait for a connection as replies. Of a reply to many channels, the first ones named
/// take it first.
pub(super) struct ReplyRoom {
    /// The codec of the reply.
    pub codec: Codec,
    left: Cell<usize>,
}

impl ReplyRoom {
    /// The room of a reply that begins now.
    pub(super) fn of(client: &ClientConnection, request: &RequestId) -> Self {
        Self {
            codec: request.codec(),
            left: Cell::new(client.reply_room()),
        }
    }

    pub(super) fn left(&self) -> usize {
        self.left.get()
    }

    /// Takes room for so many bytes, or nothing if they do not fit.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let left = self.left.get().checked_sub(bytes);
        self.left.set(left.unwrap_or(self.left.get()));
        left.is_some()
    }

    /// The same for a list that is told whole or not at all.
    pub(super) fn take_list(&self, bytes: usize) -> Result<(), Refusal> {
        if self.take(bytes) {
            return Ok(());
        }
        let message = "the list of who is present is larger than a reply may be (limits.outbox_bytes)";
        Err(Refusal::new(codes::LIMIT_EXCEEDED, message))
    }
}
