//! The plugin contract on the host's side: one module per version of the WIT package, with what that version added. A
//! frozen version is never changed; an interface that grows comes anew with a later one, beside the old.

pub(super) mod v0_1;
pub(super) mod v0_2;

use wasmtime::Engine;
use wasmtime::component::Linker;

use super::state::StoreData;

pub(super) const PACKAGE: &str = "sluicegate:plugin";
/// The version this broker speaks, as it stands behind the `@`.
pub(super) const VERSION: &str = "0.1.0";
/// The next one, which may still change, and of which a plugin imports what it uses beside the other.
pub(super) const DRAFT: &str = "0.2.0";

/// Everything the contract offers to plugins. What a plugin may use of it is checked by name when it is
/// bound, so the linker is the same for all.
pub(super) fn linker(engine: &Engine) -> wasmtime::Result<Linker<StoreData>> {
    let mut linker = Linker::new(engine);
    v0_1::add_to_linker(&mut linker)?;
    v0_2::add_to_linker(&mut linker)?;
    Ok(linker)
}
