//! The composition root: the only place that knows everyone. Starts the shards, hears signals, swaps
//! tenants and plugins under open connections, and shuts down in order.

mod backplane;
mod plugins;
mod shards;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

pub use plugins::{Plugins, check};

use crate::backplane::Backplane;
use crate::backplane::memory::INBOX_ENVELOPES;
use crate::config::{self, Config, Problems};
use crate::gateway::{self, Directory, Gateway, Readiness};
use crate::observe::Metrics;
use crate::registry::Registry;
use crate::sandbox::EngineError;
use crate::shard::{CONTROL_CALLS, Common, Control};
use shards::{Running, ShardSetup};

/// Why the broker cannot run.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The config or a plugin in it.
    #[error(transparent)]
    Config(#[from] Problems),
    /// An address.
    #[error("cannot listen on {address} ({key}): {error}")]
    Listen {
        /// What was asked for.
        address: std::net::SocketAddr,
        /// Where it was asked for.
        key: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The demo hands out tokens to everyone who asks.
    #[error("--demo hands out tokens, so it listens on a loopback address only, not on {0}")]
    DemoInPublic(std::net::SocketAddr),
    /// The plugins' engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The system.
    #[error(transparent)]
    System(#[from] io::Error),
}

/// A broker that listens.
pub struct Broker {
    config_path: PathBuf,
    backplane: Arc<dyn Backplane>,
    plugins: Plugins,
    gateway: Arc<Gateway>,
    shards: Vec<Running>,
    readiness: Readiness,
    metrics: Metrics,
    drain: std::time::Duration,
}

/// Runs a broker until a signal ends it. Prints one line for each address it listens on.
pub fn run(config: Config, demo: bool) -> Result<(), BrokerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // First of all: from the moment it listens, a signal is the broker's and not the system's.
        let signals = Signals::new()?;
        let broker = Broker::start(config, demo)?;
        broker.obey(signals).await
    })
}

/// What the system may tell the broker.
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
    fn start(config: Config, demo: bool) -> Result<Self, BrokerError> {
        let server = &config.server;
        if demo && !server.listen.ip().is_loopback() {
            return Err(BrokerError::DemoInPublic(server.listen));
        }
        let metrics = Metrics::new();
        let plugins = Plugins::new(&config, &metrics)?;
        let bound = plugins.bind(&config)?;
        let (listeners, address) =
            gateway::bind_shards(server.listen, server.shards).map_err(|error| BrokerError::Listen {
                address: server.listen,
                key: "server.listen",
                error,
            })?;
        let admin = server.admin_listen.map(|address| {
            gateway::bind_admin(address).map_err(|error| BrokerError::Listen {
                address,
                key: "server.admin_listen",
                error,
            })
        });
        let admin = admin.transpose()?;

        let (inboxes, inbox_ends): (Vec<_>, Vec<_>) = listeners.iter().map(|_| mpsc::channel(INBOX_ENVELOPES)).unzip();
        let (controls, control_ends): (Vec<_>, Vec<_>) = listeners.iter().map(|_| mpsc::channel(CONTROL_CALLS)).unzip();
        let (backplane, store) = backplane::start(&config, inboxes)?;
        if let Some(store) = store {
            plugins.connect(store);
        }
        let common = Common {
            node: server.node.clone(),
            ping: server.ping,
            connect_timeout: server.connect_timeout,
            backplane: backplane.clone(),
            registry: Arc::new(Registry::default()),
            metrics: metrics.clone(),
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
        let mut shards = Vec::new();
        let ends = listeners.into_iter().zip(inbox_ends).zip(control_ends);
        for (index, ((listener, inbox), control)) in ends.enumerate() {
            shards.push(Running::start(ShardSetup {
                index,
                listener,
                inbox,
                control,
                common: common.clone(),
                gateway: gateway.clone(),
                tenants: bound.for_shard(),
            })?);
        }
        let readiness = Readiness::new(backplane.clone());
        readiness.set(true);
        say(&format!("listening on http://{address}"))?;
        if let Some((listener, address)) = admin {
            let router = gateway::admin_router(metrics.clone(), readiness.clone());
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(gateway::serve_admin(listener, router, server.header_timeout));
            say(&format!("admin on http://{address}"))?;
        }
        Ok(Self {
            drain: server.drain,
            config_path: config.path,
            backplane,
            plugins,
            gateway,
            shards,
            readiness,
            metrics,
        })
    }

    async fn obey(mut self, mut signals: Signals) -> Result<(), BrokerError> {
        loop {
            tokio::select! {
                _ = signals.hangup.recv() => self.reload().await,
                _ = signals.terminate.recv() => break,
                _ = signals.interrupt.recv() => break,
            }
        }
        self.shut_down(signals).await;
        Ok(())
    }

    /// Reads the config again and puts its tenants and plugins in place of the old. One that does not
    /// check out changes nothing.
    async fn reload(&mut self) {
        let loaded =
            config::load(&self.config_path).and_then(|config| self.plugins.bind(&config).map(|bound| (config, bound)));
        match loaded {
            Err(problems) => {
                tracing::error!(%problems, "the reload is refused and the old config stays");
                self.metrics.reloaded(false);
            }
            Ok((config, bound)) => {
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

    /// No new connections, a last word to every client, and out. A second signal does not wait.
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
        };
        tokio::select! {
            () = drained => tracing::info!("drained"),
            () = signals.end() => tracing::warn!("told twice to end: not waiting for the drain"),
        }
    }
}

/// One line to stdout, for whoever started the broker.
fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")?;
    stdout.flush()
}
