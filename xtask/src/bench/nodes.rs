//! The costs of many nodes: of a message through Redis, of subscribing again after a restart of Redis, and of nodes
//! without subscribers.

mod bed;
mod idle;
mod latency;
mod resp;
mod restart;
mod store;
mod throughput;

use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use super::Plan;
use super::figure::{self, Figure};
use crate::workspace::Workspace;
use bed::Bed;
pub(super) use store::Store;

/// Measures all of it, on a machine with so many cores.
pub(super) fn measure(
    workspace: &Workspace,
    folder: &Path,
    plan: &Plan,
    cores: usize,
) -> Result<(Vec<Figure>, Vec<Value>)> {
    let bed = Bed::new(workspace, folder, *plan, cores);
    let (mut figures, mut runs) = (Vec::new(), Vec::new());
    for part in [throughput::measure, latency::measure, restart::measure, idle::measure] {
        let (found, rounds) = part(&bed)?;
        println!("{}", figure::table(&found));
        figures.extend(found);
        runs.extend(rounds);
    }
    Ok((figures, runs))
}

fn least(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(f64::INFINITY, f64::min)
}

fn most(values: impl IntoIterator<Item = f64>) -> f64 {
    values.into_iter().fold(0.0, f64::max)
}
