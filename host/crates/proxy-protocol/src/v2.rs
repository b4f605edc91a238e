//! Version 2: binary. 16 bytes, the addresses, and TLVs, which are data of the sender's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::examined::{Examined, NoProxyHeader, PAYLOAD_BYTES, ProxiedPeer};

pub(super) const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// What comes before the addresses: the signature, version and command, family and transport, and a length.
pub(super) const PREFIX_BYTES: usize = 16;

const VERSION: u8 = 2;
const LOCAL: u8 = 0;
const PROXY: u8 = 1;
/// Family and transport in one byte.
const UNSPECIFIED: u8 = 0x00;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;
const UNIX_STREAM: u8 = 0x31;
/// Bytes of two addresses and two ports, and of two paths.
const IPV4_BYTES: usize = 12;
const IPV6_BYTES: usize = 36;
const UNIX_BYTES: usize = 216;
/// The type of a TLV, and its length.
const TLV_PREFIX_BYTES: usize = 3;

pub(super) fn examine(bytes: &[u8]) -> Result<Examined, NoProxyHeader> {
    let Some((&prefix, payload)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(Examined::Missing(PREFIX_BYTES - bytes.len()));
    };
    let [.., version_and_command, kind, length_high, length_low] = prefix;
    let (version, command) = (version_and_command >> 4, version_and_command & 0xf);
    if version != VERSION {
        return Err(NoProxyHeader::UnknownVersion(version));
    }
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    if length > PAYLOAD_BYTES {
        return Err(NoProxyHeader::TooLong(length));
    }
    let address_bytes = match (command, kind) {
        // Nothing of it is read (section 2.2): the proxy's own connection, such as a health check.
        (LOCAL, _) => None,
        (PROXY, UNSPECIFIED) => Some(0),
        (PROXY, TCP_OVER_IPV4) => Some(IPV4_BYTES),
        (PROXY, TCP_OVER_IPV6) => Some(IPV6_BYTES),
        (PROXY, UNIX_STREAM) => Some(UNIX_BYTES),
        (PROXY, kind) => return Err(NoProxyHeader::NotTcp(kind)),
        (command, _) => return Err(NoProxyHeader::UnknownCommand(command)),
    };
    if address_bytes.is_some_and(|bytes| bytes > length) {
        return Err(NoProxyHeader::NoRoomForAddresses);
    }
    if payload.len() < length {
        return Ok(Examined::Missing(length - payload.len()));
    }
    if payload.len() > length {
        return Err(NoProxyHeader::Surplus);
    }
    let Some(address_bytes) = address_bytes else {
        return Ok(Examined::Whole(ProxiedPeer::Peer));
    };
    let (addresses, tlvs) = payload.split_at(address_bytes);
    check_tlvs(tlvs)?;
    Ok(Examined::Whole(match kind {
        TCP_OVER_IPV4 => client(addresses.first_chunk::<4>().map(|octets| Ipv4Addr::from(*octets))),
        TCP_OVER_IPV6 => client(addresses.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))),
        // A client of the proxy on a socket of its machine has no address.
        _ => ProxiedPeer::Peer,
    }))
}

fn client(address: Option<impl Into<IpAddr>>) -> ProxiedPeer {
    address.map_or(ProxiedPeer::Peer, |address| {
        ProxiedPeer::Client(address.into().to_canonical())
    })
}

/// None of the TLVs is used, a checksum neither: what comes over TCP has one. They must fill the header all the same.
fn check_tlvs(mut tlvs: &[u8]) -> Result<(), NoProxyHeader> {
    while !tlvs.is_empty() {
        let Some((&[_, high, low], rest)) = tlvs.split_first_chunk::<TLV_PREFIX_BYTES>() else {
            return Err(NoProxyHeader::BadTlv);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        tlvs = rest.get(length..).ok_or(NoProxyHeader::BadTlv)?;
    }
    Ok(())
}
