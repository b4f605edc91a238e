//! The registry of a cluster: each connection, each node, each ban and each revocation, in Redis. A node renews every few seconds what
//! it has there; what is not renewed runs out by itself. So a node that dies leaves nothing behind that somebody
//! would have to find.

mod abandoned;
mod bans;
mod missed;
mod release;
mod renewal;
mod session_owner;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use parking_lot::Mutex;
use redis_client::{Failure, Script, ScriptCall, Topology, Value};
use sluicegate_contract::hex;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

use super::admission::{AdmissionError, AdmissionRequest, LimitReached};
use super::ban_list::BanEntry;
use super::ban_order::BanOrder;
use super::bans::BanKind;
use super::cluster::{Cluster, ClusterReply, NotRecorded, Peers};
use super::session_owner::{OpenClaim, Owned, OwnerUnknown, SecretHash};
use super::stamp::OrderStamp;
use super::token_claims::TokenClaims;
use abandoned::AbandonedPlaces;
use config::Limits;
use wall_clock::now_ms;

/// For how long a place is good that nobody renews.
const PLACE: Duration = Duration::from_secs(30);
/// For how long a connection is listed that nobody renews.
const CONNECTION: Duration = Duration::from_mins(2);
/// For how long a node is listed that does not renew it.
const NODE: Duration = Duration::from_secs(30);
/// How often all of it is renewed.
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Revocations of which this node did not hear, and that are not carried out yet, at most.
const MISSED: usize = 256;
/// Sessions that are renewed or released at once.
const BATCH: usize = 256;
/// How long a node that ends waits until Redis knows.
const CLOSE: Duration = Duration::from_secs(2);
/// Before a call that failed is tried again.
const AGAIN: Duration = Duration::from_millis(200);

static ADMIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("token_revoked.lua"), include_str!("admit.lua"))));
static NODE_LIVES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("node.lua")));

/// What the nodes of a Redis know together.
pub struct RedisCluster {
    servers: Arc<Topology>,
    prefix: Box<str>,
    node: Arc<str>,
    /// This start of the node, by which the others know whose a place is.
    instance: Box<str>,
    abandoned: AbandonedPlaces,
    sessions: Mutex<Sessions>,
    /// A session left: its place is to be released.
    left: Notify,
    /// Sessions that had left were released.
    released: Notify,
    /// Whether this node is to be listed: its name is its own.
    announced: watch::Sender<bool>,
    /// To who carries out orders: those of which this node did not hear.
    missed: mpsc::Sender<BanOrder>,
}

/// The sessions of this node.
#[derive(Default)]
struct Sessions {
    present: IndexMap<Arc<str>, Listed, RandomState>,
    /// Sessions that left, and whose places are still taken in Redis.
    unreleased: IndexMap<Arc<str>, AdmissionRequest, RandomState>,
}

#[derive(Clone)]
struct Listed {
    request: AdmissionRequest,
    since_ms: u64,
    /// Only then its place is renewed: a renewal takes the place, whatever the limit.
    is_admitted: bool,
}

impl Sessions {
    fn admitted(&self) -> Vec<Listed> {
        let admitted = self.present.values().filter(|listed| listed.is_admitted);
        admitted.cloned().collect()
    }
}

impl RedisCluster {
    /// Starts the tasks that keep this node's part of Redis up to date, on `runtime`. `instance` is this start of the node,
    /// and one of `peers`. Gives also the revocations of which this node did not hear, while it has sessions by such tokens:
    /// because it was away when they were ordered.
    pub fn start(
        servers: Arc<Topology>,
        prefix: &str,
        (node, instance): (&str, &str),
        peers: Arc<dyn Peers>,
        runtime: &Handle,
    ) -> (Arc<Self>, mpsc::Receiver<BanOrder>) {
        let (missed, orders) = mpsc::channel(MISSED);
        let cluster = Arc::new(Self {
            servers,
            prefix: prefix.into(),
            node: node.into(),
            instance: instance.into(),
            abandoned: AbandonedPlaces::new(peers),
            sessions: Mutex::default(),
            left: Notify::new(),
            released: Notify::new(),
            announced: watch::channel(false).0,
            missed,
        });
        runtime.spawn(cluster.clone().renew_all());
        runtime.spawn(cluster.clone().list_node());
        runtime.spawn(cluster.clone().release_all());
        (cluster, orders)
    }

    /// A tenant's keys have one hash tag: one server decides on its places.
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

    /// What a session's place is called: it says whose it is.
    fn place(&self, request: &AdmissionRequest) -> String {
        format!("{}\n{}", self.instance, request.session)
    }

    fn connection(&self, request: &AdmissionRequest) -> String {
        self.connection_name(&request.tenant, &request.session)
    }

    fn connection_name(&self, tenant: &str, session: &str) -> String {
        self.name(tenant, &format!("ws:conn:{session}"))
    }

    fn node_name(&self) -> String {
        format!("{}:ws:instance:{}", self.prefix, self.node)
    }

    /// What is listed of a connection.
    fn fields(&self, call: ScriptCall, listed: &Listed) -> ScriptCall {
        let request = &listed.request;
        let call = match &request.key {
            Some(key) => call.arg("key").arg(hex::encode(key)),
            None => call,
        };
        call.arg("node")
            .arg(&*self.node)
            .arg("instance")
            .arg(&*self.instance)
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
        let mut asked = Instant::now();
        let mut answer = self.ask_once(listed, limits).await;
        let [tenant, user] = self.places(&listed.request);
        while let Err(AdmissionError::Limit(reached)) = answer {
            let full = match reached {
                LimitReached::Tenant => &tenant,
                LimitReached::User => &user,
            };
            if !self.abandoned.give_up(&self.servers, full, asked).await {
                break;
            }
            asked = Instant::now();
            answer = self.ask_once(listed, limits).await;
        }
        answer
    }

    async fn ask_once(&self, listed: &Listed, limits: &Limits) -> Result<(), AdmissionError> {
        let request = &listed.request;
        let [tenant, user] = self.places(request);
        let ban = self.ban_name(&request.tenant, &request.subject());
        let per_user = if request.user.is_some() {
            limits.connections_per_user
        } else {
            0
        };
        let [token, of_user] = self.revocations(&request.tenant, request.user.as_deref(), &request.token);
        let call = ADMIT
            .call([tenant, user, ban, self.connection(request), token, of_user])
            .arg(self.place(request))
            .arg(limits.connections)
            .arg(per_user)
            .arg(millis(PLACE))
            .arg(millis(CONNECTION))
            .arg(request.token.issued_in_script());
        let Ok(Value::Array(answer)) = self.servers.call(&self.fields(call, listed)).await else {
            // This node's count decides, and the next renewal takes the place.
            return Ok(());
        };
        match answer.as_slice() {
            [Value::Int(1)] => Err(AdmissionError::Limit(LimitReached::Tenant)),
            [Value::Int(2)] => Err(AdmissionError::Limit(LimitReached::User)),
            [Value::Int(3), Value::Int(left)] => {
                let left = u64::try_from(*left).unwrap_or(1).max(1);
                Err(AdmissionError::Banned(Duration::from_millis(left)))
            }
            [Value::Int(4)] => Err(AdmissionError::Revoked),
            _ => Ok(()),
        }
    }

    /// Renews every few seconds what Redis has of the sessions, for ever.
    async fn renew_all(self: Arc<Self>) {
        let mut tick = tokio::time::interval(RENEW_EVERY);
        loop {
            tick.tick().await;
            self.renew_once().await;
        }
    }

    /// Lists this node while its name is its own and Redis is there, and renews that, for ever.
    async fn list_node(self: Arc<Self>) {
        let mut announced = self.announced.subscribe();
        loop {
            if announced.wait_for(|announced| *announced).await.is_err() {
                return;
            }
            let connections = self.sessions.lock().present.len();
            let listed = self.renew_node(connections).await.is_ok();
            tokio::time::sleep(if listed { RENEW_EVERY } else { AGAIN }).await;
        }
    }

    async fn renew_node(&self, connections: usize) -> Result<(), Failure> {
        let renewal = NODE_LIVES
            .call([self.node_name()])
            .arg(millis(NODE))
            .arg("connections")
            .arg(connections)
            .arg("version")
            .arg(env!("CARGO_PKG_VERSION"))
            .arg("seen_at")
            .arg(now_ms());
        self.servers.call(&renewal).await.map(drop)
    }
}

impl Cluster for RedisCluster {
    fn admit(&self, request: AdmissionRequest, limits: &Limits) -> ClusterReply<'_, Result<(), AdmissionError>> {
        let limits = limits.clone();
        Box::pin(async move {
            let listed = Listed {
                request,
                since_ms: now_ms(),
                is_admitted: false,
            };
            // Listed first: should the caller not wait for the answer, its seat is dropped, and the place released.
            let session = listed.request.session.clone();
            self.sessions.lock().present.insert(session.clone(), listed.clone());
            self.ask(&listed, &limits).await?;
            if let Some(listed) = self.sessions.lock().present.get_mut(&session) {
                listed.is_admitted = true;
            }
            Ok(())
        })
    }

    fn check_token<'a>(
        &'a self,
        tenant: &'a str,
        user: Option<&'a str>,
        token: &'a TokenClaims,
    ) -> ClusterReply<'a, Result<(), AdmissionError>> {
        Box::pin(self.ask_about_token(tenant, user, token))
    }

    fn replace_token(&self, session: &Arc<str>, token: &TokenClaims) {
        if let Some(listed) = self.sessions.lock().present.get_mut(session) {
            listed.request.token = token.clone();
        }
    }

    fn release(&self, session: &Arc<str>) {
        let mut sessions = self.sessions.lock();
        if let Some(Listed { request, .. }) = sessions.present.swap_remove(session) {
            sessions.unreleased.insert(session.clone(), request);
            drop(sessions);
            self.left.notify_one();
        }
    }

    fn record<'a>(
        &'a self,
        order: &'a BanOrder,
        at_most: usize,
    ) -> ClusterReply<'a, Result<Option<OrderStamp>, NotRecorded>> {
        Box::pin(self.record_order(order, at_most))
    }

    fn bans<'a>(
        &'a self,
        kind: BanKind,
        tenant: &'a str,
        after: Option<&'a BanEntry>,
        limit: usize,
    ) -> ClusterReply<'a, Result<Vec<BanEntry>, NotRecorded>> {
        Box::pin(self.list_bans(kind, tenant, after, limit))
    }

    fn owner<'a>(
        &'a self,
        tenant: &'a str,
        session: &'a str,
        key: &'a SecretHash,
    ) -> ClusterReply<'a, Result<Owned, OwnerUnknown>> {
        Box::pin(self.find_owner(tenant, session, key))
    }

    fn claim_open<'a>(
        &'a self,
        tenant: &'a str,
        open: &'a SecretHash,
        session: &'a Arc<str>,
    ) -> ClusterReply<'a, Result<OpenClaim, OwnerUnknown>> {
        Box::pin(self.claim(tenant, open, session))
    }

    fn announce(&self) {
        self.announced.send_replace(true);
    }

    fn hand_over(&self) {
        self.announced.send_replace(false);
    }

    fn close(&self) -> ClusterReply<'_, ()> {
        Box::pin(async move {
            let released = async {
                while !self.sessions.lock().unreleased.is_empty() {
                    self.released.notified().await;
                }
                if *self.announced.borrow() {
                    let name = self.node_name();
                    let mut forget = redis_client::cmd("DEL");
                    forget.arg(&name);
                    drop(self.servers.run(name.as_bytes(), &forget).await);
                }
            };
            drop(tokio::time::timeout(CLOSE, released).await);
        })
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
