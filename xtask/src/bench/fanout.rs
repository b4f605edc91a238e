//! The costs over sockets: one publisher to many subscribers, and connections at rest. The two sides take turns,
//! each round on a fresh server, and each side's best round counts: noise only ever adds.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use super::figure::{Bound, Figure};
use super::load::{Load, PUBLISHES_PER_SECOND, SUBSCRIBERS};
use super::server::{SERVER_CORE, Server};
use super::{Plan, broker, load};
use crate::workspace::Workspace;

/// One of the two that are compared.
struct Side {
    name: &'static str,
    /// How the load generator speaks to it: a file of `bench/targets`.
    target: &'static str,
    program: PathBuf,
    arguments: Vec<PathBuf>,
    token: String,
}

/// The load generator's arguments, and the figures of its answer.
struct Scenario {
    name: &'static str,
    load: String,
}

/// How many times the reference each figure may be.
struct Most {
    paced: f64,
    saturated: f64,
    idle: f64,
}

/// The broker beside the peer.
pub(super) fn measure(
    workspace: &Workspace,
    folder: &Path,
    bun: &Path,
    plan: &Plan,
) -> Result<(Vec<Figure>, Vec<Value>)> {
    let sides = [sluicegate(workspace, folder)?, peer(workspace, bun)];
    let most = Most {
        paced: 1.8,
        saturated: 3.0,
        idle: 1.5,
    };
    compare(workspace, folder, plan, &sides, &most)
}

/// The static program of a release beside the one that `cargo xtask build` makes.
pub(super) fn measure_static(
    workspace: &Workspace,
    folder: &Path,
    program: PathBuf,
    plan: &Plan,
) -> Result<(Vec<Figure>, Vec<Value>)> {
    let dynamic = sluicegate(workspace, folder)?;
    let of_release = Side {
        name: "static",
        program,
        arguments: dynamic.arguments.clone(),
        token: dynamic.token.clone(),
        ..dynamic
    };
    let most = Most {
        paced: 1.05,
        saturated: 1.05,
        idle: 1.05,
    };
    compare(workspace, folder, plan, &[of_release, dynamic], &most)
}

fn compare(
    workspace: &Workspace,
    folder: &Path,
    plan: &Plan,
    sides: &[Side; 2],
    most: &Most,
) -> Result<(Vec<Figure>, Vec<Value>)> {
    let [ours, reference] = sides;
    let scenarios = scenarios(plan);
    let mut runs: Vec<Value> = Vec::new();
    for scenario in &scenarios {
        for round in 1..=plan.rounds {
            for side in sides {
                println!("{}, round {round} of {}: {}", scenario.name, plan.rounds, side.name);
                let mut run = measured(workspace, folder, side, scenario)?;
                run["scenario"] = scenario.name.into();
                run["side"] = side.name.into();
                runs.push(run);
            }
        }
    }
    let best = |scenario: &str, side: &str, key: &str| {
        let of_side = runs
            .iter()
            .filter(|run| run["scenario"] == scenario && run["side"] == side);
        let values = of_side.filter_map(|run| run[key].as_f64());
        values
            .reduce(f64::min)
            .with_context(|| format!("no {key} of {side} in {scenario}"))
    };
    let figure = |what: String, key, scenario: &str, value: &str, scale: f64, unit, bound| {
        anyhow::Ok(Figure {
            what,
            key,
            ours: best(scenario, ours.name, value)? * scale,
            reference: best(scenario, reference.name, value)? * scale,
            beside: reference.name,
            unit,
            bound,
        })
    };
    let per_delivery = "cpu_ns_per_delivery";
    let figures = vec![
        figure(
            format!("CPU per delivery, 1 to {SUBSCRIBERS}, {PUBLISHES_PER_SECOND} a second"),
            "delivery_paced",
            "paced",
            per_delivery,
            1e-3,
            "µs",
            Some(Bound::Times(most.paced)),
        )?,
        figure(
            format!("CPU per delivery, 1 to {SUBSCRIBERS}, saturated"),
            "delivery_saturated",
            "saturated",
            per_delivery,
            1e-3,
            "µs",
            Some(Bound::Times(most.saturated)),
        )?,
        figure(
            format!("memory per idle connection, {} of them", plan.idle),
            "memory_idle",
            "idle",
            "kib_per_connection",
            1.0,
            "KiB",
            Some(Bound::Times(most.idle)),
        )?,
        figure(
            "CPU of a connect".to_owned(),
            "connect",
            "idle",
            "connect_cpu_us",
            1.0,
            "µs",
            None,
        )?,
        figure(
            "latency p99 at that pace".to_owned(),
            "latency_paced",
            "paced",
            "p99_ms",
            1.0,
            "ms",
            None,
        )?,
    ];
    Ok((figures, runs))
}

fn scenarios(plan: &Plan) -> [Scenario; 3] {
    [
        Scenario {
            name: "paced",
            load: load::paced(PUBLISHES_PER_SECOND, plan.seconds),
        },
        Scenario {
            name: "saturated",
            load: load::saturated(plan.seconds),
        },
        Scenario {
            name: "idle",
            load: format!("--connections {}", plan.idle),
        },
    ]
}

fn sluicegate(workspace: &Workspace, folder: &Path) -> Result<Side> {
    let config = broker::config(workspace, folder.join("sluicegate.toml"), &[], "")?;
    let program = workspace.broker("release");
    Ok(Side {
        name: "sluicegate",
        target: "sluicegate",
        token: broker::token(&program, &config)?,
        program,
        arguments: ["serve".into(), "--config".into(), config].into(),
    })
}

fn peer(workspace: &Workspace, bun: &Path) -> Side {
    Side {
        name: "Bun",
        target: "bun",
        program: bun.to_owned(),
        arguments: vec![workspace.root.join("bench/peers/bun.js")],
        token: String::new(),
    }
}

fn measured(workspace: &Workspace, folder: &Path, side: &Side, scenario: &Scenario) -> Result<Value> {
    let arguments: Vec<&Path> = side.arguments.iter().map(PathBuf::as_path).collect();
    let log = folder.join(format!("{}.log", side.name));
    let server = Server::start(&side.program, &arguments, &log, SERVER_CORE)?;
    let load = Load {
        target: side.target,
        address: &server.address,
        pids: &[server.id()],
        token: &side.token,
    };
    load.run(workspace, scenario.load.split_whitespace())
        .with_context(|| format!("{}: its log is {}", side.name, log.display()))
}
