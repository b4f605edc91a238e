//! Who is refused: banned users, banned addresses of clients without a user, and whoever brings a revoked token.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use address_block::AddressBlock;
use serde::{Deserialize, Serialize};

/// Whom an order about a ban is about. An address stands for the clients from there that have no user, because users may
/// share it. To revoke tokens is to ban whoever brings them: such bans are kept, counted and listed apart from the others.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "NamedSubject", into = "NamedSubject")]
pub enum BanSubject {
    User(Arc<str>),
    Address(AddressBlock),
    /// Sessions whose accepted claims have this `jti`.
    Token(Arc<str>),
    /// Sessions of this user by tokens that were issued before the order's stamp.
    TokensOf(Arc<str>),
}

/// As nodes write it: `{"user": …}`, `{"address": …}`, `{"token": …}` or `{"tokens_of": …}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NamedSubject {
    User(String),
    Address(AddressBlock),
    Token(String),
    TokensOf(String),
}

// === impl BanSubject ===

impl BanSubject {
    /// Whom a client is banned as.
    pub fn of(user: Option<&Arc<str>>, remote: IpAddr) -> Self {
        match user {
            Some(user) => Self::User(user.clone()),
            None => Self::Address(remote.into()),
        }
    }

    /// Whether tokens are revoked, and nobody is banned.
    pub fn is_revocation(&self) -> bool {
        matches!(self, Self::Token(_) | Self::TokensOf(_))
    }
}

impl From<NamedSubject> for BanSubject {
    fn from(named: NamedSubject) -> Self {
        match named {
            NamedSubject::User(user) => Self::User(user.into()),
            NamedSubject::Address(address) => Self::Address(address),
            NamedSubject::Token(jti) => Self::Token(jti.into()),
            NamedSubject::TokensOf(user) => Self::TokensOf(user.into()),
        }
    }
}

impl From<BanSubject> for NamedSubject {
    fn from(subject: BanSubject) -> Self {
        match subject {
            BanSubject::User(user) => Self::User(user.to_string()),
            BanSubject::Address(address) => Self::Address(address),
            BanSubject::Token(jti) => Self::Token(jti.to_string()),
            BanSubject::TokensOf(user) => Self::TokensOf(user.to_string()),
        }
    }
}

impl fmt::Display for BanSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(user) => write!(f, "user {user:?}"),
            Self::Address(address) => write!(f, "address {address}"),
            Self::Token(jti) => write!(f, "token {jti:?}"),
            Self::TokensOf(user) => write!(f, "tokens of user {user:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_a_user_is_not_banned_by_address() {
        let remote = "192.0.2.1".parse().unwrap();
        assert_eq!(
            BanSubject::of(Some(&"ann".into()), remote),
            BanSubject::User("ann".into())
        );
        assert_eq!(
            BanSubject::of(None, remote),
            BanSubject::Address("192.0.2.1".parse().unwrap())
        );
    }
}
