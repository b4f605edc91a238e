//! Who asks to be connected, and why one is not.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use super::ban_subject::BanSubject;
use super::session_owner::SecretHash;
use super::token_claims::TokenClaims;

/// A session that asks for a place.
#[derive(Clone, Debug)]
pub struct AdmissionRequest {
    pub tenant: Arc<str>,
    /// The user, if it has a name.
    pub user: Option<Arc<str>>,
    /// The token that it came with.
    pub token: TokenClaims,
    /// Where it comes from.
    pub remote: IpAddr,
    /// The session's id, unique in the cluster.
    pub session: Arc<str>,
    /// `websocket`, `sse` or `poll`.
    pub transport: &'static str,
    /// The hash of the key that its requests bring, if these may reach any node.
    pub key: Option<SecretHash>,
}

impl AdmissionRequest {
    /// Whom it is banned as, if it is.
    pub fn subject(&self) -> BanSubject {
        BanSubject::of(self.user.as_ref(), self.remote)
    }
}

/// Why a session gets no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdmissionError {
    /// A limit is reached.
    Limit(LimitReached),
    /// The user, or the address of one without a user, is banned for so long.
    Banned(Duration),
    /// The token is revoked.
    Revoked,
}

/// Which limit a connection would be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum LimitReached {
    /// `limits.connections`
    #[error("the tenant has as many connections as it may")]
    Tenant,
    /// `limits.connections_per_user`
    #[error("the user has as many connections as it may")]
    User,
}
