//! Capabilities: what plugins may use only when it is granted.

use super::section::Value;

/// What a plugin may use only when it is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capability {
    Kv,
    Limiter,
    Metrics,
}

impl Capability {
    pub const ALL: [Self; 3] = [Self::Kv, Self::Limiter, Self::Metrics];

    /// Its name in the config and its interface in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kv => "kv",
            Self::Limiter => "limiter",
            Self::Metrics => "metrics",
        }
    }
}

/// The capabilities that are named, each once, with where it is named first.
pub(super) fn read<'v, 'a>(items: &'v [Value<'a>]) -> Vec<(Capability, &'v Value<'a>)> {
    let words = Capability::ALL.map(|capability| (capability.name(), capability));
    let mut named: Vec<(Capability, &Value<'_>)> = Vec::new();
    for item in items {
        if let Some(capability) = item.word(&words)
            && named.iter().all(|(other, _)| *other != capability)
        {
            named.push((capability, item));
        }
    }
    named
}
