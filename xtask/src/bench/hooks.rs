//! The costs without a socket: the host's own benches, each of which prints one line of JSON.

use anyhow::{Context, Result};
use serde_json::Value;

use super::figure::{Bound, Figure};
use crate::shell;
use crate::workspace::Workspace;

pub(super) fn measure(workspace: &Workspace) -> Result<Vec<Figure>> {
    let hook = bench(workspace, "hook_call")?;
    let chain = bench(workspace, "chain")?;
    Ok(vec![
        figure(
            "a publish hook through the sandbox, 200 B",
            "hook_call",
            &hook,
            "sandbox_ns",
            1.3,
        )?,
        figure(
            "the demo's chain of three on a publish, 200 B",
            "chain",
            &chain,
            "chain_ns",
            8.0,
        )?,
    ])
}

fn figure(what: &str, key: &'static str, result: &Value, name: &str, bound: f64) -> Result<Figure> {
    let microseconds = |name: &str| {
        let nanoseconds = result[name].as_f64();
        nanoseconds
            .map(|ns| ns / 1000.0)
            .with_context(|| format!("no {name} in {result}"))
    };
    Ok(Figure {
        what: what.to_owned(),
        key,
        ours: microseconds(name)?,
        reference: microseconds("bare_ns")?,
        beside: "bare wasmtime call",
        unit: "µs",
        bound: Some(Bound::Times(bound)),
    })
}

pub(super) fn bench(workspace: &Workspace, name: &str) -> Result<Value> {
    let mut cargo = workspace.cargo();
    cargo
        .args(["bench", "-p", "sluicegate", "--bench", name])
        .env("SLUICEGATE_PLUGINS", workspace.plugin_folder());
    let printed = shell::output(&mut cargo)?;
    let line = printed.lines().rfind(|line| line.starts_with('{'));
    serde_json::from_str(line.unwrap_or_default()).with_context(|| format!("the bench {name} printed no result"))
}
