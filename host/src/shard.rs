//! One core's share of the broker: its hub, its tenants' chains, its connections and its clock. Everything in
//! it lives on one thread, so nothing in it is locked.

mod alarms;
mod connections;
mod control;
mod delivery;
mod drain;
mod seats;
mod tenant;
mod tenants;
mod time_slice;
mod turns;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use indexmap::IndexMap;
use tokio::sync::{Notify, mpsc};

pub use alarms::Alarms;
pub use control::{Connected, Control, Count, Kick, Slice, Whom};
pub use tenant::{NewRules, NewTenant, ShardTenant};
pub use turns::{SessionShare, ShardTurns};

use crate::doorkeeper::Doorkeeper;
use crate::hub::{ClientConnection, Hub};
use crate::observe::Metrics;
use crate::tenant_queue::TenantQueue;
use backplane::Backplane;
use chain::Caller;
use protocol::codes;
use registry::{BanOrder, BanSubject, Registry, TokenClaims};
use seats::Seats;
use wire::Inflater;

/// Bytes read from a socket at once. One buffer serves all connections of a shard. All frames in it are taken before anybody else
/// has a turn, so it is not large.
const READ_BYTES: usize = 8_192;
/// Signals that wait for a shard at most.
pub const CONTROL_CALLS: usize = 64;
/// Kicks of one tenant that wait for a shard at most.
pub const KICKS: usize = 256;
/// How often a shard looks for idle plugin instances.
const EVICT_EVERY: Duration = Duration::from_secs(15);

/// What all shards of a node share.
#[derive(Clone)]
pub struct Common {
    pub node: Arc<str>,
    pub ping: Duration,
    /// How long a client may take until it sends `connect`.
    pub connect_timeout: Duration,
    /// How long a client that polls may be without a poll.
    pub poll_timeout: Duration,
    /// Carries messages between publishers and subscribers.
    pub backplane: Arc<dyn Backplane>,
    pub registry: Arc<Registry>,
    pub metrics: Metrics,
    /// Who may come in.
    pub doorkeeper: Arc<Doorkeeper>,
    /// The queue of plugins' bans to the other nodes, if there are any.
    pub bans: Option<Arc<TenantQueue<BanOrder>>>,
    /// Of each shard: whom plugins banned.
    pub kicks: Vec<Arc<TenantQueue<Kick>>>,
    /// The control queues of all shards.
    pub controls: Vec<mpsc::Sender<Control>>,
}

pub struct Shard {
    /// Its number, from 0.
    pub index: usize,
    /// What all shards of the node share.
    pub common: Common,
    /// The subscriber lists.
    pub hub: RefCell<Hub>,
    /// The alarms of sessions.
    pub alarms: Alarms,
    /// Whose turn it is.
    pub turns: Rc<ShardTurns>,
    /// The buffer that every session reads into. No session waits while it borrows it.
    pub read_buffer: RefCell<Box<[u8]>>,
    /// Inflates what every session reads. No session waits while it borrows it.
    pub inflater: RefCell<Inflater>,
    tenants: RefCell<HashMap<Arc<str>, Rc<ShardTenant>, RandomState>>,
    clients: RefCell<IndexMap<u64, ListedConnection, RandomState>>,
    seats: RefCell<Seats>,
    next_client: Cell<u64>,
    draining: Cell<bool>,
    empty: Notify,
}

struct ListedConnection {
    client: Rc<ClientConnection>,
    caller: Arc<Caller>,
    /// Once `connect` was accepted, who it is.
    user: Option<Arc<str>>,
    /// And by which token; after a refresh by the new one.
    token: TokenClaims,
    seated: bool,
}

/// A connection's entry in its shard's list, removed when dropped.
pub struct Listing {
    shard: Rc<Shard>,
    client: u64,
}

impl Drop for Listing {
    fn drop(&mut self) {
        let mut clients = self.shard.clients.borrow_mut();
        if let Some(listed) = clients.swap_remove(&self.client).filter(|listed| listed.seated) {
            let mut seats = self.shard.seats.borrow_mut();
            listed.leave(&mut seats, self.client);
        }
        if clients.is_empty() {
            self.shard.empty.notify_one();
        }
    }
}

impl ListedConnection {
    /// Whom it is banned as, once it is seated. Of tokens by their user's seats.
    fn subjects(&self) -> impl Iterator<Item = BanSubject> {
        let who = BanSubject::of(self.user.as_ref(), self.caller.remote);
        let token = self.token.jti.clone().map(BanSubject::Token);
        [who].into_iter().chain(token)
    }

    fn take(&self, seats: &mut Seats, client: u64) {
        for subject in self.subjects() {
            seats.insert(&self.caller.tenant, &subject, client);
        }
    }

    fn leave(&self, seats: &mut Seats, client: u64) {
        for subject in self.subjects() {
            seats.remove(&self.caller.tenant, &subject, client);
        }
    }
}

// === impl Shard ===

impl Shard {
    /// A shard without connections.
    pub fn new(index: usize, common: Common, tenants: Vec<NewTenant>) -> Rc<Self> {
        let shard = Rc::new(Self {
            index,
            common,
            hub: RefCell::default(),
            alarms: Alarms::default(),
            turns: Rc::default(),
            read_buffer: RefCell::new(vec![0; READ_BYTES].into()),
            inflater: RefCell::default(),
            tenants: RefCell::default(),
            clients: RefCell::default(),
            seats: RefCell::default(),
            next_client: Cell::new(0),
            draining: Cell::new(false),
            empty: Notify::new(),
        });
        let tenants = tenants
            .into_iter()
            .map(|new| (new.settings.name.clone(), shard.new_tenant(new)));
        shard.tenants.borrow_mut().extend(tenants);
        shard
    }

    /// The tenant of this name, if the config has it.
    pub fn tenant(&self, name: &str) -> Option<Rc<ShardTenant>> {
        self.tenants.borrow().get(name).cloned()
    }

    /// A number for a new connection.
    pub fn client_id(&self) -> u64 {
        let id = self.next_client.get();
        self.next_client.set(id + 1);
        id
    }

    /// The connection of this number, while it is listed.
    pub fn client(&self, id: u64) -> Option<Rc<ClientConnection>> {
        self.clients.borrow().get(&id).map(|listed| listed.client.clone())
    }

    /// Lists a connection while the returned value lives, so that the shard can signal it. While the shard drains, the
    /// connection is signaled to end at once; likewise one of a quarantined tenant.
    pub fn list(self: &Rc<Self>, client: &Rc<ClientConnection>, caller: &Arc<Caller>) -> Listing {
        let listed = ListedConnection {
            client: client.clone(),
            caller: caller.clone(),
            user: None,
            token: TokenClaims::default(),
            seated: false,
        };
        self.clients.borrow_mut().insert(client.id, listed);
        if self.draining.get() {
            client.signal_close(codes::SHUTTING_DOWN, None);
        } else {
            match self.tenant(&caller.tenant) {
                // It was removed since the upgrade.
                None => client.signal_close(codes::TENANT_DISABLED, None),
                Some(tenant) => {
                    if let Some(retry_after) = tenant.sends_away() {
                        client.signal_close(codes::SERVER_ERROR, Some(retry_after));
                    }
                }
            }
        }
        Listing {
            shard: self.clone(),
            client: client.id,
        }
    }

    #[cfg(test)]
    pub(crate) fn clients_for_tests(&self) -> Vec<Rc<ClientConnection>> {
        self.clients
            .borrow()
            .values()
            .map(|listed| listed.client.clone())
            .collect()
    }

    #[cfg(test)]
    pub(crate) fn cut_off_for_tests(&self, tenant: &str, whom: &Whom, code: codes::CloseCode) -> u64 {
        self.cut_off(tenant, whom, code)
    }

    /// Notes that `connect`, or `refresh`, was accepted, for which user and by which token.
    pub fn seat(&self, client: u64, user: Option<Arc<str>>, token: TokenClaims) {
        if let Some(listed) = self.clients.borrow_mut().get_mut(&client) {
            let mut seats = self.seats.borrow_mut();
            if listed.seated {
                listed.leave(&mut seats, client);
            }
            listed.user = user;
            listed.token = token;
            listed.seated = true;
            listed.take(&mut seats, client);
        }
    }

    /// Carries out the controls that come, until the shard is drained.
    pub async fn obey(self: Rc<Self>, mut controls: mpsc::Receiver<Control>) {
        let mut evict = tokio::time::interval(EVICT_EVERY);
        let over = loop {
            let control = tokio::select! {
                control = controls.recv() => control,
                _ = evict.tick() => {
                    self.evict_idle().await;
                    continue;
                }
                () = self.kick() => continue,
            };
            match control {
                Some(Control::Drain(over)) => break over,
                Some(control) => self.carry_out(control).await,
                None => return,
            }
        };
        // Connections that are still open can still be cut off.
        let mut drain = std::pin::pin!(self.drain(over));
        loop {
            tokio::select! {
                () = &mut drain => return,
                () = self.kick() => {}
                Some(control) = controls.recv() => self.carry_out(control).await,
            }
        }
    }

    /// Waits for somebody whom a plugin banned, and ends their connections.
    async fn kick(&self) {
        match self.common.kicks.get(self.index) {
            Some(kicks) => {
                let (Kick { tenant, whom }, _place) = kicks.next().await;
                self.cut_off(&tenant, &whom, codes::BANNED);
                // One at a time: others are waiting too.
                tokio::task::yield_now().await;
            }
            None => std::future::pending().await,
        }
    }

    async fn carry_out(&self, control: Control) {
        // A control is carried out even if its sender has stopped waiting.
        match control {
            Control::Tenants { put, removed, done } => {
                self.change_tenants(put, removed).await;
                let _ = done.send(());
            }
            Control::CutOff {
                tenant,
                whom,
                code,
                done,
            } => {
                let count = self.cut_off(&tenant, &whom, code);
                // Idle sessions end in this turn, so that their presence and seats are released too.
                tokio::task::yield_now().await;
                let _ = done.send(count);
            }
            Control::Unsubscribe {
                topic,
                user,
                code,
                done,
            } => {
                let count = self.unsubscribe(&topic, &user, code);
                tokio::task::yield_now().await;
                let _ = done.send(count);
            }
            Control::Channels {
                tenant,
                prefix,
                slice,
                answer,
            } => drop(answer.send(self.channels(&tenant, &prefix, &slice).await)),
            Control::Connections {
                tenant,
                user,
                slice,
                answer,
            } => drop(answer.send(self.connections(&tenant, user.as_ref(), &slice).await)),
            Control::Count { tenant, answer } => drop(answer.send(self.count(&tenant).await)),
            // It drains already.
            Control::Drain(_) => {}
        }
    }
}
