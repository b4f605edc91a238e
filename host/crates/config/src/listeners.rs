//! `server.listen`: the sockets that clients connect to.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::address;
use super::section::{Section, Value};

const DEFAULT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
/// Listeners at most.
const LISTENERS: usize = 16;
const UNIX: &str = "unix:";
/// Bytes of the path of a Unix socket at most: `sun_path` of unix(7), without the zero at its end.
const UNIX_PATH_BYTES: usize = 107;

/// One socket that clients connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerSettings {
    pub address: ListenAddress,
    /// Whether each connection begins with a PROXY header, from a trusted proxy only.
    pub proxy_protocol: bool,
    /// Whether it speaks TLS, with the certificates of `server.tls`.
    pub tls: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a socket's file.
    Unix(PathBuf),
}

// === impl ListenAddress ===

impl ListenAddress {
    /// Whether only this machine reaches it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().is_loopback(),
            Self::Unix(_) => true,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{UNIX}{}", path.display()),
        }
    }
}

/// Reads `listen`. `proxy_protocol` is what the listeners have that are no tables; `has_tls`: they speak TLS, unless they are
/// Unix sockets.
pub(super) fn read(
    section: &mut Section<'_>,
    base: &Path,
    proxy_protocol: bool,
    has_tls: bool,
) -> Vec<ListenerSettings> {
    let plain = |address| ListenerSettings {
        tls: has_tls && matches!(address, ListenAddress::Tcp(_)),
        address,
        proxy_protocol,
    };
    section.default("listen", DEFAULT.to_string());
    let Some(value) = section.value("listen") else {
        return vec![plain(ListenAddress::Tcp(DEFAULT))];
    };
    if !value.raw.is_array() {
        let address = one(&value, base);
        return address.map(plain).into_iter().collect();
    }
    let items = section.list_of("listen", LISTENERS);
    if items.is_empty() {
        value.problem("is empty", "write at least one address");
    }
    let mut listeners: Vec<ListenerSettings> = Vec::with_capacity(items.len());
    for item in items {
        let listener = if item.is_table() {
            table(&item, base, has_tls)
        } else {
            one(&item, base).map(plain)
        };
        let Some(listener) = listener else {
            continue;
        };
        let is_free = matches!(&listener.address, ListenAddress::Tcp(address) if address.port() == 0);
        if !is_free && listeners.iter().any(|other| other.address == listener.address) {
            item.problem(
                format!("{} is there twice", listener.address),
                "an address has one listener",
            );
        }
        listeners.push(listener);
    }
    listeners
}

fn table(item: &Value<'_>, base: &Path, has_tls: bool) -> Option<ListenerSettings> {
    let mut section = item.section();
    let address = section.need("address").and_then(|value| one(&value, base));
    section.default("tls", false);
    let tls = section.value("tls").filter(|value| value.flag() == Some(true));
    if let Some(tls) = &tls {
        if matches!(address, Some(ListenAddress::Unix(_))) {
            tls.problem(
                "asks for TLS on a Unix socket",
                "it is this machine's own: leave the key out",
            );
        } else if !has_tls {
            tls.problem(
                "asks for TLS, and there are no certificates",
                "name them in [server.tls]",
            );
        }
    }
    let proxy_protocol = section.flag("proxy_protocol", false);
    section.finish();
    Some(ListenerSettings {
        address: address?,
        proxy_protocol,
        tls: tls.is_some(),
    })
}

fn one(value: &Value<'_>, base: &Path) -> Option<ListenAddress> {
    let text = value.text()?;
    let Some(path) = text.strip_prefix(UNIX) else {
        return address::read(value).map(ListenAddress::Tcp);
    };
    if path.is_empty() {
        value.problem("has no path", "write it like \"unix:/run/sluicegate/sluicegate.sock\"");
        return None;
    }
    let path = base.join(path);
    let bytes = path.as_os_str().len();
    if bytes > UNIX_PATH_BYTES {
        value.problem(
            format!("is the path of a socket, and has {bytes} bytes"),
            format!("the system takes {UNIX_PATH_BYTES} bytes at most, the config file's directory included"),
        );
        return None;
    }
    Some(ListenAddress::Unix(path))
}
