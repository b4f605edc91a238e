//! How a function of the host is linked: its time counts as its caller's.

use wasmtime::StoreContextMut;
use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower};

use super::state::StoreData;

/// Links `function`, after which the caller's deadline is looked at.
pub(super) fn define<P, R>(
    instance: &mut LinkerInstance<'_, StoreData>,
    name: &str,
    function: impl Fn(&mut StoreData, P) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    define_in_store(instance, name, move |store, params| function(store.data_mut(), params))
}

/// Links `function`, which reads from the guest's memory, as [`define`] does.
pub(super) fn define_in_store<P, R>(
    instance: &mut LinkerInstance<'_, StoreData>,
    name: &str,
    function: impl Fn(&mut StoreContextMut<'_, StoreData>, P) -> wasmtime::Result<R> + Send + Sync + 'static,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + 'static,
    R: ComponentNamedList + Lower + 'static,
{
    instance.func_wrap(name, move |mut store, params: P| {
        let result = function(&mut store, params)?;
        store.data_mut().call.after_host_call()?;
        Ok(result)
    })
}
