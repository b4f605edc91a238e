//! The native protocol as values: bytes of either codec to [`Request`]s, replies and pushes to bytes. Pure: knows no
//! clock, no socket, no frame and no plugin.

mod base64_text;
mod codec;
pub mod codes;
mod content;
mod encoded;
mod fields;
mod member;
pub mod names;
mod object;
mod read;
mod request;
pub mod stream_mark;
#[cfg(test)]
mod tests;
mod whole;
pub mod write;

pub use base64_text::{NotBase64, base64_json, read_base64, read_base64_json};
pub use codec::Codec;
pub use content::Content;
pub use encoded::{Encoded, Piece};
pub use member::Member;
pub use read::{MESSAGE_KEY_BYTES, Refused, read, read_as, read_message_pack};
pub use request::{Body, Connect, HistoryRequest, Position, Publish, Request, RequestId, Subscribe};
pub use whole::{Unsigned, Whole};

/// The version of the protocol that this broker speaks.
pub const VERSION: u32 = 1;
/// The subprotocol of JSON in text frames; assumed when a client offers none.
pub const SUBPROTOCOL_JSON: &str = "sluicegate.v1.json";
/// The subprotocol of MessagePack in binary frames.
pub const SUBPROTOCOL_MESSAGE_PACK: &str = "sluicegate.v1.msgpack";
/// What a client may count on, in the `connect` ack.
pub const FEATURES: &[&str] = &[
    "history",
    "idempotency",
    "join_leave",
    "presence",
    "recovery",
    "refresh",
];
