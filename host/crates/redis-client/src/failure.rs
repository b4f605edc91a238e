//! Why a command did not do what it should.

use redis::{ErrorKind, RedisError, ServerErrorKind};
use thiserror::Error;

use crate::address::{self, Address};

/// Why a command did not do what it should.
#[derive(Clone, Debug, Error)]
pub enum Failure {
    /// There is no connection, or no answer in time. It may have happened.
    #[error("{0}")]
    Unavailable(String),
    /// The server does not know the script.
    #[error("the script was lost twice")]
    NoScript,
    /// The slot belongs to another server.
    #[error("the key moves between servers")]
    Moved,
    /// The key is on its way to this server.
    #[error("the key moves between servers")]
    Ask(Address),
    /// Some of its keys are on their way to another server.
    #[error("the key moves between servers")]
    TryAgain,
    /// The server refused it.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// No server can be asked.
    pub fn not_connected() -> Self {
        Self::Unavailable("Redis is not connected".into())
    }
}

/// What an error of the `redis` crate means.
pub(crate) fn classify(error: &RedisError) -> Failure {
    match error.kind() {
        ErrorKind::Server(ServerErrorKind::NoScript) => Failure::NoScript,
        ErrorKind::Server(ServerErrorKind::Moved) => Failure::Moved,
        ErrorKind::Server(ServerErrorKind::TryAgain) => Failure::TryAgain,
        ErrorKind::Server(ServerErrorKind::Ask) => {
            let address = error.redirect_node().and_then(|(address, _)| address::read(address));
            address.map_or(Failure::Moved, Failure::Ask)
        }
        ErrorKind::Server(_) | ErrorKind::Extension if !is_no_master(error) => Failure::Refused(error.to_string()),
        _ => Failure::Unavailable(error.to_string()),
    }
}

/// Whether the server answered: an error of its own says nothing against the connection.
pub(crate) fn is_answer(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(_) | ErrorKind::Extension)
}

/// Whether the error comes from a server that is no longer the master, or is not ready yet.
pub(crate) fn is_no_master(error: &RedisError) -> bool {
    matches!(
        error.kind(),
        ErrorKind::Server(
            ServerErrorKind::ReadOnly
                | ServerErrorKind::BusyLoading
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
        )
    )
}
