//! One instance: a store with a guest in it. A call consumes it and gives it back only when all went well,
//! so a poisoned store cannot be called again.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use thiserror::Error;
use wasmtime::component::Instance as Component;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::binding::Binding;
use super::build_watch::{ALLOWANCE, BuildWatch, Turn};
use super::call_time::ticks;
use super::capabilities::PluginScope;
use super::contract::v0_1::GuestExports;
use super::contract::v0_2::KeyTable;
use super::error::LoadError;
use super::fault;
use super::limits::{HANDLES, InstanceLimits};
use super::machine;
use super::room::{Capacity, Exhausted, InstancePlace};
use super::state::{GuestPhase, HookCall, StoreData};
use super::usage::MemoryCharge;
use super::wasi::Wasi;
use chain::{Caller, ConnectVerdict, Fault, Handshake, HookKind, HookResponse, PublishVerdict, SubscribeVerdict};
use plugin_store::WaitBudget;
use protocol::Content;

/// Bytes that one host call or one verdict may carry from the guest to the host, at most: the longest message
/// that a config allows, and its envelope. Never more than the guest's own memory, though a call could name
/// the same bytes many times.
const TRANSFER_BYTES: usize = 16 * 1024 * 1024 + 64 * 1024;

/// The kernel's words for `ENOMEM`, as they stand in an error of a mapping.
const NO_MEMORY_LEFT: &str = "Cannot allocate memory";

/// A guest ready for the next call.
pub(super) struct Instance {
    store: Store<StoreData>,
    guest: GuestExports,
    deadline: Duration,
    /// How long each call may wait for stores that nodes share.
    wait_budget: WaitBudget,
    /// None if nobody will call it.
    _alive: Option<Alive>,
    /// Given back last.
    _place: InstancePlace,
}

/// An instance could not be made.
#[derive(Debug, Error)]
pub(super) enum MakeError {
    #[error("{0}")]
    Types(String),
    #[error("init refused the settings: {0}")]
    Refused(String),
    #[error("init {0}")]
    Init(Fault),
    #[error("instantiation {0}")]
    Start(Fault),
    #[error("no room for another plugin instance: {0}")]
    Full(Exhausted),
    #[error("{0}")]
    Host(String),
}

impl MakeError {
    /// Whether it is the guest's doing.
    pub(super) fn is_of_guest(&self) -> bool {
        match self {
            Self::Types(_) | Self::Refused(_) => true,
            Self::Init(fault) | Self::Start(fault) => !matches!(fault, Fault::Host(_)),
            Self::Full(_) | Self::Host(_) => false,
        }
    }
}

impl From<MakeError> for LoadError {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Types(what) => Self::WrongType(what),
            MakeError::Refused(reason) => Self::InitRefused(reason),
            MakeError::Init(fault) => Self::InitFaulted(fault),
            other => Self::DoesNotStart(other.to_string()),
        }
    }
}

impl From<MakeError> for Fault {
    fn from(error: MakeError) -> Self {
        match error {
            MakeError::Init(fault) | MakeError::Start(fault) => fault,
            other => Self::Host(fault::cut(other.to_string())),
        }
    }
}

/// Counted in `sluicegate_plugin_instances`.
struct Alive(IntGauge);

impl Alive {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.dec();
    }
}

// === impl Instance ===

impl Instance {
    /// A new instance for a slot, in its place, with `init` behind it. `watch` says how long its start and its `init` may
    /// go on.
    pub(super) fn make(
        binding: &Binding,
        watch: &Arc<BuildWatch>,
        place: InstancePlace,
    ) -> Result<Box<Self>, MakeError> {
        let scope = Arc::clone(binding.scope());
        Self::make_in(binding, watch, place, scope, Some(binding.meters().instances()))
    }

    /// Makes one that nobody will call, to see whether it can be made.
    pub(super) fn try_out(binding: &Binding, place: InstancePlace) -> Result<(), MakeError> {
        let watch = Arc::new(BuildWatch::alone());
        Self::make_in(binding, &watch, place, binding.trial_scope(), None).map(drop)
    }

    fn make_in(
        binding: &Binding,
        watch: &Arc<BuildWatch>,
        place: InstancePlace,
        scope: Arc<PluginScope>,
        gauge: Option<&IntGauge>,
    ) -> Result<Box<Self>, MakeError> {
        let touched_before = machine::touched();
        let plugin = binding.plugin();
        let charge = MemoryCharge::new(binding.usage(), &binding.tenant_memory());
        let state = StoreData {
            limits: InstanceLimits::new(binding.memory_bytes(), charge),
            call: HookCall::new(plugin.engine().ticks.clone()),
            scope,
            wasi: Wasi::default(),
            building: Some(Arc::clone(watch)),
            keys: KeyTable::default(),
        };
        let mut store = Store::new(&plugin.engine().engine, state);
        store.limiter(|state| &mut state.limits);
        store.set_hostcall_fuel(TRANSFER_BYTES.min(binding.memory_bytes()));
        store.set_max_component_handles(HANDLES);
        store.epoch_deadline_callback(|mut store| {
            let data = store.data_mut();
            let turn = match data.building.as_ref().map(|watch| watch.turn()) {
                Some(Turn::Over) => return Ok(UpdateDeadline::Interrupt),
                Some(Turn::Next(turn)) => ticks(turn),
                None => u64::MAX,
            };
            Ok(match data.call.look() {
                Ok(left) => UpdateDeadline::Continue(left.min(turn)),
                Err(_) => UpdateDeadline::Interrupt,
            })
        });
        begin(&mut store, GuestPhase::Start, ALLOWANCE, WaitBudget::default());
        store.set_epoch_deadline(ticks(BuildWatch::first_turn()));
        let instance = plugin
            .instantiate(&mut store)
            .map_err(|e| not_started(&e, &store, &plugin.engine().capacity))?;
        let guest = load(binding, &mut store, &instance)?;

        begin(&mut store, GuestPhase::Init, ALLOWANCE, WaitBudget::within(ALLOWANCE));
        store.set_epoch_deadline(ticks(BuildWatch::first_turn()));
        match guest.init(&mut store, binding.settings()) {
            Ok(Ok(())) => {}
            Ok(Err(refusal)) => return Err(MakeError::Refused(fault::cut(refusal))),
            Err(error) => {
                let fault = fault::classify(&error, &store.data().limits, ALLOWANCE);
                return Err(MakeError::Init(fault));
            }
        }
        let state = store.data_mut();
        state.building = None;
        let touched = machine::touched().zip(touched_before);
        let bytes = state
            .limits
            .settle(touched.map(|(now, before)| now.saturating_sub(before)));
        plugin.note_bytes(bytes);
        Ok(Box::new(Self {
            store,
            guest,
            deadline: binding.deadline(),
            wait_budget: WaitBudget::within(binding.deadline()),
            _alive: gauge.map(Alive::new),
            _place: place,
        }))
    }

    /// May this connection be, and who is it?
    pub(super) fn connect(
        mut self: Box<Self>,
        handshake: &Arc<Handshake>,
        caller: &Arc<Caller>,
    ) -> Result<(HookResponse<ConnectVerdict>, Box<Self>), Fault> {
        self.enter(HookKind::Connect, caller);
        self.store.data_mut().call.handshake = Some(Arc::clone(handshake));
        let verdict = self.guest.connect((&mut self.store).into());
        self.leave(verdict)
    }

    /// May the caller listen to `channel`?
    pub(super) fn subscribe(
        mut self: Box<Self>,
        caller: &Arc<Caller>,
        channel: &str,
    ) -> Result<(HookResponse<SubscribeVerdict>, Box<Self>), Fault> {
        self.enter(HookKind::Subscribe, caller);
        let verdict = self.guest.subscribe((&mut self.store).into(), channel);
        self.leave(verdict)
    }

    /// May the caller say `data` in `channel`?
    pub(super) fn publish(
        mut self: Box<Self>,
        caller: &Arc<Caller>,
        channel: &str,
        content: Content,
        data: &[u8],
    ) -> Result<(HookResponse<PublishVerdict>, Box<Self>), Fault> {
        self.enter(HookKind::Publish, caller);
        self.store.data_mut().call.content = content;
        let verdict = self.guest.publish((&mut self.store).into(), channel, data);
        self.leave(verdict)
    }

    /// The caller's connection ended.
    pub(super) fn disconnect(
        mut self: Box<Self>,
        caller: &Arc<Caller>,
        code: u16,
    ) -> Result<(HookResponse<()>, Box<Self>), Fault> {
        self.enter(HookKind::Disconnect, caller);
        let done = self.guest.disconnect((&mut self.store).into(), code);
        self.leave(done)
    }

    /// It is called no more: what it printed last is logged.
    pub(super) fn retire(&mut self) {
        let state = self.store.data_mut();
        state.wasi.flush(&state.scope.log);
    }

    fn enter(&mut self, hook: HookKind, caller: &Arc<Caller>) {
        let state = self.store.data_mut();
        state.limits.refused = false;
        state.call.caller = Some(Arc::clone(caller));
        begin(&mut self.store, GuestPhase::Hook(hook), self.deadline, self.wait_budget);
    }

    fn leave<V>(mut self: Box<Self>, verdict: wasmtime::Result<V>) -> Result<(HookResponse<V>, Box<Self>), Fault> {
        let state = self.store.data_mut();
        // What the guest handed over in the end was copied and checked after it was looked at last.
        match verdict.and_then(|verdict| Ok(state.call.look().map(|_| verdict)?)) {
            Ok(verdict) => {
                let call = &mut state.call;
                call.caller = None;
                call.handshake = None;
                call.content = Content::default();
                let answer = HookResponse {
                    verdict,
                    tags: std::mem::take(&mut call.tags),
                    cache: call.cache.take(),
                };
                Ok((answer, self))
            }
            Err(error) => Err(fault::classify(&error, &state.limits, self.deadline)),
        }
    }
}

fn not_started(error: &wasmtime::Error, store: &Store<StoreData>, capacity: &Capacity) -> MakeError {
    let limits = &store.data().limits;
    if error.is::<PoolConcurrencyLimitError>() {
        MakeError::Full(Exhausted::Addresses(capacity.memories))
    } else if is_out_of_mappings(error) {
        MakeError::Full(Exhausted::Mappings(capacity.mapped_memories))
    } else if error.is::<Trap>() || limits.refused {
        MakeError::Start(fault::classify(error, limits, ALLOWANCE))
    } else {
        MakeError::Host(fault::cut(format!("{error:#}")))
    }
}

/// The kernel says so where a process has too many mappings.
fn is_out_of_mappings(error: &wasmtime::Error) -> bool {
    error.chain().any(|cause| cause.to_string().contains(NO_MEMORY_LEFT))
}

fn load(binding: &Binding, store: &mut Store<StoreData>, instance: &Component) -> Result<GuestExports, MakeError> {
    let guest = binding.plugin().exports().load(store, instance);
    guest.map_err(|error| MakeError::Types(fault::cut(format!("{error:#}"))))
}

/// A call begins.
fn begin(store: &mut Store<StoreData>, phase: GuestPhase, deadline: Duration, wait_budget: WaitBudget) {
    let call = &mut store.data_mut().call;
    call.phase = phase;
    call.wait_budget = wait_budget;
    call.time.begin(deadline);
    store.set_epoch_deadline(ticks(deadline));
}
