//! Addresses to listen on, as text.

use std::net::SocketAddr;

use super::section::Value;

/// `IP:PORT`, `[IPv6]:PORT`, or `:PORT` for all IPv4 interfaces.
pub(super) fn parse(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}").parse().ok(),
        None => text.parse().ok(),
    }
}

pub(super) fn read(value: &Value<'_>) -> Option<SocketAddr> {
    let text = value.text()?;
    let address = parse(&text);
    if address.is_none() {
        value.problem(
            format!("{text:?} is not an IP address with a port"),
            "write it like \"127.0.0.1:8080\", \"[::]:8080\" or \":8080\"",
        );
    }
    address
}
