//! One connection, as a hook sees it. Each method is a call into the broker (about 0.1 to 0.2 µs), so
//! take what the decision needs. Knows nothing of the decision.

use crate::broker;

/// One connection. Lives for one call; what must outlive it goes into an attribute or into
/// [`kv`](crate::kv).
pub struct Session<'a>(&'a broker::Session);

impl<'a> Session<'a> {
    pub(crate) fn new(raw: &'a broker::Session) -> Self {
        Self(raw)
    }

    /// Unique in the cluster.
    #[must_use]
    pub fn id(&self) -> String {
        self.0.id()
    }

    /// The tenant's name in the config.
    #[must_use]
    pub fn tenant(&self) -> String {
        self.0.tenant()
    }

    /// Who it is, once a connect hook accepted; `None` for an anonymous session.
    #[must_use]
    pub fn user(&self) -> Option<String> {
        self.0.user()
    }

    /// What the connect hook accepted with: a JSON object, `{}` if there was none.
    #[must_use]
    pub fn claims(&self) -> String {
        self.0.claims()
    }

    /// The peer's IP address, without a port.
    #[must_use]
    pub fn remote_address(&self) -> String {
        self.0.remote_address()
    }

    /// `websocket`, `sse` or `poll`.
    #[must_use]
    pub fn transport(&self) -> String {
        self.0.transport()
    }

    /// A value that a plugin of the chain set on this session before.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.0.attribute(key)
    }

    /// Sets a value for later calls on this session, for every plugin of the chain. At most 32
    /// attributes, keys up to 64 bytes, values up to 1,024: what is over that is a fault.
    pub fn set_attribute(&self, key: &str, value: &str) {
        self.0.set_attribute(key, value);
    }

    /// Milliseconds since the connection was opened.
    #[must_use]
    pub fn connected_ms(&self) -> u64 {
        self.0.connected_ms()
    }
}
