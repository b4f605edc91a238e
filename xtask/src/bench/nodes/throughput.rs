//! Messages a second from one node to another, beside the calls of the same script alone that Redis reaches.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::super::figure::{Bound, Figure};
use super::bed::{Bed, number};
use super::resp::{Client, Reply};
use super::store::Store;
use super::{least, most};
use crate::shell;

const SCRIPT: [&str; 2] = [
    "host/crates/backplane/src/redis/unused.lua",
    "host/crates/backplane/src/redis/publish.lua",
];
/// The length of a message in Redis: 1 KiB of filling, the rest of the data, and the node's fields.
const MESSAGE_BYTES: usize = 1024 + 110;
/// Connections that publish, and the messages that each has in flight. A node carries out the requests of a connection
/// one after the other, so that many are on their way to Redis.
const PACE: &str = "--publishers 256 --in-flight 4";

pub(super) fn measure(bed: &Bed<'_>) -> Result<(Vec<Figure>, Vec<Value>)> {
    let mut runs = Vec::new();
    for round in 1..=bed.plan.rounds {
        println!("throughput, round {round} of {}: the script alone", bed.plan.rounds);
        runs.push(bare(bed)?);
        println!("throughput, round {round} of {}: two nodes", bed.plan.rounds);
        runs.push(nodes(bed)?);
    }
    let of = |target: &str, key: &str| {
        let runs = runs.iter().filter(|run| run["target"] == target);
        runs.filter_map(|run| run[key].as_f64()).collect::<Vec<_>>()
    };
    let figures = vec![
        Figure {
            what: "messages a second from node to node, 1 KiB, with history".into(),
            key: "redis_throughput",
            ours: most(of("sluicegate", "published_per_s")),
            reference: most(of("script", "published_per_s")),
            beside: "publish.lua alone",
            unit: "/s",
            bound: Some(Bound::Share(0.6)),
        },
        Figure {
            what: "CPU of Redis for each of them".into(),
            key: "redis_cpu",
            ours: least(of("sluicegate", "redis_cpu_us")),
            reference: least(of("script", "redis_cpu_us")),
            beside: "publish.lua alone",
            unit: "µs",
            bound: None,
        },
    ];
    Ok((figures, runs))
}

fn nodes(bed: &Bed<'_>) -> Result<Value> {
    let store = bed.store(false)?;
    let from = bed.node("node-a", &store, bed.pins.publishing)?;
    let to = bed.node("node-b", &store, bed.pins.others)?;
    let mut client = store.client()?;
    let before = client.cpu()?;
    let mut run = bed.publish(&from, &to, &[], PACE)?;
    let spent = client.cpu()? - before;
    run["scenario"] = "redis_throughput".into();
    run["redis_cpu_us"] = (spent * 1e6 / number(&run, "published_in_all")?).into();
    Ok(run)
}

/// The script with a node's arguments, and one subscriber that discards what it receives.
fn bare(bed: &Bed<'_>) -> Result<Value> {
    let store = bed.store(false)?;
    let mut client = store.client()?;
    let part = |file| std::fs::read_to_string(bed.workspace.root.join(file)).context(file);
    let script = SCRIPT.map(part).into_iter().collect::<Result<String>>()?;
    let Reply::Text(digest) = client.call(&["SCRIPT", "LOAD", &script])? else {
        bail!("SCRIPT LOAD gives no digest");
    };
    let mut subscriber = store.client()?;
    subscriber.subscribe(&["bench:c:{bench/load:0}"])?;
    subscriber.drain();
    let calls = bed.plan.calls;
    let before = client.cpu()?;
    let per_second = pipelined(bed, &store, &digest, calls)?;
    let spent = client.cpu()? - before;
    // Whole pipelines, so a few more than the number of calls.
    let done = offset(&mut client)?;
    ensure!(
        done >= f64::from(calls),
        "of {calls} calls of the script {done} did something"
    );
    Ok(json!({
        "scenario": "redis_throughput",
        "target": "script",
        "published_per_s": per_second,
        "redis_cpu_us": spent * 1e6 / done,
    }))
}

fn pipelined(bed: &Bed<'_>, store: &Store, digest: &str, calls: u32) -> Result<f64> {
    let (place, stream) = ("bench:p:{bench/load:0}", "bench:s:{bench/load:0}");
    let mut command = Command::new("taskset");
    command
        .args([
            "--cpu-list",
            bed.pins.load,
            "redis-benchmark",
            "--csv",
            "-P",
            "64",
            "-c",
            "50",
        ])
        .args(["-h", "127.0.0.1", "-p", &store.address.port().to_string()])
        .args(["-n", &calls.to_string(), "EVALSHA", digest, "3", place, stream, place])
        // The server's run, a fresh epoch, the command, the time; no replicas.
        .args([
            "0123456789abcdef",
            "0123456789abcdef-2",
            "PUBLISH",
            "1700000000000",
            "0",
        ])
        .args(["bench:c:{bench/load:0}", &"x".repeat(MESSAGE_BYTES)])
        // Its id; size and time of the history; no key.
        .args(["0123456789abcdef-1", "100", "300000", "0"]);
    let printed = shell::output(&mut command)?;
    // From the end: the first column is the command. Calls a second are followed by six latencies.
    let columns = printed.lines().next_back().unwrap_or_default().rsplit(',');
    let rate = columns.map(|column| column.trim_matches('"')).nth(6);
    rate.and_then(|rate| rate.parse().ok())
        .context("redis-benchmark told no rate")
}

/// How often the script was called.
fn offset(client: &mut Client) -> Result<f64> {
    match client.call(&["HGET", "bench:p:{bench/load:0}", "offset"])? {
        Reply::Text(offset) => Ok(offset.parse()?),
        other => bail!("an offset of {other:?}"),
    }
}
