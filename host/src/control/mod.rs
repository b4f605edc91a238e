//! The operator's word on every node: orders that are carried out here and elsewhere, and what the nodes
//! answer, made one. Knows no HTTP and no Redis: the admin API asks a [`Bus`], and a bus of many nodes gives
//! each node's [`Local`] the same order.
//!
//! An order is answered when it is done. After a revocation (disconnect, unsubscribe, ban) was reported done,
//! nothing more is written to the clients that it meant but the frame that was half on the wire and last
//! words; what the system's socket buffers held before that cannot be called back.

mod cluster;
mod local;
mod merge;
mod order;
#[cfg(test)]
mod tests;

pub use cluster::ClusterBus;
pub use local::{Local, ORDER_WAIT};
pub use merge::{Page, channels, connections, counts, done, unreached};
pub use order::{ChannelEntry, Connection, NodeCount, NodeReport, Order, Report};

use crate::backplane::Reply;

/// Longest page of a list.
pub const PAGE_ENTRIES: usize = 1000;

/// Carries an order to every node there is.
pub trait Bus: Send + Sync {
    /// Has every node carry out `order`: one report for each node that is known, of those that did not
    /// answer in time as well. No node is told twice. The error is for a bus that reaches nobody, this node
    /// included.
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
