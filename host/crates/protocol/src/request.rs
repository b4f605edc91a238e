//! What a client can ask, as values that hold what the protocol's rules promise.

use std::sync::Arc;

use bytes::Bytes;

use super::codec::Codec;
use super::content::Content;
use super::names::Channel;

/// A request with its id.
#[derive(Debug)]
pub struct Request {
    /// Comes back in the reply.
    pub id: RequestId,
    pub body: Body,
}

/// A request's id, and the codec in which it came: that of its reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId {
    /// The JSON text of a number or a string, as the client wrote it or as it is equal.
    pub(super) json: Bytes,
    pub(super) codec: Codec,
}

impl RequestId {
    /// The id of a request that the broker makes for a client.
    pub fn number(id: u64) -> Self {
        Self {
            json: id.to_string().into(),
            codec: Codec::Json,
        }
    }

    /// In which its reply is written.
    pub fn codec(&self) -> Codec {
        self.codec
    }

    /// JSON text.
    pub fn as_json(&self) -> &[u8] {
        &self.json
    }
}

/// A request without its id.
#[derive(Debug)]
pub enum Body {
    Connect(Box<Connect>),
    Subscribe(Subscribe),
    Unsubscribe(Channel),
    Publish(Publish),
    Presence(Channel),
    History(HistoryRequest),
    /// `refresh`, with the new token
    Refresh(String),
    Ping,
}

/// `connect`: who the client says it is.
#[derive(Debug)]
pub struct Connect {
    /// The token, when it comes in the payload.
    pub token: Option<String>,
    pub client_name: Option<String>,
    /// Channels to subscribe to together with the connect.
    pub subscribe: Vec<Subscribe>,
    /// Anything, for the connect hooks: JSON text.
    pub data: Option<String>,
}

#[derive(Debug)]
pub struct Subscribe {
    pub channel: Channel,
    /// What the client has seen last.
    pub since: Option<Position>,
    /// Whether the ack lists who is present.
    pub presence: bool,
}

#[derive(Debug)]
pub struct Publish {
    pub channel: Channel,
    /// What the client says that its data is.
    pub content: Content,
    /// JSON text, or the bytes: a slice of the message it came in, where it stood there as it is.
    pub data: Bytes,
    /// What makes two publishes the same.
    pub key: Option<Box<str>>,
    /// Takes no history, and is the first to be dropped.
    pub ephemeral: bool,
    /// Whether the publisher receives it too, if it is subscribed.
    pub echo: bool,
}

#[derive(Debug)]
pub struct HistoryRequest {
    pub channel: Channel,
    /// Messages at most.
    pub limit: Option<usize>,
    /// After this position (before it, if reversed).
    pub since: Option<Position>,
    /// Newest first.
    pub reverse: bool,
}

/// A place in a channel's history. Offsets count up by one within an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Names one life of the channel's history.
    pub epoch: Arc<str>,
    /// The number of a message in it; 0 is before the first.
    pub offset: u64,
}

impl Position {
    /// The position `offset` within `epoch`.
    pub fn at(epoch: &str, offset: u64) -> Self {
        Self {
            epoch: epoch.into(),
            offset,
        }
    }
}
