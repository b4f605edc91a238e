//! The resources `handshake` and `session`: what a plugin may ask about a connection.
//!
//! A hook has one of each and cannot keep them, so their handles carry nothing: the call that is under
//! way is in the store.

use wasmtime::component::Resource;

use super::bindings::sluicegate::plugin::types::{Host, HostHandshake, HostSession};
use crate::fault::Misuse;
use crate::state::StoreData;
use chain::{Caller, Handshake};

/// Type of the handle `session`.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct SessionHandle;
/// Type of the handle `handshake`.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct HandshakeHandle;

// The calls below happen only while the guest holds a handle, and it gets one only for a call.
fn caller(state: &StoreData) -> wasmtime::Result<&Caller> {
    state
        .call
        .caller
        .as_deref()
        .ok_or_else(|| Misuse::new("no session outside a hook").into())
}

fn handshake(state: &StoreData) -> wasmtime::Result<&Handshake> {
    state
        .call
        .handshake
        .as_deref()
        .ok_or_else(|| Misuse::new("no handshake outside on-connect").into())
}

impl Host for StoreData {}

impl HostSession for StoreData {
    fn id(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(caller(self)?.session.to_string())
    }

    fn tenant(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(caller(self)?.tenant.to_string())
    }

    fn user(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<Option<String>> {
        Ok(caller(self)?.user().map(|user| user.to_string()))
    }

    fn claims(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(caller(self)?.identity().claims.to_string())
    }

    fn remote_address(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(caller(self)?.remote.to_string())
    }

    fn transport(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<String> {
        Ok(caller(self)?.transport.to_owned())
    }

    fn attribute(&mut self, _: Resource<SessionHandle>, key: String) -> wasmtime::Result<Option<String>> {
        Ok(caller(self)?.attribute(&key))
    }

    fn set_attribute(&mut self, _: Resource<SessionHandle>, key: String, value: String) -> wasmtime::Result<()> {
        let set = caller(self)?.set_attribute(&key, &value);
        set.map_err(|limit| Misuse::new(limit.0).into())
    }

    fn connected_ms(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<u64> {
        let open = caller(self)?.opened.elapsed();
        Ok(u64::try_from(open.as_millis()).unwrap_or(u64::MAX))
    }

    // Guests only borrow sessions, so none is ever given up by one.
    fn drop(&mut self, _: Resource<SessionHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}

impl HostHandshake for StoreData {
    fn token(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<Option<String>> {
        Ok(handshake(self)?.token.clone())
    }

    fn header(&mut self, _: Resource<HandshakeHandle>, name: String) -> wasmtime::Result<Option<String>> {
        Ok(handshake(self)?.upgrade.headers.get(&name).map(str::to_owned))
    }

    fn origin(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<Option<String>> {
        Ok(handshake(self)?.upgrade.origin.as_deref().map(str::to_owned))
    }

    fn path(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<String> {
        Ok(handshake(self)?.upgrade.path.to_string())
    }

    fn client_name(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<Option<String>> {
        Ok(handshake(self)?.client_name.clone())
    }

    fn data(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<Option<String>> {
        Ok(handshake(self)?.data.clone())
    }

    fn is_refresh(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<bool> {
        Ok(handshake(self)?.is_refresh)
    }

    fn drop(&mut self, _: Resource<HandshakeHandle>) -> wasmtime::Result<()> {
        Ok(())
    }
}
