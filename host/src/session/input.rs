//! What a client says: messages of its WebSocket, or what it posts by other connections.

use std::task::{Context, Poll};

use super::posts::Posts;
use crate::http_sessions::Posted;
use wire::Decoder;

pub(super) enum ClientInput {
    Messages(Decoder),
    /// Boxed, because most clients have a WebSocket.
    Posts(Box<Posts>),
}

impl ClientInput {
    /// Bytes of the message that the client is amid of.
    pub(super) fn unfinished(&self) -> Option<usize> {
        match self {
            Self::Messages(decoder) => decoder.unfinished(),
            Self::Posts(_) => None,
        }
    }

    /// Whether something of what was read is not decoded.
    pub(super) fn has_unread(&self) -> bool {
        match self {
            Self::Messages(decoder) => decoder.has_unread(),
            Self::Posts(_) => false,
        }
    }

    /// The next post; for ever none where the client has a WebSocket.
    pub(super) fn poll_post(&mut self, cx: &mut Context<'_>) -> Poll<Posted> {
        match self {
            Self::Messages(_) => Poll::Pending,
            Self::Posts(posts) => posts.poll_next(cx),
        }
    }

    pub(super) fn posts(&mut self) -> Option<&mut Posts> {
        match self {
            Self::Messages(_) => None,
            Self::Posts(posts) => Some(posts),
        }
    }
}
