//! `wasi:filesystem`: there are no directories, so there is nothing to call the rest of it on.

use wasmtime::component::{LinkerInstance, Resource};

use super::io::Descriptor;
use crate::state::StoreData;

pub(super) fn preopens(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    instance.func_wrap("get-directories", |_, (): ()| {
        Ok((Vec::<(Resource<Descriptor>, String)>::new(),))
    })
}
