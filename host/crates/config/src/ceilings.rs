//! `[ceilings]`: what tenants that are pushed by the admin API may not exceed.

use std::time::Duration;

use super::capability::{self, Capability};
use super::host_pattern::HostPattern;
use super::limits::{self, Limits};
use super::number::{Number, as_usize};
use super::ranges;
use super::section::Section;

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
    let grants = default.grants.iter().map(|capability| capability.name());
    section.default("grants", grants.collect::<Vec<_>>());
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
        hosts: section
            .list_of("hosts", HOSTS)
            .iter()
            .filter_map(HostPattern::read)
            .collect(),
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
