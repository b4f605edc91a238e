//! How envelopes stand on the way to one client: as messages of a WebSocket, as events of a stream, or bare for the
//! answers to polls. Values to bytes; knows no connection.

mod events;
mod reply_part;
mod stream_head;

use std::iter;

use bytes::Bytes;

use protocol::{Codec, Encoded, write};
use wire::FrameKind;

pub use events::{event, marked_event};
pub use reply_part::ReplyPart;
pub use stream_head::{StreamHead, refusal_events};

/// The frames in which a codec's envelopes are messages of a WebSocket.
pub const fn frame_kind(codec: Codec) -> FrameKind {
    match codec {
        Codec::Json => FrameKind::Text,
        Codec::MessagePack => FrameKind::Binary,
    }
}

/// What a connection's envelopes are framed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each is a message of a WebSocket.
    WebSocket,
    /// Each is an event of a stream (HTML Living Standard 9.2).
    Events,
    /// Each stands by itself; whoever takes them puts them together.
    Bare,
}

impl Framing {
    /// A push. Events are JSON.
    pub fn push(self, codec: Codec, envelope: &[u8]) -> Bytes {
        match self {
            Self::WebSocket => wire::data_frame(frame_kind(codec), envelope),
            Self::Events => event(write::type_of(envelope), envelope),
            Self::Bare => Bytes::copy_from_slice(envelope),
        }
    }

    /// A reply, as pieces that are written one behind the other. What its text shares with others is not copied where it
    /// can stand as it is.
    pub fn reply(self, envelope: Encoded) -> Vec<Bytes> {
        let kind = frame_kind(envelope.codec());
        match self {
            Self::WebSocket => match envelope.into_text() {
                Ok(text) => vec![wire::data_frame(kind, text)],
                Err(envelope) => {
                    let header = wire::frame_header(kind, envelope.len());
                    iter::once(header).chain(envelope.into_parts()).collect()
                }
            },
            Self::Events => {
                let text = envelope.to_vec();
                vec![event(write::type_of(&text), &text)]
            }
            Self::Bare => envelope.into_parts().collect(),
        }
    }

    /// A part of a reply: its texts with what frames them. Nothing but control frames may stand between two parts.
    pub fn part(self, codec: Codec, texts: impl IntoIterator<Item = Bytes>, part: ReplyPart) -> Vec<Bytes> {
        let texts = texts.into_iter();
        match self {
            Self::WebSocket => {
                let texts: Vec<Bytes> = texts.collect();
                let bytes = texts.iter().map(Bytes::len).sum();
                let header = wire::fragment_header(frame_kind(codec), bytes, part.is_first, part.is_last);
                iter::once(header).chain(texts).collect()
            }
            Self::Events => events::part(texts, part),
            Self::Bare => texts.collect(),
        }
    }

    /// What tells a client that is sent nothing else that the connection lives; polls need none.
    pub fn heartbeat(self) -> Option<Bytes> {
        match self {
            Self::WebSocket => Some(wire::ping_frame(b"")),
            Self::Events => Some(Bytes::from_static(b":\n\n")),
            Self::Bare => None,
        }
    }

    /// What tells a client when to come back, where that is not within the last envelope alone.
    pub fn come_back(self, ms: u64) -> Option<Bytes> {
        (self == Self::Events).then(|| format!("retry: {ms}\n").into())
    }

    /// What ends the connection after its last envelope, where something does.
    pub fn close(self, code: Option<u16>, reason: &str) -> Option<Bytes> {
        match self {
            Self::WebSocket => Some(wire::close_frame(code, reason)),
            Self::Events | Self::Bare => None,
        }
    }

    /// Whether `frame` may stand amid an envelope that is sent in parts.
    pub fn is_control(self, frame: &[u8]) -> bool {
        self == Self::WebSocket && wire::is_control_frame(frame)
    }

    /// Where the frame ends that holds the byte `at` of `frames`, which stand one behind the other.
    pub fn frame_end(self, frames: &[u8], at: usize) -> usize {
        match self {
            Self::WebSocket => wire::frame_end(frames, at),
            Self::Events => events::end(frames, at),
            Self::Bare => frames.len(),
        }
    }
}
