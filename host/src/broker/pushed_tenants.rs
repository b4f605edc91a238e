//! Pushed tenants in the broker: checked against the node's ceilings and files, and put in force beside the tenants of the
//! files. The files win: a pushed tenant that has a name or a host of theirs is not in force.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::loading::LoadTask;
use super::plugins::Plugins;
use super::put_tenant::{Install, PutTenant};
use crate::pushed::{NameClaimed, PushProblems, RulesReply, TenantRules, claims_of};
use config::{Config, Place, PushRules, TakenNames, Tenant, check_pushed, masked};
use tenant_store::{Claims, PushedFile, PushedTenant};

/// Changes that wait for the broker.
const INSTALLS: usize = 16;

/// What this node makes of pushed tenants.
pub(super) struct NodeTenants {
    plugins: Arc<Plugins>,
    state: Mutex<NodeState>,
    installs: mpsc::Sender<Install>,
    /// The one trial at a time. Who gives up before it begins leaves the queue.
    trials: Arc<Semaphore>,
    /// Why tenants are quarantined, as the broker has it.
    quarantined: ArcSwap<HashMap<Arc<str>, String>>,
}

struct NodeState {
    /// What the files say.
    files: Arc<Config>,
    names: HashSet<Arc<str>>,
    of_files: TakenNames,
    /// What the files have, and the pushed tenants that are in force.
    taken: Arc<TakenNames>,
    pushed: HashMap<Arc<str>, Arc<Tenant>>,
    /// Those that have something of the files' tenants, or of another pushed tenant.
    conflicting: BTreeMap<Arc<str>, Conflict>,
}

/// A tenant that was pushed, and what its file is by the rules of this node; nothing if it was deleted.
struct CheckedTenant {
    tenant: PushedTenant,
    read: Option<Result<Tenant, PushProblems>>,
}

/// A pushed tenant that is not in force.
struct Conflict {
    tenant: PushedTenant,
    reason: String,
}

// === impl NodeTenants ===

impl NodeTenants {
    /// For a node with these files, and the changes that the broker is to make.
    pub(super) fn new(plugins: Arc<Plugins>, files: Arc<Config>) -> (Arc<Self>, mpsc::Receiver<Install>) {
        let (installs, changes) = mpsc::channel(INSTALLS);
        let tenants = Self {
            plugins,
            state: Mutex::new(NodeState::new(files)),
            trials: Arc::new(Semaphore::new(1)),
            installs,
            quarantined: ArcSwap::default(),
        };
        (Arc::new(tenants), changes)
    }

    /// The files were read again. All pushed tenants are to be installed again.
    pub(super) fn reload(&self, files: Arc<Config>) {
        let mut state = self.state.lock();
        let conflicting = std::mem::take(&mut state.conflicting);
        *state = NodeState {
            conflicting,
            ..NodeState::new(files)
        };
    }

    /// These tenants are quarantined, and no others.
    pub(super) fn quarantine(&self, reasons: HashMap<Arc<str>, String>) {
        self.quarantined.store(Arc::new(reasons));
    }

    /// A line for each tenant that is not in force because another has its name or a host.
    pub(super) fn conflicts(&self) -> Vec<(Arc<str>, String)> {
        let state = self.state.lock();
        let line = |(name, conflict): (&Arc<str>, &Conflict)| (name.clone(), conflict.reason.clone());
        state.conflicting.iter().map(line).collect()
    }

    fn check_on_trial(&self, name: &str, text: &str, is_asked: &dyn Fn() -> bool) -> Result<Claims, PushProblems> {
        let (files, taken) = {
            let state = self.state.lock();
            (state.files.clone(), state.taken.clone())
        };
        let tenant = self.read(name, text, &files, &taken)?;
        let problems = self.plugins.trial(&files, &tenant, is_asked);
        match problems.is_empty() {
            true => Ok(claims_of(&tenant)),
            false => Err(problems.into()),
        }
    }

    /// The tenant that `text` is. Takes as long as the text is long, so nothing is locked meanwhile.
    fn read(&self, name: &str, text: &str, files: &Config, taken: &TakenNames) -> Result<Tenant, PushProblems> {
        let loaded = self.plugins.loaded();
        let rules = PushRules {
            ceilings: &files.ceilings,
            plugins: &files.plugins,
            taken,
            schema_of: &|plugin: &str| loaded.schema(plugin),
        };
        check_pushed(name, text, rules)
    }

    /// What is to be done about tenants that are wanted now, or not wanted any more.
    fn sort(&self, tenants: &[PushedTenant]) -> (Vec<PutTenant>, Vec<Arc<str>>) {
        loop {
            let (files, hindered) = {
                let state = self.state.lock();
                (state.files.clone(), state.hindered_beside(tenants))
            };
            let check = |tenant: &PushedTenant| CheckedTenant {
                tenant: tenant.clone(),
                // What others have is looked at when it is known who is in force.
                read: tenant
                    .file
                    .as_ref()
                    .map(|file| self.read(&tenant.name, &file.text, &files, &TakenNames::default())),
            };
            let checked = tenants.iter().chain(&hindered).map(check).collect();
            let mut state = self.state.lock();
            // The files may have been read again meanwhile.
            if Arc::ptr_eq(&state.files, &files) {
                return state.sort(checked);
            }
        }
    }
}

impl TenantRules for NodeTenants {
    fn is_configured(&self, name: &str) -> bool {
        self.state.lock().names.contains(name)
    }

    fn check(self: Arc<Self>, name: String, text: String) -> RulesReply<'static, Result<Claims, PushProblems>> {
        Box::pin(async move {
            let whole = format!("{name}.toml");
            let turn = self.trials.clone().acquire_owned().await;
            let asked = Arc::new(());
            let trial = {
                let asked = Arc::downgrade(&asked);
                LoadTask::start(move || {
                    let _turn = turn;
                    self.check_on_trial(&name, &text, &|| asked.strong_count() > 0)
                })
            };
            let failed = |why: String| Err(Place::file(Path::new(&whole)).problem(why).into());
            match trial {
                Ok(mut trial) => match trial.outcome().await {
                    Some(outcome) => outcome,
                    None => failed("the check ended by a fault of the broker itself; the log has more".into()),
                },
                Err(error) => failed(format!("it cannot be checked now: {error}")),
            }
        })
    }

    fn masked(&self, text: &str) -> String {
        let loaded = self.plugins.loaded();
        // What is stored was checked, so it can be read.
        masked(text, &|plugin: &str| loaded.schema(plugin)).unwrap_or_default()
    }

    fn install(self: Arc<Self>, tenants: Vec<PushedTenant>) -> RulesReply<'static, ()> {
        Box::pin(async move {
            let installs = self.installs.clone();
            let sorting = LoadTask::start(move || self.sort(&tenants));
            let sorted = match sorting {
                Ok(mut sorting) => sorting.outcome().await,
                Err(error) => {
                    tracing::error!(%error, "pushed tenants are not put in force: there is no thread for it");
                    None
                }
            };
            let Some((put, remove)) = sorted else { return };
            let (done, answered) = oneshot::channel();
            // A broker that ends has nothing in force.
            if installs.send(Install { put, remove, done }).await.is_ok() {
                drop(answered.await);
            }
        })
    }

    fn hindrance(&self, name: &str) -> Option<String> {
        let state = self.state.lock();
        let conflict = state.conflicting.get(name).map(|conflict| conflict.reason.clone());
        drop(state);
        conflict.or_else(|| self.quarantined.load().get(name).cloned())
    }
}

// === impl NodeState ===

impl NodeState {
    fn new(files: Arc<Config>) -> Self {
        let of_files: TakenNames = files.tenants.iter().map(|tenant| &**tenant).collect();
        Self {
            names: files.tenants.iter().map(|tenant| tenant.name.clone()).collect(),
            taken: Arc::new(of_files.clone()),
            of_files,
            files,
            pushed: HashMap::new(),
            conflicting: BTreeMap::new(),
        }
    }

    /// Those that are not in force beside `tenants`: what hinders them may be gone with a change of these.
    fn hindered_beside(&self, tenants: &[PushedTenant]) -> Vec<PushedTenant> {
        let named: HashSet<&str> = tenants.iter().map(|tenant| &*tenant.name).collect();
        let hindered = self.conflicting.values().map(|conflict| &conflict.tenant);
        hindered
            .filter(|tenant| !named.contains(&*tenant.name))
            .cloned()
            .collect()
    }

    fn sort(&mut self, mut tenants: Vec<CheckedTenant>) -> (Vec<PutTenant>, Vec<Arc<str>>) {
        self.conflicting.clear();
        for CheckedTenant { tenant, .. } in &tenants {
            self.release(&tenant.name);
        }
        // Of two that were pushed with the same host the first has it.
        tenants.sort_by_key(|checked| checked.tenant.version);
        let (mut put, mut remove) = (Vec::new(), Vec::new());
        for CheckedTenant { tenant, read } in tenants {
            let (Some(file), Some(read)) = (&tenant.file, read) else {
                remove.push(tenant.name);
                continue;
            };
            let stand_in = stand_in(&tenant.name, file);
            if let Some(reason) = self.conflict(&stand_in) {
                remove.push(tenant.name.clone());
                tracing::error!(tenant = &*tenant.name, reason, "a pushed tenant is not in force");
                self.conflicting
                    .insert(tenant.name.clone(), Conflict { tenant, reason });
                continue;
            }
            let (settings, problems) = match read {
                Ok(settings) => (settings, Vec::new()),
                Err(problems) => (stand_in, problems.iter().cloned().collect()),
            };
            let settings = Arc::new(settings);
            Arc::make_mut(&mut self.taken).add(&settings);
            self.pushed.insert(tenant.name, settings.clone());
            put.push(PutTenant { settings, problems });
        }
        // One of the files is not touched by what was pushed under its name.
        remove.retain(|name| !self.names.contains(name));
        (put, remove)
    }

    fn release(&mut self, name: &str) {
        if let Some(tenant) = self.pushed.remove(name) {
            Arc::make_mut(&mut self.taken).remove(&tenant);
        }
    }

    /// Why a tenant may not be in force beside those that are.
    fn conflict(&self, tenant: &Tenant) -> Option<String> {
        if self.names.contains(&tenant.name) {
            return Some("the node's files have a tenant of this name".to_owned());
        }
        let root = Place::file(Path::new(&format!("{}.toml", tenant.name)));
        let of_files = self.of_files.conflicts(tenant, &root);
        let all = if of_files.is_empty() {
            self.taken.conflicts(tenant, &root)
        } else {
            of_files
        };
        all.first().map(ToString::to_string)
    }
}

/// Stands in for a tenant whose file this node cannot use: it has its name and hosts, and nobody may anything.
fn stand_in(name: &Arc<str>, file: &PushedFile) -> Tenant {
    let hosts = file.claims.iter().filter_map(|claim| match NameClaimed::read(claim) {
        NameClaimed::Host(host) => Some(host.to_owned()),
        NameClaimed::Name(_) => None,
    });
    Tenant::closed(name.clone(), hosts.collect())
}
