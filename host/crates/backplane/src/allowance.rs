//! How much of a node's memory the channels of a tenant may take, for whom each is counted, and what is answered over it.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

use thiserror::Error;

use super::Unavailable;
use config::Tenant;

const MIB: usize = 1_048_576;
/// One user has at most one part in so many of what its tenant may have: nobody can use up a tenant's limits alone.
pub(crate) const USER_PART: usize = 2;

/// Who a channel, a message or a key is counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Account {
    User(Arc<str>),
    /// All connections without a user from one address; of IPv6 from one /64, which is what one customer has.
    Address(IpAddr),
    /// The operator: only the tenant's limits hold.
    Operator,
}

/// For whom something is opened or kept, and how much its tenant may have on this node.
#[derive(Clone, Debug)]
pub struct Allowance {
    pub account: Account,
    /// Channels of the tenant.
    pub open_channels: usize,
    /// Bytes of the tenant's histories and keys, where this node keeps them.
    pub history_bytes: usize,
    /// Bytes of all that this node keeps for the tenant; `usize::MAX`: no ceiling.
    pub memory_bytes: usize,
    /// Whether its messages may be kept compressed as well.
    pub compression: bool,
}

/// Which limit a channel, a key, a subscription or a message would be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelLimit {
    #[error("the tenant has {0} channels open, as many as it may (limits.open_channels)")]
    OfTenant(usize),
    #[error("one user opens at most {0} channels, a part of what the tenant may (limits.open_channels)")]
    OfUser(usize),
    #[error("the keys that are remembered for the tenant take all the memory that they may (limits.history_mib)")]
    KeysOfTenant,
    #[error("the keys that are remembered for one user take all the memory that they may (limits.history_mib)")]
    KeysOfUser,
    #[error("the tenant takes all the memory of this node that it may: {} MiB (memory_mib)", .0 / MIB)]
    MemoryOfTenant(usize),
    #[error("one user takes a part of the memory that the tenant may take of this node, and no more (memory_mib)")]
    MemoryOfUser,
}

/// Why a channel was not opened, or a message not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    #[error(transparent)]
    Limit(#[from] ChannelLimit),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl Account {
    /// The account of a session from `remote`.
    pub fn of(user: Option<Arc<str>>, remote: IpAddr) -> Self {
        match (user, remote) {
            (Some(user), _) => Self::User(user),
            (None, IpAddr::V4(_)) => Self::Address(remote),
            (None, IpAddr::V6(address)) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                Self::Address(Ipv6Addr::from(network).into())
            }
        }
    }
}

impl Allowance {
    /// Of what is counted and never refused.
    pub(crate) const UNLIMITED: Self = Self {
        account: Account::Operator,
        open_channels: usize::MAX,
        history_bytes: usize::MAX,
        memory_bytes: usize::MAX,
        compression: false,
    };

    pub fn new(account: Account, tenant: &Tenant) -> Self {
        Self {
            account,
            open_channels: tenant.limits.open_channels,
            history_bytes: tenant.limits.history_bytes,
            memory_bytes: tenant.memory_bytes.unwrap_or(usize::MAX),
            compression: tenant.compression,
        }
    }

    /// What this account alone may have of `all`.
    pub(crate) fn part_of(&self, all: usize) -> usize {
        part_of(&self.account, all)
    }
}

/// What an account alone may have of what its tenant may have.
pub(crate) fn part_of(account: &Account, all: usize) -> usize {
    match account {
        Account::Operator => all,
        Account::User(_) | Account::Address(_) => all.div_ceil(USER_PART),
    }
}
