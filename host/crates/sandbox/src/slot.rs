//! A binding on one shard: answers the chain through at most one instance, which the builders make.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::binding::Binding;
use super::breaker::{Pass, Tripped};
use super::call_time::Ticks;
use super::client::{Asking, ClientKey};
use super::fault;
use super::good_answers::GoodAnswers;
use super::instance::{Instance, MakeError};
use super::meter::{Label, Labelled, Tally};
use super::pace::Pace;
use super::pool::{InstanceCell, InstancePool, PendingInstance, Progress, UseStamp};
use super::rebuild_delay::RebuildDelay;
use super::suspension::{Suspended, Suspensions};
use chain::{
    Caller, ConnectVerdict, Fault, Handshake, Hook, HookKind, HookResponse, PendingCall, PublishVerdict,
    SubscribeVerdict,
};
use protocol::Content;

/// An instance that nobody asked for so long gives its memory back.
const IDLE: Duration = Duration::from_mins(5);

const CIRCUIT_OPEN: &str = "its circuit is open after repeated faults";
const DELAYED: &str = "it is being rebuilt after a fault";
const NOT_MADE: &str = "its instance is not made yet";

/// One shard's place for an instance of a plugin in a tenant's chain.
///
/// The instance is made when a first call waits for it ([`Hook::pending`]), never on the shard's thread, and given back
/// when idle, or when another needs the room. A call that finds none is a fault. A call that does not keep to its deadline ends at most 3 ms of processor time
/// after it, see `call_time.rs`.
pub struct Slot {
    binding: Arc<Binding>,
    pool: Arc<InstancePool>,
    /// The instance, while there is one.
    cell: Arc<InstanceCell>,
    making: SlotState,
    ticks: Ticks,
    uses: u64,
    rebuild_delay: RebuildDelay,
    tally: Arc<Mutex<Tally>>,
    paces: [Pace; HookKind::ALL.len()],
    good_answers: Arc<GoodAnswers>,
    suspensions: Suspensions,
    /// The answer that the chain still has to judge.
    unjudged: Option<Answered>,
    /// It was called since it was last looked after.
    asked: bool,
    used: Instant,
}

/// An answer, as far as it is counted.
#[derive(Clone, Copy)]
struct Answered {
    /// Leave under which it was given.
    pass: Pass,
    label: Label,
    took: Duration,
}

/// What becomes of an empty cell.
enum SlotState {
    Nothing,
    Coming(PendingInstance),
    /// It could not be made, which the next call is told.
    Failed(MakeError),
}

// === impl Slot ===

impl Slot {
    /// An empty one; one of an eager binding has its instance made at once.
    pub(super) fn new(binding: &Arc<Binding>, pool: &Arc<InstancePool>) -> Self {
        let now = binding.clock().now();
        let mut slot = Self {
            pool: Arc::clone(pool),
            cell: Arc::default(),
            making: SlotState::Nothing,
            ticks: binding.plugin().engine().ticks.clone(),
            uses: 0,
            rebuild_delay: RebuildDelay::default(),
            tally: binding.meters().tally(),
            good_answers: binding.good_answers().of_new_slot(),
            suspensions: Suspensions::default(),
            paces: Default::default(),
            unjudged: None,
            asked: false,
            used: now,
            binding: Arc::clone(binding),
        };
        if binding.is_eager() {
            slot.request(Duration::ZERO);
        }
        slot
    }

    fn call<V: Labelled>(
        &mut self,
        asking: Asking<'_>,
        ask: impl FnOnce(Box<Instance>) -> Result<(HookResponse<V>, Box<Instance>), Fault>,
        is_judged: impl FnOnce(&V) -> bool,
    ) -> Result<HookResponse<V>, Fault> {
        let hook = asking.hook;
        self.asked = true;
        if let Some(left) = self.suspensions.check(asking, || self.binding.clock().now()) {
            return Err(self.not_asked(hook, Fault::Suspended(left)));
        }
        let mut held = self.cell.lock();
        let Some(instance) = held.instance.take() else {
            drop(held);
            let fault = self.missing(hook);
            return Err(self.not_asked(hook, fault));
        };
        let breaker = self.binding.breaker(hook);
        let Some(pass) = breaker.admit(|| asking.user_or_address(), || self.binding.clock().now()) else {
            held.instance = Some(instance);
            drop(held);
            return Err(self.not_asked(hook, Fault::Unavailable(CIRCUIT_OPEN)));
        };
        let start = self.paces[hook as usize].is_timed().then(Instant::now);
        match ask(instance) {
            Ok((answer, instance)) => {
                held.instance = Some(instance);
                drop(held);
                let took = self.paces[hook as usize].count(start.map(|start| start.elapsed()));
                let label = answer.verdict.label();
                let answered = Answered { pass, label, took };
                if is_judged(&answer.verdict) {
                    self.unjudged = Some(answered);
                } else {
                    self.succeeded(hook, answered);
                }
                Ok(answer)
            }
            Err(fault) => {
                drop(held);
                self.cell.emptied();
                Err(self.faulted(asking, pass, start.map(|start| start.elapsed()), fault))
            }
        }
    }

    /// There is no instance; has one made, if that is not begun.
    #[cold]
    fn missing(&mut self, hook: HookKind) -> Fault {
        if !self.would_be_asked(hook) {
            return Fault::Unavailable(CIRCUIT_OPEN);
        }
        self.settle();
        match std::mem::replace(&mut self.making, SlotState::Nothing) {
            SlotState::Failed(error) => {
                self.rebuild(None);
                error.into()
            }
            SlotState::Coming(pending) => {
                let delayed = pending.is_delayed(Instant::now());
                self.making = SlotState::Coming(pending);
                Fault::Unavailable(if delayed { DELAYED } else { NOT_MADE })
            }
            SlotState::Nothing => {
                self.request(Duration::ZERO);
                Fault::Unavailable(NOT_MADE)
            }
        }
    }

    fn would_be_asked(&self, hook: HookKind) -> bool {
        let binding = &self.binding;
        binding.breaker(hook).would_admit(|| binding.clock().now())
    }

    /// Learns what came of the making.
    fn settle(&mut self) {
        let SlotState::Coming(pending) = &self.making else {
            return;
        };
        self.making = match pending.poll() {
            Progress::Waiting => return,
            Progress::Done(Ok(())) | Progress::Lost => SlotState::Nothing,
            Progress::Done(Err(error)) => SlotState::Failed(error),
        };
    }

    /// What a call has to wait for, if there is no instance.
    #[cold]
    fn wait(&mut self, hook: HookKind) -> Option<PendingCall> {
        self.asked = true;
        self.settle();
        // It may have come just now.
        if self.touch() {
            return None;
        }
        // Who is not asked anyway needs no instance, and a trial of the circuit waits for one like any other call.
        if !self.would_be_asked(hook) {
            return None;
        }
        if let SlotState::Nothing = self.making {
            self.request(Duration::ZERO);
        }
        match &self.making {
            // After repeated faults it is not made before a time that is too long to wait for.
            SlotState::Coming(pending) if !pending.is_delayed(Instant::now()) => pending.wait(),
            _ => None,
        }
    }

    /// A call is about to come: whether there is an instance for it.
    fn touch(&mut self) -> bool {
        self.uses += 1;
        self.cell.touch(UseStamp::new(self.ticks.now(), self.uses))
    }

    /// The instance is gone; has another made.
    fn rebuild(&mut self, client: Option<ClientKey>) {
        let delay = self.rebuild_delay.fault(client, self.binding.clock().now());
        self.request(delay);
    }

    fn request(&mut self, delay: Duration) {
        let pending = self.pool.request(&self.binding, &self.cell, delay);
        self.making = pending.map_or(SlotState::Nothing, SlotState::Coming);
    }

    /// Gives back an instance. A shard has many at a time that are idle, or replaced by a reload, and taking them apart is
    /// not for its thread.
    fn give_back(&self, instance: Option<Box<Instance>>) {
        if let Some(mut instance) = instance {
            instance.retire();
            self.pool.discard(instance);
        }
    }

    fn succeeded(&mut self, hook: HookKind, Answered { pass, label, took }: Answered) {
        if self.binding.breaker(hook).succeed(pass) {
            self.log_closed(hook);
        }
        self.rebuild_delay.answered();
        self.good_answers.count(hook);
        self.tally.lock().verdict(hook, label, took);
    }

    #[cold]
    fn faulted(&mut self, asking: Asking<'_>, pass: Pass, took: Option<Duration>, fault: Fault) -> Fault {
        let hook = asking.hook;
        let now = self.binding.clock().now();
        let client = asking.user_or_address();
        self.rebuild(Some(client));
        let suspended = self.suspensions.fault(asking, now);
        let binding = &self.binding;
        binding.meters().fault(hook, fault::kind(&fault), took);
        let (tenant, plugin) = (&*binding.scope().tenant, &**binding.name());
        let (session, remote) = (&*asking.caller.session, asking.caller.remote);
        tracing::warn!(tenant, plugin, hook = hook.name(), session, %fault, "plugin fault");
        match suspended {
            Some(Suspended::Session(wait)) => {
                tracing::warn!(
                    tenant,
                    plugin,
                    hook = hook.name(),
                    session,
                    ?wait,
                    "its calls fault: it has to wait"
                );
            }
            Some(Suspended::Address(wait)) => {
                let hook = hook.name();
                tracing::warn!(tenant, plugin, hook, %remote, ?wait, "calls from there fault: what is new has to wait");
            }
            None => {}
        }
        let good = binding.good_answers().sum(hook);
        let tripped = binding.breaker(hook).fault(pass, client, good, now);
        if let Tripped::For(wait) = tripped {
            tracing::warn!(
                tenant,
                plugin,
                hook = hook.name(),
                ?wait,
                "circuit opens: it fails for most clients"
            );
        }
        fault
    }

    #[cold]
    fn not_asked(&self, hook: HookKind, fault: Fault) -> Fault {
        let binding = &self.binding;
        binding.meters().fault(hook, fault::kind(&fault), None);
        // Every caller meets an instance that is not there; once per cause is enough for the log.
        if !matches!(fault, Fault::Unavailable(_) | Fault::Suspended(_)) {
            let (tenant, plugin) = (&*binding.scope().tenant, &**binding.name());
            tracing::warn!(tenant, plugin, hook = hook.name(), %fault, "no plugin instance");
        }
        fault
    }

    #[cold]
    fn log_closed(&self, hook: HookKind) {
        let (tenant, plugin) = (&*self.binding.scope().tenant, &**self.binding.name());
        tracing::info!(tenant, plugin, hook = hook.name(), "circuit closes");
    }
}

impl Hook for Slot {
    fn pending(&mut self, hook: HookKind) -> Option<PendingCall> {
        if self.touch() { None } else { self.wait(hook) }
    }

    fn connect(
        &mut self,
        handshake: &Arc<Handshake>,
        caller: &Arc<Caller>,
    ) -> Result<HookResponse<ConnectVerdict>, Fault> {
        self.call(
            Asking::connect(caller, handshake),
            |instance| instance.connect(handshake, caller),
            |_| false,
        )
    }

    fn subscribe(&mut self, caller: &Arc<Caller>, channel: &str) -> Result<HookResponse<SubscribeVerdict>, Fault> {
        self.call(
            Asking::in_session(HookKind::Subscribe, caller),
            |instance| instance.subscribe(caller, channel),
            |_| false,
        )
    }

    fn takes_bytes(&self) -> bool {
        self.binding.plugin().takes_bytes()
    }

    fn publish(
        &mut self,
        caller: &Arc<Caller>,
        channel: &str,
        content: Content,
        data: &[u8],
    ) -> Result<HookResponse<PublishVerdict>, Fault> {
        self.call(
            Asking::in_session(HookKind::Publish, caller),
            |instance| instance.publish(caller, channel, content, data),
            |verdict| matches!(verdict, PublishVerdict::Replace(_)),
        )
    }

    fn disconnect(&mut self, caller: &Arc<Caller>, code: u16) -> Result<(), Fault> {
        self.call(
            Asking::in_session(HookKind::Disconnect, caller),
            |instance| instance.disconnect(caller, code),
            |()| false,
        )?;
        Ok(())
    }

    fn judged(&mut self, hook: HookKind, caller: &Arc<Caller>, outcome: Result<(), &Fault>) {
        let Some(answered) = self.unjudged.take() else {
            return;
        };
        match outcome {
            Ok(()) => self.succeeded(hook, answered),
            Err(fault) => {
                self.faulted(
                    Asking::in_session(hook, caller),
                    answered.pass,
                    Some(answered.took),
                    fault.clone(),
                );
            }
        }
    }

    /// Gives back an instance that nobody asked for five minutes.
    fn evict_idle(&mut self, now: Instant) {
        for pace in &mut self.paces {
            pace.rest();
        }
        self.suspensions.rest(self.binding.clock().now());
        if std::mem::take(&mut self.asked) {
            self.used = now;
        } else if now.saturating_duration_since(self.used) >= IDLE && !self.binding.is_eager() {
            self.give_back(self.cell.take());
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.give_back(self.cell.close());
    }
}
