//! What a shard can be asked to do: by the broker, by a plugin's ban and by the operator's orders. What carries a
//! sender is answered through it when it is done, never before.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::NewTenant;
use address_block::AddressBlock;
use protocol::codes::CloseCode;
use protocol::names::{Channel, Topic};
use registry::{BanOrder, BanSubject};

/// One request to a shard.
pub enum Control {
    /// Change some tenants, and leave all others as they are.
    Tenants {
        /// In place of what they were.
        put: Vec<NewTenant>,
        /// Their connections end. When it is done, nothing more is sent to them but closing frames.
        removed: Vec<Arc<str>>,
        done: oneshot::Sender<()>,
    },
    /// End connections. When it is done, nothing more is sent to them but closing frames.
    CutOff {
        tenant: Arc<str>,
        whom: Whom,
        code: CloseCode,
        /// Told how many there were.
        done: oneshot::Sender<u64>,
    },
    /// End a user's subscriptions to a channel. When it is done, nothing more of it is sent to them.
    Unsubscribe {
        topic: Topic,
        user: Arc<str>,
        code: CloseCode,
        /// Told how many there were.
        done: oneshot::Sender<u64>,
    },
    /// List the channels of a tenant that have listeners on this shard.
    Channels {
        tenant: Arc<str>,
        /// How their names begin.
        prefix: Arc<str>,
        slice: Slice,
        /// Gets the channels in order, each with its number of listeners.
        answer: oneshot::Sender<Vec<(Channel, u64)>>,
    },
    /// List the connections of a tenant on this shard.
    Connections {
        tenant: Arc<str>,
        user: Option<Arc<str>>,
        slice: Slice,
        /// Gets the connections in the order of their sessions.
        answer: oneshot::Sender<Vec<Connected>>,
    },
    /// Count a tenant's connections and subscriptions on this shard.
    Count {
        tenant: Arc<str>,
        answer: oneshot::Sender<Count>,
    },
    /// End all connections within this time, and then the shard.
    Drain(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whom {
    /// All of a user.
    User(Arc<str>),
    /// All without a user that come from an address.
    Address(AddressBlock),
    /// The one with this session.
    Session(Arc<str>),
    /// All by the token with this `jti`.
    Token(Arc<str>),
    /// All of a user by tokens that were issued before this moment, in milliseconds since the Unix epoch.
    TokensOf { user: Arc<str>, before_ms: u64 },
}

impl From<&BanOrder> for Whom {
    fn from(order: &BanOrder) -> Self {
        match order.subject.clone() {
            BanSubject::User(user) => Self::User(user),
            BanSubject::Address(address) => Self::Address(address),
            BanSubject::Token(jti) => Self::Token(jti),
            BanSubject::TokensOf(user) => Self::TokensOf {
                user,
                before_ms: order.stamp.time_ms,
            },
        }
    }
}

/// Somebody whom a plugin banned: their connections on a shard end.
pub struct Kick {
    pub tenant: Arc<str>,
    pub whom: Whom,
}

/// A part of an ordered list: the first `limit` after a name.
#[derive(Clone, Debug)]
pub struct Slice {
    /// Not this one, and none before it.
    pub after: Option<Arc<str>>,
    /// So many at most.
    pub limit: usize,
}

/// A connection that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connected {
    /// Unique in the cluster.
    pub session: Arc<str>,
    /// Who it is, if it has a name.
    pub user: Option<Arc<str>>,
    pub remote: IpAddr,
    /// `websocket`, `sse` or `poll`.
    pub transport: &'static str,
    /// Since when, in milliseconds since the Unix epoch.
    pub since_ms: u64,
    /// How many channels it is subscribed to.
    pub channels: u64,
}

/// How much a tenant has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Connections that were accepted.
    pub connections: u64,
    pub subscriptions: u64,
    /// Whether its plugins failed when they were loaded.
    pub quarantined: bool,
}
