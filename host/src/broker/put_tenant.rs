//! Tenants that are in force beside those of the files.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use config::{Config, Place, Problem, TakenNames, Tenant};

/// By their names.
pub(super) type PutTenants = BTreeMap<Arc<str>, PutTenant>;

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
    /// Told when every shard has it.
    pub done: oneshot::Sender<()>,
}

/// The tenants of the files and those beside them. The files win: what has a name or a host of theirs is left out.
pub(super) fn all_tenants(files: &Config, put: &PutTenants) -> Arc<Config> {
    let names: HashSet<&str> = files.tenants.iter().map(|tenant| &*tenant.name).collect();
    let taken: TakenNames = files.tenants.iter().map(|tenant| &**tenant).collect();
    let whole = Place::file(Path::new(""));
    let beside = put
        .values()
        .map(|put| &put.settings)
        .filter(|tenant| !names.contains(&*tenant.name) && taken.conflicts(tenant, &whole).is_empty());
    let mut all = files.clone();
    all.tenants.extend(beside.cloned());
    Arc::new(all)
}
