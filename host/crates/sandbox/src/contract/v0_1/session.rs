//! The resources `handshake` and `session`: what a plugin may ask about a connection.
//!
//! A hook has one of each and cannot keep them, so their handles carry nothing: the call that is under
//! way is in the store.

use std::sync::Arc;

use sluicegate_contract::limits::{ATTRIBUTE_KEY_BYTES, ATTRIBUTE_VALUE_BYTES};
use wasmtime::component::{LinkerInstance, Resource, ResourceType};

use crate::bounded::BoundedText;
use crate::fault::Misuse;
use crate::host_call::define;
use crate::state::StoreData;
use chain::{Caller, Handshake};

/// Type of the handle `session`.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct SessionHandle;
/// Type of the handle `handshake`.
#[allow(unreachable_pub, reason = "the generated bindings re-export it")]
pub struct HandshakeHandle;

type SessionBorrow = Resource<SessionHandle>;
type HandshakeBorrow = Resource<HandshakeHandle>;
type AttributeKey = BoundedText<ATTRIBUTE_KEY_BYTES>;

/// Bytes of a header's name that is looked for; none that came is longer.
const HEADER_NAME_BYTES: usize = 8 * 1024;

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

/// A text that the guest gets, charged.
fn handed<T: AsRef<str>>(state: &mut StoreData, text: Option<T>) -> wasmtime::Result<(Option<T>,)> {
    if let Some(text) = &text {
        state.call.time.charge(text.as_ref().len())?;
    }
    Ok((text,))
}

pub(super) fn types(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    // Guests only borrow them, so none is ever given up by one.
    instance.resource("session", ResourceType::host::<SessionHandle>(), |_, _| Ok(()))?;
    instance.resource("handshake", ResourceType::host::<HandshakeHandle>(), |_, _| Ok(()))?;
    of_session(instance)?;
    of_handshake(instance)
}

fn of_session(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "[method]session.id", |state, (_,): (SessionBorrow,)| {
        Ok((Arc::clone(&caller(state)?.session),))
    })?;
    define(instance, "[method]session.tenant", |state, (_,): (SessionBorrow,)| {
        Ok((Arc::clone(&caller(state)?.tenant),))
    })?;
    define(instance, "[method]session.user", |state, (_,): (SessionBorrow,)| {
        Ok((caller(state)?.user(),))
    })?;
    define(instance, "[method]session.claims", |state, (_,): (SessionBorrow,)| {
        let claims = caller(state)?.identity().claims;
        state.call.time.charge(claims.len())?;
        Ok((claims,))
    })?;
    define(
        instance,
        "[method]session.remote-address",
        |state, (_,): (SessionBorrow,)| Ok((caller(state)?.remote.to_string(),)),
    )?;
    define(
        instance,
        "[method]session.transport",
        |state, (_,): (SessionBorrow,)| Ok((caller(state)?.transport,)),
    )?;
    define(
        instance,
        "[method]session.attribute",
        |state, (_, key): (SessionBorrow, AttributeKey)| {
            // No attribute has a longer key.
            let value = key
                .whole()
                .map(|key| caller(state).map(|caller| caller.attribute(&key)));
            Ok((value.unwrap_or(Ok(None))?,))
        },
    )?;
    define(
        instance,
        "[method]session.set-attribute",
        |state, (_, key, value): (SessionBorrow, AttributeKey, BoundedText<ATTRIBUTE_VALUE_BYTES>)| {
            let caller = caller(state)?;
            let too_long = |limit: chain::AttributeLimit| Misuse::new(limit.0);
            let key = key.whole().map_err(chain::AttributeLimit::key).map_err(too_long)?;
            let value = value.whole().map_err(chain::AttributeLimit::value).map_err(too_long)?;
            Ok(caller.set_attribute(&key, &value).map_err(too_long)?)
        },
    )?;
    define(
        instance,
        "[method]session.connected-ms",
        |state, (_,): (SessionBorrow,)| {
            let open = caller(state)?.opened.elapsed();
            Ok((u64::try_from(open.as_millis()).unwrap_or(u64::MAX),))
        },
    )
}

fn of_handshake(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(
        instance,
        "[method]handshake.token",
        |state, (_,): (HandshakeBorrow,)| {
            let token = handshake(state)?.token.clone();
            handed(state, token)
        },
    )?;
    define(
        instance,
        "[method]handshake.header",
        |state, (_, name): (HandshakeBorrow, BoundedText<HEADER_NAME_BYTES>)| {
            let Ok(name) = name.whole() else { return Ok((None,)) };
            let value = handshake(state)?.upgrade.headers.get(&name).map(str::to_owned);
            handed(state, value)
        },
    )?;
    define(
        instance,
        "[method]handshake.origin",
        |state, (_,): (HandshakeBorrow,)| {
            let origin = handshake(state)?.upgrade.origin.as_deref().map(str::to_owned);
            handed(state, origin)
        },
    )?;
    define(instance, "[method]handshake.path", |state, (_,): (HandshakeBorrow,)| {
        Ok((handshake(state)?.upgrade.path.to_string(),))
    })?;
    define(
        instance,
        "[method]handshake.client-name",
        |state, (_,): (HandshakeBorrow,)| {
            let name = handshake(state)?.client_name.clone();
            handed(state, name)
        },
    )?;
    define(instance, "[method]handshake.data", |state, (_,): (HandshakeBorrow,)| {
        let data = handshake(state)?.data.clone();
        handed(state, data)
    })?;
    define(
        instance,
        "[method]handshake.is-refresh",
        |state, (_,): (HandshakeBorrow,)| Ok((handshake(state)?.is_refresh,)),
    )
}
