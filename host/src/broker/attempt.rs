//! What came of loading the plugins of tenants, before anything is made of it.

use std::fmt::Display;
use std::sync::Arc;

use super::put_tenant::PutTenants;
use chain::{ChainStep, FaultRules};
use config::{ChainEntry, Config, Problem, Tenant};
use sandbox::{Binding, Sandbox};

pub(super) struct Attempt {
    /// All that went wrong, each once.
    pub problems: Vec<Problem>,
    /// In the order of the config's tenants; none for one that was not wanted.
    pub tenants: Vec<Option<Result<Vec<BoundLink>, Vec<Problem>>>>,
}

impl Attempt {
    /// Those of `pushed` whose files this node cannot use fail, and what fails of `pushed` is no problem of the files.
    pub(super) fn of_pushed(mut self, config: &Config, pushed: &PutTenants) -> Self {
        for (settings, tried) in config.tenants.iter().zip(&mut self.tenants) {
            let Some(put) = pushed.get(&settings.name) else {
                continue;
            };
            if !put.problems.is_empty() && tried.is_some() {
                *tried = Some(Err(put.problems.clone()));
            } else if let Some(Err(failed)) = tried {
                self.problems
                    .retain(|problem| !failed.contains(problem) || is_of_plugin(config, problem));
            }
        }
        self
    }
}

/// Whether it stands where a plugin is declared.
fn is_of_plugin(config: &Config, problem: &Problem) -> bool {
    config.plugins.iter().any(|plugin| plugin.place == *problem.place())
}

/// A plugin in a tenant's chain.
#[derive(Clone)]
pub(super) struct BoundLink {
    pub sandbox: Arc<Sandbox>,
    pub binding: Arc<Binding>,
    pub on_fault: FaultRules,
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

/// What is wrong with a plugin of a tenant.
pub(super) fn chain_problem(tenant: &Tenant, entry: &ChainEntry, error: &dyn Display) -> Problem {
    let reason = format!("plugin {:?} for tenant {:?}: {error}", &*entry.plugin, &*tenant.name);
    entry.place.problem(reason)
}
