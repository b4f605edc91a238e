//! Loads configs and plugins on a thread of its own, one load at a time: what a plugin's author makes slow holds up neither
//! health checks nor signals nor other nodes. The process does not wait for it when it ends.

use std::future::pending;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::process::{getpriority_process, setpriority_process};
use tokio::sync::oneshot;

use super::bound::{Bound, Delta};
use super::certificates::{Certificates, NewCertificates};
use super::error::BrokerError;
use super::plugins::Plugins;
use super::put_tenant::Install;
use crate::observe::AuditFile;
use config::{Config, ConfigReader, ConfigSources};

/// How far behind the shards a load stands where processors are short (`nice`): it takes a core for as long as it lasts.
const NICE: i32 = 10;
/// The least priority that there is.
const NICE_MOST: i32 = 19;

/// What is in force, and what a load begins with.
#[derive(Clone)]
pub(super) struct Present {
    pub config: Arc<Config>,
    pub bound: Arc<Bound>,
}

/// A config with its plugins, and everything else that it needs, before anything is changed.
pub(super) struct Loaded {
    pub config: Arc<Config>,
    pub delta: Delta,
    pub audit: AuditFile,
    pub certificates: NewCertificates,
}

/// What came of a load.
pub(super) enum LoadOutcome {
    /// The config was read again, from these files.
    Reload(Result<Loaded, BrokerError>, ConfigSources),
    /// Quarantined tenants were tried again.
    Retry(Delta),
    /// Tenants beside those of the files.
    Install(Delta, oneshot::Sender<()>),
}

/// A load that goes on.
pub(super) struct LoadTask<T>(oneshot::Receiver<T>);

impl<T: Send + 'static> LoadTask<T> {
    pub(super) fn start(load: impl FnOnce() -> T + Send + 'static) -> io::Result<Self> {
        let (done, outcome) = oneshot::channel();
        std::thread::Builder::new().name("load".into()).spawn(move || {
            stand_back();
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

/// Gives this thread, and no other, less of the processors than the shards have. Where that is not allowed, it competes with them.
fn stand_back() {
    if let Ok(nice) = getpriority_process(None) {
        let _ = setpriority_process(None, nice.saturating_add(NICE).min(NICE_MOST));
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
    LoadTask::start(move || Ok(plugins.bind(&config)?))
}

/// Reads the config again, with everything that it names.
pub(super) fn reload(
    plugins: &Arc<Plugins>,
    reader: &Arc<Mutex<ConfigReader>>,
    certificates: &Certificates,
    present: &Present,
) -> io::Result<LoadTask<LoadOutcome>> {
    let (plugins, reader, present) = (plugins.clone(), reader.clone(), present.clone());
    let certificates = certificates.clone();
    LoadTask::start(move || {
        let load = || {
            let config = Arc::new(reader.lock().read()?);
            let certificates = certificates.reread(&config)?;
            let delta = plugins.reload(&config, &present.bound)?;
            let audit = open_audit(config.admin.audit_log.as_deref())?;
            Ok(Loaded {
                config,
                delta,
                audit,
                certificates,
            })
        };
        let loaded = load();
        let outcome = LoadOutcome::Reload(loaded, reader.lock().sources());
        // Before it is told: what is changed then is not copied for a load that is over.
        drop(present);
        outcome
    })
}

/// Tries the quarantined tenants again.
pub(super) fn retry(plugins: &Arc<Plugins>, present: &Present) -> io::Result<LoadTask<LoadOutcome>> {
    let (plugins, present) = (plugins.clone(), present.clone());
    LoadTask::start(move || {
        let delta = plugins.retry(&present.config, &present.bound);
        drop(present);
        LoadOutcome::Retry(delta)
    })
}

/// Binds tenants beside those of the files.
pub(super) fn install(
    plugins: &Arc<Plugins>,
    install: Install,
    present: &Present,
) -> io::Result<LoadTask<LoadOutcome>> {
    let (plugins, present) = (plugins.clone(), present.clone());
    LoadTask::start(move || {
        let Install { put, remove, done } = install;
        let delta = plugins.install(&present.config, put, &remove, &present.bound);
        drop(present);
        LoadOutcome::Install(delta, done)
    })
}

pub(super) fn open_audit(path: Option<&Path>) -> Result<AuditFile, BrokerError> {
    AuditFile::open(path).map_err(|error| BrokerError::AuditLog {
        path: path.unwrap_or(Path::new("")).to_owned(),
        error,
    })
}
