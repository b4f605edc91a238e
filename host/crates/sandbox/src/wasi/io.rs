//! `wasi:io`: input that has ended, output that never waits, and pollables that are ready or refuse.
//!
//! The resources carry what there is to know in their handles, so the host keeps no table of them.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType};

use super::clocks::is_over;
use crate::fault::{Misuse, WasiRefused};
use crate::state::StoreData;

pub(super) struct InputStream;
/// [`super::output::STDOUT`] or [`super::output::STDERR`].
pub(super) struct OutputStream;
/// A [`super::clocks::Moment`].
pub(super) struct Pollable;
pub(super) struct IoError;
pub(super) struct TerminalInput;
pub(super) struct TerminalOutput;
pub(super) struct Descriptor;
/// Of an interface that has none of its functions working.
struct Unused;

/// The host's type for the resource `name`.
pub(super) fn resource(name: &str) -> ResourceType {
    match name {
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<IoError>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        _ => ResourceType::host::<Unused>(),
    }
}

/// `stream-error`
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<IoError>),
    #[component(name = "closed")]
    Closed,
}

type InputHandle = Resource<InputStream>;
type Output = Resource<OutputStream>;
type Read = Result<Vec<u8>, StreamError>;
type Written = Result<(), StreamError>;

/// What a guest may write at once before it asks again.
const WRITABLE: u64 = 64 * 1024;

pub(super) fn streams(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    for read in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        instance.func_wrap(read, |_, (_, _): (InputHandle, u64)| {
            Ok((Read::Err(StreamError::Closed),))
        })?;
    }
    instance.func_wrap("[method]input-stream.subscribe", |_, (_,): (InputHandle,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })?;

    instance.func_wrap("[method]output-stream.check-write", |_, (_,): (Output,)| {
        Ok((Result::<u64, StreamError>::Ok(WRITABLE),))
    })?;
    for write in [
        "[method]output-stream.write",
        "[method]output-stream.blocking-write-and-flush",
    ] {
        instance.func_wrap(write, |mut store, (stream, bytes): (Output, Vec<u8>)| {
            let StoreData { wasi, scope, .. } = store.data_mut();
            wasi.write(stream.rep(), &bytes, &scope.log);
            Ok((Written::Ok(()),))
        })?;
    }
    for flush in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        instance.func_wrap(flush, |_, (_,): (Output,)| Ok((Written::Ok(()),)))?;
    }
    instance.func_wrap("[method]output-stream.subscribe", |_, (_,): (Output,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })
}

pub(super) fn poll(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    instance.func_wrap("[method]pollable.ready", |store, (pollable,): (Resource<Pollable>,)| {
        Ok((is_over(&store.data().wasi, pollable.rep()),))
    })?;
    instance.func_wrap("[method]pollable.block", |store, (pollable,): (Resource<Pollable>,)| {
        if is_over(&store.data().wasi, pollable.rep()) {
            return Ok(());
        }
        Err(wait_refused())
    })?;
    instance.func_wrap("poll", |store, (pollables,): (Vec<Resource<Pollable>>,)| {
        if pollables.is_empty() {
            return Err(Misuse::new("wasi:io/poll#poll of nothing").into());
        }
        let wasi = &store.data().wasi;
        let ready: Vec<u32> = (0..)
            .zip(&pollables)
            .filter(|(_, pollable)| is_over(wasi, pollable.rep()))
            .map(|(n, _)| n)
            .collect();
        if ready.is_empty() {
            return Err(wait_refused());
        }
        Ok((ready,))
    })
}

fn wait_refused() -> wasmtime::Error {
    WasiRefused("waited for a clock; a plugin answers at once or not at all".into()).into()
}
