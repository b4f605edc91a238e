//! Starts Redis, nodes and load on their cores, for every figure of the nodes.

use std::fs;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::super::Plan;
use super::super::server::Server;
use super::store::Store;
use crate::shell;
use crate::workspace::Workspace;

const CONFIG: &str = include_str!("node.toml");
/// A node's name and the address of its Redis, as written in [`CONFIG`].
const NAME: &str = "NODE";
const REDIS: &str = "REDIS";

/// Which cores belong to whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pins {
    pub redis: &'static str,
    /// The node that publishers are connected to.
    pub publishing: &'static str,
    /// The node that subscribers are connected to, and nodes that have nothing to do.
    pub others: &'static str,
    pub load: &'static str,
}

/// Everybody has a core.
const APART: Pins = Pins {
    redis: "0",
    publishing: "1",
    others: "2",
    load: "3",
};
/// Redis, for which everyone waits, has a core; the others have what it leaves.
const TOGETHER: Pins = Pins {
    redis: "0",
    publishing: "0,1",
    others: "0,1",
    load: "0,1",
};

/// Where the parts are measured.
pub(super) struct Bed<'a> {
    pub workspace: &'a Workspace,
    pub folder: &'a Path,
    pub plan: Plan,
    pub pins: Pins,
}

impl<'a> Bed<'a> {
    pub(super) fn new(workspace: &'a Workspace, folder: &'a Path, plan: Plan, cores: usize) -> Self {
        Self {
            workspace,
            folder,
            plan,
            pins: if cores >= 4 { APART } else { TOGETHER },
        }
    }

    /// An empty Redis; `keeps`: its data survives a restart.
    pub(super) fn store(&self, keeps: bool) -> Result<Store> {
        Store::start(self.folder, self.pins.redis, keeps)
    }

    /// A node over it.
    pub(super) fn node(&self, name: &str, store: &Store, cores: &str) -> Result<Server> {
        let config = self.folder.join(format!("{name}.toml"));
        let text = CONFIG.replace(NAME, name).replace(REDIS, &store.address.to_string());
        fs::write(&config, text).with_context(|| config.display().to_string())?;
        let log = self.folder.join(format!("{name}.log"));
        let arguments = [Path::new("serve"), Path::new("--config"), &config];
        Server::start(&self.workspace.broker("release"), &arguments, &log, cores)
    }

    /// The load generator with subscribers on `server`, ready for further arguments.
    pub(super) fn load(&self, server: &Server) -> Command {
        let mut command = Command::new("taskset");
        command
            .args(["--cpu-list", self.pins.load])
            .arg(self.workspace.target.join("release/load"))
            .arg(self.workspace.root.join("bench/targets/sluicegate.json"))
            .args(["--address", &server.address]);
        command
    }

    /// Publishes 1 KiB messages through one node to a subscriber on the other, at a pace of the load generator's.
    /// CPU is measured of these two, and then of `idle`.
    pub(super) fn publish(&self, from: &Server, to: &Server, idle: &[Server], pace: &str) -> Result<Value> {
        let mut command = self.load(to);
        command.args(["--publish-address", &from.address, "--connections", "1"]);
        command.args(["--fill", "1024", "--seconds", &self.plan.seconds.to_string()]);
        command.args(pace.split_whitespace());
        for server in [from, to].into_iter().chain(idle) {
            command.args(["--pid", &server.id().to_string()]);
        }
        let run = read(&shell::output(&mut command)?)?;
        for wrong in ["missing", "unacknowledged"] {
            ensure!(run[wrong] == 0, "{} messages are {wrong}", run[wrong]);
        }
        Ok(run)
    }
}

/// A load generator in the background: ended with us, whatever happens.
pub(super) struct Background(pub Child);

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The load generator's result.
pub(super) fn read(printed: &str) -> Result<Value> {
    let result: Value = serde_json::from_str(printed).context("the load generator's result")?;
    ensure!(result["closed"] == 0, "{} connections were closed", result["closed"]);
    Ok(result)
}

/// A number of a result.
pub(super) fn number(result: &Value, key: &str) -> Result<f64> {
    result[key].as_f64().with_context(|| format!("no {key} in {result}"))
}
