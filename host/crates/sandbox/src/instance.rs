//! One instance: a store with a guest in it. A call consumes it and gives it back only when all went well,
//! so a poisoned store cannot be called again.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntGauge;
use thiserror::Error;
use wasmtime::component::Instance as Component;
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline};

use super::binding::Binding;
use super::builder::{ALLOWANCE, BuildWatch, Turn};
use super::call_time::ticks;
use super::contract::v0_1::GuestExports;
use super::contract::v0_2::KeyTable;
use super::fault;
use super::limits::InstanceLimits;
use super::state::{GuestPhase, HookCall, StoreData};
use super::wasi::Wasi;
use chain::{Caller, ConnectVerdict, Fault, Handshake, HookKind, HookResponse, PublishVerdict, SubscribeVerdict};
use plugin_store::WaitBudget;

/// Bytes that one host call or one verdict may carry from the guest to the host, at most: the longest message
/// that a config allows, and its envelope. Never more than the guest's own memory, though a call could name
/// the same bytes many times.
const TRANSFER_BYTES: usize = 16 * 1024 * 1024 + 64 * 1024;
/// Handles to resources that are alive in one instance, at most.
pub(super) const HANDLES: usize = 10_000;

/// A guest ready for the next call.
pub(super) struct Instance {
    store: Store<StoreData>,
    guest: GuestExports,
    deadline: Duration,
    /// How long each call may wait for stores that nodes share.
    wait_budget: WaitBudget,
    _alive: Alive,
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
    #[error("no room for another instance; raise the limit of instances or use fewer plugins")]
    Full,
    #[error("{0}")]
    Host(String),
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
    /// A new instance, with `init` behind it. `watch` says how long its start and its `init` may go on.
    pub(super) fn make(binding: &Binding, watch: &Arc<BuildWatch>) -> Result<Box<Self>, MakeError> {
        let plugin = binding.plugin();
        let state = StoreData {
            limits: InstanceLimits::new(binding.memory_bytes()),
            call: HookCall::new(plugin.sandbox().ticks.clone()),
            scope: Arc::clone(binding.scope()),
            wasi: Wasi::default(),
            building: Some(Arc::clone(watch)),
            keys: KeyTable::default(),
        };
        let mut store = Store::new(plugin.engine(), state);
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
        let instance = plugin.instantiate(&mut store).map_err(|e| not_started(&e, &store))?;
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
        store.data_mut().building = None;
        Ok(Box::new(Self {
            store,
            guest,
            deadline: binding.deadline(),
            wait_budget: WaitBudget::within(binding.deadline()),
            _alive: Alive::new(binding.meters().instances()),
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
        data: &[u8],
    ) -> Result<(HookResponse<PublishVerdict>, Box<Self>), Fault> {
        self.enter(HookKind::Publish, caller);
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

fn not_started(error: &wasmtime::Error, store: &Store<StoreData>) -> MakeError {
    let limits = &store.data().limits;
    if error.is::<PoolConcurrencyLimitError>() {
        MakeError::Full
    } else if error.is::<Trap>() || limits.refused {
        MakeError::Start(fault::classify(error, limits, ALLOWANCE))
    } else {
        MakeError::Host(fault::cut(format!("{error:#}")))
    }
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
