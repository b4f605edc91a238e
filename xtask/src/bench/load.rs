//! The load generator on a core of its own, and what it is mostly asked: one publisher, 1,000 subscribers of one channel.

use std::ffi::OsStr;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::server::LOAD_CORE;
use crate::workspace::Workspace;
use crate::{build, shell};

pub(super) const SUBSCRIBERS: usize = 1_000;
/// Messages a second, where they are paced and nothing else is said.
pub(super) const PUBLISHES_PER_SECOND: usize = 100;
const PAYLOAD_BYTES: usize = 128;
/// Messages in flight in the closed loop.
const WINDOW: usize = 20;

/// On whom it is.
pub(super) struct Load<'a> {
    /// How to speak to the server: a file of `bench/targets`.
    pub target: &'a str,
    pub address: &'a str,
    /// The processes whose costs are told, the server's first.
    pub pids: &'a [u32],
    pub token: &'a str,
}

/// Builds the broker, the plugins and the load generator, as they are measured.
pub(super) fn build(workspace: &Workspace) -> Result<()> {
    build::run(workspace)?;
    // Not in one command with the broker: with the features of both, everything is built anew.
    shell::run(workspace.cargo().args(["build", "--release", "-p", "bench"]))
}

/// The arguments for publishing at a pace.
pub(super) fn paced(per_second: usize, seconds: f64) -> String {
    format!("{} --rate {per_second}", publishing(seconds))
}

/// The arguments for publishing as fast as the subscribers receive.
pub(super) fn saturated(seconds: f64) -> String {
    format!("{} --window {WINDOW}", publishing(seconds))
}

fn publishing(seconds: f64) -> String {
    format!("--connections {SUBSCRIBERS} --fill {PAYLOAD_BYTES} --seconds {seconds}")
}

impl Load<'_> {
    /// What the load generator tells, asked with these further arguments. A message that is missing or a connection that was
    /// closed is an error.
    pub(super) fn run<I>(&self, workspace: &Workspace, arguments: I) -> Result<Value>
    where
        I: IntoIterator<Item: AsRef<OsStr>>,
    {
        let mut command = Command::new("taskset");
        command
            .args(["--cpu-list", LOAD_CORE])
            .arg(workspace.target.join("release/load"))
            .arg(workspace.root.join(format!("bench/targets/{}.json", self.target)))
            .args(["--address", self.address, "--token", self.token]);
        for pid in self.pids {
            command.args(["--pid", &pid.to_string()]);
        }
        let printed = shell::output(command.args(arguments))?;
        let run: Value = serde_json::from_str(&printed).context("the load generator's result")?;
        ensure!(run["closed"] == 0, "{} connections were closed: {run}", run["closed"]);
        let missing = &run["missing"];
        ensure!(
            missing.is_null() || *missing == 0,
            "{missing} messages are missing: {run}"
        );
        Ok(run)
    }
}
