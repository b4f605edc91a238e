//! What a config wants other than it is in force. Pure; looks at all tenants.

use std::collections::HashSet;
use std::sync::Arc;

use super::bound::Bound;
use super::bound_tenant::BoundTenant;
use super::loaded::LoadedPlugins;
use super::wanted::{Owner, WantedTenant};
use config::Config;

/// The tenants that are not as the config's files, with these plugins, want them; and those that are not there any more.
pub(super) fn difference(
    config: &Config,
    plugins: &LoadedPlugins,
    before: &Bound,
) -> (Vec<WantedTenant>, Vec<Arc<str>>) {
    let plugin = |name: &str| plugins.plugin(name);
    let of_files = config.tenants.iter().map(|tenant| WantedTenant {
        tenant: tenant.clone(),
        owner: Owner::Files,
    });
    let names: HashSet<&Arc<str>> = config.tenants.iter().map(|tenant| &tenant.name).collect();
    let others = before.tenants.iter().filter(|(name, _)| !names.contains(name));
    let (pushed, left): (Vec<_>, Vec<_>) = others.partition(|(_, tenant)| tenant.owner == Owner::Pushed);
    let pushed = pushed.into_iter().filter(|(_, tenant)| tenant.may_recover);
    let wanted = of_files.chain(pushed.map(|(_, tenant)| tenant.wanted()));
    let is_other = |wanted: &WantedTenant| {
        let before = before.tenants.get(&wanted.tenant.name);
        !before.is_some_and(|before| before.owner == wanted.owner && before.runs(&wanted.tenant, plugin))
    };
    let removed = left.into_iter().map(|(name, _)| name.clone());
    (wanted.filter(is_other).collect(), removed.collect())
}

/// Whether problems of these tenants refuse the whole config.
pub(super) fn refuses(config: &Config, tried: &[BoundTenant], removed: &[Arc<str>], before: &Bound) -> bool {
    let is_default = |tenant: &BoundTenant| Some(&tenant.settings.name) == config.server.default_tenant.as_ref();
    let no_default = tried.iter().any(|tenant| is_default(tenant) && tenant.links.is_none());
    let changed: HashSet<&Arc<str>> = tried.iter().map(|tenant| &tenant.wanted.name).chain(removed).collect();
    let mut unchanged = before.tenants.iter().filter(|(name, _)| !changed.contains(name));
    let any_runs =
        tried.iter().any(|tenant| !tenant.is_quarantined()) || unchanged.any(|(_, tenant)| !tenant.is_quarantined());
    config.server.strict || no_default || !any_runs && !tried.is_empty()
}
