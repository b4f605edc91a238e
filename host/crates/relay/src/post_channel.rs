//! What the relay needs of whatever connects nodes.

use std::pin::Pin;

use thiserror::Error;

/// What the other side says, perhaps after a wait for the network.
pub type ChannelReply<'a, T> = Pin<Box<dyn Future<Output = Result<T, NotSent>> + Send + 'a>>;

/// Carries messages between instances, at most once.
pub trait PostChannel: Send + Sync {
    /// This start of this node.
    fn instance(&self) -> &str;

    /// Sends a message to an instance. Returns whether somebody got it.
    fn send<'a>(&'a self, to: &'a str, message: Vec<u8>) -> ChannelReply<'a, bool>;

    /// Whether the process of an instance is there.
    fn is_there<'a>(&'a self, instance: &'a str) -> ChannelReply<'a, bool>;

    /// The connection over which messages come to this instance, by a number that no other has; none while there is none. What
    /// was sent between two connections is lost.
    fn listens_over(&self) -> Option<u64>;
}

/// Nothing can be sent now.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("nothing can be sent to other nodes: {0}")]
pub struct NotSent(pub String);
