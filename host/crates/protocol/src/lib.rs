//! The native protocol as values: bytes to [`Request`]s, replies and pushes to bytes. Pure: knows no
//! clock, no socket, no frame and no plugin.

pub mod codes;
mod fields;
mod json;
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

pub use json::{Json, Piece};
pub use member::Member;
pub use read::{MESSAGE_KEY_BYTES, Refused, read};
pub use request::{Body, Connect, HistoryRequest, Position, Publish, Request, RequestId, Subscribe};
pub use whole::{Unsigned, Whole};

/// The version of the protocol that this broker speaks.
pub const VERSION: u32 = 1;
/// The subprotocol of JSON in text frames; assumed when a client offers none.
pub const SUBPROTOCOL_JSON: &str = "sluicegate.v1.json";
/// What a client may count on, in the `connect` ack.
pub const FEATURES: &[&str] = &[
    "history",
    "idempotency",
    "join_leave",
    "presence",
    "recovery",
    "refresh",
];

/// How a connection's envelopes are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// JSON in text frames.
    Json,
}

impl Codec {
    /// How many there are.
    pub const COUNT: usize = 1;
}
