//! Where the answer to a poll goes. Knows no answer and no socket.

use std::rc::Weak;

use bytes::Bytes;
use tokio::sync::oneshot;

use relay::PostAnswer;

/// Who waits for the answer to a poll. Dropped, there is none.
#[derive(Debug)]
pub enum PollReply {
    /// Whoever brought the poll as a post, from any shard or node.
    Post(oneshot::Sender<PostAnswer>),
    /// The connection of the same shard on which the poll came.
    Connection(ConnectionReply),
}

/// A connection on which polls come, one after the other.
pub trait PollingConnection {
    /// Whether this poll of the connection waits.
    fn waits(&self, poll: u64) -> bool;

    /// Answers the poll with this body, if it waits.
    fn answer(&self, poll: u64, body: &[u8]);

    /// There will be no answer to the poll, if it waits: its session is gone.
    fn give_up(&self, poll: u64);
}

/// One poll of a connection. The connection may be over any time.
#[derive(Debug)]
pub struct ConnectionReply {
    connection: Weak<dyn PollingConnection>,
    poll: u64,
}

// === impl PollReply ===

impl PollReply {
    /// Whether nobody waits any more.
    pub fn is_closed(&self) -> bool {
        match self {
            Self::Post(reply) => reply.is_closed(),
            Self::Connection(ConnectionReply { connection, poll }) => {
                connection.upgrade().is_none_or(|connection| !connection.waits(*poll))
            }
        }
    }

    /// Answers with this body. Who is gone meanwhile asks again.
    pub fn send(self, body: &Bytes) {
        match self {
            Self::Post(reply) => drop(reply.send(PostAnswer::Done(body.clone()))),
            Self::Connection(reply) => {
                if let Some(connection) = reply.connection.upgrade() {
                    connection.answer(reply.poll, body);
                }
            }
        }
    }
}

impl From<oneshot::Sender<PostAnswer>> for PollReply {
    fn from(reply: oneshot::Sender<PostAnswer>) -> Self {
        Self::Post(reply)
    }
}

// === impl ConnectionReply ===

impl ConnectionReply {
    /// To the poll of this number, of all that came on the connection.
    pub fn new(connection: Weak<dyn PollingConnection>, poll: u64) -> Self {
        Self { connection, poll }
    }
}

impl Drop for ConnectionReply {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.upgrade() {
            connection.give_up(self.poll);
        }
    }
}
