//! The forms in which listeners get what arrived. Each is made by the first listener that needs it, and shared by all
//! listeners on all shards.

use std::ops::RangeInclusive;

use bytes::Bytes;

use super::client_connection::ClientConnection;
use super::forms::{codec_of, frame_form};
use crate::framing::{event, frame_kind, marked_event};
use backplane::{COMPRESSED_FORMS, Form, PresenceChange, Publication};
use protocol::write::{self, MessagePush};
use protocol::{Codec, Encoded, stream_mark};
use wire::{self, DeflateWindow, Deflater};

/// Bytes of the messages that are compressed. Smaller ones gain less than they cost; larger ones would keep a shard busy for
/// longer than a slice of its time.
const COMPRESSED_BYTES: RangeInclusive<usize> = 512..=65_536;

const _: () = assert!(DeflateWindow::COUNT <= COMPRESSED_FORMS);

/// A message in this form.
pub(super) fn message_frame(publication: &Publication, form: Form) -> &Bytes {
    publication.encoded.get_or_encode(form, || {
        let codec = codec_of(form);
        let push = MessagePush {
            id: &publication.id,
            ts: publication.ts,
            channel: publication.topic.channel.as_str(),
            content: publication.content,
            data: &publication.data,
            position: publication.position.as_ref(),
            from: publication.from.as_ref(),
            tags: &publication.tags,
        };
        let envelope = write::message(codec, &push);
        match (form, &publication.position) {
            (Form::JsonFrame | Form::MessagePackFrame, _) => wire::data_frame(frame_kind(codec), envelope),
            (Form::MarkedEvent, Some(position)) => marked_event("message", &envelope, &stream_mark::of_one(position)),
            (Form::Event | Form::MarkedEvent, _) => event("message", &envelope),
        }
    })
}

/// A message for a connection that agreed on this: compressed where that is worth it.
pub(super) fn message_frame_for<'a>(
    publication: &'a Publication,
    form: Form,
    deflate: Option<DeflateWindow>,
    deflater: &mut Deflater,
) -> &'a Bytes {
    let frame = message_frame(publication, form);
    let is_worth_it = publication.compression && COMPRESSED_BYTES.contains(&frame.len());
    let Some(window) = deflate.filter(|_| is_worth_it) else {
        return frame;
    };
    let compressed = publication.encoded.get_or_compress(form, window as usize, || {
        deflater.frame(frame_kind(codec_of(form)), &frame[wire::payload_start(frame)..], window)
    });
    compressed.unwrap_or(frame)
}

/// A join or a leave in this form.
pub(super) fn presence_frame(change: &PresenceChange, form: Form) -> &Bytes {
    change.encoded.get_or_encode(form, || {
        let channel = change.topic.channel.as_str();
        let codec = codec_of(form);
        let envelope = write::presence_change(codec, change.ts, change.joined, channel, &change.member);
        match form {
            Form::JsonFrame | Form::MessagePackFrame => wire::data_frame(frame_kind(codec), envelope),
            Form::Event | Form::MarkedEvent => event(write::type_of(&envelope), &envelope),
        }
    })
}

/// A frame without what frames it.
pub(super) fn bare(frame: &Bytes) -> Bytes {
    frame.slice(wire::payload_start(frame)..)
}

/// A message push without a frame, for replies that hold many of them: a part of the frame that receivers share.
pub fn message_envelope(publication: &Publication, codec: Codec) -> Bytes {
    bare(message_frame(publication, frame_form(codec)))
}

/// Queues a reply. What its text shares with others goes into the frame as it is.
pub fn push_reply(client: &ClientConnection, reply: Encoded) {
    client.push_parts(client.framing.reply(reply));
}
