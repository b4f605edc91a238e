//! What travels from the backplane to the hubs: the same value for every receiver, with room for its encodings.
//! Knows no wire: the hub encodes.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use protocol::names::Topic;
use protocol::{Content, Member, Position};
use wall_clock::now_ms;

/// A message that was published.
#[derive(Debug)]
pub struct Publication {
    pub topic: Topic,
    /// Unique in the cluster.
    pub id: Arc<str>,
    /// When, in milliseconds since the Unix epoch.
    pub ts: u64,
    /// What the data is …
    pub content: Content,
    /// … and the data.
    pub data: Bytes,
    /// Where it stands in the channel's history, if it took one.
    pub position: Option<Position>,
    pub from: Option<Member>,
    pub tags: Vec<(String, String)>,
    /// First to be dropped for a slow receiver.
    pub ephemeral: bool,
    /// Whether the session that said it receives it too.
    pub echo: bool,
    /// Whether it may be compressed. A history then counts what that takes.
    pub compression: bool,
    /// Filled by the hub.
    pub encoded: EncodedOnce,
}

/// A form in which receivers get a value: how it is encoded, and what it is framed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// JSON in a text frame of a WebSocket.
    JsonFrame,
    /// MessagePack in a binary frame of a WebSocket.
    MessagePackFrame,
    /// An event of a stream.
    Event,
    /// An event with its position, for streams of one channel.
    MarkedEvent,
}

impl Form {
    /// How many there are.
    pub const COUNT: usize = 4;
}

/// The forms of one value: each is made by the first shard that needs it, and shared by all receivers.
#[derive(Debug, Default)]
pub struct EncodedOnce {
    whole: [OnceLock<Bytes>; Form::COUNT],
    /// Boxed, because most tenants compress nothing.
    compressed: OnceLock<Box<CompressedForms>>,
}

/// In how many ways one form is compressed at most: clients differ in how far they look back.
pub const COMPRESSED_FORMS: usize = 2;

/// Of each form; none where it would not be smaller.
type CompressedForms = [[OnceLock<Option<Bytes>>; COMPRESSED_FORMS]; Form::COUNT];

impl EncodedOnce {
    /// The value in `form`, made by `encode` if nobody has made it yet.
    pub fn get_or_encode(&self, form: Form, encode: impl FnOnce() -> Bytes) -> &Bytes {
        self.whole[form as usize].get_or_init(encode)
    }

    /// The same compressed in this way; none if that is not smaller, which is tried once as well.
    pub fn get_or_compress(&self, form: Form, way: usize, compress: impl FnOnce() -> Option<Bytes>) -> Option<&Bytes> {
        let forms = self.compressed.get_or_init(Box::default);
        forms[form as usize][way].get_or_init(compress).as_ref()
    }
}

impl Publication {
    /// A publication of JSON that nobody has encoded yet.
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
            ts: now_ms(),
            content: Content::Json,
            data,
            position,
            from,
            tags,
            ephemeral: false,
            echo: true,
            compression: true,
            encoded: EncodedOnce::default(),
        }
    }

    /// Whether `session` is the one that said it and did not want it back.
    pub fn skips(&self, session: &str) -> bool {
        !self.echo && self.from.as_ref().is_some_and(|from| *from.session == *session)
    }
}

/// A session came to a channel or left it.
#[derive(Debug)]
pub struct PresenceChange {
    pub topic: Topic,
    /// When, in milliseconds since the Unix epoch.
    pub ts: u64,
    pub member: Member,
    /// Whether the member came; else it left.
    pub joined: bool,
    /// Where it stands among the changes of its topic: above all before it.
    pub version: u64,
    /// Filled by the hub.
    pub encoded: EncodedOnce,
}

impl PresenceChange {
    /// A change that happens now.
    pub fn new(topic: Topic, member: Member, joined: bool, version: u64) -> Self {
        Self {
            topic,
            ts: now_ms(),
            member,
            joined,
            version,
            encoded: EncodedOnce::default(),
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

    /// Bytes of its message.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Message(publication) => publication.data.len(),
            Self::Presence(_) | Self::Lost(_) => 0,
        }
    }
}
