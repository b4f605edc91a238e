//! `[sandbox]`: what plugins may take from the machine, all of them together.

use super::section::{Number, Section};

const MIB: u64 = 1024 * 1024;

const CACHE_MIB: Number = Number {
    min: 1,
    max: 1_048_576,
    default: 1_024,
    unit: "MiB",
};

/// What plugins may take, over all tenants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Bytes of compiled plugins on disk.
    pub cache_bytes: u64,
}

pub(super) fn read(mut section: Section<'_>) -> SandboxLimits {
    let limits = SandboxLimits {
        cache_bytes: section.number("cache_mib", &CACHE_MIB) * MIB,
    };
    section.finish();
    limits
}
