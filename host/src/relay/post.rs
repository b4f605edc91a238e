//! What is posted for a session of a stream of events, or of polls, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use protocol::Codec;

/// Requests for a session, as any node may have received them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub tenant: Arc<str>,
    pub session: Arc<str>,
    /// For a session that this began: the hash of what its first poll had as `open`.
    pub open: Option<[u8; 32]>,
    pub kind: PostKind,
    /// Which of the client's own posts it is, from 1. One that is posted again is carried out once.
    pub batch: Option<u64>,
    /// An envelope each.
    pub requests: Vec<Bytes>,
    pub codec: Codec,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostKind {
    /// The replies are the answer.
    Send,
    /// Whatever there is for the client is the answer.
    Poll {
        /// The number of the last answer that the client has.
        ack: u64,
        /// How long it waits until there is something.
        wait: Duration,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostAnswer {
    /// The body of the answer.
    Done(Bytes),
    /// There is no such session any more.
    Gone,
    /// This cannot be carried out, because of what it is.
    Bad(String),
    /// Too much waits already.
    Busy { retry_after: Duration },
    /// The session cannot be asked now.
    Unavailable,
}
