//! Which hooks a component exports.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::contract::{PACKAGE, VERSION};
use super::error::{LoadError, NameList};
use super::imports::InterfaceName;
use chain::{HookKind, Hooks};

/// The hooks of `component`, which must export at least one, and `lifecycle`.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<Hooks, LoadError> {
    let mut hooks = Hooks::default();
    let mut has_lifecycle = false;
    let mut names = Vec::new();
    for (export, _) in component.component_type().exports(engine) {
        names.push(export.to_owned());
        let name = InterfaceName::parse(export);
        if name.package != PACKAGE {
            continue;
        }
        if !name.is_of(VERSION) {
            return Err(LoadError::OtherContract {
                what: "exports",
                found: export.to_owned(),
                speaks: format!("{PACKAGE}/{}@{VERSION}", name.interface),
            });
        }
        has_lifecycle |= name.interface == "lifecycle";
        hooks = match name.interface.strip_suffix("-hook").and_then(hook) {
            Some(hook) => hooks.with(hook),
            None => hooks,
        };
    }
    let exports = NameList(names);
    if hooks == Hooks::default() {
        let offered = HookKind::ALL.map(|hook| format!("{PACKAGE}/{}-hook", hook.name()));
        return Err(LoadError::NoHook {
            offered: NameList(offered.to_vec()),
            exports,
        });
    }
    if !has_lifecycle {
        return Err(LoadError::NoLifecycle { exports });
    }
    Ok(hooks)
}

fn hook(name: &str) -> Option<HookKind> {
    HookKind::ALL.into_iter().find(|hook| hook.name() == name)
}
