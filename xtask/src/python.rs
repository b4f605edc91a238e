//! Programs that come from PyPI: each version in a virtual environment of its own under `target/tools/`, made on first use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{needs, shell};

/// The path of `program`, which comes with this version of this package.
pub fn program(workspace: &Workspace, package: &str, version: &str, program: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("tools").join(format!("{package}-{version}"));
    let path = folder.join("bin").join(program);
    if path.is_file() {
        return Ok(path);
    }
    needs::ensure(&[needs::PYTHON, needs::PYTHON_VENV])?;
    // An installation that was cut off is begun anew.
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    shell::run(
        Command::new(folder.join("bin/python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg(format!("{package}=={version}")),
    )?;
    Ok(path)
}
