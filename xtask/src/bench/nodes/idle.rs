//! Whether a publish costs the same with more nodes that have no subscribers.

use anyhow::{Context, Result};
use serde_json::Value;

use super::super::figure::{Bound, Figure};
use super::bed::{Bed, number};
use super::least;

const FEW: usize = 1;
const MANY: usize = 3;
const PACE: &str = "--rate 2000";
/// The bound on the ratio of the costs with more nodes, and its value if they cost nothing.
const SAME: f64 = 1.15;

pub(super) fn measure(bed: &Bed<'_>) -> Result<(Vec<Figure>, Vec<Value>)> {
    let mut runs = Vec::new();
    for round in 1..=bed.plan.rounds {
        for count in [FEW, MANY] {
            println!(
                "nodes without subscribers, round {round} of {}: {count} of them",
                bed.plan.rounds
            );
            runs.push(publish(bed, count)?);
        }
    }
    let best = |count: usize, key: &str| {
        let runs = runs.iter().filter(|run| run["idle_nodes"] == count);
        least(runs.filter_map(|run| run[key].as_f64()))
    };
    let figure = |what: &str, key, value: &str, unit| Figure {
        what: format!("{what} of a publish with {MANY} more nodes that nobody listens on"),
        key,
        ours: best(MANY, value),
        reference: best(FEW, value),
        beside: "with 1 more",
        unit,
        bound: Some(Bound::Times(SAME)),
    };
    let figures = vec![
        figure("CPU (Redis and both busy nodes)", "redis_idle_cpu", "busy_cpu_us", "µs"),
        figure("bytes from Redis", "redis_idle_bytes", "redis_bytes", "B"),
        Figure {
            what: "CPU of such a node for each publish of others".into(),
            key: "redis_idle_node",
            ours: best(MANY, "idle_cpu_us"),
            reference: best(MANY, "publishing_cpu_us"),
            beside: "the publishing node",
            unit: "µs",
            bound: None,
        },
    ];
    Ok((figures, runs))
}

fn publish(bed: &Bed<'_>, count: usize) -> Result<Value> {
    let store = bed.store(false)?;
    let from = bed.node("node-a", &store, bed.pins.publishing)?;
    let to = bed.node("node-b", &store, bed.pins.others)?;
    let names = (0..count).map(|number| format!("node-idle-{number}"));
    let idle = names
        .map(|name| bed.node(&name, &store, bed.pins.others))
        .collect::<Result<Vec<_>>>()?;
    let mut client = store.client()?;
    let before = (client.cpu()?, client.info("total_net_output_bytes")?);
    let mut run = bed.publish(&from, &to, &idle, PACE)?;
    let after = (client.cpu()?, client.info("total_net_output_bytes")?);
    let published = number(&run, "published_in_all")?;
    let cpu = run["cpu_us_per_publish"].as_array().context("CPU of each process")?;
    let cpu: Vec<f64> = cpu.iter().filter_map(Value::as_f64).collect();
    let redis = (after.0 - before.0) * 1e6 / published;
    run["scenario"] = "redis_idle".into();
    run["idle_nodes"] = count.into();
    run["redis_cpu_us"] = redis.into();
    run["redis_bytes"] = ((after.1 - before.1) / published).into();
    run["publishing_cpu_us"] = cpu[0].into();
    run["busy_cpu_us"] = (redis + cpu[0] + cpu[1]).into();
    // The busiest of the nodes that should be idle.
    run["idle_cpu_us"] = super::most(cpu[2..].iter().copied()).into();
    Ok(run)
}
