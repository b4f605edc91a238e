//! Permission as a value: what holds a [`Permit`] was allowed by the chain, because only the chain makes one.

use bytes::Bytes;

use crate::protocol::names::Topic;

/// Proof that the chain allowed `T`. Nothing is published without one.
#[derive(Debug)]
pub struct Permit<T>(T);

impl<T> Permit<T> {
    pub(super) fn new(granted: T) -> Self {
        Self(granted)
    }

    /// Uses the permit up: one permit, one publish.
    pub fn redeem(self) -> T {
        self.0
    }
}

/// A message as the chain let it pass.
#[derive(Debug, PartialEq, Eq)]
pub struct Message {
    /// Where it goes.
    pub topic: Topic,
    /// JSON text: the client's own bytes unless a plugin replaced them.
    pub data: Bytes,
    /// What plugins added to the envelope, in their order; a later value for a key wins.
    pub tags: Vec<(String, String)>,
}
