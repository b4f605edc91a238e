//! Who is connected, and who may not be. Counts connections by tenant and user and holds them to their
//! limits; remembers bans and revoked tokens. Where many nodes are one broker, a [`Cluster`] decides on both. Knows no
//! socket: a shard that has to close one is told by the broker.

mod admission;
mod ban_list;
mod ban_order;
mod ban_subject;
mod bans;
mod cluster;
mod opens;
pub mod redis;
mod session_owner;
mod stamp;
mod token_claims;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

pub use admission::{AdmissionError, AdmissionRequest, LimitReached};
pub use ban_list::{BanEntry, BannedBy};
pub use ban_order::{BanChange, BanOrder, DELIVER_FOR, LONGEST_BAN};
pub use ban_subject::BanSubject;
pub use bans::{BanKind, BansFull};
pub use cluster::{Cluster, ClusterReply, NotRecorded, Peers};
pub use session_owner::{OpenClaim, Owned, OwnerUnknown, SecretHash, SessionOwner};
pub use stamp::OrderStamp;
pub use token_claims::{JTI_BYTES, TokenClaims};

use bans::Bans;
use config::Limits;
use opens::OpenedWith;
use session_owner::{SESSION_BYTES, SessionKeys};
use stamp::OrderClock;
use wall_clock::now_ms;

/// An order that is recorded within this time was given after all that is recorded already.
const FRESH: Duration = Duration::from_secs(1);

/// Connections by tenant and user: of this node, and where there is a cluster, of all.
pub struct Registry {
    tenants: Mutex<HashMap<Arc<str>, TenantCount, RandomState>>,
    /// Who is refused for now, as far as this node knows.
    bans: Bans,
    /// Whose tokens are revoked, likewise.
    revocations: Bans,
    clock: OrderClock,
    /// Of this node's sessions.
    keys: SessionKeys,
    /// What sessions were opened with, where there is no cluster.
    opens: OpenedWith,
    cluster: Option<Arc<dyn Cluster>>,
}

#[derive(Default)]
struct TenantCount {
    connections: usize,
    users: HashMap<Arc<str>, usize, RandomState>,
}

/// A place among the tenant's connections, given back when dropped.
pub struct Seat {
    registry: Arc<Registry>,
    request: AdmissionRequest,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            tenants: Mutex::default(),
            bans: Bans::new(BanKind::Bans),
            revocations: Bans::new(BanKind::Revocations),
            clock: OrderClock::default(),
            keys: SessionKeys::default(),
            opens: OpenedWith::default(),
            cluster: None,
        }
    }
}

impl Registry {
    /// The registry of an instance, which leaves decisions to this cluster.
    pub fn of(instance: &str, cluster: Arc<dyn Cluster>) -> Self {
        Self {
            clock: OrderClock::new(instance),
            cluster: Some(cluster),
            ..Self::default()
        }
    }

    /// Takes a place for one more connection, if there is one for it.
    pub async fn admit(self: &Arc<Self>, request: AdmissionRequest, limits: &Limits) -> Result<Seat, AdmissionError> {
        self.check_ban(&request.tenant, &request.subject())?;
        self.check_token(&request.tenant, request.user.as_ref(), &request.token)?;
        // Here first: what is over the limit on this node alone need not be asked about.
        self.take(&request, limits).map_err(AdmissionError::Limit)?;
        if let Some(key) = request.key {
            self.keys.insert(&request.tenant, &request.session, key);
        }
        let seat = Seat {
            registry: self.clone(),
            request: request.clone(),
        };
        if let Some(cluster) = &self.cluster {
            cluster.admit(request, limits).await?;
        }
        Ok(seat)
    }

    /// Who has a session of this tenant, if `key` is the hash of its key. Names of sessions cannot be guessed, so whether there
    /// is one is told to anybody.
    pub async fn owner(&self, tenant: &str, session: &str, key: &SecretHash) -> Result<Owned, OwnerUnknown> {
        match self.keys.is_of(tenant, session, key) {
            Some(true) => return Ok(Owned::By(SessionOwner::Here)),
            Some(false) => return Ok(Owned::ByAnotherKey),
            None => {}
        }
        match &self.cluster {
            Some(cluster) if session.len() <= SESSION_BYTES => cluster.owner(tenant, session, key).await,
            _ => Ok(Owned::ByNobody),
        }
    }

    /// Claims to open `session` with what `open` is the hash of. A client that does not know what became of its first request
    /// says it again, perhaps to another node, and finds the session that it began, if that is not long ago.
    pub async fn claim_open(
        &self,
        tenant: &Arc<str>,
        open: &SecretHash,
        session: &Arc<str>,
    ) -> Result<OpenClaim, OwnerUnknown> {
        match &self.cluster {
            Some(cluster) => cluster.claim_open(tenant, open, session).await,
            None => Ok(self.opens.claim(tenant, open, session, Instant::now())),
        }
    }

    /// How many bans and revocations these tenants may have from now on.
    pub fn limit_bans<'a>(&self, limits: impl Iterator<Item = (Arc<str>, &'a Limits)>) {
        for (tenant, limits) in limits {
            self.bans.set_limit(tenant.clone(), limits.bans);
            self.revocations.set_limit(tenant, limits.revocations);
        }
    }

    /// There is no such tenant any more.
    pub fn forget_limit(&self, tenant: &str) {
        self.bans.forget_limit(tenant);
        self.revocations.forget_limit(tenant);
    }

    /// Refuses who is banned, as far as this node knows.
    pub fn check_ban(&self, tenant: &str, subject: &BanSubject) -> Result<(), AdmissionError> {
        match self.about(subject).left(tenant, subject, Instant::now()) {
            Some(left) => Err(AdmissionError::Banned(left)),
            None => Ok(()),
        }
    }

    /// Refuses a token of this user that is revoked, as far as this node knows.
    pub fn check_token(
        &self,
        tenant: &str,
        user: Option<&Arc<str>>,
        token: &TokenClaims,
    ) -> Result<(), AdmissionError> {
        let now = Instant::now();
        let is_named = || {
            let jti = BanSubject::Token(token.jti.clone()?);
            self.revocations.left(tenant, &jti, now)
        };
        let revoked_ms = || {
            let of_user = BanSubject::TokensOf(user?.clone());
            self.revocations.refused_ms(tenant, &of_user, now)
        };
        if is_named().is_some() || revoked_ms().is_some_and(|moment| token.is_before(moment)) {
            return Err(AdmissionError::Revoked);
        }
        Ok(())
    }

    /// Refuses a token of this user that is revoked, as far as all nodes know. While the cluster cannot be asked, this node
    /// decides.
    pub async fn check_token_everywhere(
        &self,
        tenant: &str,
        user: Option<&Arc<str>>,
        token: &TokenClaims,
    ) -> Result<(), AdmissionError> {
        if let Some(cluster) = &self.cluster {
            cluster.check_token(tenant, user.map(|user| &**user), token).await?;
        }
        // Last: what became known meanwhile counts.
        self.check_token(tenant, user, token)
    }

    /// A plugin bans somebody: for so long, or longer if there is a longer ban already. This node refuses them from now on,
    /// if the tenant has room for another ban; the order is for all others.
    pub fn ban(&self, tenant: &Arc<str>, subject: BanSubject, length: Duration) -> (BanOrder, Result<bool, BansFull>) {
        let order = BanOrder {
            tenant: tenant.clone(),
            subject,
            stamp: self.stamp(),
            change: BanChange::Extend(length),
            given: Instant::now(),
        };
        let applied = self.apply(&order);
        (order, applied)
    }

    /// A session that was admitted goes on by another token.
    pub fn replace_token(&self, session: &Arc<str>, token: &TokenClaims) {
        if let Some(cluster) = &self.cluster {
            cluster.replace_token(session, token);
        }
    }

    /// The first bans of a kind that hold, after this one: of this node, and where there is a cluster, of all.
    pub async fn bans(
        &self,
        kind: BanKind,
        tenant: &str,
        after: Option<&BanEntry>,
        limit: usize,
    ) -> Result<Vec<BanEntry>, NotRecorded> {
        match &self.cluster {
            Some(cluster) => cluster.bans(kind, tenant, after, limit).await,
            None => Ok(self.of_kind(kind).list(tenant, after, limit, Instant::now())),
        }
    }

    /// A stamp for an order that is given now.
    pub fn stamp(&self) -> OrderStamp {
        self.clock.stamp(now_ms())
    }

    /// Carries out an order on this node. Gives whether the subject was refused before.
    pub fn apply(&self, order: &BanOrder) -> Result<bool, BansFull> {
        self.clock.see(order.stamp.time_ms, order.stamp.sequence);
        self.about(&order.subject).apply(order, Instant::now())
    }

    /// Records an order where every node looks up bans.
    ///
    /// A clock that is ahead may have stamped an earlier order later. So an order that is recorded as soon as it is
    /// given gets a stamp after the one that it meets, if that is of the future.
    pub async fn record(&self, order: &mut BanOrder) -> Result<(), NotRecorded> {
        let Some(cluster) = &self.cluster else {
            return Ok(());
        };
        let at_most = self.about(&order.subject).at_most(&order.tenant);
        let Some(newer) = cluster.record(order, at_most).await? else {
            return Ok(());
        };
        self.clock.see(newer.time_ms, newer.sequence);
        if order.given.elapsed() < FRESH && newer.time_ms > now_ms() {
            order.stamp = self.stamp();
            cluster.record(order, at_most).await?;
        }
        Ok(())
    }

    /// Whether others decide with this node.
    pub fn has_cluster(&self) -> bool {
        self.cluster.is_some()
    }

    /// Lists this node among those that live, where there are others.
    pub fn announce(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.announce();
        }
    }

    /// Leaves it to another process to list this node.
    pub fn hand_over(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.hand_over();
        }
    }

    /// The node ends: answers when the others know that everyone left it.
    pub async fn close(&self) {
        if let Some(cluster) = &self.cluster {
            cluster.close().await;
        }
    }

    fn about(&self, subject: &BanSubject) -> &Bans {
        self.of_kind(BanKind::of(subject))
    }

    fn of_kind(&self, kind: BanKind) -> &Bans {
        match kind {
            BanKind::Bans => &self.bans,
            BanKind::Revocations => &self.revocations,
        }
    }

    fn take(&self, request: &AdmissionRequest, limits: &Limits) -> Result<(), LimitReached> {
        let mut tenants = self.tenants.lock();
        let count = tenants.entry(request.tenant.clone()).or_default();
        if count.connections >= limits.connections {
            return Err(LimitReached::Tenant);
        }
        if let Some(user) = &request.user {
            let connections = count.users.entry(user.clone()).or_default();
            if *connections >= limits.connections_per_user {
                return Err(LimitReached::User);
            }
            *connections += 1;
        }
        count.connections += 1;
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.registry.keys.remove(&self.request.session);
        if let Some(cluster) = &self.registry.cluster {
            cluster.release(&self.request.session);
        }
        let mut tenants = self.registry.tenants.lock();
        let Some(count) = tenants.get_mut(&self.request.tenant) else {
            return;
        };
        count.connections -= 1;
        if let Some(user) = &self.request.user
            && let Some(connections) = count.users.get_mut(user)
        {
            *connections -= 1;
            if *connections == 0 {
                count.users.remove(user);
            }
        }
        if count.connections == 0 {
            tenants.remove(&self.request.tenant);
        }
    }
}

#[cfg(test)]
mod tests;
