//! The addresses that one client has, as one: whoever is counted, limited or banned by address is so by its block.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Bits of an IPv6 address that count: providers give a customer the rest of the network too.
const V6_BITS: u8 = 64;
/// Bits of an IPv4 address that count.
const V4_BITS: u8 = 32;

/// An IPv4 address, or the /64 of an IPv6 address. An IPv4 address that is mapped into IPv6 is the IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AddressBlock(IpAddr);

/// A text that is no [`AddressBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("must be an IPv4 address, or an IPv6 address or its /64")]
pub struct NoAddress;

// === impl AddressBlock ===

impl AddressBlock {
    /// The first address of the block.
    pub fn first(self) -> IpAddr {
        self.0
    }
}

impl From<IpAddr> for AddressBlock {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let network = address.to_bits() & !(u128::MAX >> V6_BITS);
                Ipv6Addr::from_bits(network).into()
            }
        })
    }
}

impl fmt::Display for AddressBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => write!(f, "{address}"),
            IpAddr::V6(address) => write!(f, "{address}/{V6_BITS}"),
        }
    }
}

impl FromStr for AddressBlock {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoAddress)?;
        let expected = if address.is_ipv4() { V4_BITS } else { V6_BITS };
        match bits {
            Some(bits) if *bits != *expected.to_string() => Err(NoAddress),
            _ => Ok(address.into()),
        }
    }
}

impl TryFrom<String> for AddressBlock {
    type Error = NoAddress;

    fn try_from(text: String) -> Result<Self, NoAddress> {
        text.parse()
    }
}

impl From<AddressBlock> for String {
    fn from(address: AddressBlock) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_client_has_are_one() {
        let cases = [
            ("192.0.2.1", Ok("192.0.2.1")),
            ("192.0.2.1/32", Ok("192.0.2.1")),
            ("::ffff:192.0.2.1", Ok("192.0.2.1")),
            ("2001:db8:1:2:3:4:5:6", Ok("2001:db8:1:2::/64")),
            ("2001:DB8:1:2::", Ok("2001:db8:1:2::/64")),
            ("2001:db8:1:2::/64", Ok("2001:db8:1:2::/64")),
            ("2001:db8:1:3::1", Ok("2001:db8:1:3::/64")),
            ("::1", Ok("::/64")),
            ("192.0.2.0/24", Err(NoAddress)),
            ("2001:db8::/48", Err(NoAddress)),
            ("2001:db8::/064", Err(NoAddress)),
            ("192.0.2.1:80", Err(NoAddress)),
            ("fe80::1%eth0", Err(NoAddress)),
            ("", Err(NoAddress)),
            ("ann", Err(NoAddress)),
        ];
        for (text, block) in cases {
            let parsed = text.parse::<AddressBlock>().map(|block| block.to_string());
            assert_eq!(parsed, block.map(str::to_owned), "{text}");
            if let Ok(block) = parsed {
                assert_eq!(block.parse::<AddressBlock>().unwrap().to_string(), block);
            }
        }
    }
}
