//! What an instance's store holds: its limits, the present call, and what the plugin may reach.

use std::sync::Arc;
use std::time::Duration;

use wasmtime::Trap;

use super::build_watch::BuildWatch;
use super::call_time::{CallTime, Ticks};
use super::capabilities::PluginScope;
use super::contract::v0_2::KeyTable;
use super::limits::InstanceLimits;
use super::wasi::Wasi;
use chain::{Caller, Handshake, HookKind};
use plugin_store::WaitBudget;
use protocol::Content;

/// Data of a store.
pub(super) struct StoreData {
    pub(super) limits: InstanceLimits,
    pub(super) call: HookCall,
    pub(super) scope: Arc<PluginScope>,
    pub(super) wasi: Wasi,
    /// While the instance is made.
    pub(super) building: Option<Arc<BuildWatch>>,
    pub(super) keys: KeyTable,
}

impl Drop for StoreData {
    /// A guest that ends in the middle of a line, most likely of a panic, has said the most important.
    fn drop(&mut self) {
        self.wasi.flush(&self.scope.log);
    }
}

/// The present call.
pub(super) struct HookCall {
    pub(super) time: CallTime,
    pub(super) phase: GuestPhase,
    pub(super) caller: Option<Arc<Caller>>,
    pub(super) handshake: Option<Arc<Handshake>>,
    /// What the message is that the call is about.
    pub(super) content: Content,
    pub(super) tags: Vec<(String, String)>,
    pub(super) cache: Option<Duration>,
    /// How long it may still wait for stores that nodes share.
    pub(super) wait_budget: WaitBudget,
}

// === impl HookCall ===

impl HookCall {
    pub(super) fn new(ticks: Ticks) -> Self {
        Self {
            time: CallTime::new(ticks),
            phase: GuestPhase::default(),
            caller: None,
            handshake: None,
            content: Content::default(),
            tags: Vec::new(),
            cache: None,
            wait_budget: WaitBudget::default(),
        }
    }

    /// The host has done what the guest asked for: may the guest go on?
    pub(super) fn after_host_call(&mut self) -> Result<(), Trap> {
        self.time.after_host_call(self.wait_budget.spent())
    }

    /// May the guest go on, and for how many ticks until somebody asks again?
    pub(super) fn look(&mut self) -> Result<u64, Trap> {
        self.time.look(self.wait_budget.spent())
    }
}

/// Why the guest runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum GuestPhase {
    /// It is being made.
    #[default]
    Start,
    Init,
    Hook(HookKind),
}
