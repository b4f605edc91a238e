//! The broker with the config of `sluicegate.toml`, and changes of it: one shard, on the server's core.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::server::{SERVER_CORE, Server};
use crate::shell;
use crate::workspace::Workspace;

const CONFIG: &str = include_str!("sluicegate.toml");
/// The plugins' folder, as written in [`CONFIG`].
const PLUGINS: &str = "PLUGINS";

/// Writes the config to `file`. `changes` are what is written in it, and what stands there instead; `more` comes at its end.
pub(super) fn config(workspace: &Workspace, file: PathBuf, changes: &[(&str, &str)], more: &str) -> Result<PathBuf> {
    let mut text = CONFIG.replace(PLUGINS, &workspace.plugin_folder().display().to_string());
    for (written, instead) in changes {
        ensure!(text.contains(written), "it is written differently now: {written}");
        text = text.replace(written, instead);
    }
    fs::write(&file, text + more).with_context(|| file.display().to_string())?;
    Ok(file)
}

/// A token for a tenant's clients.
pub(super) fn token(program: &Path, config: &Path) -> Result<String> {
    let mut command = Command::new(program);
    command.args(["token", "--tenant", "bench", "--user", "load", "--config"]);
    Ok(shell::output(command.arg(config))?.trim().to_owned())
}

/// Starts the broker of a release. Its log is beside its config.
pub(super) fn start(workspace: &Workspace, config: &Path) -> Result<Server> {
    let arguments = [Path::new("serve"), Path::new("--config"), config];
    let log = config.with_extension("log");
    Server::start(&workspace.broker("release"), &arguments, &log, SERVER_CORE)
}
