//! `cargo xtask dist`: the files of a release, in `target/dist/`. The broker is one static file for musl; the plugins are the
//! same on every machine and go with each.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace::Workspace;
use crate::{build, needs, shell};

/// The machines that releases are for. Each is built on its own kind: wasmtime's and the allocator's C code need a C
/// compiler for the target.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "aarch64-unknown-linux-musl"];

pub(crate) fn run(workspace: &Workspace, words: &[&str]) -> Result<()> {
    let target = match words {
        [] => host_target(),
        ["--target", target] => (*target).to_owned(),
        _ => bail!("usage: cargo xtask dist [--target TARGET]"),
    };
    ensure!(
        TARGETS.contains(&target.as_str()),
        "--target is one of {}",
        TARGETS.join(", ")
    );
    build::plugins(workspace)?;
    let built = program(workspace, &target)?;
    let folder = workspace.target.join("dist");
    let name = format!("sluicegate-{}-{target}", env!("CARGO_PKG_VERSION"));
    let inside = folder.join(&name);
    if inside.exists() {
        fs::remove_dir_all(&inside).with_context(|| inside.display().to_string())?;
    }
    fs::create_dir_all(inside.join("plugins")).with_context(|| inside.display().to_string())?;
    copy(&built, &inside.join("sluicegate"))?;
    for file in ["LICENSE", "README.md", "CHANGELOG.md"] {
        copy(&workspace.root.join(file), &inside.join(file))?;
    }
    for entry in fs::read_dir(workspace.plugin_folder())? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|ending| ending == "wasm") {
            copy(&entry.path(), &inside.join("plugins").join(entry.file_name()))?;
        }
    }
    let archive = format!("{name}.tar.gz");
    shell::run(
        Command::new("tar")
            .args([
                "--sort=name",
                "--owner=0",
                "--group=0",
                "--numeric-owner",
                "--mode=u+rw,go+r-w",
            ])
            .args(["-czf", &archive, &name])
            .current_dir(&folder),
    )?;
    fs::remove_dir_all(&inside).with_context(|| inside.display().to_string())?;
    println!("{}", folder.join(archive).display());
    Ok(())
}

/// Builds the broker for `target`, as one static file.
pub(crate) fn program(workspace: &Workspace, target: &str) -> Result<PathBuf> {
    needs::ensure(&[needs::C_COMPILER, needs::MUSL])?;
    build::add_target(target)?;
    shell::run(
        workspace
            .cargo()
            .args(["build", "--release", "--locked", "-p", "sluicegate", "--target", target])
            // cc would otherwise look for `x86_64-linux-musl-gcc`.
            .env(format!("CC_{}", target.replace('-', "_")), "musl-gcc"),
    )?;
    let built = workspace.target.join(target).join("release/sluicegate");
    is_static(&built)?;
    Ok(built)
}

/// The target of a release for this machine.
pub(crate) fn host_target() -> String {
    format!("{}-unknown-linux-musl", std::env::consts::ARCH)
}

/// A binary that needs a dynamic loader would start on this machine alone.
fn is_static(binary: &Path) -> Result<()> {
    let headers = shell::output(Command::new("readelf").arg("--program-headers").arg(binary))?;
    ensure!(!headers.contains("INTERP"), "{} is not static", binary.display());
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}
