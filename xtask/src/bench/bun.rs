//! The peer: Bun, from npm, in a pinned version, so that ratios can be compared over time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::shell;

pub(super) const VERSION: &str = "1.4.5";

/// Installs Bun below `folder`, unless this version is there already, and returns the path of its program.
pub(super) fn install(folder: &Path) -> Result<PathBuf> {
    let home = folder.join(format!("bun-{VERSION}"));
    if let Some(program) = program(&home) {
        return Ok(program);
    }
    fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
    // Its install script only moves the program to another place.
    let mut npm = Command::new("npm");
    npm.args([
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--no-save",
        "--prefix",
    ])
    .arg(&home)
    .arg(format!("bun@{VERSION}"));
    shell::run(&mut npm).context("Bun, which the figures stand beside, comes from npm")?;
    program(&home).with_context(|| format!("npm put no program under {}/node_modules/@oven", home.display()))
}

/// npm chooses one of the packages `@oven/bun-*` for this machine.
fn program(home: &Path) -> Option<PathBuf> {
    let packages = fs::read_dir(home.join("node_modules/@oven")).ok()?;
    let programs = packages.flatten().map(|package| package.path().join("bin/bun"));
    programs.into_iter().find(|program| program.is_file())
}
