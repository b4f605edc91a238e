//! Carries messages between publishers and hubs, of this node and of others, and keeps each channel's
//! order, history and presence. Knows no socket and no plugin; it takes what the chain permitted.

mod allowance;
#[cfg(test)]
mod conformance;
mod envelope;
mod footprint;
mod inbox;
mod instance_name;
mod interest;
pub mod memory;
mod metrics;
mod open_channels;
mod pending_bytes;
pub mod redis;

use std::pin::Pin;
use std::sync::Arc;

use thiserror::Error;

pub use allowance::{Account, Allowance, ChannelLimit, Rejection};
pub use envelope::{COMPRESSED_FORMS, EncodedOnce, Envelope, Form, PresenceChange, Publication};
pub use footprint::{Footprints, MemoryUse, TenantFootprint};
pub use inbox::{INBOX_ENVELOPES, Inbox, InboxReceiver};
pub use instance_name::{InstanceName, node_of, took_over};
pub use interest::{Interest, Presence};
pub use metrics::BackplaneMetrics;

use chain::{Message, Permit};
use config::ChannelSettings;
use protocol::Member;
use protocol::Position;
use protocol::names::Topic;

/// What a backplane replies, perhaps after a wait for the network or for a busy shard.
pub type Reply<'a, T, E = Unavailable> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// The contract of every backplane; the suite in `conformance` checks it.
///
/// Order: the publishes of a channel reach every shard in one order, that of their offsets.
/// A shard is reached by what is published after its `join` answered, until its `leave`.
pub trait Backplane: Send + Sync {
    /// Accepts a message: when this answers, it has its place in the channel's order and history. Messages of one
    /// channel are accepted in the order in which this was called for them, whenever their answers are asked for. One
    /// whose answer nobody wants any more may not be published.
    fn publish(
        self: Arc<Self>,
        permit: Permit<Message>,
        options: PublishOptions,
    ) -> Reply<'static, Published, Rejection>;

    /// An id as the next message would get; no message gets it.
    fn message_id(&self) -> Arc<str>;

    /// Sends `shard` everything that is published to `topic` after the reply. Each join that was answered is matched by
    /// one [`Backplane::leave`]; one that failed, or was dropped before its reply, by none. It opens the channel, if the
    /// tenant may have one more.
    fn join<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a Arc<ChannelSettings>,
        allowance: &'a Allowance,
        shard: usize,
    ) -> Reply<'a, (), Rejection>;

    /// Takes one join back. The last one out ends the shard's interest.
    fn leave(&self, topic: &Topic, shard: usize);

    /// Reads a part of a channel's history, and where it stands. Reading opens no channel and keeps none for longer. The
    /// position that an unused one tells is good for a recovery if the channel is used soon, and never hides a message;
    /// while a shard has joined, it stays good. Every offset has a reply: [`Unavailable`] is never said of a number.
    fn history<'a>(
        &'a self,
        topic: &'a Topic,
        settings: &'a ChannelSettings,
        range: HistoryRange,
    ) -> Reply<'a, HistoryPage>;

    /// Makes `member` present: when this replies, every [`Backplane::members`] shows it. The channel is sent a `join`, if
    /// its settings say so and the member was not present. Dropped before its reply, it is taken back.
    fn enter<'a>(&'a self, topic: &'a Topic, settings: &'a ChannelSettings, member: &'a Member) -> Reply<'a, ()>;

    /// Ends the presence of `member`, in the background. The channel is sent a `leave`, if its settings say so and the
    /// member was present; never after a later `join` of the same session.
    fn exit(&self, topic: &Topic, settings: &ChannelSettings, member: &Member);

    /// Who is present, and which of the changes that the channel is sent came before.
    fn members<'a>(&'a self, topic: &'a Topic) -> Reply<'a, PresenceSnapshot>;

    /// The topics that have subscribers on this node, and how many each.
    fn topics(&self) -> Vec<(Topic, u64)>;

    /// Why messages do not get through now, if so.
    fn hindrance(&self) -> Option<String>;

    /// Whether messages get through now.
    fn is_up(&self) -> bool {
        self.hindrance().is_none()
    }

    /// The node ends: replies when the others know everything that this one did.
    fn close(&self) -> Reply<'_, ()>;
}

/// Lets the nodes of a cluster talk to each other beside the channels.
pub trait Nodes: Send + Sync {
    /// The name of this start of this node, as of an [`InstanceName`].
    fn instance(&self) -> &str;

    /// The instances of all nodes that live now, this one included.
    fn live(&self) -> Reply<'_, Vec<String>>;

    /// Sends a control message to one of them, or to all, this one included. At most once: who waits for an answer has
    /// to know for how long.
    fn send<'a>(&'a self, to: Option<&'a str>, message: Vec<u8>) -> Reply<'a, ()>;

    /// Whether an instance listens now. One whose process ended does not from then on, though it is among [`Nodes::live`] for
    /// some seconds more.
    fn listens<'a>(&'a self, instance: &'a str) -> Reply<'a, bool>;

    /// The connection over which control messages come, by a number that no other has; none while there is none. What was
    /// sent between two connections is lost.
    fn listens_over(&self) -> Option<u64>;
}

/// How a message is to be published.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// The session that publishes it; none for the operator.
    pub from: Option<Member>,
    /// Makes two publishes of a channel the same, within the window of its settings.
    pub key: Option<Box<str>>,
    /// It takes no place in the history, and is the first to be dropped for a slow receiver.
    pub ephemeral: bool,
    /// Whether its publisher receives it too.
    pub echo: bool,
    /// The settings of its channel.
    pub settings: Arc<ChannelSettings>,
    /// For whom it is kept, and how much its tenant may keep.
    pub allowance: Allowance,
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
    /// Only messages after this position; before it, if reversed. Before a position that its epoch has not reached is
    /// everything of that epoch; of an epoch that is not known, there is nothing.
    pub since: Option<Position>,
    /// Messages at most; none: all that are kept.
    pub limit: Option<usize>,
    /// Bytes of messages at most, about, but for the first; none: no bound.
    pub bytes: Option<usize>,
    /// Newest first.
    pub reverse: bool,
}

/// A part of a history.
#[derive(Clone, Debug)]
pub struct HistoryPage {
    /// Where the history stands; offset 0 if nothing was ever published.
    pub newest: Position,
    /// Oldest first, or newest first if reversed. Shared with the backplane, not copied.
    pub messages: Vec<Arc<Publication>>,
    /// Whether nothing between `since` and the newest is missing from the history. False also where
    /// `since` is of another epoch or was never reached, and where everything was asked for and the page is cut.
    pub whole: bool,
    /// Whether there is more of what was asked for than one page holds in bytes.
    pub is_cut: bool,
}

/// Who is present in a channel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PresenceSnapshot {
    /// In no particular order.
    pub members: Vec<Member>,
    /// A [`PresenceChange`] of this version or a lower one came before the snapshot, and one of a higher version after.
    pub version: u64,
}

/// The backplane does not answer: the client gets 4504.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the backplane is not available: {0}")]
pub struct Unavailable(pub String);
