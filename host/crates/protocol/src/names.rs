//! The names that travel: channels, and a channel within its tenant. Knows their rules, not what they are for.

use std::fmt;
use std::sync::Arc;

pub use sluicegate_contract::channel::NameError;
pub use sluicegate_contract::limits::CHANNEL_BYTES;

/// A channel's name as clients write it: 1 to 255 bytes of UTF-8 without spaces and control
/// characters. [`Channel::parse`] is the only way to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

impl Channel {
    /// Checks `name` against the protocol's rules.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        sluicegate_contract::channel::check_name(name)?;
        Ok(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A channel of one tenant: what the hub, the backplane and the registry are keyed by. Two tenants
/// never share a topic, whatever they call their channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Topic {
    /// The tenant's name in the config.
    pub tenant: Arc<str>,
    /// The channel within it.
    pub channel: Channel,
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.channel)
    }
}
