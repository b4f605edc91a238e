//! The composition root: the only module that knows all others. Starts the shards, receives signals, swaps
//! tenants and plugins under open connections, and shuts down in order.

mod announced;
mod attempt;
mod backends;
mod binder;
mod bound;
mod bound_tenant;
mod certificates;
mod difference;
mod error;
mod in_force;
mod launch;
mod link;
mod loaded;
mod loading;
mod naming;
mod opening;
mod plugin_schemas;
mod plugins;
mod pushed_tenants;
mod put_tenant;
mod quarantined;
mod restart;
mod restored;
mod retry;
mod serving;
mod shards;
mod signals;
mod start;
#[cfg(test)]
mod tests;
mod wanted;
mod watcher;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub use bound::Bound;
pub use error::BrokerError;
pub use launch::Launch;
pub use plugin_schemas::PluginSchemas;
pub use plugins::{Plugins, check};

use crate::control::ClusterBus;
use crate::gateway::{self, Api, CurrentPages, Gateway, Readiness, SocketFile};
use crate::handover::{HandoverTask, Invocation};
use crate::observe::{AuditFile, BrokerLog, Metrics};
use crate::passed_sockets::HeldSocket;
use crate::pushed::PushedTenants;
use crate::shard::Control;
use crate::systemd::ServiceManager;
use announced::warn_of;
use backplane::Backplane;
use certificates::Certificates;
use config::{Config, ConfigReader};
use loading::{LoadOutcome, LoadTask, Loaded, Present};
use naming::{NameClaimTask, refused_name};
use opening::OpeningSteps;
use pushed_tenants::NodeTenants;
use put_tenant::Install;
use registry::Registry;
use retry::RetryTimer;
use sandbox::UnusablePlugin;
use shards::Running;
use signals::{SignalMeaning, Signals};
use watcher::ConfigWatcher;

/// What the end may take after the drain: for Redis twice 2 s, and some.
const AFTER_DRAIN: Duration = Duration::from_secs(10);
/// What the service manager shows of a broker that serves.
const SERVES: &str = "serving";
/// The same after a reload that changed nothing.
const SERVES_OLD: &str = "serving with the old config: the last reload was refused, and the log says why";

/// A broker that listens.
pub struct Broker {
    /// What is read at a reload.
    reader: Arc<Mutex<ConfigReader>>,
    watcher: ConfigWatcher,
    /// Changes of the tenants beside those of the files.
    installs: mpsc::Receiver<Install>,
    node_tenants: Arc<NodeTenants>,
    pushed: PushedTenants,
    backplane: Arc<dyn Backplane>,
    registry: Arc<Registry>,
    plugins: Arc<Plugins>,
    /// What is in force.
    present: Present,
    retry: RetryTimer,
    gateway: Arc<Gateway>,
    api: Arc<Api>,
    /// Who may read what the admin listener tells without a key.
    pages: CurrentPages,
    certificates: Certificates,
    audit_log: Option<PathBuf>,
    shards: Vec<Running>,
    /// Taken away when the broker ends.
    socket_files: Vec<SocketFile>,
    readiness: Readiness,
    metrics: Metrics,
    drain: Duration,
    manager: ServiceManager,
    /// What the manager's watchdog hears, if there is one.
    watchdog: Option<JoinHandle<()>>,
    /// What is left to do until it serves, while it waits for that.
    opening: Option<OpeningSteps>,
    invocation: Invocation,
    /// All listening sockets, for a process that takes over.
    held: Arc<Vec<HeldSocket>>,
    /// This start of this node, where there are others.
    instance: Option<String>,
    /// What has this node's name, where there are others.
    cluster_bus: Option<Arc<ClusterBus>>,
    /// The claim to this node's name, while Redis has not confirmed it yet.
    name_claim: Option<NameClaimTask>,
    /// Dropped last: it is written to the end.
    log: BrokerLog,
}

/// Runs a broker until a signal ends it. Prints one line for each address it listens on.
/// `reader` has read the config.
pub fn run(config: Config, reader: ConfigReader, launch: Launch) -> Result<(), BrokerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before everything else: a signal must reach the broker, not the system's default action.
        let mut signals = Signals::new()?;
        match Broker::start(config, reader, launch, &mut signals).await? {
            Some(broker) => broker.obey(signals).await,
            None => Ok(()),
        }
    })
}

impl Broker {
    async fn obey(mut self, mut signals: Signals) -> Result<(), BrokerError> {
        let mut name_claim = self.name_claim.take();
        let plugins = self.plugins.clone();
        let mut load: Option<LoadTask<LoadOutcome>> = None;
        // A signal to reload, or a changed file, that came during a load.
        let mut again = false;
        let mut handover: Option<HandoverTask> = None;
        let mut is_handed_over = false;
        let ended = loop {
            tokio::select! {
                told = signals.next() => match told {
                    SignalMeaning::End => break Ok(()),
                    SignalMeaning::Reload => again = true,
                    SignalMeaning::HandOver if handover.is_some() => tracing::warn!("another process is about to take over already"),
                    SignalMeaning::HandOver => handover = self.begin_handover(name_claim.is_none()),
                },
                outcome = HandoverTask::outcome_of(&mut handover) => {
                    handover = None;
                    is_handed_over = self.is_handed_over(outcome);
                    if is_handed_over {
                        break Ok(());
                    }
                }
                () = OpeningSteps::is_due(self.opening.as_ref(), &self.readiness) => {
                    if let Some(opening) = self.opening.take()
                        && let Err(error) = self.open(opening).await
                    {
                        break Err(error.into());
                    }
                }
                outcome = loading::outcome(&mut load) => {
                    load = None;
                    self.finish(outcome).await;
                }
                // A load begins with what is in force, so nothing else changes that meanwhile.
                unusable = plugins.unusable(), if load.is_none() => self.quarantine(&unusable).await,
                Some(install) = self.installs.recv(), if load.is_none() => {
                    load = self.begin(loading::install(&self.plugins, install, &self.present));
                }
                () = self.watcher.changed() => again = true,
                () = self.retry.due(), if load.is_none() => load = self.begin(loading::retry(&self.plugins, &self.present)),
                taken = refused_name(&mut name_claim) => break Err(taken.into()),
            }
            if again && load.is_none() {
                again = false;
                self.manager.reloading();
                load = self.begin(loading::reload(
                    &self.plugins,
                    &self.reader,
                    &self.certificates,
                    &self.present,
                ));
                if load.is_none() {
                    self.manager.ready(SERVES_OLD);
                }
            }
        };
        if let Some(claim) = name_claim {
            // A node that ends does not become ready.
            claim.abort();
        }
        if let Some(handover) = handover {
            handover.give_up().await;
        }
        if is_handed_over {
            self.leave_all().await;
        }
        // A load that goes on is left to itself.
        self.shut_down(signals, is_handed_over).await;
        ended
    }

    fn begin(&mut self, load: io::Result<LoadTask<LoadOutcome>>) -> Option<LoadTask<LoadOutcome>> {
        let load = load.inspect_err(|error| {
            tracing::error!(%error, "nothing is loaded: there is no thread for it");
            self.metrics.reloaded(false);
            self.retry.retried(self.present.bound.has_quarantined());
        });
        load.ok()
    }

    async fn finish(&mut self, outcome: Option<LoadOutcome>) {
        match outcome {
            Some(LoadOutcome::Reload(loaded, sources)) => {
                let status = match loaded {
                    Ok(loaded) => {
                        self.apply(loaded).await;
                        SERVES
                    }
                    Err(error) => {
                        self.refuse(&error);
                        SERVES_OLD
                    }
                };
                self.manager.ready(status);
                // What was refused is read again when it changes.
                self.watcher.watch(self.present.config.server.watch.then_some(sources));
            }
            Some(LoadOutcome::Retry(delta)) => {
                self.put_in_force(delta).await;
                self.retry.retried(self.present.bound.has_quarantined());
            }
            Some(LoadOutcome::Install(delta, done)) => {
                self.put_in_force(delta).await;
                self.retry.noticed(self.present.bound.has_quarantined());
                // Who asked may not wait any more.
                let _ = done.send(());
            }
            None => {
                self.refuse(&BrokerError::LoadPanicked);
                self.manager.ready(SERVES_OLD);
            }
        }
    }

    /// Keeps the config that is in force.
    fn refuse(&mut self, error: &BrokerError) {
        let refuse = |problem: &str| tracing::error!(problem, "the reload is refused and the old config stays");
        match error {
            // A line each: a line is cut where it is too long.
            BrokerError::Config(problems) => problems.for_log().for_each(|problem| refuse(&problem)),
            other => refuse(&other.to_string()),
        }
        // Rotating the audit log, and renewing certificates, use the same signal, so they are opened again in any case.
        self.certificates.renew();
        match loading::open_audit(self.audit_log.as_deref()) {
            Ok(file) => self.use_audit(file),
            Err(error) => tracing::error!(%error, "the audit log stays where it was"),
        }
        self.metrics.reloaded(false);
        self.retry.loaded(self.present.bound.has_quarantined());
    }

    fn use_audit(&self, file: AuditFile) {
        if let Err(error) = self.api.audit().use_file(file) {
            tracing::error!(%error, "there is no thread that writes the audit log: admin calls are refused");
        }
    }

    /// Quarantines the tenants of plugins that could not be used when they were first asked.
    async fn quarantine(&mut self, unusable: &[UnusablePlugin]) {
        let delta = self.present.bound.after_first_use(unusable);
        self.put_in_force(delta).await;
        self.retry.loaded(self.present.bound.has_quarantined());
    }

    /// Puts a config that was read again, and its plugins, in place of the old.
    async fn apply(&mut self, loaded: Loaded) {
        let Loaded {
            config,
            delta,
            audit,
            certificates,
        } = loaded;
        warn_of(&config);
        self.certificates.put_in_force(certificates);
        self.use_audit(audit);
        self.api.reload(&config);
        self.pages.store(Arc::new(config.admin.open_pages.clone()));
        self.audit_log.clone_from(&config.admin.audit_log);
        self.drain = config.server.drain;
        self.gateway.proxies.store(Arc::new(config.server.proxies.clone()));
        self.gateway.doorkeeper.set(config.server.door);
        let tenants = config.tenants.len();
        let (changed, removed) = (delta.put.len(), delta.removed.len());
        self.gateway
            .directory
            .set_default(config.server.default_tenant.as_ref());
        self.node_tenants.reload(config.clone());
        self.present.config = config;
        self.put_in_force(delta).await;
        self.retry.loaded(self.present.bound.has_quarantined());
        let pushed = self.pushed.clone();
        // It is answered when this broker has installed what it finds.
        tokio::spawn(async move { pushed.look_again().await });
        self.metrics.reloaded(true);
        tracing::info!(tenants, changed, removed, "config and plugins are reloaded");
    }

    /// Takes no new connections, sends every client its closing frames, and ends. A second signal ends the wait.
    async fn shut_down(self, mut signals: Signals, is_handed_over: bool) {
        tracing::info!(drain = ?self.drain, "draining");
        if let Some(watchdog) = &self.watchdog {
            // Threads end one after the other from now on.
            watchdog.abort();
        }
        // What another process serves at this node's addresses is neither closed nor unready.
        if !is_handed_over {
            self.manager.stopping(self.drain + AFTER_DRAIN);
            self.readiness.set(false);
            self.gateway.closed.store(true, Ordering::Relaxed);
        }
        for shard in &self.shards {
            shard.tell(Control::Drain(self.drain)).await;
        }
        let drained = async {
            for shard in self.shards {
                shard.ended().await;
            }
            drop(self.backplane.close().await);
            self.registry.close().await;
        };
        tokio::select! {
            () = drained => tracing::info!("drained"),
            () = signals.end() => tracing::warn!("told to end: not waiting for the drain any more"),
        }
        gateway::close_api(&self.api).await;
        drop(self.socket_files);
    }
}
