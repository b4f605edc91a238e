//! What a component imports, against what the host offers.

use wasmtime::Engine;
use wasmtime::component::Component;

use super::capabilities::Grants;
use super::contract::{DRAFT, PACKAGE, VERSION};
use super::error::{LoadError, NameList};
use super::wasi;

/// The interfaces of the contract, each with the version that it came with. Those for which there is a capability of the
/// same name need its grant; the others are open to every plugin.
const INTERFACES: [(&str, &str); 8] = [
    ("types", VERSION),
    ("effects", VERSION),
    ("log", VERSION),
    ("kv", VERSION),
    ("limiter", VERSION),
    ("metrics", VERSION),
    ("crypto", DRAFT),
    ("message", DRAFT),
];

/// What a component imports that is not open to every plugin, or changes what it is given.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Imported {
    /// The grants that it needs.
    pub(super) grants: Grants,
    /// It asks what a message is, so it is given bytes as they are.
    pub(super) content: bool,
}

/// Checks that the host offers all that `component` imports, and says what of it matters.
pub(super) fn check(engine: &Engine, component: &Component) -> Result<Imported, LoadError> {
    let mut imported = Imported::default();
    for (import, _) in component.component_type().imports(engine) {
        let name = InterfaceName::parse(import);
        if name.package == PACKAGE {
            check_version(&name)?;
        }
        let is_offered = match name.package {
            PACKAGE => version_of(name.interface).is_some(),
            _ => wasi::offers(&name),
        };
        if !is_offered {
            return Err(LoadError::UnknownImport {
                import: import.to_owned(),
                offered: offered(),
            });
        }
        match (name.package, name.interface) {
            (PACKAGE, "kv") => imported.grants.kv = true,
            (PACKAGE, "limiter") => imported.grants.limiter = true,
            (PACKAGE, "metrics") => imported.grants.metrics = true,
            (PACKAGE, "message") => imported.content = true,
            _ => {}
        }
    }
    Ok(imported)
}

/// The version of the contract that has this interface.
fn version_of(interface: &str) -> Option<&'static str> {
    let found = INTERFACES.iter().find(|(name, _)| *name == interface);
    found.map(|(_, version)| *version)
}

/// Checks that an interface of the contract is asked for in the version that has it. One that is not known here may
/// be of any version that is.
fn check_version(name: &InterfaceName<'_>) -> Result<(), LoadError> {
    let (is_spoken, speaks) = match version_of(name.interface) {
        Some(version) => (name.is_of(version), format!("{PACKAGE}/{}@{version}", name.interface)),
        None => (
            name.is_of(VERSION) || name.is_of(DRAFT),
            format!("{PACKAGE}@{VERSION} and, as a draft, {DRAFT}"),
        ),
    };
    if is_spoken {
        return Ok(());
    }
    Err(LoadError::OtherContract {
        what: "imports",
        found: format!("{PACKAGE}/{}@{}", name.interface, name.version),
        speaks,
    })
}

/// Checks that all it `needs` is granted.
pub(super) fn check_granted(needs: Grants, granted: Grants) -> Result<(), LoadError> {
    let wanted = [
        ("kv", needs.kv, granted.kv),
        ("limiter", needs.limiter, granted.limiter),
        ("metrics", needs.metrics, granted.metrics),
    ];
    match wanted.iter().find(|(_, needed, granted)| *needed && !*granted) {
        Some((capability, ..)) => Err(LoadError::NotGranted { capability }),
        None => Ok(()),
    }
}

fn offered() -> NameList {
    let contract = INTERFACES
        .iter()
        .map(|(interface, version)| format!("{PACKAGE}/{interface}@{version}"));
    NameList(contract.chain(wasi::offered()).collect())
}

/// `package/interface@version`, taken apart; what is missing is empty.
pub(super) struct InterfaceName<'a> {
    pub(super) package: &'a str,
    pub(super) interface: &'a str,
    pub(super) version: &'a str,
}

impl<'a> InterfaceName<'a> {
    pub(super) fn parse(name: &'a str) -> Self {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, interface) = path.split_once('/').unwrap_or((path, ""));
        Self {
            package,
            interface,
            version,
        }
    }

    /// Whether this version and `other` (`0.1.0`) are one to semver: below 1.0, the same minor version.
    pub(super) fn is_of(&self, other: &str) -> bool {
        let series = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
        self.version == other || (!self.version.contains('-') && series(self.version) == series(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_one_while_their_minor_version_is() {
        let of = |name| InterfaceName::parse(name).is_of("0.1.0");
        assert!(of("sluicegate:plugin/kv@0.1.0"));
        assert!(of("sluicegate:plugin/kv@0.1.7"));
        for other in [
            "a:b/c@0.2.0",
            "a:b/c@1.0.0",
            "a:b/c",
            "a:b/c@0.1.0-rc.1",
            "a:b/c@0.11.0",
        ] {
            assert!(!of(other), "{other}");
        }
    }
}
