//! What the two processes tell each other, as JSON. A later version may add fields, which earlier ones ignore.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::passed_sockets::{ListenerKey, ListenerRole};
use config::ListenAddress;

/// The version that this program speaks.
pub(super) const VERSION: u32 = 1;

/// One of them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(super) enum HandoverRecord {
    /// The old process begins.
    Hello {
        version: u32,
        /// Its instance, where there are other nodes: the new process need not ask it whether it lives.
        #[serde(default)]
        instance: Option<String>,
    },
    /// A listening socket, whose descriptor comes with this record.
    Socket {
        role: RecordRole,
        address: RecordAddress,
        number: usize,
        /// Whether the file of a Unix socket is to be taken away by whoever has it in the end.
        owns_file: bool,
    },
    /// There are no more of them.
    End,
    /// The new process accepts clients.
    Accepting,
    /// The old process does so no more, and the service manager knows.
    Yours,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordRole {
    Clients,
    Admin,
}

/// As the config has it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum RecordAddress {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

// === impl HandoverRecord ===

impl HandoverRecord {
    pub(super) fn socket(key: &ListenerKey, owns_file: bool) -> Self {
        Self::Socket {
            role: match key.role {
                ListenerRole::Clients => RecordRole::Clients,
                ListenerRole::Admin => RecordRole::Admin,
            },
            address: match &key.address {
                ListenAddress::Tcp(address) => RecordAddress::Tcp(*address),
                ListenAddress::Unix(path) => RecordAddress::Unix(path.clone()),
            },
            number: key.number,
            owns_file,
        }
    }
}

impl From<RecordRole> for ListenerRole {
    fn from(role: RecordRole) -> Self {
        match role {
            RecordRole::Clients => Self::Clients,
            RecordRole::Admin => Self::Admin,
        }
    }
}

impl From<RecordAddress> for ListenAddress {
    fn from(address: RecordAddress) -> Self {
        match address {
            RecordAddress::Tcp(address) => Self::Tcp(address),
            RecordAddress::Unix(path) => Self::Unix(path),
        }
    }
}
