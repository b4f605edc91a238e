//! What a registry asks of the nodes of a cluster.

use std::pin::Pin;
use std::sync::Arc;

use config::Limits;
use thiserror::Error;

use super::admission::{AdmissionError, AdmissionRequest};
use super::ban_list::BanEntry;
use super::ban_order::BanOrder;
use super::bans::{BanKind, BansFull};
use super::session_owner::{OpenClaim, Owned, OwnerUnknown, SecretHash};
use super::stamp::OrderStamp;
use super::token_claims::TokenClaims;

/// A reply that may need the network.
pub type ClusterReply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the nodes of a cluster know together.
pub trait Cluster: Send + Sync {
    /// Takes a place, if there is one in the cluster, and the session is neither banned nor its token revoked. While the cluster cannot be asked,
    /// this node's own count decides, and the others learn of it later.
    fn admit(&self, request: AdmissionRequest, limits: &Limits) -> ClusterReply<'_, Result<(), AdmissionError>>;

    /// Refuses a token of this user that is revoked. While the cluster cannot be asked, it refuses none.
    fn check_token<'a>(
        &'a self,
        tenant: &'a str,
        user: Option<&'a str>,
        token: &'a TokenClaims,
    ) -> ClusterReply<'a, Result<(), AdmissionError>>;

    /// A session that has a place goes on by another token.
    fn replace_token(&self, session: &Arc<str>, token: &TokenClaims);

    /// Gives the place of a session back.
    fn release(&self, session: &Arc<str>);

    /// Records an order where every node looks up bans, `at_most` so many of the tenant. Gives the stamp of the order that
    /// stands there instead, if that is a later one.
    fn record<'a>(
        &'a self,
        order: &'a BanOrder,
        at_most: usize,
    ) -> ClusterReply<'a, Result<Option<OrderStamp>, NotRecorded>>;

    /// The first bans of a kind that hold, after this one.
    fn bans<'a>(
        &'a self,
        kind: BanKind,
        tenant: &'a str,
        after: Option<&'a BanEntry>,
        limit: usize,
    ) -> ClusterReply<'a, Result<Vec<BanEntry>, NotRecorded>>;

    /// The instance that has this session, if this is the hash of its key.
    fn owner<'a>(
        &'a self,
        tenant: &'a str,
        session: &'a str,
        key: &'a SecretHash,
    ) -> ClusterReply<'a, Result<Owned, OwnerUnknown>>;

    /// Claims to open `session` with something that its client alone knows. One claim to it counts, the first.
    fn claim_open<'a>(
        &'a self,
        tenant: &'a str,
        open: &'a SecretHash,
        session: &'a Arc<str>,
    ) -> ClusterReply<'a, Result<OpenClaim, OwnerUnknown>>;

    /// Lists this node among those that live, from now on.
    fn announce(&self);

    /// Lists it no more, and leaves it listed as it is: another process of this node does so.
    fn hand_over(&self);

    /// The node ends: answers when the others know that everyone left it.
    fn close(&self) -> ClusterReply<'_, ()>;
}

/// The processes of a cluster.
pub trait Peers: Send + Sync {
    /// The instances that live and listen now, this one included. None while that cannot be said.
    fn connected(&self) -> ClusterReply<'_, Option<Vec<String>>>;
}

/// What is recorded could not be changed or read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRecorded {
    /// It should be tried again.
    #[error("bans are not recorded: {0}")]
    Unreachable(String),
    #[error(transparent)]
    Full(#[from] BansFull),
}
