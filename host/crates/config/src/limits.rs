//! `[tenants.limits]`: how much a tenant and its connections may take.

use super::node_share::{self, NodeShare};
use super::number::{Number, as_usize};
use super::section::Section;

const KIB: u64 = 1_024;
const MIB: usize = 1_048_576;

const MESSAGE_BYTES: Number = Number {
    min: 64,
    max: 16_777_216,
    default: 65_536,
    unit: "bytes",
};
const CHANNELS: Number = Number {
    min: 1,
    max: 100_000,
    default: 128,
    unit: "channels",
};
const CONNECTIONS: Number = Number {
    min: 1,
    max: 100_000_000,
    default: 10_000,
    unit: "connections",
};
const USER_CONNECTIONS: Number = Number {
    min: 1,
    max: 1_000_000,
    default: 10,
    unit: "connections",
};
/// 0 stands for no limit.
const PUBLISH_RATE: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 100,
    unit: "messages a second (0: no limit)",
};
/// 0 stands for no limit.
const REQUEST_RATE: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 200,
    unit: "requests a second (0: no limit)",
};
const OPEN_CHANNELS: Number = Number {
    min: 1,
    max: 100_000_000,
    default: 100_000,
    unit: "channels",
};
const HISTORY_MIB: Number = Number {
    min: 1,
    max: 1_048_576,
    default: 256,
    unit: "MiB",
};
const OUTBOX_BYTES: Number = Number {
    min: 1_024,
    max: 1_073_741_824,
    default: 1_048_576,
    unit: "bytes",
};

const LOG_RATE: Number = Number {
    min: 1,
    max: 1_048_576,
    default: 64,
    unit: "KiB a second",
};

const BANS: Number = Number {
    min: 1,
    max: 1_000_000,
    default: 10_000,
    unit: "bans",
};

const REVOCATIONS: Number = Number {
    min: 1,
    max: 1_000_000,
    default: 10_000,
    unit: "revocations",
};

/// Twice as many as connections: those of streams are kept while these can be resumed.
const TICKETS: Number = Number {
    min: 1,
    max: 1_000_000,
    default: 20_000,
    unit: "tickets",
};

/// 0 stands for no limit.
const CONNECT_RATE: Number = Number {
    min: 0,
    max: 1_000_000,
    default: 0,
    unit: "connects a second (0: no limit)",
};

/// How much a tenant may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one envelope.
    pub message_bytes: usize,
    /// Subscriptions of one connection.
    pub channels_per_connection: usize,
    /// Connections of the tenant, in the whole cluster.
    pub connections: usize,
    /// Connections of one user of the tenant, in the whole cluster.
    pub connections_per_user: usize,
    /// Publishes a second of one connection, with a burst of twice that; none for no limit.
    pub publish_per_second: Option<u32>,
    /// Other requests a second of one connection, but `ping` and `unsubscribe`; burst and none as above.
    pub requests_per_second: Option<u32>,
    /// Bytes of messages that wait for one connection. A message that is larger never finds room.
    pub outbox_bytes: usize,
    /// Bytes that its plugins write to the log in a second, and that the broker writes about it.
    pub log_bytes_per_second: u64,
    /// Users and addresses of the tenant that are banned at once, in the whole cluster.
    pub bans: usize,
    /// Revocations of tokens of the tenant that are remembered at once, in the whole cluster.
    pub revocations: usize,
    /// Tickets of the tenant that were not redeemed or resume a stream, in the whole cluster.
    pub tickets: usize,
    /// Channels of the tenant that are open on one node.
    pub open_channels: usize,
    /// Bytes of the histories and idempotency keys that a node keeps of the tenant in memory.
    pub history_bytes: usize,
    /// New connections of the tenant a second on one node, and burst and none as above.
    pub connects_per_second: Option<u32>,
    /// The same of one user.
    pub connects_per_second_per_user: Option<u32>,
    /// Its part of a node's connections, before and after authentication.
    pub share_of_connections: NodeShare,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: as_usize(MESSAGE_BYTES.default),
            channels_per_connection: as_usize(CHANNELS.default),
            connections: as_usize(CONNECTIONS.default),
            connections_per_user: as_usize(USER_CONNECTIONS.default),
            publish_per_second: rate(PUBLISH_RATE.default),
            requests_per_second: rate(REQUEST_RATE.default),
            outbox_bytes: as_usize(OUTBOX_BYTES.default),
            log_bytes_per_second: LOG_RATE.default * KIB,
            bans: as_usize(BANS.default),
            revocations: as_usize(REVOCATIONS.default),
            tickets: as_usize(TICKETS.default),
            open_channels: as_usize(OPEN_CHANNELS.default),
            history_bytes: as_usize(HISTORY_MIB.default).saturating_mul(MIB),
            connects_per_second: rate(CONNECT_RATE.default),
            connects_per_second_per_user: rate(CONNECT_RATE.default),
            share_of_connections: NodeShare::WHOLE,
        }
    }
}

/// Within `ceilings`, where there are some.
pub(super) fn read(mut section: Section<'_>, ceilings: Option<&Limits>) -> Limits {
    let up_to = |number: Number, of: fn(&Limits) -> u64| number.up_to(ceilings.map(of));
    let rate_up_to = |number: Number, of: fn(&Limits) -> Option<u32>| match ceilings.and_then(of) {
        // Under a ceiling, no limit is none that may be.
        Some(ceiling) => Number { min: 1, ..number }.up_to(Some(ceiling.into())),
        None => number,
    };
    // What has no limit unless it is set has the ceiling, where there is one.
    let connects_up_to = |of: fn(&Limits) -> Option<u32>| match ceilings.and_then(of).map(u64::from) {
        Some(ceiling) => Number {
            min: 1,
            max: ceiling,
            default: ceiling,
            ..CONNECT_RATE
        },
        None => CONNECT_RATE,
    };
    let connects = connects_up_to(|limits| limits.connects_per_second);
    let user_connects = connects_up_to(|limits| limits.connects_per_second_per_user);
    let whole_share = ceilings.map_or(NodeShare::WHOLE, |limits| limits.share_of_connections);
    let message_bytes = up_to(MESSAGE_BYTES, |limits| limits.message_bytes as u64);
    let channels = up_to(CHANNELS, |limits| limits.channels_per_connection as u64);
    let connections = up_to(CONNECTIONS, |limits| limits.connections as u64);
    let user_connections = up_to(USER_CONNECTIONS, |limits| limits.connections_per_user as u64);
    let publish_rate = rate_up_to(PUBLISH_RATE, |limits| limits.publish_per_second);
    let request_rate = rate_up_to(REQUEST_RATE, |limits| limits.requests_per_second);
    let outbox_bytes = up_to(OUTBOX_BYTES, |limits| limits.outbox_bytes as u64);
    let log_rate = up_to(LOG_RATE, |limits| limits.log_bytes_per_second / KIB);
    let bans = up_to(BANS, |limits| limits.bans as u64);
    let revocations = up_to(REVOCATIONS, |limits| limits.revocations as u64);
    let tickets = up_to(TICKETS, |limits| limits.tickets as u64);
    let open_channels = up_to(OPEN_CHANNELS, |limits| limits.open_channels as u64);
    let history_mib = up_to(HISTORY_MIB, |limits| (limits.history_bytes / MIB) as u64);
    let limits = Limits {
        message_bytes: section.count("message_bytes", &message_bytes),
        channels_per_connection: section.count("channels_per_connection", &channels),
        connections: section.count("connections", &connections),
        connections_per_user: section.count("connections_per_user", &user_connections),
        publish_per_second: rate(section.number("publish_per_second", &publish_rate)),
        requests_per_second: rate(section.number("requests_per_second", &request_rate)),
        outbox_bytes: section.count("outbox_bytes", &outbox_bytes),
        log_bytes_per_second: section.number("log_kib_per_second", &log_rate) * KIB,
        bans: section.count("bans", &bans),
        revocations: section.count("revocations", &revocations),
        tickets: section.count("tickets", &tickets),
        open_channels: section.count("open_channels", &open_channels),
        history_bytes: section.count("history_mib", &history_mib).saturating_mul(MIB),
        connects_per_second: rate(section.number("connects_per_second", &connects)),
        connects_per_second_per_user: rate(section.number("connects_per_second_per_user", &user_connects)),
        share_of_connections: node_share::read(&mut section, "share_of_connections", whole_share),
    };
    section.finish();
    limits
}

fn rate(per_second: u64) -> Option<u32> {
    u32::try_from(per_second).ok().filter(|rate| *rate > 0)
}
