//! The traits that a plugin implements: one a hook, and the one that all share. Knows nothing of wasm.

use std::fmt::{self, Debug, Display};

use crate::{ConnectVerdict, Handshake, PublishVerdict, Session, Settings, SubscribeVerdict};

/// Why a plugin cannot start with its settings; shown to the operator as it is.
///
/// Made from anything that can be printed, so `?` works on every error and `"text".into()` on text.
pub struct SetupError(String);

impl<T: Display> From<T> for SetupError {
    fn from(reason: T) -> Self {
        Self(reason.to_string())
    }
}

impl SetupError {
    /// The reason, for the operator.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.0
    }
}

impl Debug for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What every plugin is: something made from its settings.
///
/// The broker keeps one instance per shard and tenant, makes it when first needed and drops it when idle
/// or after a fault. State in `self` is therefore a cache: what must be shared or must last belongs in
/// [`kv`](crate::kv).
pub trait Plugin: Sized + 'static {
    /// The `config` table of the chain entry; [`NoSettings`](crate::NoSettings) if the plugin has none.
    type Settings: Settings;

    /// Makes the instance. Everything that can be prepared belongs here: hooks run on the message path.
    ///
    /// # Errors
    /// Settings that cannot work. The operator sees the reason, and the plugin is not used.
    fn new(settings: Self::Settings) -> Result<Self, SetupError>;
}

/// May this connection be, and who is it? Also asked when an open session brings a new token.
pub trait ConnectHook: Plugin {
    /// The first [`Accept`](ConnectVerdict::Accept) of the chain names the identity, any
    /// [`Deny`](ConnectVerdict::Deny) ends it; when all abstain, the tenant's `anonymous` setting decides.
    fn on_connect(&mut self, handshake: &Handshake<'_>, session: &Session<'_>) -> ConnectVerdict;
}

/// May this session listen to the channel?
pub trait SubscribeHook: Plugin {
    /// One [`Allow`](SubscribeVerdict::Allow) of the chain is needed unless the tenant's `default` is
    /// `allow`; any [`Deny`](SubscribeVerdict::Deny) ends it.
    fn on_subscribe(&mut self, session: &Session<'_>, channel: &str) -> SubscribeVerdict;
}

/// May this message pass, and as what?
pub trait PublishHook: Plugin {
    /// `data` is JSON text in UTF-8, as the client wrote it or as the plugin before replaced it.
    ///
    /// One [`Allow`](PublishVerdict::Allow) of the chain is needed unless the session's subscription was
    /// granted `publish` or the tenant's `default` is `allow`; any [`Deny`](PublishVerdict::Deny) ends it.
    fn on_publish(&mut self, session: &Session<'_>, channel: &str, data: &[u8]) -> PublishVerdict;
}

/// The connection is over.
pub trait DisconnectHook: Plugin {
    /// `code` is the close code of the protocol's table. Nothing done here changes that it ended.
    fn on_disconnect(&mut self, session: &Session<'_>, code: u16);
}
