//! `[server.door]`: how often, and how many at once, clients may come. All of it is off unless it is set.

use std::time::Duration;

use door::AddressLimits;

use super::number::Number;
use super::section::Section;

const CONNECTIONS: Number = Number {
    min: 0,
    max: 10_000_000,
    default: 0,
    unit: "connections (0: no limit)",
};
const HANDSHAKES: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 0,
    unit: "handshakes a second (0: no limit)",
};
const FAILURES: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 0,
    unit: "failed authentications a minute (0: no limit)",
};
const CONNECTS: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 0,
    unit: "connects a second (0: no limit)",
};
const LAG: Number = Number {
    min: 0,
    max: 60_000,
    default: 0,
    unit: "milliseconds (0: no limit)",
};
const MEMORY: Number = Number {
    min: 0,
    max: 16_777_216,
    default: 0,
    unit: "MiB (0: no limit)",
};
const MIB: u64 = 1_048_576;

/// The limits at the door of a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DoorSettings {
    pub of_address: AddressLimits,
    /// New sessions of the node a second, with a burst of twice that.
    pub connects_per_second: Option<u32>,
    /// How late the event loop of a shard may be until handshakes are refused there.
    pub shed_lag: Option<Duration>,
    /// Resident memory of the process from which on handshakes are refused.
    pub shed_memory_bytes: Option<u64>,
}

pub(super) fn read(mut section: Section<'_>) -> DoorSettings {
    let mut number = |key, number: &Number| section.number(key, number);
    let limit = |number: u64| u32::try_from(number).ok().filter(|limit| *limit > 0);
    let settings = DoorSettings {
        of_address: AddressLimits {
            connections: limit(number("connections_per_address", &CONNECTIONS)),
            handshakes_per_second: limit(number("handshakes_per_second_per_address", &HANDSHAKES)),
            failures_per_minute: limit(number("failed_auth_per_minute_per_address", &FAILURES)),
        },
        connects_per_second: limit(number("connects_per_second", &CONNECTS)),
        shed_lag: Some(number("shed_lag_ms", &LAG))
            .filter(|ms| *ms > 0)
            .map(Duration::from_millis),
        shed_memory_bytes: Some(number("shed_memory_mib", &MEMORY) * MIB).filter(|bytes| *bytes > 0),
    };
    section.finish();
    settings
}
