//! One core's share of the broker: its hub, its tenants' chains, its lines and its clock. Everything in
//! it lives on one thread, so nothing in it is locked.

mod alarms;
mod control;
mod lines;
mod tenant;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use tokio::sync::{Notify, mpsc};

pub use alarms::Alarms;
pub use control::{Connected, Control, Count, Slice, Whom};
pub use tenant::{NewTenant, ShardTenant};

use crate::backplane::{Backplane, Envelope};
use crate::chain::Caller;
use crate::hub::{Hub, Line};
use crate::observe::Metrics;
use crate::protocol::codes;
use crate::registry::{BanOrder, Registry};

/// Bytes read from a socket at once. One buffer serves all connections of a shard.
const READ_BYTES: usize = 65_536;
/// Envelopes delivered in one turn at most, so that a flood does not starve the sessions.
const TURN_ENVELOPES: usize = 256;
/// Calls that wait for a shard at most.
pub const CONTROL_CALLS: usize = 64;
/// How often a shard looks for plugin instances that nobody uses.
const EVICT_EVERY: Duration = Duration::from_secs(15);

/// What a node's shards have in common.
#[derive(Clone)]
pub struct Common {
    /// The node's name.
    pub node: Arc<str>,
    /// Between two heartbeats.
    pub ping: Duration,
    /// How long a client may take until it sends `connect`.
    pub connect_timeout: Duration,
    /// Where messages go, and come from.
    pub backplane: Arc<dyn Backplane>,
    /// Who is connected.
    pub registry: Arc<Registry>,
    /// What is counted.
    pub metrics: Metrics,
    /// Where bans of plugins go to reach the other nodes, if there are any.
    pub bans: Option<mpsc::Sender<BanOrder>>,
    /// Every shard's ear, for what concerns them all.
    pub controls: Vec<mpsc::Sender<Control>>,
}

/// One shard.
pub struct Shard {
    /// Its number, from 0.
    pub index: usize,
    /// What it has in common with the others.
    pub common: Common,
    /// Who listens to what here.
    pub hub: RefCell<Hub>,
    /// When sessions want to be called.
    pub alarms: Alarms,
    /// What every session reads into, without waiting while it holds it.
    pub read_buffer: RefCell<Box<[u8]>>,
    tenants: RefCell<HashMap<Arc<str>, Rc<ShardTenant>, RandomState>>,
    lines: RefCell<HashMap<u64, Listed, RandomState>>,
    next_line: Cell<u64>,
    draining: Cell<bool>,
    empty: Notify,
}

struct Listed {
    line: Rc<Line>,
    caller: Arc<Caller>,
    /// Once `connect` was accepted, who it is.
    user: Option<Arc<str>>,
    seated: bool,
}

/// A line's place in its shard's list, given back when dropped.
pub struct Listing {
    shard: Rc<Shard>,
    line: u64,
}

impl Drop for Listing {
    fn drop(&mut self) {
        let mut lines = self.shard.lines.borrow_mut();
        lines.remove(&self.line);
        if lines.is_empty() {
            self.shard.empty.notify_one();
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
            read_buffer: RefCell::new(vec![0; READ_BYTES].into()),
            tenants: RefCell::default(),
            lines: RefCell::default(),
            next_line: Cell::new(0),
            draining: Cell::new(false),
            empty: Notify::new(),
        });
        shard.set_tenants(tenants);
        shard
    }

    /// The tenant of this name, if the config has it.
    pub fn tenant(&self, name: &str) -> Option<Rc<ShardTenant>> {
        self.tenants.borrow().get(name).cloned()
    }

    /// A number for a new line.
    pub fn line_id(&self) -> u64 {
        let id = self.next_line.get();
        self.next_line.set(id + 1);
        id
    }

    /// Lists a line while the answer is alive, so that the shard can call it. While the shard drains, the
    /// line is called to end at once.
    pub fn list(self: &Rc<Self>, line: &Rc<Line>, caller: &Arc<Caller>) -> Listing {
        let listed = Listed {
            line: line.clone(),
            caller: caller.clone(),
            user: None,
            seated: false,
        };
        self.lines.borrow_mut().insert(line.id, listed);
        if self.draining.get() {
            line.call_close(codes::SHUTTING_DOWN, None);
        }
        Listing {
            shard: self.clone(),
            line: line.id,
        }
    }

    /// Says that `connect` was accepted, and whose line it is.
    pub fn seat(&self, line: u64, user: Option<Arc<str>>) {
        if let Some(listed) = self.lines.borrow_mut().get_mut(&line) {
            listed.user = user;
            listed.seated = true;
        }
    }

    /// Brings what arrives to those who listen, for ever.
    pub async fn deliver(self: Rc<Self>, mut inbox: mpsc::Receiver<Envelope>) {
        let mut turn = Vec::with_capacity(TURN_ENVELOPES);
        while inbox.recv_many(&mut turn, TURN_ENVELOPES).await > 0 {
            self.take_turn(&turn);
            turn.clear();
            // The sessions' turn: what they publish meanwhile arrives together.
            tokio::task::yield_now().await;
        }
    }

    fn take_turn(&self, turn: &[Envelope]) {
        let mut hub = self.hub.borrow_mut();
        hub.deliver(turn);
        hub.flush();
        self.common.metrics.deliveries.inc_by(hub.take_deliveries());
    }

    /// Does what is asked of the shard, until it is drained.
    pub async fn obey(self: Rc<Self>, mut controls: mpsc::Receiver<Control>) {
        let mut evict = tokio::time::interval(EVICT_EVERY);
        let over = loop {
            let control = tokio::select! {
                control = controls.recv() => control,
                _ = evict.tick() => {
                    self.evict_idle();
                    continue;
                }
            };
            match control {
                Some(Control::Drain(over)) => break over,
                Some(control) => self.carry_out(control).await,
                None => return,
            }
        };
        // Who is still connected can still be sent away.
        let mut drain = std::pin::pin!(self.drain(over));
        loop {
            tokio::select! {
                () = &mut drain => return,
                Some(control) = controls.recv() => self.carry_out(control).await,
            }
        }
    }

    async fn carry_out(&self, control: Control) {
        // Whoever asked may have stopped waiting; what was asked is done all the same.
        match control {
            Control::Tenants(tenants) => self.set_tenants(tenants),
            Control::CutOff {
                tenant,
                whom,
                code,
                done,
            } => {
                let count = self.cut_off(&tenant, &whom, code);
                if let Some(done) = done {
                    // Sessions at rest end in this turn, so that their presence and seats are gone as well.
                    tokio::task::yield_now().await;
                    let _ = done.send(count);
                }
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
            } => drop(answer.send(self.channels(&tenant, &prefix, &slice))),
            Control::Connections {
                tenant,
                user,
                slice,
                answer,
            } => drop(answer.send(self.connections(&tenant, user.as_ref(), &slice))),
            Control::Count { tenant, answer } => drop(answer.send(self.count(&tenant))),
            // It drains already.
            Control::Drain(_) => {}
        }
    }

    fn set_tenants(&self, news: Vec<NewTenant>) {
        let mut tenants = self.tenants.borrow_mut();
        let mut gone = std::mem::take(&mut *tenants);
        for new in news {
            let name = new.settings.name.clone();
            let tenant = match gone.remove(&name) {
                Some(tenant) => {
                    tenant.replace(new);
                    tenant
                }
                None => ShardTenant::new(new, self.common.metrics.tenant(&name)),
            };
            tenants.insert(name, tenant);
        }
        for listed in self.lines.borrow().values() {
            if gone.contains_key(&listed.caller.tenant) {
                listed.line.call_close(codes::TENANT_DISABLED, None);
            }
        }
    }

    fn evict_idle(&self) {
        for tenant in self.tenants.borrow().values() {
            tenant.evict_idle();
        }
    }

    /// Calls every session to end, spread over the time there is, and tells each to come back at a
    /// moment of its own, so that the next node is not met by all at once.
    async fn drain(&self, over: Duration) {
        self.draining.set(true);
        let lines: Vec<_> = self.lines.borrow().values().map(|listed| listed.line.clone()).collect();
        // The last part of the time is for what is still on its way out.
        let step = over.mul_f64(0.8) / u32::try_from(lines.len()).unwrap_or(u32::MAX).max(1);
        let begin = tokio::time::Instant::now();
        let spread = u64::try_from(over.as_millis()).unwrap_or(u64::MAX).max(1);
        for (index, line) in (0u32..).zip(&lines) {
            let retry_after = getrandom::u64().unwrap_or_default() % spread;
            tokio::time::sleep_until(begin + step * index).await;
            line.call_close(codes::SHUTTING_DOWN, Some(retry_after));
        }
        drop(lines);
        let all_gone = async {
            while !self.lines.borrow().is_empty() {
                self.empty.notified().await;
            }
        };
        if tokio::time::timeout_at(begin + over, all_gone).await.is_err() {
            let left = self.lines.borrow().len();
            tracing::warn!(shard = self.index, left, "the drain time is over; the rest is cut off");
        }
    }
}
