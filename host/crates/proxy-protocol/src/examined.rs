//! What the first bytes of a connection turn out to be.

use std::net::IpAddr;

use thiserror::Error;

/// Bytes of addresses and TLVs at most. The specification asks senders to stay below 536 in all, but certificates and
/// the names of networks in clouds make it more.
pub(super) const PAYLOAD_BYTES: usize = 4_096;

/// What a whole header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxiedPeer {
    /// The proxy speaks for itself, or does not know for whom: the peer of the connection is meant.
    Peer,
    /// The connection of a client with this address. An IPv4 address that is mapped into IPv6 is the IPv4 address.
    Client(IpAddr),
}

/// How far a header is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Examined {
    /// So many more bytes belong to the header at least: 1 or more.
    Missing(usize),
    /// It is whole.
    Whole(ProxiedPeer),
}

/// Why the first bytes of a connection are no header.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum NoProxyHeader {
    #[error("the connection does not begin with a PROXY header")]
    Absent,
    #[error("the line of a PROXY header of version 1 is longer than 107 bytes")]
    LineTooLong,
    #[error("the PROXY header of version 1 is malformed: {0}")]
    BadLine(&'static str),
    #[error("the PROXY header is of version {0}, which is not known")]
    UnknownVersion(u8),
    #[error("the PROXY header of version 2 has the command {0}, which is not known")]
    UnknownCommand(u8),
    #[error("the PROXY header of version 2 is about a connection of the kind {0:#04x}, which is not TCP")]
    NotTcp(u8),
    #[error("the PROXY header of version 2 has {0} bytes after its beginning, and may have {max}", max = PAYLOAD_BYTES)]
    TooLong(usize),
    #[error("the PROXY header of version 2 is too short for its addresses")]
    NoRoomForAddresses,
    #[error("a TLV of the PROXY header of version 2 goes beyond the header's end")]
    BadTlv,
    #[error("bytes follow the PROXY header that do not belong to it")]
    Surplus,
}
