//! The interface `effects`: what a hook adds to its verdict.

use std::time::Duration;

use sluicegate_contract::limits::{TAG_KEY_BYTES, TAG_VALUE_BYTES, TAGS};

use super::bindings::sluicegate::plugin::effects::Host;
use crate::fault::Misuse;
use crate::state::{GuestPhase, StoreData};
use chain::HookKind;

impl Host for StoreData {
    fn tag(&mut self, key: String, value: String) -> wasmtime::Result<()> {
        if self.call.phase != GuestPhase::Hook(HookKind::Publish) {
            return Err(Misuse::new("effects.tag outside on-publish").into());
        }
        if key.is_empty() || key.len() > TAG_KEY_BYTES {
            let found = key.len();
            return Err(Misuse::new(format!("a tag's key has 1 to {TAG_KEY_BYTES} bytes, not {found}")).into());
        }
        if value.len() > TAG_VALUE_BYTES {
            let found = value.len();
            return Err(Misuse::new(format!(
                "a tag's value has at most {TAG_VALUE_BYTES} bytes, not {found}"
            ))
            .into());
        }
        let tags = &mut self.call.tags;
        if let Some((_, old)) = tags.iter_mut().find(|(k, _)| *k == key) {
            *old = value;
            return Ok(());
        }
        if tags.len() == TAGS {
            return Err(Misuse::new(format!("a message has at most {TAGS} tags")).into());
        }
        tags.push((key, value));
        Ok(())
    }

    fn cache(&mut self, ttl_ms: u32) -> wasmtime::Result<()> {
        match self.call.phase {
            GuestPhase::Hook(HookKind::Subscribe | HookKind::Publish) => {
                self.call.cache = Some(Duration::from_millis(ttl_ms.into()));
                Ok(())
            }
            _ => Err(Misuse::new("effects.cache outside on-subscribe and on-publish").into()),
        }
    }
}
