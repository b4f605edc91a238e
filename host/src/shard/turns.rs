//! Whose turn it is on a shard: tenants, and the sessions of each, share its time by what they have used of it. Knows
//! no request and no hook.
//!
//! A session asks before it reads and before each request ([`ShardTurns::may_run`]). While the shard has time to spare the
//! answer is yes. Once sessions have used a slice, the others wait until the shard has looked at its sockets; then the
//! tenant that used the least is next, and of its sessions the one that used the least. So between two slow hooks
//! everybody else who has something to do has had a turn.
//!
//! What is counted is the time of whole polls of a session's task (hooks, encoding, reading, writing) and that of bringing
//! messages to a tenant's subscribers, which waits for its turn in the same order (`deliveries.rs`). Of tenants that
//! want the time each gets a share by its weight.

mod deliveries;
mod fair_queue;
mod share;
#[cfg(test)]
mod tests;
mod turn_clock;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

pub(super) use deliveries::{Deliveries, DeliveryRound, TenantDeliveries};
use fair_queue::FairQueue;
pub use share::SessionShare;
pub(super) use share::TenantShare;
use share::{Departed, DepartedHooks, SLICE, TurnState, Waiting};
use turn_clock::TurnClock;

/// The turns of one shard.
#[derive(Default)]
pub struct ShardTurns {
    clock: TurnClock,
    /// Time that was used since the shard looked at its sockets.
    used: Cell<Duration>,
    poll: Cell<Option<RunningPoll>>,
    /// The tenants of whom somebody waits, by what they used.
    tenants: RefCell<FairQueue<Rc<TenantShare>>>,
    /// The tenant that used the least of those for whose subscribers something waits.
    delivers: RefCell<Option<Rc<TenantShare>>>,
    /// The most that a tenant had used when its turn came.
    floor: Cell<u64>,
    /// Entries in the queues of all tenants.
    waiting: Cell<usize>,
    /// A session has its turn and has not begun.
    is_granted: Cell<bool>,
    is_scheduled: Cell<bool>,
    /// Hooks of departed sessions that wait.
    departed: Cell<usize>,
    none_departed: Notify,
}

/// The poll of a session's task that runs now.
#[derive(Clone, Copy)]
struct RunningPoll {
    began: Instant,
    /// It is the session's turn.
    is_turn: bool,
}

impl ShardTurns {
    /// In tests: the time that is counted is what they say it is.
    #[cfg(test)]
    pub fn hold_clock(&self, clock: std::sync::Arc<parking_lot::Mutex<Instant>>) {
        self.clock.held.replace(Some(clock));
    }

    /// In tests: so much passes at each look at the clock that they hold.
    #[cfg(test)]
    pub fn step_clock(&self, step: Duration) {
        self.clock.step.set(step);
    }

    // --- what a session asks ---

    /// A poll of a session's task begins.
    pub fn poll_begins(&self) {
        self.poll.set(Some(RunningPoll {
            began: self.clock.now(),
            is_turn: false,
        }));
    }

    /// The poll is over, and its time is counted.
    pub fn poll_ends(self: &Rc<Self>, share: &SessionShare) {
        let Some(poll) = self.poll.take() else { return };
        let took = self.clock.now().saturating_duration_since(poll.began);
        self.used.update(|used| used + took);
        share.charge(took);
        // It had nothing to do after all.
        self.leave(share, TurnState::Granted);
        if self.waiting.get() > 0 {
            // A hook of a departed session waits until the shard has looked at its sockets.
            self.next(false);
        }
        if self.is_spent() {
            self.schedule();
        }
    }

    /// Whether the session may read, or begin a request, now. If not, it waits for its turn and is signaled then.
    pub fn may_run(self: &Rc<Self>, share: &Rc<SessionShare>) -> bool {
        // Commands that a test applies without a session's task are not counted.
        let Some(poll) = self.poll.get() else { return true };
        if poll.is_turn {
            return self.may_go_on(share);
        }
        match share.state.get() {
            TurnState::Granted => {
                share.take_grant(poll.began);
                self.is_granted.set(false);
            }
            TurnState::Idle if self.is_free_for(share) => {}
            TurnState::Idle | TurnState::Waits => {
                self.wait(share, poll.began);
                return false;
            }
        }
        self.begin(&share.tenant);
        share.begin();
        self.poll.set(Some(RunningPoll { is_turn: true, ..poll }));
        true
    }

    /// Whether the session may go on with what it has begun in this poll. If not, it waits for its turn and is signaled then.
    pub fn may_go_on(self: &Rc<Self>, share: &Rc<SessionShare>) -> bool {
        let Some(poll) = self.poll.get() else { return true };
        let now = self.clock.now();
        if now.saturating_duration_since(poll.began) < SLICE {
            return true;
        }
        self.wait(share, now);
        false
    }

    /// The session is over, and takes no more turns.
    pub fn end(&self, share: &SessionShare) {
        self.leave(share, TurnState::Waits);
        self.leave(share, TurnState::Granted);
    }

    /// Runs the last hooks of a session that is over: now, or when its turn comes.
    pub fn depart(self: &Rc<Self>, share: &SessionShare, mut hooks: DepartedHooks) {
        let now = self.clock.now();
        let began = self.poll.get().map_or(now, |poll| poll.began);
        let is_over = || self.clock.now().saturating_duration_since(began) >= SLICE;
        // What runs here is counted with the session's poll.
        if !is_over() && self.is_free_for(share) && hooks(&mut || is_over()).is_ready() {
            return;
        }
        self.departed.update(|departed| departed + 1);
        share.tenant.departed.update(|departed| departed + 1);
        let key = self.key(share, self.clock.now());
        self.push(&share.tenant, key, Waiting::Hooks(Departed { used: key, hooks }));
    }

    // --- what the shard asks ---

    /// Counts time that the shard used for no session in particular.
    pub fn spend(self: &Rc<Self>, used: Duration) {
        self.used.update(|before| before + used);
        if self.is_spent() {
            self.schedule();
        }
    }

    /// Waits until no hook of a departed session waits.
    pub async fn none_departed(&self) {
        while self.departed.get() > 0 {
            self.none_departed.notified().await;
        }
    }

    /// How many of them wait.
    pub fn departed(&self) -> usize {
        self.departed.get()
    }

    // --- who is next ---

    fn is_spent(&self) -> bool {
        self.used.get() >= SLICE
    }

    /// Whether nobody is before a session that wants to run now.
    fn is_free_for(&self, share: &SessionShare) -> bool {
        let tenant = &share.tenant;
        if self.is_spent() || tenant.takes_long() {
            return false;
        }
        tenant.catch_up(self.floor.get());
        if !self.is_before_deliveries(tenant) {
            return false;
        }
        if self.waiting.get() == 0 {
            return true;
        }
        share.catch_up();
        let first = tenant.waiting.borrow().first_key();
        first.is_none_or(|first| share.used.get() < first) && self.is_first(tenant)
    }

    /// Whether no other tenant that waits has used less.
    fn is_first(&self, tenant: &Rc<TenantShare>) -> bool {
        let tenants = self.tenants.borrow();
        let is_itself = || tenants.first().is_some_and(|first| Rc::ptr_eq(first, tenant));
        tenants.first_key().is_none_or(|first| tenant.used.get() < first) || is_itself()
    }

    fn wait(self: &Rc<Self>, share: &Rc<SessionShare>, now: Instant) {
        if share.wait(now) {
            let waiting = Waiting::Session(Rc::downgrade(share));
            self.push(&share.tenant, self.key(share, now), waiting);
        }
    }

    /// What a session has used, with the poll that runs.
    fn key(&self, share: &SessionShare, now: Instant) -> u64 {
        share.catch_up();
        let began = self.poll.get().map_or(now, |poll| poll.began);
        share.used_with(now.saturating_duration_since(began))
    }

    fn leave(&self, share: &SessionShare, state: TurnState) {
        if share.state.get() == state {
            share.state.set(TurnState::Idle);
            if state == TurnState::Granted {
                self.is_granted.set(false);
            }
        }
    }

    fn push(self: &Rc<Self>, tenant: &Rc<TenantShare>, key: u64, waiting: Waiting) {
        tenant.waiting.borrow_mut().push(key, waiting);
        tenant.count_waiting(1);
        self.waiting.update(|waiting| waiting + 1);
        if !tenant.is_queued.replace(true) {
            self.enqueue(tenant);
        }
        self.schedule();
    }

    fn enqueue(&self, tenant: &Rc<TenantShare>) {
        tenant.catch_up(self.floor.get());
        self.tenants.borrow_mut().push(tenant.used.get(), tenant.clone());
    }

    fn schedule(self: &Rc<Self>) {
        if !self.is_scheduled.replace(true) {
            tokio::task::spawn_local(self.clone().give_turns());
        }
    }

    /// Gives turns until nobody waits for one.
    async fn give_turns(self: Rc<Self>) {
        loop {
            // A task that yields goes on after the runtime has looked at its sockets, behind everything that is ready.
            tokio::task::yield_now().await;
            self.used.set(Duration::ZERO);
            // A session that has not begun by now does not need its turn.
            self.is_granted.set(false);
            while let Some((tenant, departed)) = self.next(true) {
                self.run(&tenant, departed);
            }
            if self.waiting.get() == 0 && !self.is_spent() {
                self.is_scheduled.set(false);
                return;
            }
        }
    }

    /// Gives the next session its turn. Returns the hooks of a departed one if that is next, and `hooks` are asked for.
    fn next(&self, hooks: bool) -> Option<(Rc<TenantShare>, Departed)> {
        while !self.is_spent() && !self.is_granted.get() {
            let tenant = self.next_tenant()?;
            if !self.is_before_deliveries(&tenant) {
                self.enqueue(&tenant);
                return None;
            }
            let mut waiting = tenant.waiting.borrow_mut();
            let is_left = !hooks && matches!(waiting.first(), Some(Waiting::Hooks(_)));
            let next = if is_left { None } else { waiting.pop_first() };
            let is_empty = waiting.is_empty();
            drop(waiting);
            if next.is_some() {
                tenant.count_waiting(-1);
                self.waiting.update(|waiting| waiting - 1);
            }
            tenant.is_queued.set(!is_empty);
            if !is_empty {
                self.enqueue(&tenant);
            }
            match next {
                Some(Waiting::Hooks(departed)) => return Some((tenant, departed)),
                Some(Waiting::Session(share)) => {
                    if let Some(share) = share.upgrade().filter(|share| share.is_waiting()) {
                        self.is_granted.set(true);
                        share.grant();
                    }
                }
                None => return None,
            }
        }
        None
    }

    /// Whether nothing is to be delivered first, for another tenant that has used less.
    fn is_before_deliveries(&self, tenant: &Rc<TenantShare>) -> bool {
        let first = self.delivers.borrow();
        first
            .as_ref()
            .is_none_or(|first| Rc::ptr_eq(first, tenant) || tenant.used.get() <= first.used.get())
    }

    /// The tenant that used the least of those of whom somebody waits.
    fn next_tenant(&self) -> Option<Rc<TenantShare>> {
        loop {
            let (key, tenant) = {
                let mut tenants = self.tenants.borrow_mut();
                (tenants.first_key()?, tenants.pop_first()?)
            };
            // It may have used more since it was queued.
            if tenant.used.get() <= key {
                return Some(tenant);
            }
            self.enqueue(&tenant);
        }
    }

    /// Runs the hooks of a departed session, as long as the shard has time; the others when its turn comes again.
    fn run(self: &Rc<Self>, tenant: &Rc<TenantShare>, mut departed: Departed) {
        self.begin(tenant);
        let began = self.clock.now();
        let since = || self.clock.now().saturating_duration_since(began);
        let polled = (departed.hooks)(&mut || self.used.get() + since() >= SLICE);
        let took = since();
        self.used.update(|used| used + took);
        tenant.charge(took);
        if polled.is_pending() {
            departed.charge(took);
            return self.push(tenant, departed.used, Waiting::Hooks(departed));
        }
        tenant.departed.update(|departed| departed - 1);
        self.departed.update(|departed| departed - 1);
        if self.departed.get() == 0 {
            self.none_departed.notify_one();
        }
    }

    /// The turn of a tenant begins.
    fn begin(&self, tenant: &TenantShare) {
        tenant.catch_up(self.floor.get());
        self.floor.update(|floor| floor.max(tenant.used.get()));
    }
}
