//! A network in the notation `ADDRESS/BITS`.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

const V4_BITS: u8 = 32;
const V6_BITS: u8 = 128;
/// Bits of the IPv6 network whose addresses are IPv4 addresses, `::ffff:0:0/96`.
const MAPPED_BITS: u8 = V6_BITS - V4_BITS;

/// The addresses that begin with the same bits. One of IPv4 addresses that are mapped into IPv6 is that of the IPv4
/// addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressRange {
    /// The first one.
    first: IpAddr,
    /// How many bits all have in common.
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoNetwork {
    #[error("must be an IP address, or a network such as 10.0.0.0/8 or 2001:db8::/32")]
    Malformed,
    /// What was meant may be this network or the one address.
    #[error("has bits beyond its length: write {0}")]
    BitsBeyond(AddressRange),
}

// === impl AddressRange ===

impl AddressRange {
    /// Whether an address belongs to it. One that is mapped into IPv6 is the IPv4 address.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                first_of(address.to_canonical(), self.bits) == self.first
            }
            _ => false,
        }
    }
}

/// `address` with all its bits after the first `bits` cleared.
fn first_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let rest = u32::MAX.checked_shr(bits.into()).unwrap_or(0);
            IpAddr::V4((address.to_bits() & !rest).into())
        }
        IpAddr::V6(address) => {
            let rest = u128::MAX.checked_shr(bits.into()).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & !rest).into()
        }
    }
}

fn length(digits: &str) -> Option<u8> {
    let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = digits == "0" || !digits.starts_with('0');
    digits.parse().ok().filter(|_| is_plain && is_short)
}

impl FromStr for AddressRange {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, digits) = match text.split_once('/') {
            Some((address, digits)) => (address, Some(digits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork::Malformed)?;
        let all = if address.is_ipv4() { V4_BITS } else { V6_BITS };
        let bits = digits.map_or(Some(all), length).filter(|bits| *bits <= all);
        let bits = bits.ok_or(NoNetwork::Malformed)?;
        let (address, bits) = match address.to_canonical() {
            mapped @ IpAddr::V4(_) if address.is_ipv6() && bits >= MAPPED_BITS => (mapped, bits - MAPPED_BITS),
            _ => (address, bits),
        };
        let network = Self {
            first: first_of(address, bits),
            bits,
        };
        if network.first == address {
            Ok(network)
        } else {
            Err(NoNetwork::BitsBeyond(network))
        }
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.first, self.bits)
    }
}
