//! What a plugin answers: plain data, checked against the contract by whoever made it.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

/// A verdict and the effects that came with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookResponse<V> {
    pub verdict: V,
    /// Tags for the message's envelope (publish only), within the contract's limits.
    pub tags: Vec<(String, String)>,
    /// How long this verdict may be reused for the same caller and channel.
    pub cache: Option<Duration>,
}

impl<V> From<V> for HookResponse<V> {
    fn from(verdict: V) -> Self {
        Self {
            verdict,
            tags: Vec::new(),
            cache: None,
        }
    }
}

/// A plugin's verdict on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectVerdict {
    /// The plugin leaves it to others.
    Abstain,
    /// The caller is this one.
    Accept(Identity),
    Deny(Denial),
}

/// A plugin's verdict on a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscribeVerdict {
    /// The plugin leaves it to others.
    Abstain,
    /// Allowed, with these rights.
    Allow(Grant),
    Deny(Denial),
}

/// A plugin's verdict on a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PublishVerdict {
    /// The plugin leaves it to others.
    Abstain,
    Allow,
    /// Goes on with this data. No allow.
    Replace(Bytes),
    /// Acknowledged, and delivered to nobody.
    Discard,
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

/// What a subscriber may do besides receiving messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// Counts as an allow of later publishes.
    pub publish: bool,
    /// May ask who is present.
    pub presence: bool,
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
    pub message: Option<String>,
    /// When trying again makes sense.
    pub retry_after_ms: Option<u64>,
    /// What happens to the client beyond the error.
    pub penalty: Penalty,
}

/// What happens to a client that is refused, beyond the error that it gets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Penalty {
    #[default]
    None,
    /// Its connection is closed.
    Disconnect,
    /// Its connection is closed, and its user is banned for this long.
    Ban(Duration),
}
