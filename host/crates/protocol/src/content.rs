//! What the data of a channel's messages is.

/// What the data of a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// JSON text.
    #[default]
    Json,
    /// Bytes. In JSON they are a base64 string, in MessagePack they stand as they are.
    Binary,
}
