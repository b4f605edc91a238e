//! What a broker is started with, beside its config.

use crate::handover::{Invocation, Predecessor};
use crate::observe::BrokerLog;
use crate::passed_sockets::PassedSockets;
use crate::systemd::{Environment, ServiceManager};

/// What a broker is started with, beside its config.
pub struct Launch {
    /// Whether the demo page and its tokens are served.
    pub demo: bool,
    pub log: BrokerLog,
    /// How to start another one like it.
    pub invocation: Invocation,
    /// The process that it takes over from.
    pub predecessor: Option<Predecessor>,
    /// Sockets that others opened for it.
    pub sockets: PassedSockets,
    /// Who started it.
    pub manager: ServiceManager,
    /// What the manager wants of it.
    pub environment: Environment,
}
