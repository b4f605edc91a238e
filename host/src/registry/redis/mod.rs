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
use redis::Value;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::admission::{AdmissionError, AdmissionRequest, LimitReached};
use super::ban_order::{BanChange, BanOrder, EXTENSIONS, REMEMBER};
use super::cluster::{Cluster, NotRecorded, Reply};
use super::stamp::OrderStamp;
use crate::backplane::Unavailable;
use crate::backplane::redis::{Call, Script, Servers};
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
/// Before Redis is told again what it could not be told.
const AGAIN: Duration = Duration::from_millis(200);

static ADMIT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("admit.lua")));
static RENEW: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("renew.lua")));
static RELEASE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("release.lua")));
static BAN: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("ban.lua")));
static NODE_LIVES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("node.lua")));

/// What the nodes of a Redis know together.
pub struct RedisCluster {
    servers: Arc<Servers>,
    prefix: Box<str>,
    node: Arc<str>,
    seated: Mutex<Seated>,
    called: Notify,
    released: Notify,
    /// Whether this node is to be listed: its name is its own.
    announced: watch::Sender<bool>,
}

/// Sessions of this node, and what Redis was not told of them yet.
#[derive(Default)]
struct Seated {
    sessions: IndexMap<Arc<str>, Listed, RandomState>,
    gone: IndexMap<Arc<str>, AdmissionRequest, RandomState>,
}

#[derive(Clone)]
struct Listed {
    request: AdmissionRequest,
    since_ms: u64,
}

impl RedisCluster {
    /// Begins to tell Redis of this node; its tasks run on `runtime`.
    pub(crate) fn start(servers: Arc<Servers>, prefix: &str, node: &Arc<str>, runtime: &Handle) -> Arc<Self> {
        let cluster = Arc::new(Self {
            servers,
            prefix: prefix.into(),
            node: node.clone(),
            seated: Mutex::default(),
            called: Notify::new(),
            released: Notify::new(),
            announced: watch::channel(false).0,
        });
        runtime.spawn(cluster.clone().renew_all());
        runtime.spawn(cluster.clone().list_node());
        runtime.spawn(cluster.clone().release_all());
        cluster
    }

    /// A tenant's names have one hash tag: one server has the last word on its places.
    fn name(&self, tenant: &str, rest: &str) -> String {
        format!("{}:{{{tenant}}}:{rest}", self.prefix)
    }

    fn places(&self, request: &AdmissionRequest) -> [String; 2] {
        let user = request.user.as_deref().unwrap_or_default();
        [
            self.name(&request.tenant, "places"),
            self.name(&request.tenant, &format!("places:{user}")),
        ]
    }

    fn connection(&self, request: &AdmissionRequest) -> String {
        self.name(&request.tenant, &format!("ws:conn:{}", request.session))
    }

    fn node_name(&self) -> String {
        format!("{}:ws:instance:{}", self.prefix, self.node)
    }

    fn ban_name(&self, tenant: &str, user: &str) -> String {
        self.name(tenant, &format!("ban:{user}"))
    }

    /// What is listed of a connection.
    fn fields(&self, call: Call, listed: &Listed) -> Call {
        let request = &listed.request;
        call.arg("node")
            .arg(&*self.node)
            .arg("tenant")
            .arg(&*request.tenant)
            .arg("user")
            .arg(request.user.as_deref().unwrap_or_default())
            .arg("transport")
            .arg(request.transport)
            .arg("connected_at")
            .arg(listed.since_ms)
    }

    async fn ask(&self, listed: &Listed, limits: &Limits) -> Result<(), AdmissionError> {
        let request = &listed.request;
        let [tenant, user] = self.places(request);
        let ban = self.ban_name(&request.tenant, request.user.as_deref().unwrap_or_default());
        let per_user = if request.user.is_some() {
            limits.connections_per_user
        } else {
            0
        };
        let call = ADMIT
            .call([tenant, user, ban, self.connection(request)])
            .arg(&*request.session)
            .arg(limits.connections)
            .arg(per_user)
            .arg(millis(PLACE))
            .arg(millis(CONNECTION));
        let Ok(Value::Array(answer)) = self.servers.call(&self.fields(call, listed)).await else {
            // This node's count decides, and the others learn of the session with the next renewal.
            return Ok(());
        };
        match answer.as_slice() {
            [Value::Int(1)] => Err(AdmissionError::Limit(LimitReached::Tenant)),
            [Value::Int(2)] => Err(AdmissionError::Limit(LimitReached::User)),
            [Value::Int(3), Value::Int(left)] => {
                let left = u64::try_from(*left).unwrap_or(1).max(1);
                Err(AdmissionError::Banned(Duration::from_millis(left)))
            }
            _ => Ok(()),
        }
    }

    /// Renews every few seconds what Redis has of the sessions, for ever.
    async fn renew_all(self: Arc<Self>) {
        let mut tick = tokio::time::interval(RENEW_EVERY);
        loop {
            tick.tick().await;
            let listed: Vec<Listed> = self.seated.lock().sessions.values().cloned().collect();
            for batch in listed.chunks(BATCH) {
                let calls: Vec<Call> = batch.iter().map(|listed| self.renewal(listed)).collect();
                let told = join_all(calls.iter().map(|call| self.servers.call(call))).await;
                if told.iter().any(Result::is_err) {
                    break;
                }
                self.undo_renewals(batch);
            }
        }
    }

    /// Lists this node as soon as its name is its own and Redis is there, and renews that, for ever.
    async fn list_node(self: Arc<Self>) {
        if self
            .announced
            .subscribe()
            .wait_for(|announced| *announced)
            .await
            .is_err()
        {
            return;
        }
        loop {
            let connections = self.seated.lock().sessions.len();
            let listed = self.tell_node(connections).await.is_ok();
            tokio::time::sleep(if listed { RENEW_EVERY } else { AGAIN }).await;
        }
    }

    fn renewal(&self, listed: &Listed) -> Call {
        let request = &listed.request;
        let [tenant, user] = self.places(request);
        let call = RENEW
            .call([tenant, user, self.connection(request)])
            .arg(&*request.session)
            .arg(u8::from(request.user.is_some()))
            .arg(millis(PLACE))
            .arg(millis(CONNECTION));
        self.fields(call, listed)
    }

    /// Who left while it was renewed has to leave once more.
    fn undo_renewals(&self, renewed: &[Listed]) {
        let mut seated = self.seated.lock();
        for Listed { request, .. } in renewed {
            if !seated.sessions.contains_key(&request.session) {
                seated.gone.insert(request.session.clone(), request.clone());
            }
        }
        drop(seated);
        self.called.notify_one();
    }

    async fn tell_node(&self, connections: usize) -> Result<(), Unavailable> {
        let tell = NODE_LIVES
            .call([self.node_name()])
            .arg(millis(NODE))
            .arg("connections")
            .arg(connections)
            .arg("version")
            .arg(env!("CARGO_PKG_VERSION"))
            .arg("seen_at")
            .arg(now_ms());
        self.servers.call(&tell).await.map(drop)
    }

    async fn record_order(&self, order: &BanOrder) -> Result<Option<OrderStamp>, NotRecorded> {
        let change = match order.change {
            BanChange::Replace(_) | BanChange::Lift => "replace",
            BanChange::Extend(_) => "extend",
        };
        let call = BAN
            .call([self.ban_name(&order.tenant, &order.user)])
            .arg(order.stamp.time_ms)
            .arg(order.stamp.sequence)
            .arg(&*order.stamp.instance)
            .arg(change)
            .arg(millis(order.left(Instant::now())))
            .arg(millis(REMEMBER))
            .arg(EXTENSIONS);
        let answer = self.servers.call(&call).await;
        let answer = answer.map_err(|error| NotRecorded(error.to_string()))?;
        read_stamp(&answer).map_err(|()| NotRecorded("an answer that is none of the script's".into()))
    }

    fn forget<'a>(&self, released: impl Iterator<Item = &'a AdmissionRequest>) {
        let mut seated = self.seated.lock();
        for request in released {
            seated.gone.swap_remove(&request.session);
        }
        drop(seated);
        self.released.notify_one();
    }

    /// Gives back the places of those who left, for ever.
    async fn release_all(self: Arc<Self>) {
        loop {
            let batch: Vec<AdmissionRequest> = self.seated.lock().gone.values().take(BATCH).cloned().collect();
            if batch.is_empty() {
                self.called.notified().await;
                continue;
            }
            let calls: Vec<Call> = batch
                .iter()
                .map(|request| {
                    let [tenant, user] = self.places(request);
                    RELEASE
                        .call([tenant, user, self.connection(request)])
                        .arg(&*request.session)
                })
                .collect();
            let told = join_all(calls.iter().map(|call| self.servers.call(call))).await;
            self.forget(
                batch
                    .iter()
                    .zip(&told)
                    .filter(|(_, told)| told.is_ok())
                    .map(|(request, _)| request),
            );
            if told.iter().any(Result::is_err) {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

impl Cluster for RedisCluster {
    fn admit(&self, request: AdmissionRequest, limits: &Limits) -> Reply<'_, Result<(), AdmissionError>> {
        let limits = limits.clone();
        Box::pin(async move {
            let listed = Listed {
                request,
                since_ms: now_ms(),
            };
            // Listed first: should whoever waits go away, its seat is dropped, and the place given back.
            let session = listed.request.session.clone();
            self.seated.lock().sessions.insert(session, listed.clone());
            self.ask(&listed, &limits).await
        })
    }

    fn release(&self, session: &Arc<str>) {
        let mut seated = self.seated.lock();
        if let Some(Listed { request, .. }) = seated.sessions.swap_remove(session) {
            seated.gone.insert(session.clone(), request);
            drop(seated);
            self.called.notify_one();
        }
    }

    fn record<'a>(&'a self, order: &'a BanOrder) -> Reply<'a, Result<Option<OrderStamp>, NotRecorded>> {
        Box::pin(self.record_order(order))
    }

    fn announce(&self) {
        self.announced.send_replace(true);
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(async move {
            let released = async {
                while !self.seated.lock().gone.is_empty() {
                    self.released.notified().await;
                }
                if *self.announced.borrow() {
                    let name = self.node_name();
                    let mut forget = redis::cmd("DEL");
                    forget.arg(&name);
                    drop(self.servers.run(name.as_bytes(), &forget).await);
                }
            };
            drop(tokio::time::timeout(CLOSE, released).await);
        })
    }
}

/// Reads the answer of `ban.lua`.
fn read_stamp(answer: &Value) -> Result<Option<OrderStamp>, ()> {
    let Value::Array(fields) = answer else { return Err(()) };
    let text = |value: &Value| match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).map_err(|_| ()),
        _ => Err(()),
    };
    let number = |value: &Value| text(value)?.parse().map_err(|_| ());
    match fields.as_slice() {
        [] => Ok(None),
        [time_ms, sequence, instance] => Ok(Some(OrderStamp {
            time_ms: number(time_ms)?,
            sequence: number(sequence)?,
            instance: text(instance)?.into(),
        })),
        _ => Err(()),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
