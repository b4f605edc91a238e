//! Programs that come from PyPI: each version in a virtual environment of its own under `target/tools/`, made on first use.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace::Workspace;
use crate::{needs, shell};

/// The path of `program`, which comes with this version of this package.
pub(crate) fn program(workspace: &Workspace, package: &str, version: &str, program: &str) -> Result<PathBuf> {
    let requirements = format!("{package}=={version}\n");
    Ok(environment(workspace, package, &requirements)?.join(program))
}

/// The folder of the programs of these requirements, as in a `requirements.txt`. A folder with other requirements is made
/// again.
pub(crate) fn environment(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    let folder = workspace.target.join("tools").join(name);
    let programs = folder.join("bin");
    // Written last, so that it marks a complete installation.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == requirements) {
        return Ok(programs);
    }
    needs::ensure(&[needs::PYTHON, needs::PYTHON_VENV])?;
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements)?;
    shell::run(
        Command::new(programs.join("python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ])
            .arg(&list),
    )?;
    fs::write(&installed, requirements)?;
    Ok(programs)
}
