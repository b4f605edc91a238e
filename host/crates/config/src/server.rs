//! `[server]`: addresses, limits and waits of this node.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::address;
use super::descriptors::Descriptors;
use super::door::{self, DoorSettings};
use super::listeners::{self, ListenerSettings};
use super::machine::Machine;
use super::name::{NAME_RULE, is_node_name};
use super::number::Number;
use super::proxies::{self, Proxies};
use super::references::References;
use super::section::{Section, Value};
use super::tls::{self, TlsSettings};

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
const HANDOVER: Number = Number {
    min: 1,
    max: 3_600,
    default: 60,
    unit: "seconds",
};
/// The default comes from the open-file limit.
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
const POLL_TIMEOUT: Number = Number {
    min: 1_000,
    max: 3_600_000,
    default: 60_000,
    unit: "milliseconds",
};
const HEADER_TIMEOUT: Number = Number {
    min: 100,
    max: 600_000,
    default: 10_000,
    unit: "milliseconds",
};

#[derive(Clone, Debug)]
pub struct Server {
    /// Where clients connect, at least one.
    pub listen: Vec<ListenerSettings>,
    /// How the address of a client behind proxies is found.
    pub proxies: Proxies,
    /// Whether `/healthz` and `/readyz` are there for clients too.
    pub health_on_listen: bool,
    /// How often clients may come.
    pub door: DoorSettings,
    /// Where health, metrics and the admin API are; none when turned off.
    pub admin_listen: Option<SocketAddr>,
    /// What the listener of clients needs for TLS; none: it speaks HTTP without it.
    pub tls: Option<TlsSettings>,
    /// The same of the admin listener.
    pub admin_tls: Option<TlsSettings>,
    /// Threads that serve connections, at least 1.
    pub shards: usize,
    /// This node's name, unique in the cluster.
    pub node: Arc<str>,
    /// Over how long disconnects are spread at shutdown.
    pub drain: Duration,
    /// How long a process that takes over may take until it serves.
    pub handover: Duration,
    /// The tenant of requests that name none; one of the config's tenants.
    pub default_tenant: Option<Arc<str>>,
    /// Connections of this node, at least 1.
    pub max_connections: usize,
    /// Between two heartbeats of a connection.
    pub ping: Duration,
    /// From the upgrade to the `connect` request.
    pub connect_timeout: Duration,
    /// How long a client that polls may be without a poll.
    pub poll_timeout: Duration,
    /// From the accept to the end of the request's head.
    pub header_timeout: Duration,
    /// Directory of compiled plugins; none compiles at every start.
    pub plugin_cache: Option<PathBuf>,
    /// Where tenants have a file each; none: there is no such place.
    pub tenants_dir: Option<PathBuf>,
    /// Whether the config, the tenants' files and the plugins are read again when they change.
    pub watch: bool,
    /// Whether one tenant whose plugins fail keeps the broker from starting, and a reload from happening.
    pub strict: bool,
}

pub(super) fn read(mut section: Section<'_>, base: &Path, machine: &Machine, references: &mut References) -> Server {
    section.default("admin_listen", "");
    let cache = machine.plugin_cache.as_deref().unwrap_or(Path::new(""));
    section.default("plugin_cache", &*cache.to_string_lossy());
    let proxy_protocol = section.flag("proxy_protocol", false);
    let tls = tls::read(&mut section, "tls", base, false);
    let listen = listeners::read(&mut section, base, proxy_protocol, tls.is_some());
    let proxies = proxies::read(&mut section, &listen);
    let node = section.value("node").and_then(|value| node_name(&value));
    let default_tenant = section.value("default_tenant");
    let tenants_dir = section.value("tenants_dir").and_then(|value| directory(&value));
    let server = Server {
        listen,
        proxies,
        health_on_listen: section.flag("health_on_listen", false),
        door: door::read(section.section("door")),
        admin_listen: section.value("admin_listen").and_then(|value| admin_address(&value)),
        tls,
        admin_tls: tls::read(&mut section, "admin_tls", base, true),
        shards: match section.count("shards", &SHARDS) {
            0 => machine.cores,
            shards => shards,
        },
        node: node.map_or_else(|| machine.node.clone(), Arc::from),
        drain: section.seconds("drain_seconds", &DRAIN),
        handover: section.seconds("handover_seconds", &HANDOVER),
        default_tenant: default_tenant.and_then(|value| references.tenant(&value)),
        max_connections: max_connections(&mut section, machine),
        ping: section.millis("ping_ms", &PING),
        connect_timeout: section.millis("connect_timeout_ms", &CONNECT_TIMEOUT),
        poll_timeout: section.millis("poll_timeout_ms", &POLL_TIMEOUT),
        header_timeout: section.millis("header_timeout_ms", &HEADER_TIMEOUT),
        plugin_cache: match section.value("plugin_cache").and_then(|value| value.text()) {
            Some(directory) if directory.is_empty() => None,
            Some(directory) => Some(base.join(directory.get())),
            None => machine.plugin_cache.clone(),
        },
        tenants_dir: tenants_dir.map(|directory| base.join(directory)),
        watch: section.flag("watch", false),
        strict: section.flag("strict", false),
    };
    section.finish();
    server
}

fn max_connections(section: &mut Section<'_>, machine: &Machine) -> usize {
    let number = Number {
        default: machine.connections(),
        ..MAX_CONNECTIONS
    };
    let wanted = section.count("max_connections", &number);
    let descriptors = Descriptors::of(machine.open_files);
    // The default fits: only a value that is there can be too large.
    if let Some(value) = section.value("max_connections")
        && wanted as u64 > descriptors.for_clients()
    {
        value.warn(
            format!(
                "the system allows {} open files here, which is enough for {} connections",
                descriptors.limit,
                descriptors.for_clients()
            ),
            "raise the limit (ulimit -n, or LimitNOFILE= of systemd) or lower max_connections",
        );
    }
    wanted
}

fn admin_address(value: &Value<'_>) -> Option<SocketAddr> {
    // "" turns it off, as does leaving the key out.
    if value.raw.as_str() == Some("") {
        return None;
    }
    address::read(value)
}

fn directory<'a>(value: &Value<'a>) -> Option<&'a str> {
    let directory = value.text()?;
    if directory.is_empty() {
        value.problem("is empty", "write the path of a directory, or leave the key out");
        return None;
    }
    Some(directory.get())
}

fn node_name<'a>(value: &Value<'a>) -> Option<&'a str> {
    let name = value.text()?;
    if !is_node_name(&name) {
        value.problem(format!("{name:?} is not a node name"), format!("{NAME_RULE}, and dots"));
        return None;
    }
    Some(name.get())
}
