//! `cargo xtask spelling`: typos, over everything that git would take. Exceptions are in `typos.toml`.

use std::process::Command;

use anyhow::Result;

use crate::workspace::Workspace;
use crate::{python, shell};

const TYPOS: &str = "1.52.0";

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let typos = python::program(workspace, "typos", TYPOS, "typos")?;
    shell::run(Command::new(typos).current_dir(&workspace.root))
}
