//! `[ceilings]`: what tenants that are pushed by the admin API may not exceed.

use std::time::Duration;

use super::capability::{self, Capability};
use super::host::canonical_host;
use super::limits::{self, Limits};
use super::number::{Number, as_usize};
use super::ranges;
use super::section::{Section, Value};

const DEADLINE: Number = Number {
    default: 20,
    ..ranges::DEADLINE
};
const MEMORY: Number = Number {
    default: 32,
    ..ranges::INSTANCE_MEMORY
};
/// Patterns of hosts at most.
const HOSTS: usize = 1_000;

/// What a pushed tenant may have at most. What it leaves out is the default, or less where less is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ceilings {
    /// Of one call of a plugin.
    pub deadline: Duration,
    /// Of one instance of a plugin.
    pub memory_bytes: usize,
    /// The capabilities that its plugins may have.
    pub grants: Vec<Capability>,
    /// The hosts that it may take.
    pub hosts: Vec<HostPattern>,
    /// Its share of the time.
    pub weight: u32,
    /// What a node may keep for it; none for no ceiling.
    pub tenant_memory_mib: Option<u64>,
    pub limits: Limits,
}

/// Hosts that a pushed tenant may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPattern {
    /// `*`
    Any,
    /// One host, as [`canonical_host`] spells it.
    Host(String),
    /// `*.NAME`: hosts that have one label before this name.
    Under(String),
}

impl Default for Ceilings {
    fn default() -> Self {
        Self {
            deadline: Duration::from_millis(DEADLINE.default),
            memory_bytes: as_usize(MEMORY.default) * ranges::MIB,
            grants: vec![Capability::Kv, Capability::Limiter],
            hosts: Vec::new(),
            weight: 1,
            tenant_memory_mib: None,
            limits: Limits::default(),
        }
    }
}

// === impl Ceilings ===

impl Ceilings {
    pub(super) fn deadline_ms(&self) -> u64 {
        u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn memory_mib(&self) -> u64 {
        (self.memory_bytes / ranges::MIB) as u64
    }

    /// Whether a pushed tenant may have `host`, which is in its one spelling.
    pub(super) fn allows_host(&self, host: &str) -> bool {
        self.hosts.iter().any(|pattern| pattern.fits(host))
    }
}

pub(super) fn read(mut section: Section<'_>) -> Ceilings {
    let default = Ceilings::default();
    let ceilings = Ceilings {
        deadline: section.millis("deadline_ms", &DEADLINE),
        memory_bytes: section.count("memory_mib", &MEMORY) * ranges::MIB,
        grants: match section.value("grants").and_then(|value| value.list()) {
            Some(items) => capability::read(&items)
                .into_iter()
                .map(|(capability, _)| capability)
                .collect(),
            None => default.grants,
        },
        hosts: section.list_of("hosts", HOSTS).iter().filter_map(pattern).collect(),
        weight: u32::try_from(section.number("weight", &ranges::WEIGHT)).unwrap_or(1),
        tenant_memory_mib: match section.number("tenant_memory_mib", &ranges::TENANT_MEMORY) {
            0 => None,
            mib => Some(mib),
        },
        limits: limits::read(section.section("limits"), None),
    };
    section.finish();
    ceilings
}

fn pattern(value: &Value<'_>) -> Option<HostPattern> {
    let text = value.text()?;
    let pattern = match text.strip_prefix("*.") {
        _ if text == "*" => Some(HostPattern::Any),
        // An address has no labels.
        Some(rest) => canonical_host(rest)
            .filter(|host| !host.starts_with('['))
            .map(HostPattern::Under),
        None => canonical_host(text).map(HostPattern::Host),
    };
    if pattern.is_none() {
        value.problem(
            format!("{text:?} is not a pattern of hosts"),
            "write a host name, \"*.NAME\" for all that have one label before it, or \"*\" for all",
        );
    }
    pattern
}

// === impl HostPattern ===

impl HostPattern {
    fn fits(&self, host: &str) -> bool {
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
