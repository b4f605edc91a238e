//! Starts the backplane that the config names.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use plugin_store::redis::RedisStore;
use redis_client::{Login, Topology, TopologyKind};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::backplane::memory::MemoryBackplane;
use crate::backplane::redis::{RedisBackplane, with_layout};
use crate::backplane::{Backplane, BackplaneMetrics, Envelope, Nodes};
use crate::config::{BackplaneKind, Config, RedisKind, RedisSettings};
use crate::control::{Bus, ClusterBus, Local, LocalBus, NodeReport, Order};
use crate::observe::Metrics;
use crate::registry::Registry;
use crate::registry::redis::RedisCluster;
use crate::shard::Banned;
use plugin_store::shared::SharedStore;

/// What joins this node to others.
pub(super) struct Joint {
    pub backplane: Arc<dyn Backplane>,
    pub registry: Arc<Registry>,
    /// The other nodes, and what they send; none for a node alone.
    pub others: Option<(Arc<dyn Nodes>, mpsc::Receiver<Bytes>)>,
    /// Where plugins keep what all nodes share; none for a node alone.
    pub store: Option<Arc<dyn SharedStore>>,
}

/// How orders reach every node there is; `local` is how they reach this one.
pub(super) fn bus(others: Option<(Arc<dyn Nodes>, mpsc::Receiver<Bytes>)>, local: Local) -> Arc<dyn Bus> {
    match others {
        None => Arc::new(LocalBus::new(local)),
        Some((nodes, notes)) => {
            let bus = ClusterBus::new(nodes, local);
            tokio::spawn(bus.clone().serve(notes));
            bus
        }
    }
}

/// Has every node end the connections of whom a plugin banned on this one, for as long as there are shards.
pub(super) async fn spread_bans(bus: Arc<dyn Bus>, mut bans: mpsc::Receiver<Banned>) {
    while let Some(ban) = bans.recv().await {
        let order = Order::Ban {
            tenant: ban.tenant.to_string(),
            user: ban.user.to_string(),
            seconds: ban.length.as_secs().max(1),
            at_least: true,
        };
        let told = bus.ask(order).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the other nodes could not be told of a ban");
            Vec::new()
        });
        for NodeReport { node, result } in told {
            if let Err(error) = result {
                tracing::warn!(node, error, "a node did not end the connections of a banned user");
            }
        }
    }
}

/// A backplane for these inboxes, and a registry. They live as long as the process.
pub(super) fn start(config: &Config, inboxes: Vec<mpsc::Sender<Envelope>>, metrics: &Metrics) -> io::Result<Joint> {
    match &config.backplane {
        BackplaneKind::Memory => {
            metrics.backplane.up.set(1);
            let memory = MemoryBackplane::new(inboxes);
            tokio::spawn(memory.clone().sweep());
            Ok(Joint {
                backplane: memory,
                registry: Arc::default(),
                others: None,
                store: None,
            })
        }
        BackplaneKind::Redis(settings) => {
            let metrics = metrics.backplane.clone();
            redis(settings.clone(), config.server.node.clone(), inboxes, metrics)
        }
    }
}

/// On a thread of its own: what comes from other nodes does not wait for what this node's operator asks.
fn redis(
    settings: RedisSettings,
    node: Arc<str>,
    inboxes: Vec<mpsc::Sender<Envelope>>,
    metrics: BackplaneMetrics,
) -> io::Result<Joint> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (started, joint) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("redis".into()).spawn(move || {
        runtime.block_on(async {
            let topology = Topology::connect(client_settings(&settings));
            let stalls = metrics.stalls.clone();
            let store = RedisStore::new(topology.clone(), &settings.prefix, Handle::current(), move || {
                stalls.inc()
            });
            let prefix = with_layout(&settings.prefix);
            let cluster = RedisCluster::start(topology.clone(), &prefix, &node, &Handle::current());
            let (backplane, notes) = RedisBackplane::start(topology, &settings, &node, inboxes, metrics);
            let backplane = Arc::new(backplane);
            let joint = Joint {
                store: Some(Arc::new(store)),
                backplane: backplane.clone(),
                registry: Arc::new(Registry::of(Some(cluster))),
                others: Some((backplane, notes)),
            };
            drop(started.send(joint));
            std::future::pending::<()>().await;
        });
    })?;
    joint
        .recv()
        .map_err(|_| io::Error::other("the backplane's thread ended"))
}

/// How the config says where Redis is, in the words of the client.
fn client_settings(settings: &RedisSettings) -> redis_client::ClientSettings {
    let url = &settings.url;
    redis_client::ClientSettings {
        kind: match &url.kind {
            RedisKind::Single => TopologyKind::Single,
            RedisKind::Sentinel { master } => TopologyKind::Sentinel { master: master.clone() },
            RedisKind::Cluster => TopologyKind::Cluster,
        },
        hosts: url.hosts.clone(),
        login: Login {
            username: url.username.clone(),
            password: url.password.clone(),
            database: url.database.into(),
        },
        timeout: settings.timeout,
    }
}
