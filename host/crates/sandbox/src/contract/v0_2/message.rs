//! The interface `message`: what the message is that a call is about.

use wasmtime::component::{ComponentType, Lift, Linker, Lower};

use crate::contract::{DRAFT, PACKAGE};
use crate::host_call::define;
use crate::state::StoreData;
use protocol::Content;

/// The contract's `data-kind`.
#[derive(Clone, Copy, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
enum DataKind {
    #[component(name = "json")]
    Json,
    #[component(name = "binary")]
    Binary,
}

pub(super) fn add_to_linker(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    let mut message = linker.instance(&format!("{PACKAGE}/message@{DRAFT}"))?;
    define(&mut message, "content", |state, (): ()| {
        Ok((match state.call.content {
            Content::Json => DataKind::Json,
            Content::Binary => DataKind::Binary,
        },))
    })
}
