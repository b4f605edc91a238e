//! `wasi:cli`: no arguments, no environment, no terminal, no input; output to the log; `exit` ends the call
//! with a fault.

use wasmtime::component::{LinkerInstance, Resource};

use super::io::{InputStream, OutputStream, TerminalInput, TerminalOutput};
use super::output::{STDERR, STDOUT};
use crate::fault::WasiRefused;
use crate::host_call::define;
use crate::state::StoreData;

pub(super) fn environment(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-environment", |_, (): ()| {
        Ok((Vec::<(String, String)>::new(),))
    })?;
    define(instance, "get-arguments", |_, (): ()| Ok((Vec::<String>::new(),)))?;
    define(instance, "initial-cwd", |_, (): ()| Ok((None::<String>,)))
}

pub(super) fn exit(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(
        instance,
        "exit",
        |_, (status,): (Result<(), ()>,)| -> wasmtime::Result<()> {
            Err(WasiRefused(format!("called exit({})", i32::from(status.is_err()))).into())
        },
    )
}

pub(super) fn stdin(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-stdin", |_, (): ()| {
        Ok((Resource::<InputStream>::new_own(0),))
    })
}

pub(super) fn stdout(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-stdout", |_, (): ()| {
        Ok((Resource::<OutputStream>::new_own(STDOUT),))
    })
}

pub(super) fn stderr(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-stderr", |_, (): ()| {
        Ok((Resource::<OutputStream>::new_own(STDERR),))
    })
}

pub(super) fn terminal_stdin(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-terminal-stdin", |_, (): ()| {
        Ok((None::<Resource<TerminalInput>>,))
    })
}

pub(super) fn terminal_stdout(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-terminal-stdout", |_, (): ()| {
        Ok((None::<Resource<TerminalOutput>>,))
    })
}

pub(super) fn terminal_stderr(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    define(instance, "get-terminal-stderr", |_, (): ()| {
        Ok((None::<Resource<TerminalOutput>>,))
    })
}
