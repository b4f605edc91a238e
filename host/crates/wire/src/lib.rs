//! WebSocket frames (RFC 6455, server side, no extensions): bytes ↔ frames. Knows nothing of
//! sockets, tasks or envelopes.
//!
//! Reading: a session reads into a buffer it shares with every connection of its shard and lends it
//! to [`Decoder::feed`]. Frames that are whole in that buffer are unmasked where they lie and
//! handed out as borrowed [`WebSocketMessage`]s; only what a read cut off is copied into the connection.
//! Writing: a frame is encoded once into [`bytes::Bytes`] and shared by all its receivers, which is
//! possible because what a server sends is not masked.

mod close;
mod decode;
mod encode;
mod error;
mod frame;
pub mod handshake;
mod input_buffer;
mod mask;
#[cfg(test)]
mod tests;

pub use close::is_valid_close_code;
pub use decode::{Decoder, Messages, WebSocketMessage};
pub use encode::{
    FrameKind, binary_frame, close_frame, frame_end, is_control_frame, payload_start, ping_frame, pong_frame,
    text_fragment_header, text_frame, text_frame_header,
};
pub use error::WireError;
