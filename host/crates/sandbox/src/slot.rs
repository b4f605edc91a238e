//! A binding on one shard: answers the chain through at most one instance, and gets a new one after a fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::binding::Binding;
use super::breaker::{Pass, Tripped};
use super::client::{Asking, ClientKey};
use super::fault;
use super::good_answers::GoodAnswers;
use super::instance::Instance;
use super::meter::{Label, Labelled, Tally};
use super::pace::Pace;
use super::rebuild::{PendingInstance, Progress};
use super::rebuild_delay::RebuildDelay;
use super::suspension::{Suspended, Suspensions};
use chain::{Caller, ConnectVerdict, Fault, Handshake, Hook, HookKind, HookResponse, PublishVerdict, SubscribeVerdict};

/// An instance that nobody asked for so long gives its memory back.
const IDLE: Duration = Duration::from_mins(5);

/// One shard's place for an instance of a plugin in a tenant's chain.
///
/// The instance is made at the first call and given back when idle. A call that does not keep to its
/// deadline ends at most 3 ms after it: one for the tick it began in, two for a thread that the kernel kept
/// waiting.
pub struct Slot {
    binding: Arc<Binding>,
    held: SlotState,
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

enum SlotState {
    Nothing,
    /// Boxed, because each call moves it out and back in.
    Ready(Box<Instance>),
    /// The last one faulted.
    Coming(PendingInstance),
}

// === impl Slot ===

impl Slot {
    pub(super) fn new(binding: Arc<Binding>, spare: Option<Box<Instance>>) -> Self {
        Self {
            held: spare.map_or(SlotState::Nothing, SlotState::Ready),
            rebuild_delay: RebuildDelay::default(),
            tally: binding.meters().tally(),
            good_answers: binding.good_answers().of_new_slot(),
            suspensions: Suspensions::default(),
            paces: Default::default(),
            unjudged: None,
            asked: false,
            used: binding.clock().now(),
            binding,
        }
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
        let instance = match self.take() {
            Ok(instance) => instance,
            Err(fault) => return Err(self.not_asked(hook, fault)),
        };
        let breaker = self.binding.breaker(hook);
        let Some(pass) = breaker.admit(|| asking.user_or_address(), || self.binding.clock().now()) else {
            self.held = SlotState::Ready(instance);
            return Err(self.not_asked(hook, Fault::Unavailable("its circuit is open after repeated faults")));
        };
        let start = self.paces[hook as usize].is_timed().then(Instant::now);
        match ask(instance) {
            Ok((answer, instance)) => {
                let took = self.paces[hook as usize].count(start.map(|start| start.elapsed()));
                self.held = SlotState::Ready(instance);
                let label = answer.verdict.label();
                let answered = Answered { pass, label, took };
                if is_judged(&answer.verdict) {
                    self.unjudged = Some(answered);
                } else {
                    self.succeeded(hook, answered);
                }
                Ok(answer)
            }
            Err(fault) => Err(self.faulted(asking, pass, fault)),
        }
    }

    /// The instance, if there is one or can be one now.
    fn take(&mut self) -> Result<Box<Instance>, Fault> {
        match std::mem::replace(&mut self.held, SlotState::Nothing) {
            SlotState::Ready(instance) => Ok(instance),
            SlotState::Nothing => self.binding.make().map_err(|error| {
                self.rebuild(None);
                error.into()
            }),
            SlotState::Coming(pending) => match pending.poll() {
                Progress::Done(instance) => Ok(instance),
                Progress::Waiting => {
                    self.held = SlotState::Coming(pending);
                    Err(Fault::Unavailable("it is being rebuilt after a fault"))
                }
                Progress::Failed(error) => {
                    self.rebuild(None);
                    Err(error.into())
                }
                Progress::Lost => Err(Fault::Unavailable("it is to be rebuilt")),
            },
        }
    }

    /// The instance is gone; has another made.
    fn rebuild(&mut self, client: Option<ClientKey>) {
        let delay = self.rebuild_delay.fault(client, self.binding.clock().now());
        let pending = self.binding.rebuilder().request(&self.binding, delay);
        self.held = pending.map_or(SlotState::Nothing, SlotState::Coming);
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
    fn faulted(&mut self, asking: Asking<'_>, pass: Pass, fault: Fault) -> Fault {
        let hook = asking.hook;
        let now = self.binding.clock().now();
        let client = asking.user_or_address();
        self.rebuild(Some(client));
        let suspended = self.suspensions.fault(asking, now);
        let binding = &self.binding;
        binding.meters().fault(hook, fault::kind(&fault));
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
        binding.meters().fault(hook, fault::kind(&fault));
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

    fn publish(
        &mut self,
        caller: &Arc<Caller>,
        channel: &str,
        data: &[u8],
    ) -> Result<HookResponse<PublishVerdict>, Fault> {
        self.call(
            Asking::in_session(HookKind::Publish, caller),
            |instance| instance.publish(caller, channel, data),
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
                self.faulted(Asking::in_session(hook, caller), answered.pass, fault.clone());
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
        } else if now.saturating_duration_since(self.used) >= IDLE {
            self.held = SlotState::Nothing;
        }
    }
}
