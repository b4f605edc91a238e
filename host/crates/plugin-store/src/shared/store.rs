//! The store that nodes share, as a trait: what can be asked of it and what it replies.

use std::time::Duration;

use thiserror::Error;

use super::lease::LeaseTerms;
use crate::id::StoreId;

/// A store that other nodes use too. Hooks do not wait for anything but it, so it answers by calling back from a
/// thread of its own, and whoever asks decides how long to wait.
pub trait SharedStore: Send + Sync {
    /// Asks something. The answer is given to `on_reply`, once. False: it cannot be asked now, and `on_reply` is dropped.
    /// Never waits.
    fn send(&self, id: &StoreId, request: StoreRequest, on_reply: OnReply) -> bool;

    /// Somebody waited for it in vain; until it is quick again plugins do without.
    fn stalled(&self) {}
}

/// What is done with an answer. It is called on the thread that all answers come from, so it does not wait.
pub type OnReply = Box<dyn FnOnce(Result<StoreReply, NoReply>) + Send>;

/// What can be asked for a plugin in a tenant. Keys and values are within the limits of the contract.
#[derive(Clone, Debug, PartialEq)]
pub enum StoreRequest {
    /// Does it answer at all?
    Probe,
    /// The value under a key.
    Get(String),
    /// Puts a value under a key.
    Set {
        key: String,
        /// Its value from now on.
        value: Vec<u8>,
        /// For how long; none: until it is deleted.
        ttl: Option<Duration>,
    },
    /// Takes a key away.
    Delete(String),
    /// Adds to a counter.
    Increment {
        key: String,
        by: i64,
        /// For how long a new one lives; none: until it is deleted.
        ttl: Option<Duration>,
    },
    /// Tokens of a bucket.
    Lease { key: Box<str>, terms: LeaseTerms },
}

#[derive(Clone, Debug, PartialEq)]
pub enum StoreReply {
    Done,
    /// The value, if there is one.
    Value(Option<Vec<u8>>),
    /// What a counter is now.
    Number(i64),
    /// The plugin's share is full.
    Full,
    /// The value is not a counter's.
    NotANumber,
    Lease {
        /// Tokens that are now the node's.
        given: f64,
        /// Tokens that the bucket has left.
        rest: f64,
    },
}

/// The store did not answer. What was asked may have happened all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the shared store does not answer")]
pub struct NoReply;
