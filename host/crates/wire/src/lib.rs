//! WebSocket frames (RFC 6455, server side) and their compression (RFC 7692): bytes ↔ frames. Knows nothing of sockets,
//! tasks or envelopes.
//!
//! Reading: a session reads into a buffer it shares with every connection of its shard and lends it
//! to [`Decoder::feed`]. Frames that are whole in that buffer are unmasked where they lie and
//! handed out as borrowed [`WebSocketMessage`]s; only what a read cut off is copied into the connection.
//! Writing: a frame is encoded once into [`bytes::Bytes`] and shared by all its receivers, which is
//! possible because what a server sends is not masked.
//!
//! With permessage-deflate each message is compressed by itself, in both directions. A connection keeps no window; what
//! compresses ([`Deflater`]) and what inflates ([`Inflater`]) belongs to a thread.

mod close;
mod decode;
mod deflate;
mod encode;
mod error;
mod extensions;
mod frame;
pub mod handshake;
mod inflate;
mod input_buffer;
mod mask;
mod negotiation;
#[cfg(test)]
mod tests;

pub use close::is_valid_close_code;
pub use decode::{Decoder, Messages, WebSocketMessage};
pub use deflate::{DeflateWindow, Deflater};
pub use encode::{
    FrameKind, binary_frame, close_frame, data_frame, fragment_header, frame_end, frame_header, is_control_frame,
    payload_start, ping_frame, pong_frame, text_frame,
};
pub use error::WireError;
pub use inflate::Inflater;
pub use negotiation::{DeflateAgreement, MalformedExtensions};
