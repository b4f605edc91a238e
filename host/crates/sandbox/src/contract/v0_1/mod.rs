//! Contract 0.1: types and glue generated from `plugin-sdk/wit/v0.1`, the only copy.

mod capabilities;
mod effects;
mod exports;
mod session;
mod verdict;

pub(crate) use exports::{Exports, GuestExports};
#[allow(unreachable_pub, reason = "the generated bindings re-export them")]
pub use session::{HandshakeHandle, SessionHandle};

use wasmtime::component::{Linker, LinkerInstance};

use super::{PACKAGE, VERSION};
use crate::state::StoreData;

mod bindings {
    #![allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated")]

    wasmtime::component::bindgen!({
        world: "everything",
        path: "../../../plugin-sdk/wit/v0.1",
        with: {
            "sluicegate:plugin/types.session": super::SessionHandle,
            "sluicegate:plugin/types.handshake": super::HandshakeHandle,
        },
    });
}

/// Links what of an interface works.
type AddToLinker = fn(&mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()>;

const INTERFACES: [(&str, AddToLinker); 6] = [
    ("types", session::types),
    ("effects", effects::effects),
    ("log", capabilities::log),
    ("kv", capabilities::kv),
    ("limiter", capabilities::limiter),
    ("metrics", capabilities::metrics),
];

/// Adds all imports of the contract. Linked by hand: generated code copies all that a guest hands over before any of
/// ours can look at its length.
pub(super) fn add_to_linker(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    for (interface, define) in INTERFACES {
        let name = format!("{PACKAGE}/{interface}@{VERSION}");
        define(&mut linker.instance(&name)?)?;
    }
    Ok(())
}
