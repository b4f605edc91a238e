//! The name under which someone's doings are counted: the user, or the address of who has no name. Knows no
//! count.

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
        None => format!("a:{}", address()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
