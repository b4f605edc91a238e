//! A plugin's exports: found once per plugin, loaded once per instance, called per hook.

use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Store, StoreContextMut};

use super::bindings::exports::sluicegate::plugin::{
    connect_hook, disconnect_hook, lifecycle, publish_hook, subscribe_hook,
};
use super::session::{HandshakeHandle, SessionHandle};
use super::verdict;
use crate::fault::Misuse;
use crate::state::StoreData;
use chain::{ConnectVerdict, HookKind, Hooks, PublishVerdict, SubscribeVerdict};

/// Where a plugin's exports are.
pub(crate) struct Exports {
    lifecycle: lifecycle::GuestIndices,
    connect: Option<connect_hook::GuestIndices>,
    subscribe: Option<subscribe_hook::GuestIndices>,
    publish: Option<publish_hook::GuestIndices>,
    disconnect: Option<disconnect_hook::GuestIndices>,
}

/// The exports of one instance.
pub(crate) struct GuestExports {
    lifecycle: lifecycle::Guest,
    connect: Option<connect_hook::Guest>,
    subscribe: Option<subscribe_hook::Guest>,
    publish: Option<publish_hook::Guest>,
    disconnect: Option<disconnect_hook::Guest>,
}

// === impl Exports ===

impl Exports {
    /// The functions of `lifecycle` and of `hooks`; an error names one that is missing.
    pub(crate) fn find(pre: &InstancePre<StoreData>, hooks: Hooks) -> wasmtime::Result<Self> {
        let has = |kind| hooks.has(kind);
        Ok(Self {
            lifecycle: lifecycle::GuestIndices::new(pre)?,
            connect: has(HookKind::Connect)
                .then(|| connect_hook::GuestIndices::new(pre))
                .transpose()?,
            subscribe: has(HookKind::Subscribe)
                .then(|| subscribe_hook::GuestIndices::new(pre))
                .transpose()?,
            publish: has(HookKind::Publish)
                .then(|| publish_hook::GuestIndices::new(pre))
                .transpose()?,
            disconnect: has(HookKind::Disconnect)
                .then(|| disconnect_hook::GuestIndices::new(pre))
                .transpose()?,
        })
    }

    /// The functions of `instance`; an error names one of another type than the contract's.
    pub(crate) fn load(&self, store: &mut Store<StoreData>, instance: &Instance) -> wasmtime::Result<GuestExports> {
        Ok(GuestExports {
            lifecycle: self.lifecycle.load(&mut *store, instance)?,
            connect: self
                .connect
                .as_ref()
                .map(|hook| hook.load(&mut *store, instance))
                .transpose()?,
            subscribe: self
                .subscribe
                .as_ref()
                .map(|hook| hook.load(&mut *store, instance))
                .transpose()?,
            publish: self
                .publish
                .as_ref()
                .map(|hook| hook.load(&mut *store, instance))
                .transpose()?,
            disconnect: self
                .disconnect
                .as_ref()
                .map(|hook| hook.load(&mut *store, instance))
                .transpose()?,
        })
    }
}

// === impl GuestExports ===

impl GuestExports {
    /// `lifecycle.init`. The inner error is the plugin's own.
    pub(crate) fn init(&self, store: &mut Store<StoreData>, settings: &str) -> wasmtime::Result<Result<(), String>> {
        self.lifecycle.call_init(store, settings)
    }

    /// `on-connect`, checked.
    pub(crate) fn connect(&self, store: StoreContextMut<'_, StoreData>) -> wasmtime::Result<ConnectVerdict> {
        let hook = self.connect.as_ref().ok_or_else(|| lacking(HookKind::Connect))?;
        let verdict = hook.call_on_connect(store, handshake(), session())?;
        Ok(verdict::connect(verdict)?)
    }

    /// `on-subscribe`, checked.
    pub(crate) fn subscribe(
        &self,
        store: StoreContextMut<'_, StoreData>,
        channel: &str,
    ) -> wasmtime::Result<SubscribeVerdict> {
        let hook = self.subscribe.as_ref().ok_or_else(|| lacking(HookKind::Subscribe))?;
        let verdict = hook.call_on_subscribe(store, session(), channel)?;
        Ok(verdict::subscribe(verdict)?)
    }

    /// `on-publish`, checked but for the replaced data: what it must be is the channel's to say.
    pub(crate) fn publish(
        &self,
        store: StoreContextMut<'_, StoreData>,
        channel: &str,
        data: &[u8],
    ) -> wasmtime::Result<PublishVerdict> {
        let hook = self.publish.as_ref().ok_or_else(|| lacking(HookKind::Publish))?;
        let verdict = hook.call_on_publish(store, session(), channel, data)?;
        Ok(verdict::publish(verdict)?)
    }

    /// `on-disconnect`.
    pub(crate) fn disconnect(&self, store: StoreContextMut<'_, StoreData>, code: u16) -> wasmtime::Result<()> {
        let hook = self.disconnect.as_ref().ok_or_else(|| lacking(HookKind::Disconnect))?;
        hook.call_on_disconnect(store, session(), code)
    }
}

// Binding checks that the hooks that are asked for are there.
fn lacking(hook: HookKind) -> Misuse {
    Misuse::new(format!("the plugin exports no {} hook", hook.name()))
}

fn session() -> Resource<SessionHandle> {
    Resource::new_borrow(0)
}

fn handshake() -> Resource<HandshakeHandle> {
    Resource::new_borrow(0)
}
