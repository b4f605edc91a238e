//! How envelopes are encoded.

/// How a connection's envelopes are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Codec {
    /// JSON, in text frames of a WebSocket.
    #[default]
    Json,
    /// The same maps in MessagePack, in binary frames.
    MessagePack,
}

impl Codec {
    /// How many there are.
    pub const COUNT: usize = 2;
}
