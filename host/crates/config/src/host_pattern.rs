//! Patterns of hosts: those that pushed tenants may take, and those that operators call the admin listener by.

use super::host::canonical_host;
use super::section::Value;

/// One host, or several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`
    Any,
    /// One host, as [`canonical_host`] spells it.
    Host(String),
    /// `*.NAME`: hosts that have one label before this name.
    Under(String),
}

// === impl HostPattern ===

impl HostPattern {
    pub(super) fn read(value: &Value<'_>) -> Option<Self> {
        let text = value.text()?;
        let pattern = match text.strip_prefix("*.") {
            _ if text.get() == "*" => Some(Self::Any),
            // An address has no labels.
            Some(rest) => canonical_host(rest)
                .filter(|host| !host.starts_with('['))
                .map(Self::Under),
            None => canonical_host(&text).map(Self::Host),
        };
        if pattern.is_none() {
            value.problem(
                format!("{text:?} is not a pattern of hosts"),
                "write a host name, \"*.NAME\" for all that have one label before it, or \"*\" for all",
            );
        }
        pattern
    }

    /// Whether `host`, which is in its one spelling, is one of these.
    pub fn fits(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Host(own) => own == host,
            Self::Under(name) => host
                .split_once('.')
                .is_some_and(|(label, rest)| !label.is_empty() && rest == name),
        }
    }
}

#[test]
fn a_star_is_one_label() {
    let under = HostPattern::Under("customers.example".to_owned());
    for (host, fits) in [
        ("a.customers.example", true),
        ("customers.example", false),
        ("a.b.customers.example", false),
        ("acustomers.example", false),
        ("a.customers.example.evil", false),
        ("[::1]", false),
    ] {
        assert_eq!(under.fits(host), fits, "{host}");
    }
}
