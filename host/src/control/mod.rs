//! The operator's orders: every node carries them out, and the nodes' reports are merged into one. Knows no HTTP and no
//! Redis: the admin API asks a [`Bus`], and a bus of many nodes gives each node's [`Local`] the same order.
//!
//! An order is answered when it is done. After a revocation (disconnect, unsubscribe, ban) was reported done,
//! nothing more is written to the affected clients except the rest of a half-written frame and the closing frames.
//! What the system's socket buffers held before that cannot be called back.

mod bus;
mod cluster;
mod local;
mod merge;
mod message;
mod name_claim;
mod order;
mod peers;
#[cfg(test)]
mod tests;

pub use bus::{Bus, LocalBus};
pub use cluster::{BANS_WAITING, ClusterBus};
pub use local::{Local, ORDER_WAIT};
pub use merge::{Page, channels, connections, counts, done, unreached};
pub use name_claim::NameTaken;
pub use order::{ChannelEntry, Connection, NodeCount, NodeReport, Order, PAGE_ENTRIES, Report, in_seconds};
pub use peers::ListeningNodes;
