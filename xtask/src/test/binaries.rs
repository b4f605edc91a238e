//! The test binaries of the workspace, built by one call of cargo together with the broker that they start.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell;
use crate::workspace::Workspace;

/// A test binary as cargo would run it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TestBinary {
    pub package: String,
    /// Where the package's manifest is: what a test's relative paths count from.
    folder: PathBuf,
    program: PathBuf,
}

/// Builds everything; on a second call cargo finds it done.
pub(super) fn build(workspace: &Workspace) -> Result<Vec<TestBinary>> {
    let mut cargo = workspace.cargo();
    // As `cargo test --workspace` chooses, with the programs beside; not the benchmarks, which would only be linked.
    cargo.args(["build", "--workspace", "--lib", "--bins", "--tests", "--examples"]);
    let messages = shell::output(cargo.args(["--message-format", "json-render-diagnostics"]))?;
    let binaries = read(&messages)?;
    ensure!(!binaries.is_empty(), "cargo built no test");
    Ok(binaries)
}

fn read(messages: &str) -> Result<Vec<TestBinary>> {
    let mut binaries = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Value = serde_json::from_str(line).context("cargo's message")?;
        let (true, Some(program)) = (message["profile"]["test"] == true, message["executable"].as_str()) else {
            continue;
        };
        let manifest = PathBuf::from(message["manifest_path"].as_str().context("manifest_path")?);
        let folder = manifest.parent().context("manifest_path")?.to_owned();
        binaries.push(TestBinary {
            package: package_of(message["package_id"].as_str().context("package_id")?).to_owned(),
            folder,
            program: program.into(),
        });
    }
    Ok(binaries)
}

/// `path+file:///repo/host#sluicegate@0.1.0` or, where the folder has the package's name, `path+file:///repo/tests#0.1.0`.
fn package_of(id: &str) -> &str {
    let (place, package) = id.rsplit_once('#').unwrap_or(("", id));
    match package.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    }
}

// === impl TestBinary ===

impl TestBinary {
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(&self.folder)
            .env("CARGO_MANIFEST_DIR", &self.folder);
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_told_from_what_they_start() {
        let artifact = |id: &str, manifest: &str, test: bool, executable: &str| {
            serde_json::json!({
                "reason": "compiler-artifact", "package_id": id, "manifest_path": manifest,
                "profile": { "test": test }, "executable": executable,
            })
            .to_string()
        };
        let messages = [
            r#"{"reason":"compiler-artifact","profile":{"test":true},"executable":null}"#.to_owned(),
            artifact(
                "path+file:///r/host#sluicegate@0.1.0",
                "/r/host/Cargo.toml",
                false,
                "/t/sluicegate",
            ),
            artifact(
                "path+file:///r/host#sluicegate@0.1.0",
                "/r/host/Cargo.toml",
                true,
                "/t/deps/sluicegate-1",
            ),
            artifact(
                "path+file:///r/tests#0.1.0",
                "/r/tests/Cargo.toml",
                true,
                "/t/deps/wire-1",
            ),
        ]
        .join("\n");
        let found = read(&messages).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|binary| {
                (
                    binary.package.as_str(),
                    binary.folder.as_path(),
                    binary.program.as_path(),
                )
            })
            .collect();
        let expected = [
            ("sluicegate", "/r/host".as_ref(), "/t/deps/sluicegate-1".as_ref()),
            ("tests", "/r/tests".as_ref(), "/t/deps/wire-1".as_ref()),
        ];
        assert_eq!(found, expected);
    }
}
