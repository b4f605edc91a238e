//! Contract 0.1: types and glue generated from `plugin-sdk/wit/v0.1`, the only copy.

mod capabilities;
mod effects;
mod exports;
mod session;
mod verdict;

pub(crate) use exports::{Exports, GuestExports};
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use session::{HandshakeHandle, SessionHandle};

use wasmtime::component::{HasSelf, Linker};

use crate::state::StoreData;

mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]

    wasmtime::component::bindgen!({
        world: "everything",
        path: "../../../plugin-sdk/wit/v0.1",
        imports: { default: trappable },
        with: {
            "sluicegate:plugin/types.session": super::SessionHandle,
            "sluicegate:plugin/types.handshake": super::HandshakeHandle,
        },
    });
}

/// Adds all imports of the contract.
pub(super) fn add_to_linker(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    use bindings::sluicegate::plugin::{effects, kv, limiter, log, metrics, types};

    types::add_to_linker::<_, HasSelf<StoreData>>(linker, |state| state)?;
    effects::add_to_linker::<_, HasSelf<StoreData>>(linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<StoreData>>(linker, |state| state)?;
    kv::add_to_linker::<_, HasSelf<StoreData>>(linker, |state| state)?;
    limiter::add_to_linker::<_, HasSelf<StoreData>>(linker, |state| state)?;
    metrics::add_to_linker::<_, HasSelf<StoreData>>(linker, |state| state)
}
