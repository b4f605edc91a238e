//! `wasi:random`: the system's random numbers, whether or not the guest insists on good ones.

use wasmtime::component::LinkerInstance;

use crate::fault::Misuse;
use crate::host_call::define;
use crate::state::StoreData;

/// Bytes a guest gets at once.
const BYTES: u64 = 64 * 1024;

pub(super) fn random(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-random-bytes", |_, (len,): (u64,)| Ok((bytes(len)?,)))?;
    define(instance, "get-random-u64", |_, (): ()| Ok((number()?,)))
}

pub(super) fn insecure(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-insecure-random-bytes", |_, (len,): (u64,)| {
        Ok((bytes(len)?,))
    })?;
    define(instance, "get-insecure-random-u64", |_, (): ()| Ok((number()?,)))
}

pub(super) fn insecure_seed(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "insecure-seed", |_, (): ()| Ok(((number()?, number()?),)))
}

fn bytes(len: u64) -> wasmtime::Result<Vec<u8>> {
    let len = usize::try_from(len.min(BYTES + 1))?;
    if len as u64 > BYTES {
        return Err(Misuse::new(format!("over {BYTES} random bytes at once")).into());
    }
    let mut bytes = vec![0; len];
    getrandom::fill(&mut bytes).map_err(no_random)?;
    Ok(bytes)
}

fn number() -> wasmtime::Result<u64> {
    getrandom::u64().map_err(no_random)
}

fn no_random(error: getrandom::Error) -> wasmtime::Error {
    wasmtime::Error::msg(format!("the system has no random numbers: {error}"))
}
