//! What tenants and sessions used of a shard's time, and who of them waits. Counts; decides nothing.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::fair_queue::FairQueue;
use crate::hub::ClientConnection;
use crate::observe::TenantMetrics;

/// How long sessions run until the shard looks at its sockets again, and one session until others have their turn.
/// A hook that has begun is not interrupted.
pub(super) const SLICE: Duration = Duration::from_micros(150);
/// A poll that takes longer makes its tenant wait for its next turns behind everything that is ready …
const LONG: Duration = Duration::from_micros(100);
/// … until so many polls were shorter.
const LONG_FOR: u8 = 64;
/// Time that a tenant uses until the metrics know of it; or until the shard looks for what is idle.
const REPORT_EVERY: Duration = Duration::from_millis(1);
/// On-disconnect hooks of a tenant that wait for their turn on a shard; at that number its connects are refused with
/// 4429. What comes on top is at most the sessions that it has then.
const DEPARTED_HOOKS: usize = 1_024;

/// A tenant's share of a shard's time.
pub struct TenantShare {
    /// Of two tenants that want the time, one with twice the weight gets twice as much.
    weight: Cell<u32>,
    /// Nanoseconds that it used, or counts as having used, divided by its weight.
    pub(super) used: Cell<u64>,
    /// Its sessions that wait, by what they used.
    pub(super) waiting: RefCell<FairQueue<Waiting>>,
    /// It is in the shard's queue.
    pub(super) is_queued: Cell<bool>,
    /// The most that one of its sessions had used when its turn came.
    floor: Cell<u64>,
    /// Polls until its turns no longer count as long.
    long_for: Cell<u8>,
    pub(super) departed: Cell<usize>,
    metrics: Arc<TenantMetrics>,
    /// Time that is used and not in the metrics yet.
    unreported_requests: Cell<Duration>,
    unreported_deliveries: Cell<Duration>,
}

/// A session's share of its tenant's time.
pub struct SessionShare {
    pub(super) tenant: Rc<TenantShare>,
    client: Rc<ClientConnection>,
    /// Nanoseconds that it used, or counts as having used.
    pub(super) used: Cell<u64>,
    pub(super) state: Cell<TurnState>,
    /// Since when it waits.
    since: Cell<Instant>,
    waited: Cell<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum TurnState {
    Idle,
    Waits,
    Granted,
}

/// Who waits for a turn.
pub(super) enum Waiting {
    Session(Weak<SessionShare>),
    /// A session that is over.
    Hooks(Departed),
}

/// The last hooks of a session. They are asked by calling it until it is ready; between two of them it asks whether to pause.
pub(super) type DepartedHooks = Box<dyn FnMut(&mut dyn FnMut() -> bool) -> Poll<()>>;

/// A session that is over, and whose last hooks wait.
pub(super) struct Departed {
    /// As [`SessionShare::used`].
    pub used: u64,
    pub hooks: DepartedHooks,
}

// === impl Departed ===

impl Departed {
    pub(super) fn charge(&mut self, took: Duration) {
        self.used += nanos(took);
    }
}

// === impl TenantShare ===

impl TenantShare {
    /// Of a tenant that has used nothing.
    pub fn new(metrics: Arc<TenantMetrics>) -> Rc<Self> {
        Rc::new(Self {
            weight: Cell::new(1),
            used: Cell::default(),
            waiting: RefCell::default(),
            is_queued: Cell::default(),
            floor: Cell::default(),
            long_for: Cell::default(),
            departed: Cell::default(),
            metrics,
            unreported_requests: Cell::default(),
            unreported_deliveries: Cell::default(),
        })
    }

    /// Sets its weight, from 1; it counts from now on.
    pub fn weigh(&self, weight: u32) {
        self.weight.set(weight.max(1));
    }

    /// Hands what was counted to the metrics.
    pub fn report(&self) {
        self.metrics.request_time.add(self.unreported_requests.take());
        self.metrics.delivery_time.add(self.unreported_deliveries.take());
    }

    /// Whether so many on-disconnect hooks wait that no further session should come.
    pub fn has_many_departed(&self) -> bool {
        self.departed.get() >= DEPARTED_HOOKS
    }

    /// Whether one of its turns keeps others waiting.
    pub(super) fn takes_long(&self) -> bool {
        self.long_for.get() > 0
    }

    pub(super) fn catch_up(&self, floor: u64) {
        catch_up(&self.used, floor, self.weighed(SLICE));
    }

    /// Its sessions used so much.
    pub(super) fn charge(&self, took: Duration) {
        self.used.update(|used| used + self.weighed(took));
        if took >= LONG {
            self.long_for.set(LONG_FOR);
        } else {
            self.long_for.update(|polls| polls.saturating_sub(1));
        }
        self.unreported_requests.update(|before| before + took);
        // All shards share the counter, so it is not touched at every poll.
        if self.unreported_requests.get() >= REPORT_EVERY {
            self.report();
        }
    }

    /// Bringing messages to its subscribers took so long.
    pub(super) fn charge_delivery(&self, took: Duration) {
        self.used.update(|used| used + self.weighed(took));
        self.unreported_deliveries.update(|before| before + took);
        if self.unreported_deliveries.get() >= REPORT_EVERY {
            self.report();
        }
    }

    /// So many more sessions and hooks wait, or less.
    pub(super) fn count_waiting(&self, more: i64) {
        self.metrics.waiting.add(more);
    }

    /// So many more envelopes wait to be delivered, or less.
    pub(super) fn count_deliveries(&self, more: i64) {
        self.metrics.waiting_deliveries.add(more);
    }

    fn weighed(&self, time: Duration) -> u64 {
        nanos(time) / u64::from(self.weight.get())
    }
}

// === impl SessionShare ===

impl SessionShare {
    /// Of a new session. It comes after those that are there, so that a client gains nothing by connecting again.
    pub fn new(tenant: &Rc<TenantShare>, client: &Rc<ClientConnection>) -> Rc<Self> {
        Rc::new(Self {
            tenant: tenant.clone(),
            client: client.clone(),
            used: Cell::new(tenant.floor.get() + nanos(SLICE)),
            state: Cell::new(TurnState::Idle),
            since: Cell::new(Instant::now()),
            waited: Cell::default(),
        })
    }

    /// Whether it waits for its turn.
    pub fn is_waiting(&self) -> bool {
        self.state.get() == TurnState::Waits
    }

    /// How long what it has to do has waited for turns.
    pub fn waited(&self) -> Duration {
        self.waited.get()
    }

    /// It has nothing to do.
    pub fn rest(&self) {
        if self.state.get() == TurnState::Idle {
            self.waited.set(Duration::ZERO);
        }
    }

    /// Begins to wait. Returns whether it did not wait before.
    pub(super) fn wait(&self, now: Instant) -> bool {
        let begins = self.state.replace(TurnState::Waits) != TurnState::Waits;
        if begins {
            self.since.set(now);
        }
        begins
    }

    pub(super) fn grant(&self) {
        self.state.set(TurnState::Granted);
        self.client.signal_turn();
    }

    pub(super) fn take_grant(&self, now: Instant) {
        self.state.set(TurnState::Idle);
        let waited = now.saturating_duration_since(self.since.get());
        self.waited.update(|before| before + waited);
    }

    /// Its turn begins.
    pub(super) fn begin(&self) {
        self.catch_up();
        self.tenant.floor.update(|floor| floor.max(self.used.get()));
    }

    pub(super) fn charge(&self, took: Duration) {
        self.used.update(|used| used + nanos(took));
        self.tenant.charge(took);
    }

    pub(super) fn catch_up(&self) {
        catch_up(&self.used, self.tenant.floor.get(), nanos(SLICE));
    }

    pub(super) fn used_with(&self, more: Duration) -> u64 {
        self.used.get() + nanos(more)
    }
}

/// Time that was not used is not saved: who rested is a slice before the others, and no more.
fn catch_up(used: &Cell<u64>, floor: u64, slice: u64) {
    used.update(|used| used.max(floor.saturating_sub(slice)));
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
