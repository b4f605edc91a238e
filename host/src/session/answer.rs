//! How many messages one answer has.

use std::sync::Arc;

use bytes::Bytes;

use crate::hub::message_envelope;
use backplane::Publication;
use protocol::Codec;

/// Bytes of messages in one answer to `history` at most; a client asks again from the last one that it got.
pub const ANSWER_BYTES: usize = 8 * 1_048_576;

/// As many messages, in this codec, as fit into `room` bytes.
pub fn fitting(messages: &[Arc<Publication>], codec: Codec, room: usize) -> impl Iterator<Item = Bytes> {
    let mut room = room;
    // The first one always fits, so that paging makes progress.
    let mut is_first = true;
    messages
        .iter()
        .map(move |message| message_envelope(message, codec))
        .take_while(move |message| {
            let fits = message.len() <= room || is_first;
            room = room.saturating_sub(message.len());
            is_first = false;
            fits
        })
}
