//! The name under which someone's doings are counted: the user, or the address of who has no name. Knows no
//! count.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use sluicegate_plugin::hex;

/// The longest name, in bytes: with what is put before it, it fits a key of the store (256).
pub const MAX_BYTES: usize = 200;

/// The name for a user, or for an address without a user. The letters before the colon keep the two, and
/// names that had to be shortened, apart.
#[must_use]
pub fn who(user: Option<&str>, address: impl FnOnce() -> String) -> String {
    match user {
        // Joined, not formatted: this is asked with every message.
        Some(user) if user.len() <= MAX_BYTES - 2 => ["u:", user].concat(),
        // A digest that nobody can aim: two users never share a count.
        Some(user) => {
            let digest = Sha256::digest(user.as_bytes());
            ["h:", &hex::encode(&digest)].concat()
        }
        None => format!("a:{}", network(address())),
    }
}

/// What one client has of addresses: an IPv4 address, or all of an IPv6 address's /64. The broker bans by the same.
fn network(address: String) -> String {
    match address.parse().map(|address: IpAddr| address.to_canonical()) {
        Ok(IpAddr::V6(v6)) => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
        }
        Ok(v4) => v4.to_string(),
        Err(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_one_client_has_are_one_name() {
        let of = |address: &str| who(None, || address.to_owned());
        assert_eq!(of("192.0.2.1"), "a:192.0.2.1");
        assert_eq!(of("::ffff:192.0.2.1"), "a:192.0.2.1");
        assert_eq!(of("2001:db8:1:2:3:4:5:6"), "a:2001:db8:1:2::/64");
        assert_eq!(of("2001:db8:1:2::9"), "a:2001:db8:1:2::/64");
        assert_ne!(of("2001:db8:1:3::9"), of("2001:db8:1:2::9"));
    }

    #[test]
    fn users_addresses_and_long_names_never_meet() {
        let address = || "192.0.2.1".to_owned();
        let long = "x".repeat(255);
        let names = [
            who(Some("192.0.2.1"), address),
            who(None, address),
            who(Some(&"x".repeat(MAX_BYTES - 2)), address),
            who(Some(&"x".repeat(MAX_BYTES - 1)), address),
            who(Some(&long), address),
            who(Some(&format!("{}y", "x".repeat(254))), address),
            who(Some(&who(Some(&long), address)), address),
        ];
        for (index, name) in names.iter().enumerate() {
            assert!(name.len() <= MAX_BYTES);
            assert!(!names[index + 1..].contains(name), "{name}");
        }
    }
}
