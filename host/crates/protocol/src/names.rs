//! The names that travel: channels, and a channel within its tenant. Knows their rules, not what they are for.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

/// Bytes of a channel name at most.
pub const CHANNEL_BYTES: usize = 255;

/// A channel's name as clients write it: 1 to 255 bytes of UTF-8 without spaces and control
/// characters. [`Channel::parse`] is the only way to one.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel(Arc<str>);

/// Why a text is no channel name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// The name has no bytes.
    #[error("a channel name may not be empty")]
    Empty,
    /// The name has more than [`CHANNEL_BYTES`] bytes.
    #[error("a channel name has at most {CHANNEL_BYTES} bytes")]
    TooLong,
    /// The name holds white space or a control character.
    #[error("a channel name may not hold spaces or control characters")]
    Character,
}

impl Channel {
    /// Checks `name` against the protocol's rules.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        if name.is_empty() {
            return Err(NameError::Empty);
        }
        if name.len() > CHANNEL_BYTES {
            return Err(NameError::TooLong);
        }
        if name.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(NameError::Character);
        }
        Ok(Self(name.into()))
    }

    /// The name itself.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_the_protocol_allows() {
        for name in ["a", "room:42", "räume:ü", "👋", &"x".repeat(255)] {
            assert_eq!(Channel::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn refuses_the_rest() {
        assert_eq!(Channel::parse(""), Err(NameError::Empty));
        assert_eq!(Channel::parse(&"x".repeat(256)), Err(NameError::TooLong));
        assert_eq!(Channel::parse(&"ü".repeat(128)), Err(NameError::TooLong));
        for name in ["a b", "a\n", "\0", "a\u{7f}", "a\u{2003}b", "\u{85}"] {
            assert_eq!(Channel::parse(name), Err(NameError::Character), "{name:?}");
        }
    }
}
