//! What a client posts to a session, and what it is answered.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use protocol::Codec;

/// Bytes of all requests of a post at most, and of the body of an answer: more than the largest `limits.message_bytes`.
pub const POST_BYTES: usize = 17 * 1_048_576;
/// How long a node may take to carry out requests that nobody polls with.
const SEND_WITHIN: Duration = Duration::from_secs(10);
/// How much longer than it was to wait a poll may take.
const POLL_GRACE: Duration = Duration::from_secs(5);

/// What a client posted to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    pub tenant: Arc<str>,
    pub session: Arc<str>,
    /// The hash of what the session was opened with: its first poll, said again.
    pub open: Option<[u8; 32]>,
    pub kind: PostKind,
    /// Which of the client's own posts with requests it is, from 1, if it counts them. One that comes again is carried out once.
    pub batch: Option<u64>,
    /// An envelope each.
    pub requests: Vec<Bytes>,
    /// How these are encoded, and the answer is.
    pub codec: Codec,
}

/// What a post is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostKind {
    /// Requests; their replies are waited for.
    Send,
    /// What waits for the client after `ack`, and requests. It waits for so long, if there is nothing.
    Poll { ack: u64, wait: Duration },
}

/// What a post is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostAnswer {
    /// 200, with this body.
    Done(Bytes),
    /// 410: there is no such session any more.
    Gone,
    /// 400, and why.
    Bad(String),
    /// 429: later.
    Busy { retry_after: Duration },
    /// 503: it may have been carried out, or not.
    Unavailable,
}

/// An answer of this node.
pub type LocalAnswer<'a> = Pin<Box<dyn Future<Output = PostAnswer> + Send + 'a>>;

/// The sessions of a node.
pub trait LocalSessions: Send + Sync {
    /// Carries out a post to one of them; gone, if there is none of this name. Dropped, nobody waits for the answer any more.
    fn post(&self, post: Post) -> LocalAnswer<'_>;
}

// === impl Post ===

impl Post {
    /// Bytes of its requests.
    pub(crate) fn bytes(&self) -> usize {
        self.requests.iter().map(Bytes::len).sum()
    }
}

// === impl PostKind ===

impl PostKind {
    /// How long the answer may take.
    pub fn within(self) -> Duration {
        match self {
            Self::Send => SEND_WITHIN,
            Self::Poll { wait, .. } => wait.saturating_add(POLL_GRACE),
        }
    }
}
