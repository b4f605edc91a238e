//! What the broker says of itself before it listens, and the listener that it opens before everything is loaded.

use std::io::{self, Write};
use std::net::SocketAddr;

use super::error::BrokerError;
use crate::gateway;
use crate::passed_sockets::{HeldSocket, PassedSockets};
use config::Config;

/// The admin listener, which may be among the sockets that were passed.
pub(super) fn bind_admin(address: SocketAddr, passed: &mut PassedSockets) -> Result<HeldSocket, BrokerError> {
    gateway::bind_admin(address, passed).map_err(|error| BrokerError::Listen {
        address: address.to_string(),
        key: "server.admin_listen",
        error,
    })
}

/// One line to stdout, for the program or person that started the broker.
pub(super) fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}

/// Tells what is not wrong, and likely not meant.
pub(super) fn warn_of(config: &Config) {
    for warning in config::for_log(&config.warnings) {
        tracing::warn!("{warning}");
    }
    let longest = config.tenants.iter().max_by_key(|tenant| tenant.chain.len());
    if let Some((most, longest)) = config.sandbox.instances.zip(longest)
        && most < longest.chain.len()
    {
        let (tenant, needs) = (&*longest.name, longest.chain.len());
        tracing::warn!(
            tenant,
            "sandbox.instances: there may be {most}, and a request to this tenant needs {needs} at once; raise it, best to \
             that for each shard, or set it to 0"
        );
    }
}
