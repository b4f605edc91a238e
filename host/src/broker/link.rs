//! A plugin in a tenant's chain, and what may be wrong with it.

use std::fmt::Display;
use std::sync::Arc;

use serde_json::Value;

use chain::{ChainStep, FaultRules};
use config::{ChainEntry, Problem, Tenant};
use sandbox::{Binding, Plugin, Sandbox};

/// A plugin in a tenant's chain.
#[derive(Clone)]
pub(super) struct BoundLink {
    pub sandbox: Arc<Sandbox>,
    pub plugin: Arc<Plugin>,
    pub binding: Arc<Binding>,
    pub on_fault: FaultRules,
}

/// A plugin in the chain of a tenant that is not in force yet.
pub(super) struct NewLink<'t> {
    pub link: BoundLink,
    pub entry: &'t ChainEntry,
    /// Whether the tenant did not have it before.
    pub is_new: bool,
}

impl BoundLink {
    pub(super) fn on_this_shard(self) -> ChainStep {
        ChainStep {
            plugin: self.binding.name().clone(),
            hooks: self.binding.hooks(),
            on_fault: self.on_fault,
            hook: Box::new(self.sandbox.slot(&self.binding)),
        }
    }
}

/// What is wrong with a plugin of a tenant. Some of it may be the plugin's words, which knows its secrets: `schema` says of the
/// settings which those are.
pub(super) fn chain_problem(
    tenant: &Tenant,
    entry: &ChainEntry,
    schema: Option<&Value>,
    error: &dyn Display,
) -> Problem {
    let error = entry.settings.masked_in(&error.to_string(), schema);
    let reason = format!("plugin {:?} for tenant {:?}: {error}", &*entry.plugin, &*tenant.name);
    entry.place.problem(reason)
}
