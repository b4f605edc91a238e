//! What a registry asks of the nodes of a cluster.

use std::pin::Pin;
use std::sync::Arc;

use config::Limits;
use thiserror::Error;

use super::admission::{AdmissionError, AdmissionRequest};
use super::ban_order::BanOrder;
use super::stamp::OrderStamp;

/// A reply that may need the network.
pub type ClusterReply<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What the nodes of a cluster know together.
pub trait Cluster: Send + Sync {
    /// Takes a place, if there is one in the cluster and the user is not banned. While the cluster cannot be asked,
    /// this node's own count decides, and the others learn of it later.
    fn admit(&self, request: AdmissionRequest, limits: &Limits) -> ClusterReply<'_, Result<(), AdmissionError>>;

    /// Gives the place of a session back.
    fn release(&self, session: &Arc<str>);

    /// Records an order where every node looks up bans. Gives the stamp of the order that stands there instead, if
    /// that is a later one.
    fn record<'a>(&'a self, order: &'a BanOrder) -> ClusterReply<'a, Result<Option<OrderStamp>, NotRecorded>>;

    /// Lists this node among those that live, from now on.
    fn announce(&self);

    /// The node ends: answers when the others know that everyone left it.
    fn close(&self) -> ClusterReply<'_, ()>;
}

/// An order could not be recorded, and should be again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the order is not recorded: {0}")]
pub struct NotRecorded(pub String);
