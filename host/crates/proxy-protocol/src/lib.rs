//! The header that a proxy sends before a client's first byte: whose connection it passes on. Versions 1 and 2 of the
//! [specification](https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt). Bytes to a value: knows no socket, and not
//! whether the sender may be believed.
//!
//! A reader asks [`examine`] again and again, with all bytes so far. What it asks for never goes beyond the header's end,
//! so that what follows the header stays in the socket for whoever reads it next.

mod examined;
mod v1;
mod v2;

#[cfg(test)]
mod tests;

pub use examined::{Examined, NoProxyHeader, ProxiedPeer};

/// Bytes of a header at most. Version 1 has 107 at most, version 2 as many as its sender adds of its own.
pub const HEADER_BYTES: usize = v2::PREFIX_BYTES + examined::PAYLOAD_BYTES;

/// Reads a header of which these are the first bytes.
///
/// # Errors
/// It is none, whatever follows. `bytes` are more than the header.
pub fn examine(bytes: &[u8]) -> Result<Examined, NoProxyHeader> {
    if bytes.is_empty() {
        // No more than a header of either version has.
        return Ok(Examined::Missing(v1::SHORTEST));
    }
    // Both versions have a beginning that no request of HTTP and no TLS handshake has.
    if begins_with(bytes, v2::SIGNATURE) {
        v2::examine(bytes)
    } else if begins_with(bytes, v1::BEGINNING) {
        v1::examine(bytes)
    } else {
        Err(NoProxyHeader::Absent)
    }
}

/// Whether `bytes` are `beginning` or a part of it, or begin with it.
fn begins_with(bytes: &[u8], beginning: &[u8]) -> bool {
    let common = bytes.len().min(beginning.len());
    bytes[..common] == beginning[..common]
}
