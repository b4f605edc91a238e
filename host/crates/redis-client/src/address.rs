//! Where a server is.

/// Host and port.
pub type Address = (String, u16);

/// Reads `host:port`; a host may have colons of its own.
pub(crate) fn read(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.trim_matches(['[', ']']).to_owned(), port.parse().ok()?))
}
