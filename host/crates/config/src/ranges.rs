//! The ranges of what both a tenant and its ceilings have.

use super::number::Number;

pub(super) const DEADLINE: Number = Number {
    min: 1,
    max: 10_000,
    default: 5,
    unit: "milliseconds",
};
/// The maximum is what a 32-bit memory can be.
pub(super) const INSTANCE_MEMORY: Number = Number {
    min: 1,
    max: 4_096,
    default: 16,
    unit: "MiB",
};
pub(super) const MIB: usize = 1_048_576;

/// What tenants without a weight have.
pub(super) const WEIGHT: Number = Number {
    min: 1,
    max: 100,
    default: 1,
    unit: "times the share of a tenant with weight 1",
};
/// 0 stands for no ceiling.
pub(super) const TENANT_MEMORY: Number = Number {
    min: 0,
    max: 1_048_576,
    default: 0,
    unit: "MiB (0: no ceiling)",
};
