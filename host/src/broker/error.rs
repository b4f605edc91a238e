//! Why a broker cannot run.

use std::io;
use std::path::PathBuf;

use config::{ListenAddress, Problems};
use sandbox::EngineError;
use thiserror::Error;

use crate::control::NameTaken;
use crate::passed_sockets::PassedSocketError;

/// Why the broker cannot run.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The config, or one of its plugins, is wrong.
    #[error(transparent)]
    Config(#[from] Problems),
    #[error("cannot listen on {address} ({key}): {error}")]
    Listen {
        /// What was asked for.
        address: String,
        /// Where it was asked for.
        key: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The admin API's calls could not be written down.
    #[error("cannot open {} (admin.audit_log): {error}", path.display())]
    AuditLog {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The demo gives tokens to every client.
    #[error("--demo hands out tokens, so it listens on a loopback address only, not on {0}")]
    DemoInPublic(ListenAddress),
    #[error(transparent)]
    Passed(#[from] PassedSocketError),
    #[error(transparent)]
    NameTaken(#[from] NameTaken),
    #[error("loading config and plugins ended by a fault of the broker itself; the log has more")]
    LoadPanicked,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    System(#[from] io::Error),
}
