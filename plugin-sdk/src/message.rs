//! What the message is that the publish hook is asked about. Open to every plugin.
//!
//! This is of contract 0.2, which is a draft until it is released: the interface may still change, and a plugin that uses
//! it must then be built again. So it is behind the feature `message`.

use crate::broker;

/// What the data of a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// JSON text in UTF-8.
    #[default]
    Json,
    /// Any bytes.
    Binary,
}

/// What the data of this message is; [`Content::Json`] outside of the publish hook.
///
/// A plugin that calls this anywhere is given the bytes of binary channels as they are, and
/// [`Replace`](crate::PublishVerdict::Replace) has bytes there too. One that does not is given a JSON string in base64, and
/// has to replace it by such a string.
#[must_use]
pub fn content() -> Content {
    broker::content()
}
