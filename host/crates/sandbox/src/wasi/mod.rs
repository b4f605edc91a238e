//! As much of WASI 0.2 as a plugin's standard library needs to start: clocks and random numbers are real,
//! output goes to the plugin's log, arguments, environment and directories are empty, and all else is
//! linked but refuses when it is called. Sockets, HTTP and what nobody knows are not linked at all.

mod cli;
mod clocks;
mod filesystem;
mod io;
mod output;
mod random;

use wasmtime::Engine;
use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Component, Linker, LinkerInstance};

pub(super) use output::Wasi;

use super::fault::WasiRefused;
use super::imports::InterfaceName;
use super::state::StoreData;

/// One version of the series that is offered; its functions are the same in all of them.
const VERSION: &str = "0.2.0";

/// Links what of an interface works.
type Define = fn(&mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()>;

/// What is offered: package, interface, and what of it works.
const INTERFACES: [(&str, &str, Define); 20] = [
    ("wasi:cli", "environment", cli::environment),
    ("wasi:cli", "exit", cli::exit),
    ("wasi:cli", "stdin", cli::stdin),
    ("wasi:cli", "stdout", cli::stdout),
    ("wasi:cli", "stderr", cli::stderr),
    ("wasi:cli", "terminal-input", nothing),
    ("wasi:cli", "terminal-output", nothing),
    ("wasi:cli", "terminal-stdin", cli::terminal_stdin),
    ("wasi:cli", "terminal-stdout", cli::terminal_stdout),
    ("wasi:cli", "terminal-stderr", cli::terminal_stderr),
    ("wasi:clocks", "monotonic-clock", clocks::monotonic),
    ("wasi:clocks", "wall-clock", clocks::wall),
    ("wasi:filesystem", "preopens", filesystem::preopens),
    ("wasi:filesystem", "types", nothing),
    ("wasi:io", "error", nothing),
    ("wasi:io", "poll", io::poll),
    ("wasi:io", "streams", io::streams),
    ("wasi:random", "insecure", random::insecure),
    ("wasi:random", "insecure-seed", random::insecure_seed),
    ("wasi:random", "random", random::random),
];

#[expect(clippy::unnecessary_wraps, reason = "it is a `Define` like the others")]
fn nothing(_: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    Ok(())
}

/// Whether the import `name` is offered.
pub(super) fn offers(name: &InterfaceName<'_>) -> bool {
    name.is_of(VERSION) && find(name).is_some()
}

/// The names of what is offered.
pub(super) fn offered() -> impl Iterator<Item = String> {
    INTERFACES
        .iter()
        .map(|(package, interface, _)| format!("{package}/{interface}@0.2"))
}

/// Links the parts of WASI that `component` imports, each under the version it asks for.
pub(super) fn add_to_linker(linker: &mut Linker<StoreData>, component: &Component) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    // All of an interface is linked as a refusal first; what works takes its place.
    linker.allow_shadowing(true);
    for (import, item) in component.component_type().imports(&engine) {
        if let Some(define) = find(&InterfaceName::parse(import))
            && let ComponentItem::ComponentInstance(ty) = item.ty
        {
            let mut instance = linker.instance(import)?;
            refuse(&mut instance, &engine, import, &ty)?;
            define(&mut instance)?;
        }
    }
    Ok(())
}

/// What of the interface works, if it is offered.
fn find(name: &InterfaceName<'_>) -> Option<Define> {
    let found = INTERFACES
        .iter()
        .find(|(package, interface, _)| *package == name.package && *interface == name.interface);
    found.map(|(.., define)| *define)
}

/// Links everything in the interface as a refusal, with its resources.
fn refuse(
    instance: &mut LinkerInstance<'_, StoreData>,
    engine: &Engine,
    import: &str,
    ty: &ComponentInstance,
) -> wasmtime::Result<()> {
    for (name, item) in ty.exports(engine) {
        match item.ty {
            ComponentItem::ComponentFunc(_) => {
                let text = format!("called {import}#{name}, which plugins do not get");
                instance.func_new(name, move |_, _, _, _| Err(WasiRefused(text.clone()).into()))?;
            }
            ComponentItem::Resource(_) => instance.resource(name, io::resource(name), |_, _| Ok(()))?,
            _ => {}
        }
    }
    Ok(())
}
