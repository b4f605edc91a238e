//! The composition root: the only module that knows all others. Starts the shards, receives signals, swaps
//! tenants and plugins under open connections, and shuts down in order.

mod backends;
mod error;
mod plugins;
mod shards;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use backends::Joint;
pub use error::BrokerError;
pub use plugins::{Bound, Plugins, check};

use crate::control::{BANS_WAITING, Bus, ClusterBus, Local, LocalBus, NameTaken};
use crate::gateway::{self, Api, Directory, Gateway, Readiness};
use crate::observe::{AuditFile, AuditLog, Log, Metrics};
use crate::shard::{CONTROL_CALLS, Common, Control, KICKS};
use crate::tenant_queue::TenantQueue;
use backplane::Backplane;
use backplane::memory::INBOX_ENVELOPES;
use config::Config;
use registry::Registry;
use shards::{Running, ShardSetup};

/// How long the start waits for the claim to the node's name; Redis may go away amid it.
const CLAIM_WAIT: Duration = Duration::from_secs(3);

/// A claim to this node's name that is not decided yet.
type NameClaimTask = JoinHandle<Result<(), NameTaken>>;

/// A broker that listens.
pub struct Broker {
    config_path: PathBuf,
    backplane: Arc<dyn Backplane>,
    registry: Arc<Registry>,
    plugins: Plugins,
    gateway: Arc<Gateway>,
    api: Arc<Api>,
    audit_log: Option<PathBuf>,
    shards: Vec<Running>,
    readiness: Readiness,
    metrics: Metrics,
    drain: Duration,
    /// The claim to this node's name, while Redis has not confirmed it yet.
    name_claim: Option<NameClaimTask>,
    /// Dropped last: it is written to the end.
    log: Log,
}

/// Runs a broker until a signal ends it. Prints one line for each address it listens on.
pub fn run(config: Config, demo: bool, log: Log) -> Result<(), BrokerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before everything else: a signal must reach the broker, not the system's default action.
        let signals = Signals::new()?;
        let broker = Broker::start(config, demo, log).await?;
        broker.obey(signals).await
    })
}

/// The signals of the system.
/// Claims the node's name. While Redis cannot say whose it is, the claim goes on beside the broker, which is not ready
/// until then.
async fn claim_name(
    bus: Arc<ClusterBus>,
    common: Common,
    readiness: Readiness,
) -> Result<Option<NameClaimTask>, BrokerError> {
    let backplane = common.backplane.clone();
    let mut claim = tokio::spawn(async move {
        backends::claim_name(&*common.backplane, &bus, &common.registry).await?;
        readiness.set(true);
        Ok(())
    });
    if backends::is_there(&*backplane).await
        && let Ok(claimed) = tokio::time::timeout(CLAIM_WAIT, &mut claim).await
    {
        claimed.map_err(io::Error::other)??;
        return Ok(None);
    }
    Ok(Some(claim))
}

fn cannot_listen(address: SocketAddr, key: &'static str) -> impl FnOnce(io::Error) -> BrokerError {
    move |error| BrokerError::Listen { address, key, error }
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the signal to end.
    async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Broker {
    async fn start(config: Config, demo: bool, log: Log) -> Result<Self, BrokerError> {
        let server = &config.server;
        if demo && !server.listen.ip().is_loopback() {
            return Err(BrokerError::DemoInPublic(server.listen));
        }
        warn_of(&config);
        let metrics = Metrics::new();
        metrics.show(log.lost());
        set_log_budgets(&log, &config);
        let audit = AuditLog::default();
        audit.use_file(open_audit(config.admin.audit_log.as_deref())?);
        let plugins = Plugins::new(&config, &metrics)?;
        let bound = plugins.bind(&config)?;
        let (listeners, address) = gateway::bind_shards(server.listen, server.shards)
            .map_err(cannot_listen(server.listen, "server.listen"))?;
        let admin = server
            .admin_listen
            .map(|address| gateway::bind_admin(address).map_err(cannot_listen(address, "server.admin_listen")));
        let admin = admin.transpose()?;

        let (inboxes, inbox_ends): (Vec<_>, Vec<_>) = listeners.iter().map(|_| mpsc::channel(INBOX_ENVELOPES)).unzip();
        let (controls, control_ends): (Vec<_>, Vec<_>) = listeners.iter().map(|_| mpsc::channel(CONTROL_CALLS)).unzip();
        let Joint {
            backplane,
            registry,
            others,
            store,
        } = backends::start(&config, inboxes, &metrics)?;
        if let Some(store) = store {
            plugins.connect(store);
        }
        registry.limit_bans(ban_limits(&config));
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
            directory: ArcSwap::from_pointee(Directory::new(&config)),
            max_connections: server.max_connections,
            connections: AtomicUsize::new(0),
            header_timeout: server.header_timeout,
            closed: false.into(),
            demo,
            metrics: metrics.clone(),
        });
        let local = Local::new(common.node.clone(), common.registry.clone(), common.controls.clone());
        let readiness = Readiness::new(backplane.clone());
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
        let api = Api::new(
            bus,
            common.backplane.clone(),
            registry.clone(),
            gateway.clone(),
            audit,
            &config,
        );
        say(&format!("listening on http://{address}"))?;
        if let Some((listener, address)) = admin {
            let router = gateway::admin_router(metrics.clone(), readiness.clone(), api.clone());
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(gateway::serve_admin(listener, router, server.header_timeout));
            say(&format!("admin on http://{address}"))?;
        }
        Ok(Self {
            drain: server.drain,
            config_path: config.path,
            backplane,
            registry,
            audit_log: config.admin.audit_log,
            api,
            plugins,
            gateway,
            shards,
            readiness,
            metrics,
            name_claim,
            log,
        })
    }

    async fn obey(mut self, mut signals: Signals) -> Result<(), BrokerError> {
        let mut name_claim = self.name_claim.take();
        let ended = loop {
            tokio::select! {
                _ = signals.hangup.recv() => self.reload().await,
                _ = signals.terminate.recv() => break Ok(()),
                _ = signals.interrupt.recv() => break Ok(()),
                taken = refused_name(&mut name_claim) => break Err(taken.into()),
            }
        };
        if let Some(claim) = name_claim {
            // A node that ends does not become ready.
            claim.abort();
        }
        self.shut_down(signals).await;
        ended
    }

    /// Reads the config again and puts its tenants and plugins in place of the old. One that does not
    /// check out changes nothing.
    async fn reload(&mut self) {
        match self.load() {
            Err(error) => {
                // A line each: a line is cut where it is too long.
                for problem in error.to_string().lines() {
                    tracing::error!(problem, "the reload is refused and the old config stays");
                }
                // Rotating the audit log uses the same signal, so it is opened again in any case.
                match open_audit(self.audit_log.as_deref()) {
                    Ok(file) => self.api.audit().use_file(file),
                    Err(error) => tracing::error!(%error, "the audit log stays where it was"),
                }
                self.metrics.reloaded(false);
            }
            Ok((config, bound, audit)) => {
                warn_of(&config);
                set_log_budgets(&self.log, &config);
                self.api.audit().use_file(audit);
                self.api.reload(&config);
                self.registry.limit_bans(ban_limits(&config));
                self.audit_log.clone_from(&config.admin.audit_log);
                for shard in &self.shards {
                    shard.tell(Control::Tenants(bound.for_shard())).await;
                }
                self.gateway.directory.store(Arc::new(Directory::new(&config)));
                self.drain = config.server.drain;
                self.metrics.reloaded(true);
                tracing::info!(tenants = config.tenants.len(), "config and plugins are reloaded");
            }
        }
    }

    /// Everything that a reload needs, before anything is changed.
    fn load(&self) -> Result<(Config, Bound, AuditFile), BrokerError> {
        let config = config::load(&self.config_path)?;
        let bound = self.plugins.bind(&config)?;
        let audit = open_audit(config.admin.audit_log.as_deref())?;
        Ok((config, bound, audit))
    }

    /// Takes no new connections, sends every client its closing frames, and ends. A second signal ends the wait.
    async fn shut_down(self, mut signals: Signals) {
        tracing::info!(drain = ?self.drain, "draining");
        self.readiness.set(false);
        self.gateway.closed.store(true, Ordering::Relaxed);
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
            () = signals.end() => tracing::warn!("told twice to end: not waiting for the drain"),
        }
    }
}

/// Waits until another node turns out to have this one's name.
async fn refused_name(claim: &mut Option<NameClaimTask>) -> NameTaken {
    if let Some(running) = claim
        && let Ok(Err(taken)) = running.await
    {
        return taken;
    }
    *claim = None;
    std::future::pending().await
}

fn set_log_budgets(log: &Log, config: &Config) {
    let budgets = config
        .tenants
        .iter()
        .map(|tenant| (&*tenant.name, tenant.limits.log_bytes_per_second));
    log.set_budgets(budgets);
}

fn ban_limits(config: &Config) -> impl Iterator<Item = (Arc<str>, usize)> {
    config
        .tenants
        .iter()
        .map(|tenant| (tenant.name.clone(), tenant.limits.bans))
}

fn warn_of(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
}

fn open_audit(path: Option<&Path>) -> Result<AuditFile, BrokerError> {
    AuditFile::open(path).map_err(|error| BrokerError::AuditLog {
        path: path.unwrap_or(Path::new("")).to_owned(),
        error,
    })
}

/// One line to stdout, for the program or person that started the broker.
fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
