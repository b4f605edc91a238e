//! The composition root: the only module that knows all others. Starts the shards, receives signals, swaps
//! tenants and plugins under open connections, and shuts down in order.

mod announced;
mod attempt;
mod backends;
mod bound;
mod error;
mod in_force;
mod loading;
mod naming;
mod plugins;
mod pushed_tenants;
mod put_tenant;
mod retry;
mod shards;
mod signals;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;

use announced::{say, serve_admin, warn_of};
use backends::Joint;
pub use bound::Bound;
pub use error::BrokerError;
pub use plugins::{Plugins, check};

use crate::control::{BANS_WAITING, Bus, Local, LocalBus};
use crate::gateway::{self, AdminRoutes, Api, Gateway, Readiness};
use crate::observe::{AuditLog, BrokerLog, Metrics};
use crate::pushed::PushedTenants;
use crate::shard::{CONTROL_CALLS, Common, Control, KICKS};
use crate::tenant_queue::TenantQueue;
use backplane::Backplane;
use backplane::Inbox;
use config::Config;
use in_force::{InForce, ban_limits, directory, set_log_budgets};
use loading::{LoadOutcome, LoadTask, Loaded, Present};
use naming::{NameClaimTask, claim_name, refused_name};
use pushed_tenants::NodeTenants;
use put_tenant::Install;
use registry::Registry;
use retry::RetryTimer;
use sandbox::UnusablePlugin;
use shards::{Running, ShardSetup};
use signals::Signals;

/// A broker that listens.
pub struct Broker {
    config_path: PathBuf,
    backplane: Arc<dyn Backplane>,
    registry: Arc<Registry>,
    plugins: Arc<Plugins>,
    /// What is in force.
    present: Present,
    retry: RetryTimer,
    gateway: Arc<Gateway>,
    api: Arc<Api>,
    audit_log: Option<PathBuf>,
    readiness: Readiness,
    metrics: Metrics,
    drain: Duration,
    /// Changes of tenants beside those of the files.
    installs: mpsc::Receiver<Install>,
    pushed: PushedTenants,
    /// The claim to this node's name, while Redis has not confirmed it yet.
    name_claim: Option<NameClaimTask>,
    /// Dropped last, because its log is written to the end.
    in_force: InForce,
}

/// Runs a broker until a signal ends it. Prints one line for each address it listens on.
pub fn run(config: Config, demo: bool, log: BrokerLog) -> Result<(), BrokerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before everything else: a signal must reach the broker, not the system's default action.
        let mut signals = Signals::new()?;
        match Broker::start(config, demo, log, &mut signals).await? {
            Some(broker) => broker.obey(signals).await,
            None => Ok(()),
        }
    })
}

fn cannot_listen(address: SocketAddr, key: &'static str) -> impl FnOnce(io::Error) -> BrokerError {
    move |error| BrokerError::Listen { address, key, error }
}

impl Broker {
    /// None: a signal ended it while it loaded plugins.
    #[expect(
        clippy::too_many_lines,
        reason = "one thing after the other, in the order of the start"
    )]
    async fn start(
        config: Config,
        demo: bool,
        log: BrokerLog,
        signals: &mut Signals,
    ) -> Result<Option<Self>, BrokerError> {
        let config = Arc::new(config);
        let server = &config.server;
        if demo && !server.listen.ip().is_loopback() {
            return Err(BrokerError::DemoInPublic(server.listen));
        }
        warn_of(&config);
        let metrics = Metrics::new();
        metrics.show(log.lost());
        set_log_budgets(&log, &config.tenants);
        let audit = AuditLog::default();
        audit.use_file(loading::open_audit(config.admin.audit_log.as_deref())?);
        let admin = AdminRoutes::starting(metrics.clone());
        if let Some(address) = server.admin_listen {
            let address = serve_admin(address, server.header_timeout, &admin)?;
            say(&format!("admin on http://{address}"))?;
        }
        let plugins = Arc::new(Plugins::new(&config, &metrics, Plugins::child_compiler())?);
        let mut load = loading::first(&plugins, &config)?;
        let bound = tokio::select! {
            bound = load.outcome() => Arc::new(bound.ok_or(BrokerError::LoadPanicked)??),
            () = signals.end() => return Ok(None),
        };
        let (listeners, address) = gateway::bind_shards(server.listen, server.shards)
            .map_err(cannot_listen(server.listen, "server.listen"))?;

        let (inboxes, inbox_ends): (Vec<_>, Vec<_>) = listeners.iter().map(|_| Inbox::open()).unzip();
        let (controls, control_ends): (Vec<_>, Vec<_>) = listeners.iter().map(|_| mpsc::channel(CONTROL_CALLS)).unzip();
        let Joint {
            backplane,
            registry,
            others,
            store,
            tenants,
        } = backends::start(&config, inboxes, &metrics)?;
        if let Some(store) = store {
            plugins.connect(store);
        }
        registry.limit_bans(ban_limits(&config.tenants));
        let undelivered = TenantQueue::new(BANS_WAITING);
        let common = Common {
            node: server.node.clone(),
            ping: server.ping,
            connect_timeout: server.connect_timeout,
            backplane: backplane.clone(),
            registry: registry.clone(),
            metrics: metrics.clone(),
            bans: others.is_some().then(|| undelivered.clone()),
            kicks: controls.iter().map(|_| TenantQueue::new(KICKS)).collect(),
            controls,
        };
        let gateway = Arc::new(Gateway {
            directory: ArcSwap::from_pointee(directory(&config, &bound)),
            max_connections: server.max_connections,
            connections: AtomicUsize::new(0),
            header_timeout: server.header_timeout,
            closed: false.into(),
            demo,
            metrics: metrics.clone(),
        });
        let (node_tenants, installs) = NodeTenants::new(plugins.clone(), config.clone());
        let (pushed, keeper) = PushedTenants::new(tenants, node_tenants.clone());
        let local = Local::new(
            common.node.clone(),
            common.registry.clone(),
            common.controls.clone(),
            pushed.clone(),
        );
        let readiness = Readiness::new(backplane.clone(), keeper.is_complete());
        let (restored, nodes) = (keeper.restored(), others.as_ref().map(|others| others.nodes.clone()));
        tokio::spawn(keeper.run(nodes));
        let (bus, name_claim): (Arc<dyn Bus>, _) = match others {
            None => {
                readiness.set(true);
                (Arc::new(LocalBus::new(local)), None)
            }
            Some(others) => {
                let bus = backends::cluster_bus(others, local, undelivered);
                let claim = claim_name(bus.clone(), common.clone(), readiness.clone()).await?;
                (bus, claim)
            }
        };
        let ends = listeners.into_iter().zip(inbox_ends).zip(control_ends);
        let shards = ends.enumerate().map(|(index, ((listener, inbox), control))| {
            Running::start(ShardSetup {
                index,
                listener,
                inbox,
                control,
                common: common.clone(),
                gateway: gateway.clone(),
                tenants: bound.for_shard(),
            })
        });
        let shards = shards.collect::<io::Result<Vec<_>>>()?;
        tokio::spawn(in_force::tell_of_restored(bus.clone(), restored));
        let api = Api::new(
            bus,
            common.backplane.clone(),
            registry.clone(),
            pushed.clone(),
            gateway.clone(),
            audit,
            &config,
        );
        let mut broker = Self {
            drain: server.drain,
            config_path: config.path.clone(),
            backplane,
            registry,
            audit_log: config.admin.audit_log.clone(),
            api,
            plugins,
            present: Present {
                files: config.clone(),
                put: Arc::default(),
                config: config.clone(),
                bound,
            },
            installs,
            pushed,
            retry: RetryTimer::default(),
            in_force: InForce {
                shards,
                registry: common.registry.clone(),
                gateway: gateway.clone(),
                metrics: metrics.clone(),
                readiness: readiness.clone(),
                node_tenants,
                log,
            },
            gateway,
            readiness,
            metrics,
            name_claim,
        };
        broker.retry.loaded(broker.in_force.report(&broker.present, |_| true));
        admin.replace(gateway::admin_router(
            broker.metrics.clone(),
            broker.readiness.clone(),
            broker.api.clone(),
        ));
        say(&format!("listening on http://{address}"))?;
        Ok(Some(broker))
    }

    async fn obey(mut self, mut signals: Signals) -> Result<(), BrokerError> {
        let mut name_claim = self.name_claim.take();
        let plugins = self.plugins.clone();
        let mut load: Option<LoadTask<LoadOutcome>> = None;
        // A signal to reload that came during a load.
        let mut again = false;
        let ended = loop {
            tokio::select! {
                ends = signals.ends() => {
                    if ends {
                        break Ok(());
                    }
                    again = true;
                }
                outcome = loading::outcome(&mut load) => {
                    load = None;
                    self.finish(outcome).await;
                }
                // A load begins with what is in force, so nothing else changes that meanwhile.
                unusable = plugins.unusable(), if load.is_none() => self.quarantine(&unusable).await,
                () = self.retry.due(), if load.is_none() => load = self.begin(loading::retry(&self.plugins, &self.present)),
                Some(install) = self.installs.recv(), if load.is_none() => {
                    load = self.begin(loading::install(&self.plugins, install, &self.present));
                }
                taken = refused_name(&mut name_claim) => break Err(taken.into()),
            }
            if again && load.is_none() {
                again = false;
                load = self.begin(loading::reload(&self.plugins, self.config_path.clone(), &self.present));
            }
        };
        if let Some(claim) = name_claim {
            // A node that ends does not become ready.
            claim.abort();
        }
        // A load that goes on is left to itself.
        self.shut_down(signals).await;
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
            Some(LoadOutcome::Reload(Ok(loaded))) => self.apply(loaded).await,
            Some(LoadOutcome::Reload(Err(error))) => self.refuse(&error),
            Some(LoadOutcome::Retry(bound)) => {
                self.present.bound = Arc::new(bound);
                drop(self.in_force.put(&self.present).await);
                self.retry.retried(self.in_force.report(&self.present, |_| true));
            }
            Some(LoadOutcome::Install(present, changed, done)) => {
                self.present = present;
                let on_shards = self.in_force.put(&self.present).await;
                let has_quarantined = self.in_force.report(&self.present, |name| changed.contains(name));
                self.retry.changed(has_quarantined);
                tokio::spawn(in_force::tell_when_done(on_shards, done));
            }
            None => self.refuse(&BrokerError::LoadPanicked),
        }
    }

    /// Keeps the config that is in force.
    fn refuse(&mut self, error: &BrokerError) {
        // A line each: a line is cut where it is too long.
        for problem in error.to_string().lines() {
            tracing::error!(problem, "the reload is refused and the old config stays");
        }
        // Rotating the audit log uses the same signal, so it is opened again in any case.
        match loading::open_audit(self.audit_log.as_deref()) {
            Ok(file) => self.api.audit().use_file(file),
            Err(error) => tracing::error!(%error, "the audit log stays where it was"),
        }
        self.metrics.reloaded(false);
        self.retry.loaded(self.present.bound.has_quarantined());
    }

    /// Quarantines the tenants of plugins that could not be used when they were first asked.
    async fn quarantine(&mut self, unusable: &[UnusablePlugin]) {
        self.present.bound = Arc::new(self.present.bound.after_first_use(unusable));
        drop(self.in_force.put(&self.present).await);
        let quarantined = self.in_force.report(&self.present, |_| true);
        self.retry.loaded(quarantined);
    }

    /// Puts a config that was read again, and its plugins, in place of the old.
    async fn apply(&mut self, loaded: Loaded) {
        let Loaded { present, audit } = loaded;
        let config = present.files.clone();
        warn_of(&config);
        self.api.audit().use_file(audit);
        self.api.reload(&config);
        self.audit_log.clone_from(&config.admin.audit_log);
        self.drain = config.server.drain;
        let tenants = config.tenants.len();
        self.present = present;
        drop(self.in_force.put(&self.present).await);
        self.in_force.node_tenants.reload(config);
        self.retry.loaded(self.in_force.report(&self.present, |_| true));
        let pushed = self.pushed.clone();
        // It is answered when this broker has installed what it finds.
        tokio::spawn(async move { pushed.look_again().await });
        self.metrics.reloaded(true);
        tracing::info!(tenants, "config and plugins are reloaded");
    }

    /// Takes no new connections, sends every client its closing frames, and ends. A second signal ends the wait.
    async fn shut_down(self, mut signals: Signals) {
        tracing::info!(drain = ?self.drain, "draining");
        self.readiness.set(false);
        self.gateway.closed.store(true, Ordering::Relaxed);
        for shard in &self.in_force.shards {
            shard.tell(Control::Drain(self.drain)).await;
        }
        let drained = async {
            for shard in self.in_force.shards {
                shard.ended().await;
            }
            drop(self.backplane.close().await);
            self.registry.close().await;
        };
        tokio::select! {
            () = drained => tracing::info!("drained"),
            () = signals.end() => tracing::warn!("told twice to end: not waiting for the drain"),
        }
    }
}
