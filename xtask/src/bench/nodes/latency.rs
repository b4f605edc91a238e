//! How much longer a message takes from node to node than a round trip to Redis, at a pace without queues.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::super::figure::{Bound, Figure};
use super::bed::Bed;
use super::least;
use super::resp::Client;

const PER_SECOND: u32 = 1000;

pub(super) fn measure(bed: &Bed<'_>) -> Result<(Vec<Figure>, Vec<Value>)> {
    let mut runs = Vec::new();
    for round in 1..=bed.plan.rounds {
        println!("latency, round {round} of {}", bed.plan.rounds);
        let store = bed.store(false)?;
        let from = bed.node("node-a", &store, bed.pins.publishing)?;
        let to = bed.node("node-b", &store, bed.pins.others)?;
        runs.push(plain(&mut store.client()?, bed.plan.seconds)?);
        let mut run = bed.publish(&from, &to, &[], &format!("--rate {PER_SECOND}"))?;
        run["scenario"] = "redis_latency".into();
        runs.push(run);
    }
    let best = |target: &str, key: &str| {
        let runs = runs.iter().filter(|run| run["target"] == target);
        least(runs.filter_map(|run| run[key].as_f64()))
    };
    let figure = |what: &str, key, value: &str, above| Figure {
        what: format!("latency {what} from node to node, {PER_SECOND} a second"),
        key,
        ours: best("sluicegate", value),
        reference: best("publish", value),
        beside: "PUBLISH round trip",
        unit: "ms",
        bound: Some(Bound::Above(above)),
    };
    let figures = vec![
        figure("p50", "redis_latency_p50", "p50_ms", 1.0),
        figure("p99", "redis_latency_p99", "p99_ms", 5.0),
    ];
    Ok((figures, runs))
}

/// Round trips of a PUBLISH at the same pace, with nothing else under way.
fn plain(client: &mut Client, seconds: f64) -> Result<Value> {
    let message = "x".repeat(1024);
    let mut times = Vec::new();
    let begin = Instant::now();
    for number in 0.. {
        let due = Duration::from_secs(1) * number / PER_SECOND;
        if due.as_secs_f64() > seconds {
            break;
        }
        thread::sleep(due.saturating_sub(begin.elapsed()));
        let sent = Instant::now();
        client.call(&["PUBLISH", "bench:plain", &message])?;
        times.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(json!({
        "scenario": "redis_latency",
        "target": "publish",
        "p50_ms": times[times.len() / 2],
        "p99_ms": times[times.len() * 99 / 100],
    }))
}
