//! Loads configs and plugins on a thread of its own, one load at a time: what a plugin's author makes slow holds up neither
//! health checks nor signals nor other nodes. The process does not wait for it when it ends.

use std::collections::HashSet;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::oneshot;

use super::bound::Bound;
use super::error::BrokerError;
use super::plugins::Plugins;
use super::put_tenant::{Install, PutTenant, PutTenants, all_tenants};
use crate::observe::AuditFile;
use config::Config;

/// What is in force, and what a load begins with.
#[derive(Clone)]
pub(super) struct Present {
    /// What the files say.
    pub files: Arc<Config>,
    /// The tenants beside them.
    pub put: Arc<PutTenants>,
    /// Both together.
    pub config: Arc<Config>,
    pub bound: Arc<Bound>,
}

/// A config with its plugins, and everything else that it needs, before anything is changed.
pub(super) struct Loaded {
    pub present: Present,
    pub audit: AuditFile,
}

/// What came of a load.
pub(super) enum LoadOutcome {
    /// The config was read again.
    Reload(Result<Loaded, BrokerError>),
    /// Quarantined tenants were tried again.
    Retry(Bound),
    /// Tenants came or went beside the files.
    Install(Present, HashSet<Arc<str>>, oneshot::Sender<()>),
}

/// A load that goes on.
pub(super) struct LoadTask<T>(oneshot::Receiver<T>);

impl<T: Send + 'static> LoadTask<T> {
    pub(super) fn start(load: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (done, outcome) = oneshot::channel();
        std::thread::Builder::new().name("load".into()).spawn(move || {
            // Nobody waits for it any more when the broker ends.
            drop(done.send(load()));
        })?;
        Ok(Self(outcome))
    }

    /// Waits for its outcome; none if its thread panicked.
    pub(super) async fn outcome(&mut self) -> Option<T> {
        (&mut self.0).await.ok()
    }
}

/// Waits for the outcome of the load that goes on; for ever if none does.
pub(super) async fn outcome<T: Send + 'static>(task: &mut Option<LoadTask<T>>) -> Option<T> {
    match task {
        Some(task) => task.outcome().await,
        None => pending().await,
    }
}

/// Loads the plugins of a config that was read.
pub(super) fn first(plugins: &Arc<Plugins>, config: &Arc<Config>) -> io::Result<LoadTask<Result<Bound, BrokerError>>> {
    let (plugins, config) = (plugins.clone(), config.clone());
    LoadTask::start(move || Ok(plugins.bind(&config, None)?))
}

/// Reads the config at `path` again, with everything that it names.
pub(super) fn reload(plugins: &Arc<Plugins>, path: PathBuf, present: &Present) -> io::Result<LoadTask<LoadOutcome>> {
    let (plugins, Present { put, bound, .. }) = (plugins.clone(), present.clone());
    LoadTask::start(move || {
        let load = || {
            let files = Arc::new(config::load(&path)?);
            let config = all_tenants(&files, &put);
            let bound = Arc::new(plugins.bind_all(&config, &put, Some(&bound))?);
            let audit = open_audit(config.admin.audit_log.as_deref())?;
            let present = Present {
                files,
                put,
                config,
                bound,
            };
            Ok(Loaded { present, audit })
        };
        LoadOutcome::Reload(load())
    })
}

/// Tries the quarantined tenants again.
pub(super) fn retry(plugins: &Arc<Plugins>, present: &Present) -> io::Result<LoadTask<LoadOutcome>> {
    let (plugins, present) = (plugins.clone(), present.clone());
    LoadTask::start(move || LoadOutcome::Retry(plugins.retry(&present.config, &present.put, &present.bound)))
}

/// Puts tenants in force beside those of the files, or takes them back.
pub(super) fn install(
    plugins: &Arc<Plugins>,
    install: Install,
    present: &Present,
) -> io::Result<LoadTask<LoadOutcome>> {
    let (plugins, present) = (plugins.clone(), present.clone());
    LoadTask::start(move || {
        let mut put = PutTenants::clone(&present.put);
        for name in &install.remove {
            put.remove(name);
        }
        let mut changed = HashSet::new();
        for new in install.put {
            let name = new.settings.name.clone();
            let is_new = |had: &PutTenant| had.settings != new.settings || !had.problems.is_empty();
            if put.get(&name).is_none_or(is_new) || !new.problems.is_empty() {
                changed.insert(name.clone());
            }
            put.insert(name, new);
        }
        let config = all_tenants(&present.files, &put);
        let bound = plugins.rebind(&config, &put, &changed, &present.bound);
        let present = Present {
            put: Arc::new(put),
            config,
            bound: Arc::new(bound),
            ..present
        };
        LoadOutcome::Install(present, changed, install.done)
    })
}

pub(super) fn open_audit(path: Option<&Path>) -> Result<AuditFile, BrokerError> {
    AuditFile::open(path).map_err(|error| BrokerError::AuditLog {
        path: path.unwrap_or(Path::new("")).to_owned(),
        error,
    })
}
