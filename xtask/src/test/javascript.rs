//! The clients in JavaScript: their types, their documents, what would be published, and their tests against a real broker, in Node
//! and in browsers.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::tally::Tally;
use super::{count, with_broker};
use crate::workspace::Workspace;
use crate::{needs, shell};

/// The oldest Node that the packages name in `engines`.
const OLDEST_NODE: u32 = 20;
/// The second is built on the first.
const PACKAGES: [&str; 2] = ["typescript", "react"];

pub(super) fn run(workspace: &Workspace) -> Result<Tally> {
    needs::ensure(&[needs::CHROMIUM, needs::FIREFOX, needs::NODE, needs::NPM])?;
    let version = shell::output(Command::new("node").arg("--version"))?;
    let major = major_of(&version).with_context(|| format!("node calls itself {version:?}"))?;
    ensure!(
        major >= OLDEST_NODE,
        "the clients need Node {OLDEST_NODE}, not {}",
        version.trim()
    );
    let mut sum = Tally::default();
    for package in PACKAGES {
        let folder = workspace.root.join("clients").join(package);
        shell::run(npm(&folder).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]))?;
        shell::run(npm(&folder).args(["run", "check", "--silent"]))?;
        shell::run(npm(&folder).args(["run", "docs", "--silent"]))?;
        shell::run(npm(&folder).args(["pack", "--dry-run", "--silent"]))?;
        sum += count(with_broker(workspace, "debug", npm(&folder).args(["test", "--silent"])))?;
    }
    Ok(sum)
}

fn npm(folder: &Path) -> Command {
    let mut npm = Command::new("npm");
    npm.current_dir(folder);
    npm
}

/// `v20.11.1` is 20.
fn major_of(version: &str) -> Option<u32> {
    version.trim().strip_prefix('v')?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_a_major() {
        assert_eq!(major_of("v20.11.1\n"), Some(20));
        assert_eq!(major_of("20.11.1"), None);
        assert_eq!(major_of("v"), None);
    }
}
