//! Orders and reports, which nodes exchange as JSON. A field may be added if it has a default; existing fields
//! keep their meaning, because nodes of two versions meet during an upgrade.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use registry::{BanChange, BanOrder, BanSubject, OrderStamp};

/// Longest page of a list.
pub const PAGE_ENTRIES: usize = 1000;

/// An instruction or a question to every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// End all connections of a user.
    DisconnectUser {
        tenant: String,
        user: String,
        /// One that [`protocol::codes::operator_close`] knows.
        code: u16,
    },
    DisconnectSession {
        tenant: String,
        session: String,
        /// One that [`protocol::codes::operator_close`] knows.
        code: u16,
    },
    /// End a user's subscriptions to a channel. They may subscribe again, if the chain allows.
    Unsubscribe {
        tenant: String,
        user: String,
        channel: String,
    },
    /// Refuse a user, or an address for clients without a user, for this time from now, in place of an earlier ban, and
    /// end their connections. Nodes of versions that know no addresses, or no revocations, do not answer to those.
    Ban {
        tenant: String,
        #[serde(flatten)]
        subject: BanSubject,
        seconds: u64,
        /// By how much the last second is shorter. Earlier versions do not say.
        #[serde(default, skip_serializing_if = "is_none")]
        less_ms: u16,
        /// Leave a ban that is longer as it is: a plugin's order, not the operator's.
        #[serde(default)]
        at_least: bool,
        /// Which of two orders is the later one. A bus adds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stamp: Option<OrderStamp>,
    },
    /// Lift a ban.
    Unban {
        tenant: String,
        #[serde(flatten)]
        subject: BanSubject,
        /// Which of two orders is the later one. A bus adds it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stamp: Option<OrderStamp>,
    },
    /// List the channels that have subscribers, in the order of their names.
    Channels {
        tenant: String,
        /// How their names begin.
        prefix: String,
        /// Not this one, and none before it.
        after: Option<String>,
        /// Entries of the whole page; a node tells one more, if there is one.
        limit: usize,
    },
    /// List the connections, in the order of their sessions.
    Connections {
        tenant: String,
        user: Option<String>,
        /// Not this session, and none before it.
        after: Option<String>,
        /// Entries of the whole page; a node tells one more, if there is one.
        limit: usize,
    },
    /// Count a tenant's connections and subscriptions.
    Count { tenant: String },
    /// Read what is wanted of pushed tenants, because this one was changed, and tell what became of it. Nodes of versions
    /// that know no pushed tenants do not answer.
    ReadTenant { tenant: String },
}

/// A time in whole seconds, and by how many milliseconds it is shorter than these.
pub fn in_seconds(time: Duration) -> (u64, u16) {
    match time.subsec_millis() {
        0 => (time.as_secs(), 0),
        ms => (time.as_secs().saturating_add(1), u16::try_from(1_000 - ms).unwrap_or(0)),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_none(ms: &u16) -> bool {
    *ms == 0
}

impl From<&BanOrder> for Order {
    fn from(ban: &BanOrder) -> Self {
        let (tenant, subject) = (ban.tenant.to_string(), ban.subject.clone());
        let stamp = Some(ban.stamp.clone());
        if ban.change == BanChange::Lift {
            return Self::Unban { tenant, subject, stamp };
        }
        let (seconds, less_ms) = in_seconds(ban.left(Instant::now()));
        Self::Ban {
            tenant,
            subject,
            seconds,
            less_ms,
            at_least: matches!(ban.change, BanChange::Extend(_)),
            stamp,
        }
    }
}

impl Order {
    /// Whose connections or bans it is about.
    pub(super) fn tenant(&self) -> &str {
        match self {
            Self::DisconnectUser { tenant, .. }
            | Self::DisconnectSession { tenant, .. }
            | Self::Unsubscribe { tenant, .. }
            | Self::Ban { tenant, .. }
            | Self::Unban { tenant, .. }
            | Self::Channels { tenant, .. }
            | Self::Connections { tenant, .. }
            | Self::Count { tenant }
            | Self::ReadTenant { tenant } => tenant,
        }
    }
}

/// What one node answers to an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "snake_case")]
pub enum Report {
    Done {
        /// Connections, subscriptions or bans that the order affected.
        affected: u64,
    },
    /// A ban that was not set: the tenant has as many as it may.
    BansFull {
        /// `limits.bans`
        limit: usize,
    },
    /// At most one more than asked for, in order.
    Channels { channels: Vec<ChannelEntry> },
    /// At most one more than asked for, in order.
    Connections { connections: Vec<Connection> },
    Count {
        /// Connections that were accepted.
        connections: u64,
        subscriptions: u64,
        /// Nodes of earlier versions do not say.
        #[serde(default)]
        quarantined: bool,
    },
    /// What became of a pushed tenant.
    Tenant {
        /// The version that the node knows; none if there is no such tenant.
        version: Option<String>,
        /// Why it is not in force there, though it is wanted.
        hindrance: Option<String>,
    },
}

/// A node's answer, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    pub node: String,
    /// Its report; else why there is none, for a person. A node that does not answer may have done it or not.
    pub result: Result<Report, String>,
}

/// A channel that has subscribers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChannelEntry {
    /// The name of the channel.
    pub channel: String,
    /// How many connections are subscribed, on all nodes.
    pub subscribers: u64,
}

/// A connection that was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Connection {
    /// Its id, unique on all nodes.
    pub session: String,
    /// The user; absent for a connection without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The tenant that it belongs to.
    pub tenant: String,
    /// The node that it is connected to.
    pub node: String,
    /// `websocket`
    pub transport: String,
    /// The peer's IP address, as the node sees it.
    pub remote_address: String,
    /// Since when, in milliseconds since the Unix epoch.
    pub connected_at_ms: u64,
    /// How many channels it is subscribed to.
    pub channels: u64,
}

/// What a tenant has on one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NodeCount {
    /// The name of the node.
    pub node: String,
    /// Connections that were accepted.
    pub connections: u64,
    /// Subscriptions of these connections.
    pub subscriptions: u64,
    /// Whether a plugin of the tenant failed when the node loaded it; `/readyz` of that node says why.
    pub quarantined: bool,
}
