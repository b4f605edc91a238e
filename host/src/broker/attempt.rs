//! What came of loading the plugins of tenants, before anything is made of it.

use std::sync::Arc;

use chain::{ChainStep, FaultRules};
use config::Problem;
use sandbox::Binding;

pub(super) struct Attempt {
    /// All that went wrong, each once.
    pub problems: Vec<Problem>,
    /// In the order of the config's tenants; none for one that was not wanted.
    pub tenants: Vec<Option<Result<Vec<BoundLink>, Vec<Problem>>>>,
}

/// A plugin in a tenant's chain.
#[derive(Clone)]
pub(super) struct BoundLink {
    pub binding: Arc<Binding>,
    pub on_fault: FaultRules,
}

impl BoundLink {
    pub(super) fn on_this_shard(self) -> ChainStep {
        ChainStep {
            plugin: self.binding.name().clone(),
            hooks: self.binding.hooks(),
            on_fault: self.on_fault,
            hook: Box::new(self.binding.slot()),
        }
    }
}
