//! The interface `effects`: what a hook adds to its verdict.

use std::time::Duration;

use sluicegate_contract::limits::{TAG_KEY_BYTES, TAG_VALUE_BYTES, TAGS};
use wasmtime::component::LinkerInstance;

use crate::bounded::BoundedText;
use crate::fault::Misuse;
use crate::host_call::define;
use crate::state::{GuestPhase, StoreData};
use chain::HookKind;

pub(super) fn effects(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "tag", |state, (key, value)| Ok(tag(state, key, value)?))?;
    define(instance, "cache", |state, (ttl_ms,): (u32,)| match state.call.phase {
        GuestPhase::Hook(HookKind::Subscribe | HookKind::Publish) => {
            state.call.cache = Some(Duration::from_millis(ttl_ms.into()));
            Ok(())
        }
        _ => Err(Misuse::new("effects.cache outside on-subscribe and on-publish").into()),
    })
}

fn tag(
    state: &mut StoreData,
    key: BoundedText<TAG_KEY_BYTES>,
    value: BoundedText<TAG_VALUE_BYTES>,
) -> Result<(), Misuse> {
    if state.call.phase != GuestPhase::Hook(HookKind::Publish) {
        return Err(Misuse::new("effects.tag outside on-publish"));
    }
    let bad_key = |found: usize| Misuse::new(format!("a tag's key has 1 to {TAG_KEY_BYTES} bytes, not {found}"));
    let key = key.whole().map_err(bad_key)?;
    if key.is_empty() || key.len() > TAG_KEY_BYTES {
        return Err(bad_key(key.len()));
    }
    let bad_value = |found: usize| {
        Misuse::new(format!(
            "a tag's value has at most {TAG_VALUE_BYTES} bytes, not {found}"
        ))
    };
    let value = value.whole().map_err(bad_value)?;
    if value.len() > TAG_VALUE_BYTES {
        return Err(bad_value(value.len()));
    }
    let tags = &mut state.call.tags;
    if let Some((_, old)) = tags.iter_mut().find(|(k, _)| *k == key) {
        *old = value;
        return Ok(());
    }
    if tags.len() == TAGS {
        return Err(Misuse::new(format!("a message has at most {TAGS} tags")));
    }
    tags.push((key, value));
    Ok(())
}
