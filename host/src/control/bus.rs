//! How orders reach every node there is.

use super::local::Local;
use super::order::{NodeReport, Order};
use backplane::Reply;

/// Carries an order to every node there is.
pub trait Bus: Send + Sync {
    /// Has every node carry out `order`: one report for each node that is known, of those that did not
    /// answer in time as well. No node is asked twice. The error is for a bus that reaches nobody; an order about a ban
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
