//! How soon a node is subscribed to all its channels again after Redis was killed and is back. Redis comes back with its
//! data, because with an empty one subscribers of channels with history would have to begin anew.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use super::super::figure::{Bound, Figure};
use super::bed::{Background, Bed, read};
use super::resp::{Client, Reply};
use super::store::Store;
use super::{least, most};

const CONNECTIONS: usize = 100;
const CHANNELS_EACH: usize = 100;
const CHANNELS: usize = CONNECTIONS * CHANNELS_EACH;
/// How long Redis is away: until a node waits long between its attempts.
const AWAY: Duration = Duration::from_secs(3);
/// How long after that they must still be there.
const STAYS: Duration = Duration::from_secs(1);
/// How often Redis is asked who is subscribed.
const LOOK: Duration = Duration::from_millis(10);
/// How long the bench waits at most.
const GIVE_UP: Duration = Duration::from_mins(1);
/// Channels of a plain client's SUBSCRIBE.
const BATCH: usize = 512;

pub(super) fn measure(bed: &Bed<'_>) -> Result<(Vec<Figure>, Vec<Value>)> {
    let mut store = bed.store(true)?;
    let node = bed.node("node-a", &store, bed.pins.publishing)?;
    let mut command = bed.load(&node);
    command
        .args(["--pid", &node.id().to_string(), "--until-eof", "--connections"])
        .args([&CONNECTIONS.to_string(), "--channels", &CHANNELS_EACH.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut load = Background(command.spawn()?);
    let mut printed = BufReader::new(load.0.stdout.take().context("stdout was asked for")?);
    let mut line = String::new();
    printed.read_line(&mut line)?;
    ensure!(line.trim() == "ready", "the subscribers are not: {line}");

    let mut runs = Vec::new();
    for round in 1..=bed.plan.rounds {
        println!("restart of Redis, round {round} of {}", bed.plan.rounds);
        store.restart(AWAY)?;
        let back = Instant::now();
        let seconds = until_subscribed(&mut store.client()?, back)?;
        thread::sleep(STAYS);
        ensure!(
            subscribed(&mut store.client()?)? == CHANNELS,
            "some subscriptions came back and did not stay"
        );
        runs.push(json!({ "scenario": "redis_restart", "target": "sluicegate", "seconds": seconds }));
        runs.push(json!({ "scenario": "redis_restart", "target": "plain", "seconds": plain(&store)? }));
    }
    // The load generator's exit status shows whether a connection was lost.
    drop(load.0.stdin.take());
    line.clear();
    printed.read_to_string(&mut line)?;
    read(&line)?;

    let of = |target: &str| {
        let runs = runs.iter().filter(|run| run["target"] == target);
        runs.filter_map(|run| run["seconds"].as_f64()).collect::<Vec<_>>()
    };
    let figure = Figure {
        what: format!("{CHANNELS} channels subscribed again after a restart of Redis, worst round"),
        key: "redis_restart",
        ours: most(of("sluicegate")),
        reference: least(of("plain")),
        beside: "a plain client's SUBSCRIBEs",
        unit: "s",
        bound: Some(Bound::Most(3.0)),
    };
    Ok((vec![figure], runs))
}

fn until_subscribed(client: &mut Client, back: Instant) -> Result<f64> {
    loop {
        let subscribed = subscribed(client)?;
        if subscribed == CHANNELS {
            return Ok(back.elapsed().as_secs_f64());
        }
        ensure!(
            back.elapsed() < GIVE_UP,
            "after {GIVE_UP:?} only {subscribed} of {CHANNELS} channels are subscribed"
        );
        thread::sleep(LOOK);
    }
}

/// How many channels the node is subscribed to. A Redis that is still loading counts as none.
fn subscribed(client: &mut Client) -> Result<usize> {
    match client.call(&["PUBSUB", "CHANNELS", "bench:2:c:*"]) {
        Ok(Reply::List(channels)) => Ok(channels.len()),
        Err(error) if error.to_string().contains("LOADING") => Ok(0),
        other => bail!("PUBSUB CHANNELS gives {other:?}"),
    }
}

/// As many channels of a plain client.
fn plain(store: &Store) -> Result<f64> {
    let mut client = store.client()?;
    let names: Vec<String> = (0..CHANNELS)
        .map(|number| format!("plain:c:{{load:{number}}}"))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let begin = Instant::now();
    for batch in names.chunks(BATCH) {
        client.subscribe(batch)?;
    }
    Ok(begin.elapsed().as_secs_f64())
}
