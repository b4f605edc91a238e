//! The registry of a cluster: each connection, each node, and who is banned, in Redis. A node says every few
//! seconds what it has; what nobody says any more runs out by itself. So a node that dies leaves nothing behind
//! that somebody would have to find.

#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use futures_util::future::join_all;
use indexmap::IndexMap;
use parking_lot::Mutex;
use redis_client::{Cmd, Script, ScriptCall, Topology, Value};
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore};

use super::{Answer, Cluster, Full, Guest, Turned};
use crate::config::Limits;
use crate::wall_clock::now_ms;

/// For how long a place is good that nobody renews.
const PLACE: Duration = Duration::from_secs(30);
/// For how long a connection is listed that nobody renews.
const CONNECTION: Duration = Duration::from_mins(2);
/// For how long a node is listed that says nothing.
const NODE: Duration = Duration::from_secs(30);
/// How often all of it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Sessions that Redis is told of at once.
const BATCH: usize = 256;
/// How long a node that ends waits until Redis knows.
const CLOSE: Duration = Duration::from_secs(2);
/// How long Redis is told of a ban, or its end, until it hears it.
const INSIST: Duration = Duration::from_mins(10);
/// Changes of bans that wait for Redis at most.
const INSISTING: usize = 1024;
/// Before Redis is told again what it could not be told.
const AGAIN: Duration = Duration::from_millis(200);

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("admit.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("renew.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));

static NODE_LIVES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("node.lua")));

/// What the nodes of a Redis know together.
pub struct RedisCluster {
    servers: Arc<Topology>,
    prefix: Box<str>,
    node: Arc<str>,
    runtime: Handle,
    seated: Mutex<Seated>,
    called: Notify,
    released: Notify,
    /// What Redis could not be told yet of bans.
    insisting: Arc<Semaphore>,
}

/// Sessions of this node, and what Redis was not told of them yet.
#[derive(Default)]
struct Seated {
    guests: IndexMap<Arc<str>, Listed, RandomState>,
    gone: IndexMap<Arc<str>, Guest, RandomState>,
}

#[derive(Clone)]
struct Listed {
    guest: Guest,
    since_ms: u64,
}

impl RedisCluster {
    /// Begins to tell Redis of this node; its tasks run on `runtime`.
    pub(crate) fn start(servers: Arc<Topology>, prefix: &str, node: &Arc<str>, runtime: &Handle) -> Arc<Self> {
        let cluster = Arc::new(Self {
            servers,
            prefix: prefix.into(),
            node: node.clone(),
            runtime: runtime.clone(),
            seated: Mutex::default(),
            called: Notify::new(),
            released: Notify::new(),
            insisting: Arc::new(Semaphore::new(INSISTING)),
        });
        runtime.spawn(cluster.clone().renew_all());
        runtime.spawn(cluster.clone().release_all());
        cluster
    }

    /// A tenant's names have one hash tag: one server has the last word on its places.
    fn name(&self, tenant: &str, rest: &str) -> String {
        format!("{}:{{{tenant}}}:{rest}", self.prefix)
    }

    fn places(&self, guest: &Guest) -> [String; 2] {
        let user = guest.user.as_deref().unwrap_or_default();
        [
            self.name(&guest.tenant, "places"),
            self.name(&guest.tenant, &format!("places:{user}")),
        ]
    }

    fn connection(&self, guest: &Guest) -> String {
        self.name(&guest.tenant, &format!("ws:conn:{}", guest.session))
    }

    fn node_name(&self) -> String {
        format!("{}:ws:instance:{}", self.prefix, self.node)
    }

    fn ban_name(&self, tenant: &str, user: &str) -> String {
        self.name(tenant, &format!("ban:{user}"))
    }

    /// What is listed of a connection.
    fn fields(&self, call: ScriptCall, listed: &Listed) -> ScriptCall {
        let guest = &listed.guest;
        call.arg("node")
            .arg(&*self.node)
            .arg("tenant")
            .arg(&*guest.tenant)
            .arg("user")
            .arg(guest.user.as_deref().unwrap_or_default())
            .arg("transport")
            .arg(guest.transport)
            .arg("connected_at")
            .arg(listed.since_ms)
    }

    async fn ask(&self, listed: &Listed, limits: &Limits) -> Result<(), Turned> {
        let guest = &listed.guest;
        let [tenant, user] = self.places(guest);
        let ban = self.ban_name(&guest.tenant, guest.user.as_deref().unwrap_or_default());
        let per_user = if guest.user.is_some() {
            limits.connections_per_user
        } else {
            0
        };
        let call = ADMIT
            .call([tenant, user, ban, self.connection(guest)])
            .arg(&*guest.session)
            .arg(limits.connections)
            .arg(per_user)
            .arg(millis(PLACE))
            .arg(millis(CONNECTION));
        let Ok(Value::Array(answer)) = self.servers.call(&self.fields(call, listed)).await else {
            // This node's count decides, and the others hear of the session with the next renewal.
            return Ok(());
        };
        match answer.as_slice() {
            [Value::Int(1)] => Err(Turned::Full(Full::Tenant)),
            [Value::Int(2)] => Err(Turned::Full(Full::User)),
            [Value::Int(3), Value::Int(left)] => {
                let left = u64::try_from(*left).unwrap_or(1).max(1);
                Err(Turned::Banned(Duration::from_millis(left)))
            }
            _ => Ok(()),
        }
    }

    /// Says every few seconds who is here, for ever.
    async fn renew_all(self: Arc<Self>) {
        let mut tick = tokio::time::interval(RENEW_EVERY);
        loop {
            tick.tick().await;
            let listed: Vec<Listed> = self.seated.lock().guests.values().cloned().collect();
            self.tell_node(listed.len()).await;
            for batch in listed.chunks(BATCH) {
                let calls: Vec<ScriptCall> = batch.iter().map(|listed| self.renewal(listed)).collect();
                let told = join_all(calls.iter().map(|call| self.servers.call(call))).await;
                if told.iter().any(Result::is_err) {
                    break;
                }
                self.undo_renewals(batch);
            }
        }
    }

    fn renewal(&self, listed: &Listed) -> ScriptCall {
        let guest = &listed.guest;
        let [tenant, user] = self.places(guest);
        let call = RENEW
            .call([tenant, user, self.connection(guest)])
            .arg(&*guest.session)
            .arg(u8::from(guest.user.is_some()))
            .arg(millis(PLACE))
            .arg(millis(CONNECTION));
        self.fields(call, listed)
    }

    /// Who left while it was renewed has to leave once more.
    fn undo_renewals(&self, renewed: &[Listed]) {
        let mut seated = self.seated.lock();
        for Listed { guest, .. } in renewed {
            if !seated.guests.contains_key(&guest.session) {
                seated.gone.insert(guest.session.clone(), guest.clone());
            }
        }
        drop(seated);
        self.called.notify_one();
    }

    async fn tell_node(&self, connections: usize) {
        let name = self.node_name();
        let tell = NODE_LIVES
            .call([name])
            .arg(millis(NODE))
            .arg("connections")
            .arg(connections)
            .arg("version")
            .arg(env!("CARGO_PKG_VERSION"))
            .arg("seen_at")
            .arg(now_ms());
        drop(self.servers.call(&tell).await);
    }

    /// Tells Redis something until it hears it, for as long as it matters.
    fn insist(&self, name: String, command: Cmd, matters: Duration) {
        let Ok(turn) = self.insisting.clone().try_acquire_owned() else {
            tracing::error!("a change of a ban holds on this node only: too many wait for Redis");
            return;
        };
        let servers = self.servers.clone();
        let until = Instant::now() + matters.min(INSIST);
        self.runtime.spawn(async move {
            while let Err(error) = servers.run(name.as_bytes(), &command).await {
                if Instant::now() > until {
                    tracing::error!(%error, "a change of a ban holds on this node only: Redis could not be told");
                    break;
                }
                tokio::time::sleep(AGAIN).await;
            }
            drop(turn);
        });
    }

    fn forget<'a>(&self, released: impl Iterator<Item = &'a Guest>) {
        let mut seated = self.seated.lock();
        for guest in released {
            seated.gone.swap_remove(&guest.session);
        }
        drop(seated);
        self.released.notify_one();
    }

    /// Gives back the places of those who left, for ever.
    async fn release_all(self: Arc<Self>) {
        loop {
            let batch: Vec<Guest> = self.seated.lock().gone.values().take(BATCH).cloned().collect();
            if batch.is_empty() {
                self.called.notified().await;
                continue;
            }
            let calls: Vec<ScriptCall> = batch
                .iter()
                .map(|guest| {
                    let [tenant, user] = self.places(guest);
                    RELEASE
                        .call([tenant, user, self.connection(guest)])
                        .arg(&*guest.session)
                })
                .collect();
            let told = join_all(calls.iter().map(|call| self.servers.call(call))).await;
            self.forget(
                batch
                    .iter()
                    .zip(&told)
                    .filter(|(_, told)| told.is_ok())
                    .map(|(guest, _)| guest),
            );
            if told.iter().any(Result::is_err) {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

impl Cluster for RedisCluster {
    fn admit(&self, guest: Guest, limits: &Limits) -> Answer<'_, Result<(), Turned>> {
        let limits = limits.clone();
        Box::pin(async move {
            let listed = Listed {
                guest,
                since_ms: now_ms(),
            };
            // Listed first: should whoever waits go away, its seat is dropped, and the place given back.
            let session = listed.guest.session.clone();
            self.seated.lock().guests.insert(session, listed.clone());
            self.ask(&listed, &limits).await
        })
    }

    fn release(&self, session: &Arc<str>) {
        let mut seated = self.seated.lock();
        if let Some(Listed { guest, .. }) = seated.guests.swap_remove(session) {
            seated.gone.insert(session.clone(), guest);
            drop(seated);
            self.called.notify_one();
        }
    }

    fn ban(&self, tenant: &Arc<str>, user: &Arc<str>, length: Duration) {
        let name = self.ban_name(tenant, user);
        let mut ban = redis_client::cmd("SET");
        ban.arg(&name)
            .arg("1")
            .arg("PX")
            .arg(millis(length.max(Duration::from_millis(1))));
        self.insist(name, ban, length);
    }

    fn unban(&self, tenant: &Arc<str>, user: &Arc<str>) {
        let name = self.ban_name(tenant, user);
        let mut unban = redis_client::cmd("DEL");
        unban.arg(&name);
        self.insist(name, unban, INSIST);
    }

    fn close(&self) -> Answer<'_, ()> {
        Box::pin(async move {
            let released = async {
                while !self.seated.lock().gone.is_empty() {
                    self.released.notified().await;
                }
                let name = self.node_name();
                let mut forget = redis_client::cmd("DEL");
                forget.arg(&name);
                drop(self.servers.run(name.as_bytes(), &forget).await);
            };
            drop(tokio::time::timeout(CLOSE, released).await);
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
