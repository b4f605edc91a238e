//! Which server holds what: one server, or the masters of a Cluster by their slots. A command goes where its key
//! lies, and follows it when it moves.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use redis::{Cmd, Value};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::address::Address;
use crate::connection::{ServerConnection, Whereabouts};
use crate::failure::Failure;
use crate::permissions::{MissingRights, Trial};
use crate::request::{RedisRequest, Way};
use crate::script::ScriptCall;
use crate::settings::{ClientSettings, TopologyKind};
use crate::slot_ranges::some_slots;
use crate::slots::{SLOTS, slot_of};

/// How often a Cluster is asked who holds what, if nothing says that it may have changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// The same while a server cannot be reached.
const LOOK_EVERY_WHEN_DOWN: Duration = Duration::from_millis(500);
/// How often a command follows a key that moves.
const HOPS: usize = 5;
/// Before a key that is on its way is asked for again.
const ON_ITS_WAY: Duration = Duration::from_millis(20);

/// The servers, and which of them holds what.
pub struct Topology {
    settings: ClientSettings,
    map: ArcSwap<SlotMap>,
    /// The tasks that keep the connections, to be ended with them.
    kept: Mutex<HashMap<Address, (Arc<ServerConnection>, AbortHandle)>>,
    ask: Notify,
    changed: watch::Sender<u64>,
    /// The rights that were missing when a Cluster was asked the last time.
    missing_rights: Mutex<Option<MissingRights>>,
}

#[derive(Default)]
struct SlotMap {
    connections: Vec<Arc<ServerConnection>>,
    /// The place in `connections` of each slot's server; empty for a single server.
    slots: Vec<Option<u16>>,
}

impl SlotMap {
    fn of_slot(&self, slot: u16) -> Option<Arc<ServerConnection>> {
        if self.slots.is_empty() {
            return self.connections.first().cloned();
        }
        let place = self.slots[usize::from(slot)]?;
        self.connections.get(usize::from(place)).cloned()
    }
}

impl Topology {
    /// Begins to connect, on the runtime it is called in.
    pub fn connect(settings: ClientSettings) -> Arc<Self> {
        let topology = Arc::new(Self {
            map: ArcSwap::default(),
            kept: Mutex::default(),
            ask: Notify::new(),
            changed: watch::channel(0).0,
            missing_rights: Mutex::default(),
            settings,
        });
        match &topology.settings.kind {
            TopologyKind::Single => topology.keep_one(Whereabouts::Fixed(topology.settings.hosts[0].clone())),
            TopologyKind::Sentinel { master } => topology.keep_one(Whereabouts::Sentinels {
                hosts: topology.settings.hosts.clone(),
                master: master.clone(),
                login: topology.settings.sentinel_login.clone(),
            }),
            TopologyKind::Cluster => drop(tokio::spawn(topology.clone().keep_map())),
        }
        topology
    }

    fn keep_one(&self, whereabouts: Whereabouts) {
        let connection = ServerConnection::new(whereabouts, &self.settings);
        tokio::spawn(connection.clone().keep());
        self.map.store(Arc::new(SlotMap {
            connections: vec![connection],
            slots: Vec::new(),
        }));
        self.changed.send_modify(|version| *version += 1);
    }

    /// Whether channels are spread over servers, each with its own pub/sub.
    pub fn is_cluster(&self) -> bool {
        self.settings.kind == TopologyKind::Cluster
    }

    /// The command that publishes.
    pub fn publish_command(&self) -> &'static str {
        if self.is_cluster() { "SPUBLISH" } else { "PUBLISH" }
    }

    /// The connections there are now, one to each server.
    pub fn connections(&self) -> Vec<Arc<ServerConnection>> {
        self.map.load().connections.clone()
    }

    /// Whether every server can be reached.
    pub fn is_up(&self) -> bool {
        let map = self.map.load();
        !map.connections.is_empty() && map.connections.iter().all(|connection| connection.server().is_some())
    }

    /// The rights that are missing on a server, if it is not used because of that.
    pub fn missing_rights(&self) -> Option<MissingRights> {
        let connections = self.connections();
        let missing = connections.iter().find_map(|connection| connection.missing_rights());
        missing.or_else(|| self.missing_rights.lock().clone())
    }

    /// Has the Cluster asked who holds what: something is not where it was.
    pub fn look_again(&self) {
        self.ask.notify_one();
    }

    /// Counts up whenever a slot may have got another server.
    pub fn changed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// The server that holds `key`.
    pub fn connection_of(&self, key: &[u8]) -> Option<Arc<ServerConnection>> {
        self.map.load().of_slot(slot_of(key))
    }

    /// The connection to the server that has `slot`.
    pub fn connection_of_slot(&self, slot: u16) -> Option<Arc<ServerConnection>> {
        self.map.load().of_slot(slot)
    }

    /// Fails at once if the server that holds `key` cannot be reached.
    pub fn reach(&self, key: &[u8]) -> Result<(), Failure> {
        let server = self.connection_of(key).and_then(|connection| connection.server());
        server.map(drop).ok_or_else(Failure::not_connected)
    }

    pub async fn call(&self, call: &ScriptCall) -> Result<Value, Failure> {
        self.call_by(call, Way::Short).await.map(|(answer, _)| answer)
    }

    /// Calls a script whose answer may be large: no short command waits behind it.
    pub async fn read(&self, call: &ScriptCall) -> Result<Value, Failure> {
        self.call_by(call, Way::Large).await.map(|(answer, _)| answer)
    }

    /// Calls a script, and answers when so many replicas have what it wrote.
    pub async fn call_replicated(&self, call: &ScriptCall, replicas: u32) -> Result<Value, Failure> {
        if replicas == 0 {
            return self.call(call).await;
        }
        let mut wait = redis::cmd("WAIT");
        // Less than a command may take: too few replicas is an answer, and says nothing against the server.
        let wait_for = self.settings.timeout / 2;
        wait.arg(replicas).arg(wait_for.as_millis().to_string());
        match self.call_by(call, Way::Replicated(&wait)).await? {
            (answer, Value::Int(have)) if have >= i64::from(replicas) => Ok(answer),
            _ => Err(Failure::Unavailable(format!("fewer than {replicas} replicas have it"))),
        }
    }

    async fn call_by(&self, call: &ScriptCall, way: Way<'_>) -> Result<(Value, Value), Failure> {
        let key = call.key();
        let by_digest = |run: &str| call.by_digest(run);
        let by_text = |run: &str| call.by_text(run);
        match self.follow(key, RedisRequest::new(&by_digest, way)).await {
            Err(Failure::NoScript) => self.follow(key, RedisRequest::new(&by_text, way)).await,
            other => other,
        }
    }

    /// Runs a command where `key` lies.
    pub async fn run(&self, key: &[u8], command: &Cmd) -> Result<Value, Failure> {
        self.run_by(key, command, Way::Short).await
    }

    /// Runs a command whose answer may be large where `key` lies.
    pub async fn run_large(&self, key: &[u8], command: &Cmd) -> Result<Value, Failure> {
        self.run_by(key, command, Way::Large).await
    }

    async fn run_by(&self, key: &[u8], command: &Cmd, way: Way<'_>) -> Result<Value, Failure> {
        let make = |_: &str| command.clone();
        let answer = self.follow(key, RedisRequest::new(&make, way)).await;
        answer.map(|(answer, _)| answer)
    }

    /// Sends a request to the server that has the key, and after the key when it moves.
    async fn follow(&self, key: &[u8], request: RedisRequest<'_>) -> Result<(Value, Value), Failure> {
        let mut last = Failure::Unavailable("no server holds this slot".into());
        let until = Instant::now() + self.settings.timeout;
        for _ in 0..HOPS {
            let Some(connection) = self.connection_of(key) else {
                self.ask.notify_one();
                return Err(last);
            };
            match connection.send(request).await {
                Err(Failure::Moved) => {
                    let mut changed = self.changed();
                    self.ask.notify_one();
                    last = Failure::Unavailable("the slot moves".into());
                    if timeout_at(until, changed.changed()).await.is_err() {
                        return Err(last);
                    }
                }
                Err(Failure::Ask(address)) => match self.ask_there(&address, request).await {
                    Err(failure @ (Failure::TryAgain | Failure::Moved)) => {
                        tokio::time::sleep(ON_ITS_WAY).await;
                        last = failure;
                    }
                    other => return other,
                },
                Err(Failure::TryAgain) => {
                    tokio::time::sleep(ON_ITS_WAY).await;
                    last = Failure::TryAgain;
                }
                Err(failure @ Failure::Unavailable(_)) => {
                    // A master may have been replaced.
                    if self.is_cluster() {
                        self.ask.notify_one();
                    }
                    return Err(failure);
                }
                other => return other,
            }
        }
        Err(last)
    }

    async fn ask_there(&self, address: &Address, request: RedisRequest<'_>) -> Result<(Value, Value), Failure> {
        let request = RedisRequest {
            asking: true,
            ..request
        };
        let connection = self.kept.lock().get(address).map(|(connection, _)| connection.clone());
        if let Some(connection) = connection {
            return connection.send(request).await;
        }
        // It has no slot yet, so the map does not name it.
        let ClientSettings { login, timeout, .. } = &self.settings;
        ServerConnection::send_once(login, address, *timeout, request).await
    }

    /// Keeps the map of a Cluster, for ever.
    async fn keep_map(self: Arc<Self>) {
        let mut logged = false;
        loop {
            match self.look().await {
                Some(slots) => {
                    logged = false;
                    self.take_map(&slots);
                }
                None if !std::mem::replace(&mut logged, true) => {
                    tracing::warn!("no server of the Redis Cluster answers; asking until one does");
                }
                None => {}
            }
            let is_up = self.is_up();
            // Whoever cannot be reached may have been replaced.
            let look_every = if is_up { LOOK_EVERY } else { LOOK_EVERY_WHEN_DOWN };
            let news = async {
                tokio::select! {
                    () = self.ask.notified() => {}
                    () = self.one_is_gone(), if is_up => {}
                }
            };
            if timeout(look_every, news).await.is_ok() {
                // Many commands fail at once when a slot moves: one look is for all of them.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }

    /// Waits until a server that could be reached cannot be any more.
    async fn one_is_gone(&self) {
        let mut gone: FuturesUnordered<_> = self
            .connections()
            .into_iter()
            .map(|connection| async move { connection.up().wait_for(|up| !up).await.is_ok() })
            .collect();
        // Without a server there is none to lose.
        if gone.next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Asks any server who holds what.
    async fn look(&self) -> Option<Vec<(u16, u16, Address)>> {
        let mut slots = redis::cmd("CLUSTER");
        slots.arg("SLOTS");
        for connection in self.connections() {
            let Some(server) = connection.server() else { continue };
            if let Ok(answer) = connection.run(&slots).await
                && let Some(ranges) = some_slots(&answer, &server.address.0)
            {
                return Some(ranges);
            }
        }
        let ClientSettings { login, timeout, .. } = &self.settings;
        for host in &self.settings.hosts {
            let opened = login.open(host, *timeout, *timeout, |_| {}).await;
            let Ok(mut connection) = opened else { continue };
            let Ok(missing) = Trial::of(&self.settings).run(&mut connection).await else {
                continue;
            };
            let is_missing = missing.is_some();
            if is_missing && *self.missing_rights.lock() != missing {
                tracing::error!("{}", missing.as_ref().map(ToString::to_string).unwrap_or_default());
            }
            *self.missing_rights.lock() = missing;
            if is_missing {
                continue;
            }
            if let Ok(answer) = slots.query_async(&mut connection).await
                && let Some(ranges) = some_slots(&answer, &host.0)
            {
                return Some(ranges);
            }
        }
        None
    }

    fn take_map(&self, ranges: &[(u16, u16, Address)]) {
        let mut kept = self.kept.lock();
        let mut connections: Vec<Arc<ServerConnection>> = Vec::new();
        let mut places: HashMap<&Address, u16> = HashMap::new();
        let mut slots = vec![None; usize::from(SLOTS)];
        for (first, last, address) in ranges {
            let place = *places.entry(address).or_insert_with(|| {
                let (connection, _) = kept.entry(address.clone()).or_insert_with(|| {
                    let whereabouts = Whereabouts::InCluster(address.clone());
                    let connection = ServerConnection::new(whereabouts, &self.settings);
                    let keeper = tokio::spawn(connection.clone().keep()).abort_handle();
                    (connection, keeper)
                });
                connections.push(connection.clone());
                u16::try_from(connections.len() - 1).expect("fewer servers than slots")
            });
            for slot in *first..=*last {
                slots[usize::from(slot)] = Some(place);
            }
        }
        kept.retain(|address, (_, keeper)| {
            let stays = places.contains_key(address);
            if !stays {
                keeper.abort();
            }
            stays
        });
        let old = self.map.load();
        let same = old.slots == slots
            && old.connections.len() == connections.len()
            && old
                .connections
                .iter()
                .zip(&connections)
                .all(|(old, new)| Arc::ptr_eq(old, new));
        if !same {
            self.map.store(Arc::new(SlotMap { connections, slots }));
        }
        // Counted also when nothing changed: whoever followed a key looks again.
        self.changed.send_modify(|version| *version += 1);
    }
}
