//! `wasi:io`: input that has ended, output that never waits, and pollables that are ready or refuse.
//!
//! The resources carry what there is to know in their handles, so the host keeps no table of them.

use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource, ResourceType, WasmList};
use wasmtime::{AsContext, StoreContextMut};

use super::clocks::is_over;
use crate::bounded::Bounded;
use crate::fault::{Misuse, WasiRefused};
use crate::host_call::{define, define_in_store};
use crate::limits::HANDLES;
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
/// Bytes of output between two looks at the deadline.
const PIECE: usize = 4 * 1024;

type Pollables = Bounded<Vec<Resource<Pollable>>, HANDLES>;

pub(super) fn streams(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    for read in ["[method]input-stream.read", "[method]input-stream.blocking-read"] {
        define(instance, read, |_, (_, _): (InputHandle, u64)| {
            Ok((Read::Err(StreamError::Closed),))
        })?;
    }
    define(instance, "[method]input-stream.subscribe", |_, (_,): (InputHandle,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })?;

    define(instance, "[method]output-stream.check-write", |_, (_,): (Output,)| {
        Ok((Result::<u64, StreamError>::Ok(WRITABLE),))
    })?;
    for write in [
        "[method]output-stream.write",
        "[method]output-stream.blocking-write-and-flush",
    ] {
        define_in_store(instance, write, |store, (stream, bytes): (Output, WasmList<u8>)| {
            write_out(store, stream.rep(), &bytes)?;
            Ok((Written::Ok(()),))
        })?;
    }
    for flush in ["[method]output-stream.flush", "[method]output-stream.blocking-flush"] {
        define(instance, flush, |_, (_,): (Output,)| Ok((Written::Ok(()),)))?;
    }
    define(instance, "[method]output-stream.subscribe", |_, (_,): (Output,)| {
        Ok((Resource::<Pollable>::new_own(0),))
    })
}

/// Hands `bytes` to the log piece by piece, as long as the call may go on: a guest can name many lines at once.
fn write_out(store: &mut StoreContextMut<'_, StoreData>, stream: u32, bytes: &WasmList<u8>) -> wasmtime::Result<()> {
    let mut piece = [0; PIECE];
    for start in (0..bytes.len()).step_by(PIECE) {
        let rest = &bytes.as_le_slice(store.as_context())[start..];
        let length = rest.len().min(PIECE);
        piece[..length].copy_from_slice(&rest[..length]);
        let StoreData { wasi, scope, call, .. } = store.data_mut();
        call.time.charge(length)?;
        wasi.write(stream, &piece[..length], &scope.log);
        call.look()?;
    }
    Ok(())
}

pub(super) fn poll(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(
        instance,
        "[method]pollable.ready",
        |state, (pollable,): (Resource<Pollable>,)| Ok((is_over(&state.wasi, pollable.rep()),)),
    )?;
    define(
        instance,
        "[method]pollable.block",
        |state, (pollable,): (Resource<Pollable>,)| {
            if is_over(&state.wasi, pollable.rep()) {
                return Ok(());
            }
            Err(wait_refused())
        },
    )?;
    define(instance, "poll", |state, (pollables,): (Pollables,)| {
        let too_many = |found| {
            Misuse::new(format!(
                "wasi:io/poll#poll of {found} pollables, and {HANDLES} are allowed"
            ))
        };
        let pollables = pollables.whole().map_err(too_many)?;
        if pollables.is_empty() {
            return Err(Misuse::new("wasi:io/poll#poll of nothing").into());
        }
        let wasi = &state.wasi;
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
