//! Contract 0.2, a draft: what `plugin-sdk/wit/v0.2` adds to 0.1. An interface belongs to the version that it came with, so
//! what did not change is 0.1's alone.

mod crypto;
mod message;

pub(crate) use crypto::KeyTable;

use wasmtime::component::Linker;

use crate::state::StoreData;

/// Adds what this version adds.
pub(super) fn add_to_linker(linker: &mut Linker<StoreData>) -> wasmtime::Result<()> {
    crypto::add_to_linker(linker)?;
    message::add_to_linker(linker)
}
