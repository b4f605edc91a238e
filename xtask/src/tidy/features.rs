//! Whether tests need features of dependencies that nothing else needs. `cargo doc` and `cargo build` would then compile those
//! dependencies, and all above them, a second time: wasmtime among them.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use super::rules::Violation;
use crate::shell;
use crate::workspace::Workspace;

/// Features by package, as often as a package is built with different ones.
type Features = BTreeMap<String, BTreeSet<String>>;

pub(super) fn check(workspace: &Workspace) -> Result<Vec<Violation>> {
    let with_tests = features(workspace, "normal,build,dev")?;
    let without = features(workspace, "normal,build")?;
    Ok(differences(&with_tests, &without))
}

fn features(workspace: &Workspace, edges: &str) -> Result<Features> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "tree",
        "--workspace",
        "--prefix",
        "none",
        "--format",
        "{p}|{f}",
        "--edges",
        edges,
    ]);
    Ok(read(&shell::output(&mut cargo)?))
}

fn read(tree: &str) -> Features {
    let mut features = Features::new();
    for (package, named) in tree.lines().filter_map(|line| line.split_once('|')) {
        // `(*)` says that what is below was printed before.
        let named = named.trim_end_matches(" (*)").to_owned();
        features.entry(package.to_owned()).or_default().insert(named);
    }
    features
}

fn differences(with_tests: &Features, without: &Features) -> Vec<Violation> {
    let differ = without
        .iter()
        .filter(|(package, features)| with_tests.get(*package) != Some(features));
    // Packages of this workspace have their folder in the line; their own features do not count.
    let differ = differ.filter(|(package, _)| !package.contains('('));
    differ
        .map(|(package, features)| Violation {
            path: "tests/Cargo.toml".to_owned(),
            line: 1,
            what: format!(
                "{package} is built a second time, because only tests ask for its features: {:?} with, {features:?} without. \
                 Name them in the [dependencies] here",
                with_tests.get(package).into_iter().flatten().collect::<Vec<_>>()
            ),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_that_only_tests_ask_for_are_found() {
        let with =
            read("tokio v1.0.0|net,test-util\nserde v1.0.0|std (*)\nproptest v1.0.0|std\nbench v0.1.0 (/r/bench)|x");
        let without = read("tokio v1.0.0|net\nserde v1.0.0|std\nbench v0.1.0 (/r/bench)|");
        let found = differences(&with, &without);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].what.starts_with("tokio v1.0.0"), "{found:?}");
        assert_eq!(differences(&with, &with), []);
    }
}
