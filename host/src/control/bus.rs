//! How orders reach every node.

use super::local::Local;
use super::order::{NodeReport, Order};
use backplane::Reply;

/// Carries orders to every node.
pub trait Bus: Send + Sync {
    /// Has every node carry out `order`. Returns one report for each known node, also for those that did not
    /// answer in time. No node is asked twice. The error means that the bus reaches no node; an order about a ban
    /// holds on this node even then, and is delivered to the others later.
    fn ask(&self, order: Order) -> Reply<'_, Vec<NodeReport>>;
}

/// The bus of a single node.
pub struct LocalBus(Local);

impl LocalBus {
    /// A bus that reaches this node alone.
    pub fn new(local: Local) -> Self {
        Self(local)
    }
}

impl Bus for LocalBus {
    fn ask(&self, order: Order) -> Reply<'_, Vec<NodeReport>> {
        Box::pin(async move { Ok(vec![self.0.report(&order).await]) })
    }
}
