//! What is needed to reach Redis.

use std::time::Duration;

use crate::address::Address;
use crate::login::Login;

/// Where Redis is, and how to get in.
#[derive(Clone)]
pub struct ClientSettings {
    /// What the hosts are.
    pub kind: TopologyKind,
    /// The server, the Sentinels, or some servers of the Cluster; at least one.
    pub hosts: Vec<Address>,
    /// For the servers, and without `sentinel_login` for Sentinels that ask for a password.
    pub login: Login,
    /// For Sentinels.
    pub sentinel_login: Option<Login>,
    /// How long a command may take.
    pub timeout: Duration,
    /// What the user must be allowed to do, tried at every connect.
    pub rights: Rights,
}

/// What stands behind the hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TopologyKind {
    /// One server that stays where it is.
    Single,
    /// Sentinels that know a master by this name.
    Sentinel {
        /// What the Sentinels call the master.
        master: String,
    },
    /// Servers of a Cluster.
    Cluster,
}

/// What the rights are needed for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// What every key and channel begins with.
    pub prefix: String,
    /// Whether replicas are waited for.
    pub replicated: bool,
}
