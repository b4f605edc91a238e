//! A change of the tenants that are in force beside those of the config's files.

use std::sync::Arc;

use config::{Problem, Tenant};
use tokio::sync::oneshot;

/// A tenant that is to be in force.
#[derive(Clone)]
pub(super) struct PutTenant {
    pub settings: Arc<Tenant>,
    /// What is wrong with its file on this node; empty: nothing, and its plugins are bound. Else it is quarantined.
    pub problems: Vec<Problem>,
}

/// A change of these tenants.
pub(super) struct Install {
    pub put: Vec<PutTenant>,
    pub remove: Vec<Arc<str>>,
    /// Told when every shard has it, and the clients of those that were removed are cut off.
    pub done: oneshot::Sender<()>,
}
