//! What travels from the backplane to the hubs: the same value for every receiver, encoded at most once.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::protocol::Position;
use crate::protocol::names::Topic;
use crate::protocol::write::{self, Member, MessagePush};
use crate::wire;

/// A message that was published.
#[derive(Debug)]
pub struct Publication {
    /// Where.
    pub topic: Topic,
    /// Unique in the cluster.
    pub id: Arc<str>,
    /// When, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// JSON text.
    pub data: Bytes,
    /// Where it stands in the channel's history, if it took one.
    pub position: Option<Position>,
    /// Who said it.
    pub from: Option<Member>,
    /// What plugins added.
    pub tags: Vec<(String, String)>,
    /// First to be dropped for a slow receiver.
    pub ephemeral: bool,
    /// Whether the session that said it receives it too.
    pub echo: bool,
    frame: OnceLock<Frame>,
}

/// A push as it goes over the wire, and where its JSON begins.
#[derive(Debug)]
struct Frame {
    bytes: Bytes,
    body: usize,
}

impl Frame {
    fn text(body: &[u8]) -> Self {
        let bytes = wire::text_frame(body);
        let header = bytes.len() - body.len();
        Self { bytes, body: header }
    }
}

impl Publication {
    /// A publication that nobody has encoded yet.
    pub fn new(
        topic: Topic,
        id: Arc<str>,
        data: Bytes,
        position: Option<Position>,
        from: Option<Member>,
        tags: Vec<(String, String)>,
    ) -> Self {
        Self {
            topic,
            id,
            ts: write::now_ms(),
            data,
            position,
            from,
            tags,
            ephemeral: false,
            echo: true,
            frame: OnceLock::new(),
        }
    }

    /// The WebSocket frame, shared by all receivers on all shards.
    pub fn frame(&self) -> &Bytes {
        &self.encoded().bytes
    }

    /// The envelope's JSON, for replies that hold many of them.
    pub fn json(&self) -> Bytes {
        let frame = self.encoded();
        frame.bytes.slice(frame.body..)
    }

    fn encoded(&self) -> &Frame {
        self.frame.get_or_init(|| {
            Frame::text(&write::message(&MessagePush {
                id: &self.id,
                ts: self.ts,
                channel: self.topic.channel.as_str(),
                data: &self.data,
                position: self.position.as_ref(),
                from: self.from.as_ref(),
                tags: &self.tags,
            }))
        })
    }

    /// Whether `session` is the one that said it and did not want it back.
    pub fn skips(&self, session: &str) -> bool {
        !self.echo && self.from.as_ref().is_some_and(|from| *from.session == *session)
    }
}

/// A session came to a channel or left it.
#[derive(Debug)]
pub struct PresenceChange {
    /// Where.
    pub topic: Topic,
    /// Who.
    pub member: Member,
    /// Where it stands among the changes of its topic: above all before it.
    pub version: u64,
    /// The WebSocket frame.
    pub frame: Bytes,
}

impl PresenceChange {
    /// A `join` (or else `leave`) of `member`.
    pub fn new(topic: Topic, member: Member, joined: bool, version: u64) -> Self {
        let json = write::presence_change(joined, topic.channel.as_str(), &member);
        Self {
            frame: wire::text_frame(&json),
            topic,
            member,
            version,
        }
    }
}

/// What a shard's inbox holds.
#[derive(Clone, Debug)]
pub enum Envelope {
    /// For the subscribers of its topic.
    Message(Arc<Publication>),
    /// For the subscribers of its topic, the member aside.
    Presence(Arc<PresenceChange>),
    /// Messages of a topic were missed and cannot be had any more: its subscriptions end.
    Lost(Topic),
}

impl Envelope {
    /// Whose subscribers it is for.
    pub fn topic(&self) -> &Topic {
        match self {
            Self::Message(publication) => &publication.topic,
            Self::Presence(change) => &change.topic,
            Self::Lost(topic) => topic,
        }
    }
}
