//! How a broker hands over to a new process on the same machine without closing a listener: the new process is started by the
//! old one, over a socket that is its stdin it gets the listening sockets and the name of the instance that it takes over from,
//! and tells when it accepts clients. Until then the old process goes on as it was.
//!
//! Knows sockets and processes, and nothing of sessions or of Redis.

mod channel;
mod invocation;
mod predecessor;
mod record;
mod successor;

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

pub use invocation::Invocation;
pub use predecessor::Predecessor;
pub(crate) use successor::{HandoverTask, Passed, Successor};

/// Why one process did not hand over to another.
#[derive(Debug, Error)]
pub enum HandoverError {
    #[error("{} cannot be started: {error}", program.display())]
    Start {
        /// What was to be started.
        program: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    #[error("the process ended before it was ready ({0}); it says why above")]
    Ended(ExitStatus),
    #[error("the process was not ready within {0:?} (server.handover_seconds), and was ended")]
    TooLate(Duration),
    #[error("the process was ended, because this one ends")]
    GivenUp,
    #[error("what processes tell each other got lost: {0}")]
    Channel(#[from] io::Error),
    #[error(
        "the process that started this one speaks version {0:?} of the handover, and this one version {1}: stop it, and start this one"
    )]
    OtherVersion(Option<u32>, u32),
}
