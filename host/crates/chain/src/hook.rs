//! What the chain asks and what it is answered. Knows no plugin technology: the sandbox implements
//! [`Hook`], and tests do with plain Rust.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use thiserror::Error;

use super::caller::Caller;
use super::handshake::Handshake;

/// One plugin as a shard sees it. Calls are synchronous and short: the implementor keeps to its deadline.
pub trait Hook {
    /// May this connection be, and who is it?
    fn connect(&mut self, handshake: &Arc<Handshake>, caller: &Arc<Caller>) -> Result<Answer<ConnectVerdict>, Fault>;
    /// May the caller listen to `channel`?
    fn subscribe(&mut self, caller: &Arc<Caller>, channel: &str) -> Result<Answer<SubscribeVerdict>, Fault>;
    /// May the caller say `data` (JSON text) in `channel`?
    fn publish(&mut self, caller: &Arc<Caller>, channel: &str, data: &[u8]) -> Result<Answer<PublishVerdict>, Fault>;
    /// The caller's connection ended with this close code.
    fn disconnect(&mut self, caller: &Arc<Caller>, code: u16) -> Result<(), Fault>;
    /// What became of data that it just replaced, which only the chain can check: `Err` is a fault like any other.
    /// Follows each answer that replaces, and no other.
    fn judged(&mut self, hook: HookKind, outcome: Result<(), &Fault>);
    /// Gives back what it holds if it was not asked for long. Called now and then.
    fn evict_idle(&mut self, now: Instant);
}

/// A verdict and the effects that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer<V> {
    /// The decision.
    pub verdict: V,
    /// Tags for the message's envelope (publish only), within the contract's limits.
    pub tags: Vec<(String, String)>,
    /// How long this verdict may be reused for the same caller and channel.
    pub cache: Option<Duration>,
}

impl<V> From<V> for Answer<V> {
    fn from(verdict: V) -> Self {
        Self {
            verdict,
            tags: Vec::new(),
            cache: None,
        }
    }
}

/// A plugin's word on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectVerdict {
    /// Not mine to say.
    Abstain,
    /// The caller is this one.
    Accept(Identity),
    /// Refused.
    Deny(Denial),
}

/// A plugin's word on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscribeVerdict {
    /// Not mine to say.
    Abstain,
    /// Allowed, with these rights.
    Allow(Grant),
    /// Refused.
    Deny(Denial),
}

/// A plugin's word on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishVerdict {
    /// Not mine to say.
    Abstain,
    /// Allowed.
    Allow,
    /// Goes on with this data. No allow.
    Replace(Bytes),
    /// Acknowledged, and delivered to nobody.
    Discard,
    /// Refused.
    Deny(Denial),
}

/// Who a connection is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// 1 to 255 bytes; none for an accepted connection without a name.
    pub user: Option<Arc<str>>,
    /// A JSON object in text.
    pub claims: Arc<str>,
    /// Milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

/// What a subscriber may do besides listening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Counts as an allow of later publishes.
    pub publish: bool,
    /// May ask who is present.
    pub presence: bool,
    /// May read history.
    pub history: bool,
    /// When the subscription ends, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

/// A refusal by a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denial {
    /// See `types.wit` for the codes a plugin may use.
    pub code: u16,
    /// A `snake_case_word`.
    pub reason: String,
    /// For a person.
    pub message: Option<String>,
    /// When trying again makes sense.
    pub retry_after_ms: Option<u64>,
    /// What else happens to the client.
    pub penalty: Penalty,
}

/// What happens to a refused client besides the refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Penalty {
    /// Nothing.
    #[default]
    None,
    /// Its connection is closed.
    Disconnect,
    /// Its connection is closed and its user refused for so long.
    Ban(Duration),
}

/// A plugin did not decide. What that means for the client is said by the operator's [`OnFault`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The guest trapped; the text names the trap.
    #[error("trapped: {0}")]
    Trap(String),
    /// The guest ran past its deadline.
    #[error("ran past {0:?}")]
    Deadline(Duration),
    /// The guest wanted more memory than it may have, in bytes.
    #[error("wanted more than {0} bytes of memory")]
    Memory(usize),
    /// The guest answered with something the contract does not allow.
    #[error("answered with bad data: {0}")]
    BadOutput(String),
    /// The host could not serve the call.
    #[error("host error: {0}")]
    Host(String),
    /// No instance is ready: it is being rebuilt after a fault, or its circuit is open.
    #[error("not available: {0}")]
    Unavailable(&'static str),
}

/// What a fault means for the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFault {
    /// Refused with 4503. The default: fail closed.
    #[default]
    Deny,
    /// As if the plugin had said allow (accept without a name, on connect).
    Allow,
    /// What the plugin last said for the same caller and channel; refused if it never did.
    Cached,
}

/// One of the four questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HookKind {
    /// `connect-hook`
    Connect,
    /// `subscribe-hook`
    Subscribe,
    /// `publish-hook`
    Publish,
    /// `disconnect-hook`
    Disconnect,
}

impl HookKind {
    /// All four, in the order of a connection's life.
    pub const ALL: [Self; 4] = [Self::Connect, Self::Subscribe, Self::Publish, Self::Disconnect];

    /// Its word in the config, the logs and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Subscribe => "subscribe",
            Self::Publish => "publish",
            Self::Disconnect => "disconnect",
        }
    }
}

/// A set of hooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hooks(u8);

impl Hooks {
    /// Whether `kind` is in the set.
    pub fn has(self, kind: HookKind) -> bool {
        self.0 & (1 << kind as u8) != 0
    }
    /// The set with `kind` in it.
    #[must_use]
    pub fn with(self, kind: HookKind) -> Self {
        Self(self.0 | (1 << kind as u8))
    }
    /// The hooks in the set, in the order of [`HookKind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = HookKind> {
        HookKind::ALL.into_iter().filter(move |k| self.has(*k))
    }
}

impl FromIterator<HookKind> for Hooks {
    fn from_iter<I: IntoIterator<Item = HookKind>>(kinds: I) -> Self {
        kinds.into_iter().fold(Self::default(), Self::with)
    }
}
