//! The start of a broker: one thing after the other, until it listens.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::sync::{mpsc, watch};

use super::Broker;
use super::announced::{bind_admin, warn_of};
use super::backends::{self, Joint};
use super::certificates::Certificates;
use super::error::BrokerError;
use super::launch::Launch;
use super::loading::{self, Present};
use super::naming::claim_name;
use super::opening::{AdminListener, OpeningSteps};
use super::plugins::Plugins;
use super::pushed_tenants::NodeTenants;
use super::restored::tell_of_restored;
use super::retry::RetryTimer;
use super::shards::{Running, ShardSetup};
use super::signals::Signals;
use super::watcher::ConfigWatcher;
use crate::control::{BANS_WAITING, Bus, Local, LocalBus};
use crate::doorkeeper::Doorkeeper;
use crate::gateway::{
    self, AcceptState, AdminRoutes, Api, BODIES_BYTES, ClientListeners, CurrentPages, Directory, Gateway, Readiness,
};
use crate::http_sessions::HttpSessions;
use crate::observe::{AuditLog, CertificateExpiry, Metrics};
use crate::pushed::PushedTenants;
use crate::shard::{CONTROL_CALLS, Common, KICKS};
use crate::systemd::{ServiceManager, Watchdog};
use crate::tenant_queue::TenantQueue;
use backplane::Inbox;
use config::{Config, ConfigReader, ListenAddress};
use relay::PostRoom;
use tickets::Tickets;

impl Broker {
    /// None: a signal ended it while it loaded plugins.
    #[expect(
        clippy::too_many_lines,
        reason = "one thing after the other, in the order of the start"
    )]
    pub(super) async fn start(
        config: Config,
        reader: ConfigReader,
        launch: Launch,
        signals: &mut Signals,
    ) -> Result<Option<Self>, BrokerError> {
        let Launch {
            demo,
            log,
            invocation,
            predecessor,
            mut sockets,
            manager,
            environment,
        } = launch;
        let config = Arc::new(config);
        let server = &config.server;
        sockets.check(server)?;
        let public = server.listen.iter().find(|listener| !listener.address.is_local());
        if let Some(public) = public.filter(|_| demo) {
            return Err(BrokerError::DemoInPublic(public.address.clone()));
        }
        warn_of(&config);
        let metrics = Metrics::new();
        metrics.show(log.lost());
        let mut watcher = ConfigWatcher::default();
        // Before plugins are loaded: what changes meanwhile is a change.
        watcher.begin(config.server.watch.then(|| reader.sources()))?;
        let audit = AuditLog::default();
        audit.use_file(loading::open_audit(config.admin.audit_log.as_deref())?)?;
        metrics.show(audit.counts());
        let certificates = Certificates::read(&config)?;
        metrics.show(CertificateExpiry::of(certificates.stores()));
        tokio::spawn(certificates.clone().warn_daily());
        let pages: CurrentPages = Arc::new(ArcSwap::from_pointee(config.admin.open_pages.clone()));
        let admin = AdminRoutes::starting(metrics.clone(), &pages);
        let accepting = watch::Sender::new(AcceptState::NotYet);
        let admin_address = server.admin_listen;
        let admin_socket = admin_address
            .map(|address| bind_admin(address, &mut sockets))
            .transpose()?;
        let admin_listener =
            |socket| AdminListener::new(socket, server.header_timeout, admin.clone(), certificates.operators());
        let mut admin_listener = admin_socket.as_ref().map(admin_listener).transpose()?;
        if predecessor.is_none() {
            if let Some(listener) = admin_listener.take() {
                listener.serve(&accepting)?;
            }
            manager.status("loading plugins");
        }
        let plugins = Arc::new(Plugins::new(&config, &metrics, Plugins::child_compiler())?);
        let mut load = loading::first(&plugins, &config)?;
        let bound = tokio::select! {
            bound = load.outcome() => Arc::new(bound.ok_or(BrokerError::LoadPanicked)??),
            () = signals.end() => return Ok(None),
        };
        let listeners = ClientListeners::bind(&server.listen, server.shards, &mut sockets).map_err(cannot_listen)?;

        let (inboxes, inbox_ends): (Vec<_>, Vec<_>) = (0..server.shards).map(|_| Inbox::open()).unzip();
        let (controls, control_ends): (Vec<_>, Vec<_>) =
            (0..server.shards).map(|_| mpsc::channel(CONTROL_CALLS)).unzip();
        let previous = predecessor.as_ref().and_then(|process| process.instance.as_deref());
        let Joint {
            backplane,
            registry,
            others,
            store,
            tenants,
            tickets: ticket_store,
            runtime,
        } = backends::start(&config, inboxes, &metrics, previous)?;
        if let Some(store) = store {
            plugins.connect(store);
        }
        let undelivered = TenantQueue::new(BANS_WAITING);
        let doorkeeper = Doorkeeper::new(server.door, metrics.clone());
        tokio::spawn(doorkeeper.watch_memory());
        let common = Common {
            doorkeeper: doorkeeper.clone(),
            node: server.node.clone(),
            ping: server.ping,
            connect_timeout: server.connect_timeout,
            poll_timeout: server.poll_timeout,
            backplane: backplane.clone(),
            registry: registry.clone(),
            metrics: metrics.clone(),
            bans: others.is_some().then(|| undelivered.clone()),
            kicks: controls.iter().map(|_| TenantQueue::new(KICKS)).collect(),
            controls,
        };
        let (node_tenants, installs) = NodeTenants::new(plugins.clone(), config.clone());
        let (pushed, keeper) = PushedTenants::new(tenants, node_tenants.clone());
        let local = Local::new(
            common.node.clone(),
            common.registry.clone(),
            common.controls.clone(),
            pushed.clone(),
        );
        let mut has_tenants = keeper.is_complete();
        let readiness = Readiness::new(
            backplane.clone(),
            others.as_ref().map(|others| others.relay.clone()),
            has_tenants.clone(),
            audit.clone(),
        );
        let sessions = Arc::<HttpSessions>::default();
        let gateway = Arc::new(Gateway {
            directory: Directory::default(),
            max_connections: server.max_connections,
            connections: AtomicUsize::new(0),
            header_timeout: server.header_timeout,
            tls: certificates.clients(),
            closed: false.into(),
            accepting,
            arrivals: Arc::default(),
            demo,
            proxies: ArcSwap::from_pointee(server.proxies.clone()),
            doorkeeper,
            health: server.health_on_listen.then(|| readiness.clone()),
            health_connections: AtomicUsize::new(0),
            registry: registry.clone(),
            tickets: Tickets::new(ticket_store),
            relay: others.as_ref().map(|others| others.relay.clone()),
            bodies: PostRoom::new(BODIES_BYTES),
            sessions: sessions.clone(),
            metrics: metrics.clone(),
        });
        let instance = others.as_ref().map(|others| others.nodes.instance().to_owned());
        let (restored, nodes) = (keeper.restored(), others.as_ref().map(|others| others.nodes.clone()));
        tokio::spawn(keeper.run(nodes));
        let (bus, cluster_bus, name_claim): (Arc<dyn Bus>, _, _) = match others {
            None => {
                // There is nothing to read yet, so this is no wait; but `/readyz` is not to say so for a moment.
                drop(has_tenants.wait_for(|complete| *complete).await);
                readiness.set(true);
                (Arc::new(LocalBus::new(local)), None, None)
            }
            Some(others) => {
                let bus = backends::cluster_bus(others, local, undelivered, sessions);
                let claim = claim_name(bus.clone(), common.clone(), readiness.clone()).await?;
                (bus.clone(), Some(bus), claim)
            }
        };
        let ends = listeners.shards.into_iter().zip(inbox_ends).zip(control_ends);
        let mut watchdog = Watchdog::of(&environment);
        if let Some(watchdog) = &mut watchdog {
            runtime.spawn(watchdog.watch("backplane".to_owned()).count());
        }
        let shards = ends.enumerate().map(|(index, ((listeners, inbox), control))| {
            Running::start(ShardSetup {
                index,
                listeners,
                inbox,
                control,
                common: common.clone(),
                gateway: gateway.clone(),
                tenants: bound.for_shard(),
                progress: watchdog
                    .as_mut()
                    .map(|watchdog| watchdog.watch(format!("shard-{index}"))),
            })
        });
        let shards = shards.collect::<io::Result<Vec<_>>>()?;
        tokio::spawn(tell_of_restored(bus.clone(), restored));
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
            // It hears nothing of a process that is not its service's main one.
            manager: ServiceManager::default(),
            watchdog: None,
            opening: None,
            invocation,
            held: Arc::new(listeners.held.into_iter().chain(admin_socket).collect()),
            instance,
            cluster_bus,
            reader: Arc::new(Mutex::new(reader)),
            watcher,
            installs,
            node_tenants,
            pushed,
            backplane,
            registry,
            audit_log: config.admin.audit_log.clone(),
            api,
            plugins,
            certificates,
            present: Present {
                config: config.clone(),
                bound,
            },
            retry: RetryTimer::default(),
            gateway,
            shards,
            socket_files: listeners.files,
            readiness,
            metrics,
            name_claim,
            pages,
            log,
        };
        broker.begin_in_force();
        admin.replace(gateway::admin_router(
            broker.metrics.clone(),
            broker.readiness.clone(),
            broker.api.clone(),
            &broker.pages,
        ));
        let is_first = predecessor.is_none();
        let opening = OpeningSteps {
            predecessor,
            admin: admin_listener,
            addresses: listeners.addresses,
            files: listeners.other_files,
            unused: sockets,
            manager,
            watchdog,
        };
        if is_first {
            broker.open(opening).await?;
        } else {
            broker.opening = Some(opening);
        }
        Ok(Some(broker))
    }
}

fn cannot_listen((address, error): (ListenAddress, io::Error)) -> BrokerError {
    BrokerError::Listen {
        address: address.to_string(),
        key: "server.listen",
        error,
    }
}
