//! A binding on one shard: answers the chain through at most one instance, and gets a new one after a fault.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::binding::Binding;
use super::breaker::{Pass, Tripped};
use super::fault;
use super::instance::Instance;
use super::meter::{Labelled, Tally};
use super::pace::Pace;
use super::rebuild::{PendingInstance, Progress};
use super::rebuild_delay::RebuildDelay;
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
    /// Leave under which an answer was given that the chain still has to judge.
    unjudged: Option<Pass>,
    /// It was called since it was last looked after.
    asked: bool,
    used: Instant,
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
            paces: Default::default(),
            unjudged: None,
            asked: false,
            used: binding.clock().now(),
            binding,
        }
    }

    fn call<V: Labelled>(
        &mut self,
        hook: HookKind,
        ask: impl FnOnce(Box<Instance>) -> Result<(HookResponse<V>, Box<Instance>), Fault>,
        is_judged: impl FnOnce(&V) -> bool,
    ) -> Result<HookResponse<V>, Fault> {
        self.asked = true;
        let instance = match self.take() {
            Ok(instance) => instance,
            Err(fault) => return Err(self.not_asked(hook, fault)),
        };
        let Some(pass) = self.binding.breaker(hook).admit(|| self.binding.clock().now()) else {
            self.held = SlotState::Ready(instance);
            return Err(self.not_asked(hook, Fault::Unavailable("its circuit is open after repeated faults")));
        };
        let start = self.paces[hook as usize].is_timed().then(Instant::now);
        match ask(instance) {
            Ok((answer, instance)) => {
                let took = self.paces[hook as usize].count(start.map(|start| start.elapsed()));
                self.held = SlotState::Ready(instance);
                if is_judged(&answer.verdict) {
                    self.unjudged = Some(pass);
                } else {
                    self.succeeded(hook, pass);
                }
                self.tally.lock().verdict(hook, answer.verdict.label(), took);
                Ok(answer)
            }
            Err(fault) => Err(self.faulted(hook, pass, fault)),
        }
    }

    /// The instance, if there is one or can be one now.
    fn take(&mut self) -> Result<Box<Instance>, Fault> {
        match std::mem::replace(&mut self.held, SlotState::Nothing) {
            SlotState::Ready(instance) => Ok(instance),
            SlotState::Nothing => self.binding.make().map_err(|error| {
                self.rebuild(self.binding.clock().now());
                error.into()
            }),
            SlotState::Coming(pending) => match pending.poll() {
                Progress::Done(instance) => Ok(instance),
                Progress::Waiting => {
                    self.held = SlotState::Coming(pending);
                    Err(Fault::Unavailable("it is being rebuilt after a fault"))
                }
                Progress::Failed(error) => {
                    self.rebuild(self.binding.clock().now());
                    Err(error.into())
                }
                Progress::Lost => Err(Fault::Unavailable("it is to be rebuilt")),
            },
        }
    }

    /// The instance is gone; has another made.
    fn rebuild(&mut self, now: Instant) {
        let delay = self.rebuild_delay.fault(now);
        let pending = self.binding.rebuilder().request(&self.binding, delay);
        self.held = pending.map_or(SlotState::Nothing, SlotState::Coming);
    }

    fn succeeded(&self, hook: HookKind, pass: Pass) {
        if self.binding.breaker(hook).succeed(pass) {
            self.log_closed(hook);
        }
    }

    #[cold]
    fn faulted(&mut self, hook: HookKind, pass: Pass, fault: Fault) -> Fault {
        let now = self.binding.clock().now();
        self.rebuild(now);
        let binding = &self.binding;
        binding.meters().fault(hook, fault::kind(&fault));
        let (tenant, plugin) = (&*binding.scope().tenant, &**binding.name());
        tracing::warn!(tenant, plugin, hook = hook.name(), %fault, "plugin fault");
        if let Tripped::For(wait) = binding.breaker(hook).fault(pass, now) {
            tracing::warn!(
                tenant,
                plugin,
                hook = hook.name(),
                ?wait,
                "circuit opens after repeated faults"
            );
        }
        fault
    }

    #[cold]
    fn not_asked(&self, hook: HookKind, fault: Fault) -> Fault {
        let binding = &self.binding;
        binding.meters().fault(hook, fault::kind(&fault));
        // Every caller meets an instance that is not there; once per cause is enough for the log.
        if !matches!(fault, Fault::Unavailable(_)) {
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
            HookKind::Connect,
            |instance| instance.connect(handshake, caller),
            |_| false,
        )
    }

    fn subscribe(&mut self, caller: &Arc<Caller>, channel: &str) -> Result<HookResponse<SubscribeVerdict>, Fault> {
        self.call(
            HookKind::Subscribe,
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
            HookKind::Publish,
            |instance| instance.publish(caller, channel, data),
            |verdict| matches!(verdict, PublishVerdict::Replace(_)),
        )
    }

    fn disconnect(&mut self, caller: &Arc<Caller>, code: u16) -> Result<(), Fault> {
        self.call(
            HookKind::Disconnect,
            |instance| instance.disconnect(caller, code),
            |()| false,
        )?;
        Ok(())
    }

    fn judged(&mut self, hook: HookKind, outcome: Result<(), &Fault>) {
        let pass = self.unjudged.take().unwrap_or(Pass::Normal);
        match outcome {
            Ok(()) => self.succeeded(hook, pass),
            Err(fault) => {
                self.faulted(hook, pass, fault.clone());
            }
        }
    }

    /// Gives back an instance that nobody asked for five minutes.
    fn evict_idle(&mut self, now: Instant) {
        for pace in &mut self.paces {
            pace.rest();
        }
        if std::mem::take(&mut self.asked) {
            self.used = now;
        } else if now.saturating_duration_since(self.used) >= IDLE {
            self.held = SlotState::Nothing;
        }
    }
}
