//! Programs that come from PyPI: each version in a virtual environment of its own under `target/tools/`, made on first use.

mod python2;

use std::fs;
use std::path::{Path, PathBuf};
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
    installed(workspace, name, requirements, &[], |folder| {
        needs::ensure(&[needs::PYTHON, needs::PYTHON_VENV])?;
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(folder))
    })
}

/// The same for programs that need Python 2.7. `requirements` lists all that is installed: what a package
/// asks for besides is not.
pub(crate) fn environment_2_7(workspace: &Workspace, name: &str, requirements: &str) -> Result<PathBuf> {
    installed(workspace, name, requirements, &["--no-deps"], |folder| {
        let interpreter = python2::interpreter(workspace)?;
        // The last version that makes environments for Python 2.7.
        let tools = environment(workspace, "virtualenv", include_str!("python/virtualenv.txt"))?;
        shell::run(
            Command::new(tools.join("virtualenv"))
                .args(["--quiet", "--no-periodic-update", "--python"])
                .arg(interpreter)
                .arg(folder),
        )
    })
}

fn installed(
    workspace: &Workspace,
    name: &str,
    requirements: &str,
    options: &[&str],
    make: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let folder = workspace.target.join("tools").join(name);
    let programs = folder.join("bin");
    // Written last, so that it marks a complete installation.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == requirements) {
        return Ok(programs);
    }
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| folder.display().to_string())?;
    }
    make(&folder)?;
    let list = folder.join("requirements.txt");
    fs::write(&list, requirements)?;
    shell::run(
        Command::new(programs.join("python"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(options)
            .arg("--requirement")
            .arg(&list)
            .env("PIP_NO_PYTHON_VERSION_WARNING", "1"),
    )?;
    fs::write(&installed, requirements)?;
    Ok(programs)
}
