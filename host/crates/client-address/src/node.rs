//! One address as a proxy writes it, perhaps with a port.

use std::net::{IpAddr, Ipv6Addr};

/// Reads `IPv4`, `IPv4:port`, `IPv6`, `[IPv6]` and `[IPv6]:port`. None for everything else, such as `unknown`, a host
/// name, or an address with a zone.
pub(crate) fn address(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let has_port = port.strip_prefix(':').is_some_and(is_port);
        return (port.is_empty() || has_port).then(|| IpAddr::from(address).to_canonical());
    }
    let (address, port) = text.split_once(':')?;
    let address: IpAddr = address.parse().ok()?;
    is_port(port).then_some(address)
}

/// Up to five digits, or a name that hides the port (RFC 7239 6).
fn is_port(text: &str) -> bool {
    let is_number = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number || is_hidden(text)
}

fn is_hidden(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    text.len() > 1 && text.starts_with('_') && text.bytes().all(is_part)
}
