//! `cargo xtask build`: the release broker and every plugin, where the documentation says they are.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::shell;
use crate::workspace::{PLUGIN_PROFILE, PLUGIN_TARGET, Workspace};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    plugins(workspace)?;
    shell::run(workspace.cargo().args(["build", "--release", "-p", "sluicegate"]))?;
    println!("{}", workspace.broker("release").display());
    Ok(())
}

/// Builds the plugins as components, as they are released, and copies them to `target/plugins/NAME.wasm`.
pub(crate) fn plugins(workspace: &Workspace) -> Result<()> {
    ensure!(
        !workspace.plugins.is_empty(),
        "no packages under {}/plugins",
        workspace.root.display()
    );
    add_target(PLUGIN_TARGET)?;
    shell::run(
        workspace
            .cargo()
            .args(["build", "--profile", PLUGIN_PROFILE, "--target", PLUGIN_TARGET])
            .args(workspace.plugin_arguments()),
    )?;
    let folder = workspace.plugin_folder();
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for package in &workspace.plugins {
        let file = format!("{}.wasm", package.replace('-', "_"));
        let built = workspace.target.join(PLUGIN_TARGET).join(PLUGIN_PROFILE).join(&file);
        let copy = folder.join(&file);
        // Through a rename: a running broker that watches the folder never reads half a file.
        let partial = folder.join(format!("{file}.partial"));
        fs::copy(&built, &partial).with_context(|| built.display().to_string())?;
        fs::rename(&partial, &copy).with_context(|| copy.display().to_string())?;
        println!("{}", copy.display());
    }
    Ok(())
}

/// Adds a target if the toolchain lacks it. Without rustup (a distribution's toolchain) the build itself reports what is
/// missing.
pub(crate) fn add_target(target: &str) -> Result<()> {
    let Ok(listed) = Command::new("rustup").args(["target", "list", "--installed"]).output() else {
        return Ok(());
    };
    if String::from_utf8_lossy(&listed.stdout)
        .lines()
        .any(|line| line.trim() == target)
    {
        return Ok(());
    }
    shell::run(Command::new("rustup").args(["target", "add", target]))
}
