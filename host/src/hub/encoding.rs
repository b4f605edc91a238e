//! How a value looks on the wire. What arrived is encoded by the first listener that needs it, once for each codec,
//! and shared by all listeners on all shards.

use std::iter;
use std::ops::RangeInclusive;

use bytes::Bytes;

use super::client_connection::ClientConnection;
use backplane::{COMPRESSED_FORMS, PresenceChange, Publication};
use protocol::write::{self, MessagePush};
use protocol::{Codec, Json};
use wire::{self, DeflateWindow, Deflater, FrameKind};

/// Bytes of the messages that are compressed. Smaller ones gain less than they cost; larger ones would keep a shard busy for
/// longer than a slice of its time.
const COMPRESSED_BYTES: RangeInclusive<usize> = 512..=65_536;

const _: () = assert!(DeflateWindow::COUNT <= COMPRESSED_FORMS);

/// The frame that pushes a message.
pub(super) fn message_frame(publication: &Publication, codec: Codec) -> &Bytes {
    publication.encoded.get_or_encode(codec, || match codec {
        Codec::Json => wire::text_frame(write::message(&MessagePush {
            id: &publication.id,
            ts: publication.ts,
            channel: publication.topic.channel.as_str(),
            data: &publication.data,
            position: publication.position.as_ref(),
            from: publication.from.as_ref(),
            tags: &publication.tags,
        })),
    })
}

/// The frame that pushes a message to a connection that agreed on this: compressed where that is worth it.
pub(super) fn message_frame_for<'a>(
    publication: &'a Publication,
    codec: Codec,
    deflate: Option<DeflateWindow>,
    deflater: &mut Deflater,
) -> &'a Bytes {
    let frame = message_frame(publication, codec);
    let is_worth_it = publication.compression && COMPRESSED_BYTES.contains(&frame.len());
    let Some(window) = deflate.filter(|_| is_worth_it) else {
        return frame;
    };
    let compressed = publication.encoded.get_or_compress(codec, window as usize, || {
        let kind = match codec {
            Codec::Json => FrameKind::Text,
        };
        deflater.frame(kind, &frame[wire::payload_start(frame)..], window)
    });
    compressed.unwrap_or(frame)
}

/// The frame that pushes a join or a leave.
pub(super) fn presence_frame(change: &PresenceChange, codec: Codec) -> &Bytes {
    let channel = change.topic.channel.as_str();
    change.encoded.get_or_encode(codec, || match codec {
        Codec::Json => wire::text_frame(write::presence_change(
            change.ts,
            change.joined,
            channel,
            &change.member,
        )),
    })
}

/// A message push as JSON text, for replies that hold many of them: a part of the frame that receivers share.
pub fn message_json(publication: &Publication) -> Bytes {
    let frame = message_frame(publication, Codec::Json);
    frame.slice(wire::payload_start(frame)..)
}

/// Queues a reply. What its text shares with others goes into the frame as it is.
pub fn push_reply(client: &ClientConnection, reply: Json) {
    match reply.into_text() {
        Ok(text) => client.push(wire::text_frame(text)),
        Err(reply) => {
            let header = wire::text_frame_header(reply.len());
            client.push_parts(iter::once(header).chain(reply.into_parts()));
        }
    }
}
