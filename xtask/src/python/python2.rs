//! An interpreter of Python 2.7, which Debian has no more: one that is there, or else the portable build of `PyPy`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;
use crate::{needs, shell};

/// Where the builds of `PyPy` are, and this version of it.
const BUILDS: &str = "https://downloads.python.org/pypy";
const PYPY: &str = "pypy2.7-v7.3.20";
/// The machine as Rust and as `PyPy` name it, and the SHA-256 of the build for it.
const MACHINES: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "linux64",
        "aa3bb92dbb529fa2d4920895b16d67a810b0c709207857d56cfe4a6e3b41e02a",
    ),
    (
        "aarch64",
        "aarch64",
        "f22a1be607deeaa4f9be6bc63aae09fe4fb5b990d6a23aa4e7c5960dc5d93c96",
    ),
];

pub(super) fn interpreter(workspace: &Workspace) -> Result<PathBuf> {
    match candidates().into_iter().find(|candidate| is_2_7(candidate)) {
        Some(found) => Ok(found),
        None => pypy(&workspace.target.join("tools")),
    }
}

/// On the path, and what pyenv has: its program on the path need not have been told of any.
fn candidates() -> Vec<PathBuf> {
    let mut candidates: Vec<PathBuf> = ["python2.7", "pypy2.7", "pypy2", "pypy"].map(PathBuf::from).into();
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".pyenv"));
    let pyenv = std::env::var_os("PYENV_ROOT").map(PathBuf::from).or(home);
    let versions = pyenv.and_then(|root| fs::read_dir(root.join("versions")).ok());
    let versions = versions.into_iter().flatten().filter_map(Result::ok);
    candidates.extend(versions.map(|version| version.path().join("bin/python2.7")));
    candidates
}

/// Whether it runs, and can fetch packages.
fn is_2_7(program: &Path) -> bool {
    let check = "import ssl, zlib, sys; sys.exit(sys.version_info[:2] != (2, 7))";
    let mut command = Command::new(program);
    command.args(["-c", check]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn pypy(tools: &Path) -> Result<PathBuf> {
    let machine = MACHINES.iter().find(|(machine, ..)| *machine == std::env::consts::ARCH);
    let Some((_, build, sha256)) = machine else {
        bail!("missing: python2.7. There is no build of PyPy for this machine; pyenv can compile Python 2.7");
    };
    let folder = tools.join(format!("{PYPY}-{build}"));
    let program = folder.join("bin/pypy");
    if is_2_7(&program) {
        return Ok(program);
    }
    needs::ensure(&[needs::CURL, needs::BZIP2])?;
    fs::create_dir_all(tools).with_context(|| tools.display().to_string())?;
    let archive = format!("{PYPY}-{build}.tar.bz2");
    shell::run(
        Command::new("curl")
            .args(["--fail", "--silent", "--show-error", "--location", "--output", &archive])
            .arg(format!("{BUILDS}/{archive}"))
            .current_dir(tools),
    )?;
    let sums = tools.join(format!("{archive}.sha256"));
    fs::write(&sums, format!("{sha256}  {archive}\n"))?;
    shell::run(Command::new("sha256sum").arg("--check").arg(&sums).current_dir(tools))?;
    shell::run(Command::new("tar").args(["-xf", &archive]).current_dir(tools))?;
    if !is_2_7(&program) {
        bail!("{} does not run", program.display());
    }
    Ok(program)
}
