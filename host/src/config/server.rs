//! `[server]`: addresses, limits and waits of this node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::machine::Machine;
use super::name::{NAME_RULE, is_node_name};
use super::section::{Number, Section, Value};

const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);
/// 0 stands for one per core.
const SHARDS: Number = Number {
    min: 0,
    max: 256,
    default: 0,
    unit: "threads (0: one per core)",
};
const DRAIN: Number = Number {
    min: 0,
    max: 3_600,
    default: 10,
    unit: "seconds",
};
/// The default is worked out from the open-file limit.
const MAX_CONNECTIONS: Number = Number {
    min: 1,
    max: 10_000_000,
    default: 0,
    unit: "connections",
};
const PING: Number = Number {
    min: 100,
    max: 3_600_000,
    default: 25_000,
    unit: "milliseconds",
};
const CONNECT_TIMEOUT: Number = Number {
    min: 100,
    max: 600_000,
    default: 10_000,
    unit: "milliseconds",
};
const HEADER_TIMEOUT: Number = Number {
    min: 100,
    max: 600_000,
    default: 10_000,
    unit: "milliseconds",
};

/// This node, checked.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where clients connect. Port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Where health, metrics and the admin API are; none when turned off.
    pub admin_listen: Option<SocketAddr>,
    /// Threads that serve connections, at least 1.
    pub shards: usize,
    /// This node's name, unique in the cluster.
    pub node: Arc<str>,
    /// Over how long disconnects are spread at shutdown.
    pub drain: Duration,
    /// The tenant of requests that name none; one of the config's tenants.
    pub default_tenant: Option<Arc<str>>,
    /// Connections of this node, at least 1.
    pub max_connections: usize,
    /// Between two heartbeats of a connection.
    pub ping: Duration,
    /// From the upgrade to the `connect` request.
    pub connect_timeout: Duration,
    /// From the accept to the end of the request's head.
    pub header_timeout: Duration,
    /// Directory of compiled plugins; none compiles at every start.
    pub plugin_cache: Option<PathBuf>,
}

/// Reads `[server]`. `tenants` are the names that `default_tenant` may be.
pub(super) fn read(section: Option<Section<'_>>, base: &Path, machine: &Machine) -> Server {
    let mut server = Server {
        listen: LISTEN,
        admin_listen: None,
        shards: machine.cores,
        node: machine.node.clone(),
        drain: Duration::from_secs(DRAIN.default),
        default_tenant: None,
        max_connections: machine.connections(),
        ping: Duration::from_millis(PING.default),
        connect_timeout: Duration::from_millis(CONNECT_TIMEOUT.default),
        header_timeout: Duration::from_millis(HEADER_TIMEOUT.default),
        plugin_cache: machine.plugin_cache.clone(),
    };
    let Some(mut section) = section else {
        return server;
    };
    if let Some(listen) = section.value("listen").and_then(|value| address(&value)) {
        server.listen = listen;
    }
    if let Some(value) = section.value("admin_listen") {
        server.admin_listen = admin_address(&value);
    }
    match section.number("shards", &SHARDS) {
        0 => {}
        shards => server.shards = to_usize(shards),
    }
    if let Some(node) = section.value("node").and_then(|value| node_name(&value)) {
        server.node = node.into();
    }
    server.drain = Duration::from_secs(section.number("drain_seconds", &DRAIN));
    server.default_tenant = section.text("default_tenant").map(Arc::from);
    let max = section.value("max_connections");
    if let Some(max) = max.and_then(|value| value.number(&MAX_CONNECTIONS)) {
        server.max_connections = to_usize(max);
    }
    server.ping = Duration::from_millis(section.number("ping_ms", &PING));
    server.connect_timeout = Duration::from_millis(section.number("connect_timeout_ms", &CONNECT_TIMEOUT));
    server.header_timeout = Duration::from_millis(section.number("header_timeout_ms", &HEADER_TIMEOUT));
    if let Some(directory) = section.text("plugin_cache") {
        server.plugin_cache = (!directory.is_empty()).then(|| base.join(directory));
    }
    section.finish();
    server
}

/// Every [`Number`]'s maximum fits the machine's word, so this never cuts.
pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn admin_address(value: &Value<'_>) -> Option<SocketAddr> {
    // "" turns the admin listener off: an absent key could not undo an include or a template.
    if value.raw.as_str() == Some("") {
        return None;
    }
    address(value)
}

/// `IP:PORT`, `[IPv6]:PORT`, or `:PORT` for all IPv4 interfaces.
fn address(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.text()?;
    let parsed = match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}").parse(),
        None => text.parse(),
    };
    if parsed.is_err() {
        value.problem(
            format!("{text:?} is no IP address with a port"),
            "write it like \"127.0.0.1:8080\", \"[::]:8080\" or \":8080\"",
        );
    }
    parsed.ok()
}

fn node_name<'a>(value: &Value<'a>) -> Option<&'a str> {
    let name = value.text()?;
    if !is_node_name(name) {
        value.problem(format!("{name:?} is no node name"), format!("{NAME_RULE}, and dots"));
        return None;
    }
    Some(name)
}
