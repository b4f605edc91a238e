//! Starts the backplane that the config names.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plugin_store::redis::RedisStore;
use redis_client::{ClientSettings, Login, Rights, Topology, TopologyKind};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::error::BrokerError;
use crate::control::{ClusterBus, ListeningNodes, Local, NameTaken, Order};
use crate::http_sessions::HttpSessions;
use crate::observe::Metrics;
use crate::tenant_queue::TenantQueue;
use backplane::memory::MemoryBackplane;
use backplane::redis::{RedisBackplane, with_layout};
use backplane::{Backplane, BackplaneMetrics, Inbox, InstanceName, Nodes};
use config::{BackplaneKind, Config, Problem, Problems, RedisKind, RedisSettings, RedisTls};
use plugin_store::shared::SharedStore;
use registry::redis::RedisCluster;
use registry::{BanOrder, Registry};
use relay::Relay;
use relay::redis::RedisPostChannel;
use tenant_store::redis::RedisTenantStore;
use tenant_store::{MemoryTenantStore, StoreLimits, TenantStore};
use tickets::redis::RedisTicketStore;
use tickets::{MemoryTicketStore, TicketStore};
use tls::ClientTrust;

/// How long the start waits for the backplane: a node whose name is taken is refused before it takes connections,
/// unless Redis is away.
const START_WAIT: Duration = Duration::from_secs(1);
/// How often the backplane is checked for being connected.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What joins this node to others.
pub(super) struct Joint {
    pub backplane: Arc<dyn Backplane>,
    pub registry: Arc<Registry>,
    /// The other nodes; none for a single node.
    pub others: Option<Others>,
    /// The shared store of plugins; none for a single node.
    pub store: Option<Arc<dyn SharedStore>>,
    /// The tenants that are pushed.
    pub tenants: Arc<dyn TenantStore>,
    pub tickets: Arc<dyn TicketStore>,
    /// The runtime of the backplane's thread.
    pub runtime: Handle,
}

pub(super) struct Others {
    pub nodes: Arc<dyn Nodes>,
    /// Control messages from other nodes.
    messages: mpsc::Receiver<Bytes>,
    /// Hands posts to them.
    pub relay: Arc<Relay>,
    /// What they hand over to this node, and answer it.
    posts: mpsc::Receiver<Bytes>,
    /// Revocations of which this node did not hear.
    missed: mpsc::Receiver<BanOrder>,
    /// The runtime of the backplane's thread.
    runtime: Handle,
}

/// The bus of this node and the others. `local` is this node's part. Orders in `undelivered` are delivered for as long as
/// they matter. `sessions` carry out the posts that other nodes hand over.
pub(super) fn cluster_bus(
    others: Others,
    local: Local,
    undelivered: Arc<TenantQueue<BanOrder>>,
    sessions: Arc<HttpSessions>,
) -> Arc<ClusterBus> {
    others.runtime.spawn(others.relay.serve(others.posts, sessions));
    tokio::spawn(carry_out_missed(local.clone(), others.missed));
    let bus = ClusterBus::new(others.nodes, local, undelivered);
    // On the backplane's thread, whatever this one does: another process may ask whether this one lives.
    others.runtime.spawn(bus.clone().serve(others.messages));
    tokio::spawn(bus.clone().deliver_all());
    bus
}

async fn carry_out_missed(local: Local, mut missed: mpsc::Receiver<BanOrder>) {
    while let Some(order) = missed.recv().await {
        let report = local.report(&Order::from(&order)).await;
        let BanOrder { tenant, subject, .. } = order;
        tracing::info!(%tenant, %subject, result = ?report.result, "a revocation was not heard when it was ordered");
    }
}

/// Waits until the backplane is there, for as long as `start` waits for it.
pub(super) async fn is_there(backplane: &dyn Backplane) -> bool {
    let there = async {
        while !backplane.is_up() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(START_WAIT, there).await.is_ok()
}

/// Claims this node's name as soon as the backplane is there, and lists the node.
pub(super) async fn claim_name(
    backplane: &dyn Backplane,
    bus: &ClusterBus,
    registry: &Registry,
) -> Result<(), NameTaken> {
    loop {
        // The others know this instance only then, and their answers arrive only then.
        if backplane.is_up()
            && let Ok(claimed) = bus.claim_name().await
        {
            return claimed.inspect(|()| registry.announce());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A backplane for these inboxes, and a registry. They live as long as the process.
/// `previous` is the instance that this process takes over from, if it does.
pub(super) fn start(
    config: &Config,
    inboxes: Vec<Arc<Inbox>>,
    metrics: &Metrics,
    previous: Option<&str>,
) -> Result<Joint, BrokerError> {
    match &config.backplane {
        BackplaneKind::Memory => {
            metrics.backplane.up.set(1);
            let (backplane, runtime) = memory(inboxes, metrics.backplane.clone())?;
            Ok(Joint {
                backplane,
                runtime,
                registry: Arc::default(),
                others: None,
                store: None,
                tenants: Arc::new(MemoryTenantStore::new(StoreLimits::default())),
                tickets: Arc::<MemoryTicketStore>::default(),
            })
        }
        BackplaneKind::Redis(settings) => {
            let metrics = metrics.backplane.clone();
            let client = client_settings(settings)?;
            let name = InstanceName::new(&config.server.node, previous);
            redis(client, settings.clone(), name, inboxes, metrics)
        }
    }
}

/// What waits for room is moved on by a thread of its own, because this one compiles plugins at a reload.
fn memory(inboxes: Vec<Arc<Inbox>>, metrics: BackplaneMetrics) -> io::Result<(Arc<MemoryBackplane>, Handle)> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
    let memory = MemoryBackplane::new(inboxes, metrics);
    let running = memory.clone();
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("memory".into())
        .spawn(move || runtime.block_on(running.run()))?;
    Ok((memory, handle))
}

/// On a thread of its own, so that messages of other nodes do not wait for this node's operator.
fn redis(
    client: ClientSettings,
    settings: RedisSettings,
    name: InstanceName,
    inboxes: Vec<Arc<Inbox>>,
    metrics: BackplaneMetrics,
) -> Result<Joint, BrokerError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (started, joint) = std::sync::mpsc::sync_channel(1);
    std::thread::Builder::new().name("redis".into()).spawn(move || {
        runtime.block_on(async {
            let topology = Topology::connect(client);
            let stalls = metrics.stalls.clone();
            let store = RedisStore::new(topology.clone(), &settings.prefix, Handle::current(), move || {
                stalls.inc()
            });
            let prefix = with_layout(&settings.prefix);
            let tenants = RedisTenantStore::new(topology.clone(), &prefix, settings.timeout, StoreLimits::default());
            let node = name.node().to_owned();
            let (backplane, messages) = RedisBackplane::start(topology.clone(), &settings, name, inboxes, metrics);
            let backplane = Arc::new(backplane);
            let peers = ListeningNodes::of(backplane.clone());
            let names = (&*node, backplane.instance());
            let tickets = RedisTicketStore::new(topology.clone(), &prefix);
            let (posts, arrived) = RedisPostChannel::start(topology.clone(), &prefix, backplane.clone());
            let (cluster, missed) = RedisCluster::start(topology, &prefix, names, peers, &Handle::current());
            let joint = Joint {
                store: Some(Arc::new(store)),
                tenants: Arc::new(tenants),
                tickets: Arc::new(tickets),
                runtime: Handle::current(),
                backplane: backplane.clone(),
                registry: Arc::new(Registry::of(backplane.instance(), cluster)),
                others: Some(Others {
                    nodes: backplane,
                    messages,
                    relay: Relay::new(posts),
                    posts: arrived,
                    missed,
                    runtime: Handle::current(),
                }),
            };
            drop(started.send(joint));
            std::future::pending::<()>().await;
        });
    })?;
    Ok(joint
        .recv()
        .map_err(|_| io::Error::other("the backplane's thread ended"))?)
}

/// What is wrong with the files that connections to Redis need.
pub(super) fn check(config: &Config) -> Option<Problem> {
    match &config.backplane {
        BackplaneKind::Memory => None,
        BackplaneKind::Redis(settings) => settings.tls.as_ref().and_then(|tls| client_tls(tls).err()),
    }
}

/// The topology of the config as the client's type.
fn client_settings(settings: &RedisSettings) -> Result<ClientSettings, Problems> {
    let url = &settings.url;
    let tls = settings.tls.as_ref().map(client_tls).transpose()?;
    Ok(ClientSettings {
        kind: match &url.kind {
            RedisKind::Single => TopologyKind::Single,
            RedisKind::Sentinel { master } => TopologyKind::Sentinel { master: master.clone() },
            RedisKind::Cluster => TopologyKind::Cluster,
        },
        hosts: url.hosts.clone(),
        sentinel_login: settings.sentinel_login.as_ref().map(|login| Login {
            username: login.user.clone(),
            password: Some(login.password.clone()),
            database: 0,
            tls: tls.clone(),
        }),
        login: Login {
            username: url.username.clone(),
            password: url.password.clone(),
            database: url.database.into(),
            tls,
        },
        timeout: settings.timeout,
        rights: Rights {
            prefix: settings.prefix.clone(),
            replicated: settings.replicas > 0,
        },
    })
}

fn client_tls(tls: &RedisTls) -> Result<Arc<tls::ClientConfig>, Problem> {
    let trust = ClientTrust {
        ca: tls.ca.clone(),
        identity: tls.identity.clone(),
    };
    trust.config().map_err(|error| tls.place.problem(error.to_string()))
}
