//! `[sandbox]`: what plugins may take from the machine, beyond what a chain entry says.

use std::time::Duration;

use super::number::Number;
use super::section::Section;

const COMPONENT: Number = Number {
    min: 1,
    max: 1_024,
    default: 64,
    unit: "MiB",
};
const COMPILE_TIME: Number = Number {
    min: 1,
    max: 3_600,
    default: 30,
    unit: "seconds",
};
/// The minimum is what the compiler takes for a small component.
const COMPILE_MEMORY: Number = Number {
    min: 64,
    max: 65_536,
    default: 1_024,
    unit: "MiB",
};
const CACHE: Number = Number {
    min: 1,
    max: 1_048_576,
    default: 1_024,
    unit: "MiB",
};
/// The most is more than any process can map.
const INSTANCES: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 0,
    unit: "instances",
};
const MEMORY: Number = Number {
    min: 1,
    max: 16_777_216,
    default: 2_048,
    unit: "MiB",
};
const MIB: u64 = 1_048_576;

/// What plugins may take, over all tenants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SandboxLimits {
    /// Instances alive at most; none: as many as the machine has room for.
    pub instances: Option<usize>,
    /// Bytes of memory of all instances together.
    pub memory_bytes: u64,
    /// Bytes of a component's file at most.
    pub component_bytes: u64,
    /// Processor time that compiling one component may take.
    pub compile_time: Duration,
    /// Bytes of memory that compiling one component may take.
    pub compile_memory_bytes: u64,
    /// Bytes of compiled plugins on disk.
    pub cache_bytes: u64,
}

pub(super) fn read(mut section: Section<'_>) -> SandboxLimits {
    let limits = SandboxLimits {
        instances: Some(section.count("instances", &INSTANCES)).filter(|most| *most > 0),
        memory_bytes: section.number("memory_mib", &MEMORY) * MIB,
        component_bytes: section.number("component_mib", &COMPONENT) * MIB,
        compile_time: section.seconds("compile_seconds", &COMPILE_TIME),
        compile_memory_bytes: section.number("compile_memory_mib", &COMPILE_MEMORY) * MIB,
        cache_bytes: section.number("cache_mib", &CACHE) * MIB,
    };
    section.finish();
    limits
}
