//! Where things are: the root, the target directory, the plugin packages. Asks cargo, so that every way to move the
//! target directory is respected.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;

/// The target that plugins are built for.
pub(crate) const PLUGIN_TARGET: &str = "wasm32-wasip2";
/// The profile in `Cargo.toml` that plugins are built with.
pub(crate) const PLUGIN_PROFILE: &str = "plugin";

pub(crate) struct Workspace {
    pub root: PathBuf,
    /// `target`, or wherever `CARGO_TARGET_DIR` puts it; absolute.
    pub target: PathBuf,
    /// Package names of everything under `plugins/`.
    pub plugins: Vec<String>,
    /// Package name of the wire tests in `tests/`, once there is one.
    pub wire_tests: Option<String>,
}

impl Workspace {
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder")?;
        // Asked from the caller's folder: a relative CARGO_TARGET_DIR counts from there.
        let mut cargo = Command::new(cargo_program());
        cargo
            .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
            .arg(root.join("Cargo.toml"));
        let metadata: Value = serde_json::from_str(&shell::output(&mut cargo)?).context("cargo metadata")?;
        Self::from_metadata(root, &metadata)
    }

    fn from_metadata(root: &Path, metadata: &Value) -> Result<Self> {
        let target = metadata["target_directory"]
            .as_str()
            .context("cargo metadata names no target directory")?;
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata lists no packages")?;
        let mut plugins = Vec::new();
        let mut wire_tests = None;
        for package in packages {
            let (Some(name), Some(manifest)) = (package["name"].as_str(), package["manifest_path"].as_str()) else {
                bail!("cargo metadata describes a package without a name or a manifest");
            };
            let manifest = Path::new(manifest);
            if manifest.starts_with(root.join("plugins")) {
                plugins.push(name.to_owned());
            } else if manifest == root.join("tests/Cargo.toml") {
                wire_tests = Some(name.to_owned());
            }
        }
        plugins.sort();
        Ok(Self {
            root: root.to_owned(),
            target: PathBuf::from(target),
            plugins,
            wire_tests,
        })
    }

    /// `cargo` in the root, with the target directory that this workspace found.
    pub(crate) fn cargo(&self) -> Command {
        let mut cargo = Command::new(cargo_program());
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        cargo
    }

    /// The broker as `cargo build` (`debug`) or `cargo build --release` (`release`) leaves it.
    pub(crate) fn broker(&self, profile: &str) -> PathBuf {
        self.target.join(profile).join("sluicegate")
    }

    /// The folder that holds the built plugins, one `NAME.wasm` each.
    pub(crate) fn plugin_folder(&self) -> PathBuf {
        self.target.join("plugins")
    }

    /// `-p` for each plugin.
    pub(crate) fn plugin_arguments(&self) -> impl Iterator<Item = &str> {
        self.plugins.iter().flat_map(|name| ["-p", name.as_str()])
    }
}

/// The cargo that runs us, so that a toolchain override holds for what we start.
fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn packages_are_told_apart_by_their_folder() {
        let metadata = json!({
            "target_directory": "/elsewhere",
            "packages": [
                { "name": "sluicegate", "manifest_path": "/repo/host/Cargo.toml" },
                { "name": "transform", "manifest_path": "/repo/plugins/transform/Cargo.toml" },
                { "name": "abuse_filter", "manifest_path": "/repo/plugins/abuse-filter/Cargo.toml" },
                { "name": "tests", "manifest_path": "/repo/tests/Cargo.toml" },
            ],
        });
        let workspace = Workspace::from_metadata(Path::new("/repo"), &metadata).unwrap();
        assert_eq!(workspace.plugins, ["abuse_filter", "transform"]);
        assert_eq!(workspace.wire_tests.as_deref(), Some("tests"));
        assert_eq!(workspace.broker("debug"), Path::new("/elsewhere/debug/sluicegate"));
        assert_eq!(
            workspace.plugin_arguments().collect::<Vec<_>>(),
            ["-p", "abuse_filter", "-p", "transform"]
        );
    }
}
