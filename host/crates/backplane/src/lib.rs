//! Carries messages between publishers and hubs, of this node and of others, and keeps each channel's
//! order, history and presence. Knows no socket and no plugin; it takes what the chain permitted.

#[cfg(test)]
mod conformance;
mod envelope;
mod interest;
pub mod memory;
mod metrics;
pub mod redis;

use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

pub use envelope::{EncodedOnce, Envelope, PresenceChange, Publication};
pub use interest::{Interest, Presence};
pub use metrics::BackplaneMetrics;

use chain::{Message, Permit};
use config::ChannelSettings;
use protocol::Member;
use protocol::Position;
use protocol::names::Topic;

/// An answer that may need the network.
pub type Reply<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// The contract of every backplane; the suite in `conformance` checks it.
///
/// Order: the publishes of a channel reach every shard in one order, that of their offsets.
/// A shard is reached by what is published after its `join` answered, until its `leave`.
pub trait Backplane: Send + Sync {
    /// Accepts a message: when this answers, it has its place in the channel's order and history. Messages of one
    /// channel are accepted in the order in which this was called for them, whenever their answers are asked for. One
    /// whose answer nobody wants any more may not be published.
    fn publish(self: Arc<Self>, permit: Permit<Message>, options: PublishOptions) -> Reply<'static, Published>;

    /// An id as the next message would get.
    fn message_id(&self) -> Arc<str>;

    /// Sends `shard` everything that is published to `topic` from now on. Each answered join is
    /// matched by one [`Backplane::leave`].
    fn join<'a>(&'a self, topic: &'a Topic, settings: &'a Arc<ChannelSettings>, shard: usize) -> Reply<'a, ()>;

    /// Takes one join back. The last one out ends the shard's interest.
    fn leave(&self, topic: &Topic, shard: usize);

    /// Reads a channel's history, and where it stands.
    fn history<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a ChannelSettings,
        range: HistoryRange,
    ) -> Reply<'a, HistoryPage>;

    /// Makes `member` present. Tells the channel, if its settings say so.
    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()>;

    /// Ends the presence of `member`. Tells the channel, if its settings say so.
    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member);

    /// Who is present, and which of the changes that the channel is told of came before.
    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot>;

    /// The topics that have subscribers on this node, and how many each.
    fn topics(&self) -> Vec<(Topic, u64)>;

    /// Why messages do not get through now, if so.
    fn hindrance(&self) -> Option<String>;

    /// Whether messages get through now.
    fn is_up(&self) -> bool {
        self.hindrance().is_none()
    }

    /// The node ends: answers when others know all that it said.
    fn close(&self) -> Reply<'_, ()>;
}

/// Lets the nodes of a cluster talk to each other beside the channels.
pub trait Nodes: Send + Sync {
    /// This start of this node, unlike any other: its name, `~`, and something random.
    fn instance(&self) -> &str;

    /// Those that live now, this one included.
    fn live(&self) -> Reply<'_, Vec<String>>;

    /// Sends a control message to one of them, or to all, this one included. At most once: who waits for an answer has
    /// to know for how long.
    fn send<'a>(&'a self, to: Option<&'a str>, message: Vec<u8>) -> Reply<'a, ()>;
}

/// How a message is to be published.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Who said it.
    pub from: Option<Member>,
    /// What makes two publishes the same.
    pub key: Option<Box<str>>,
    /// Takes no history, and is the first to be dropped.
    pub ephemeral: bool,
    /// Whether its publisher receives it too.
    pub echo: bool,
    /// Of its channel.
    pub settings: Arc<ChannelSettings>,
}

/// What became of a publish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The message's id; that of the first one for a duplicate.
    pub id: Arc<str>,
    /// Its place in history, if it took one.
    pub position: Option<Position>,
    /// The key was seen within the window, and nothing was published.
    pub duplicate: bool,
}

/// Which part of a history.
#[derive(Clone, Debug, Default)]
pub struct HistoryRange {
    /// After this position; before it, if reversed.
    pub since: Option<Position>,
    /// Messages at most.
    pub limit: Option<usize>,
    /// Newest first.
    pub reverse: bool,
}

/// A part of a history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// Where the history stands; offset 0 if nothing was ever published.
    pub newest: Position,
    /// What was asked for.
    pub messages: Vec<Arc<Publication>>,
    /// Whether nothing between `since` and the newest is missing from the history. False also where
    /// `since` is of another epoch or was never reached.
    pub whole: bool,
}

/// Who is present in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceSnapshot {
    /// In no particular order.
    pub members: Vec<Member>,
    /// A [`PresenceChange`] of this version or a lower one came before, and one of a higher version after.
    pub version: u64,
}

/// The backplane does not answer: the client gets 4504.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the backplane is not available: {0}")]
pub struct Unavailable(pub String);
