//! A reconnect storm: clients that all come at once, log in, subscribe and recover what they missed, beside others that are
//! connected and must notice nothing. First every step is made singly, by as many clients, then all of them as each client
//! can. One line of JSON on stdout; `cargo xtask bench storm` starts it.

mod client;
mod wave;
mod witnesses;

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::client::{Client, Said};
use bench::latency::Latencies;
use clap::Parser;
use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use client::{Missed, Stage};
use wave::Wave;
use witnesses::Witnesses;

/// Messages that each client missed.
const MISSED: usize = 3;
/// How long a reply to a single request may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until the servers have forgotten those that are gone.
const REST: Duration = Duration::from_secs(3);
/// Clients that connect at a time while there is no storm.
const RAMP: usize = 1_000;
/// Between the witnesses' first message and the storm.
const CALM: Duration = Duration::from_secs(1);

/// Lets many clients come at once.
#[derive(Parser)]
#[command(name = "storm")]
struct Arguments {
    /// Where the nodes listen to which the clients come.
    #[arg(long, required = true)]
    address: Vec<SocketAddr>,
    /// Where a node listens on which the clients are before; it is killed.
    #[arg(long, requires = "lost_pid")]
    lost_address: Option<SocketAddr>,
    /// Its process.
    #[arg(long)]
    lost_pid: Option<i32>,
    /// What all of them log in with.
    #[arg(long)]
    token: String,
    #[arg(long, default_value_t = 15_000)]
    clients: usize,
    /// Channels with history that they share evenly.
    #[arg(long, default_value_t = 1_000)]
    channels: usize,
    /// Clients that are connected all the time, on all nodes together.
    #[arg(long, default_value_t = 500)]
    witnesses: usize,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    rlimit::increase_nofile_limit(u64::MAX)?;
    let at = missed(&arguments, ["load:witness".to_owned()], 0)?;
    let missed = missed(
        &arguments,
        (0..arguments.channels).map(|number| format!("load:{number}")),
        MISSED,
    )?;
    let mut witnesses = Witnesses::connect(&arguments.address, &arguments.token, &at, arguments.witnesses)?;
    let quiet = watched(&mut witnesses, CALM)?;

    let mut wave = Wave::new(&arguments.token, &missed)?;
    let begin = Instant::now();
    // No more at a time than a kernel keeps until they are accepted: who finds no room tries again after a second, and that
    // second is no part of a handshake.
    for _ in 0..arguments.clients / RAMP {
        wave.open(&arguments.address, 1, RAMP)?;
        wave.make(&[Stage::Upgraded], || witnesses.go_on())?;
    }
    let handshake = begin.elapsed();
    let mut single = |steps: &[Stage]| wave.make(steps, || witnesses.go_on());
    let connect = single(&[Stage::Connected])?;
    let subscribe = single(&[Stage::Subscribed])?;
    let recover = single(&[Stage::Recovered])?;
    wave.reset()?;
    thread::sleep(REST);
    witnesses.settle()?;

    let mut lost = Wave::new(&arguments.token, &missed)?;
    if let Some(address) = arguments.lost_address {
        for _ in 0..arguments.clients / RAMP {
            lost.open(&[address], 2, RAMP)?;
            lost.make(&[Stage::Upgraded, Stage::Connected, Stage::Recovered], || {
                witnesses.go_on()
            })?;
        }
        watched(&mut witnesses, CALM)?;
    }
    if let Some(pid) = arguments.lost_pid.and_then(Pid::from_raw) {
        rustix::process::kill_process(pid, Signal::KILL)?;
    }
    let begin = Instant::now();
    lost.reset()?;
    let mut wave = Wave::new(&arguments.token, &missed)?;
    wave.open(&arguments.address, 3, arguments.clients)?;
    wave.make(&[Stage::Upgraded, Stage::Connected, Stage::Recovered], || {
        witnesses.go_on()
    })?;
    let (storm, retries) = (begin.elapsed(), wave.retries);
    let beside = witnesses.settle()?;

    let seconds = |time: Duration| time.as_secs_f64();
    println!(
        "{}",
        json!({
            "clients": arguments.clients,
            "handshake_seconds": seconds(handshake),
            "connect_seconds": seconds(connect),
            "subscribe_seconds": seconds(subscribe),
            "recover_seconds": seconds(recover),
            "singly_seconds": seconds(handshake + connect + recover),
            "storm_seconds": seconds(storm),
            "storm_retries": retries,
            "witnesses": arguments.witnesses,
            "witness_quiet": told(&quiet),
            "witness_in_storm": told(&beside),
        })
    );
    Ok(())
}

/// What the witnesses' messages take while nothing else is.
fn watched(witnesses: &mut Witnesses<'_>, time: Duration) -> Result<Latencies> {
    let begin = Instant::now();
    while begin.elapsed() < time {
        witnesses.go_on()?;
    }
    witnesses.settle()
}

fn told(latencies: &Latencies) -> Value {
    json!({ "p50_ms": latencies.quantile_ms(0.5), "p99_ms": latencies.quantile_ms(0.99), "max_ms": latencies.quantile_ms(1.0) })
}

/// Channels with `messages` after the position that is told.
fn missed(arguments: &Arguments, channels: impl IntoIterator<Item = String>, messages: usize) -> Result<Vec<Missed>> {
    let server = *arguments.address.first().context("no address")?;
    let mut client = Client::open(server, "/ws")?;
    asked(
        &mut client,
        "connect",
        &json!({ "version": 1, "token": arguments.token }),
    )?;
    let mut all = Vec::new();
    for channel in channels {
        let position = asked(&mut client, "subscribe", &json!({ "channel": channel }))?;
        asked(&mut client, "unsubscribe", &json!({ "channel": channel }))?;
        for message in 0..messages {
            asked(
                &mut client,
                "publish",
                &json!({ "channel": channel, "data": { "missed": message } }),
            )?;
        }
        let epoch = position["epoch"]
            .as_str()
            .with_context(|| format!("{channel} has no history"))?;
        all.push(Missed {
            channel,
            epoch: epoch.to_owned(),
            offset: position["offset"].as_u64().context("a position has an offset")?,
            messages,
        });
    }
    Ok(all)
}

/// The acknowledgement of a request.
fn asked(client: &mut Client, kind: &str, payload: &Value) -> Result<Value> {
    client.say(&[json!({ "type": kind, "id": 1, "payload": payload }).to_string()])?;
    let until = Instant::now() + PATIENCE;
    loop {
        match client.hear(until)? {
            Said::Envelope(mut envelope) if envelope["type"] == "ack" => return Ok(envelope["payload"].take()),
            Said::Envelope(envelope) if envelope["type"] == "error" => bail!("{kind} is refused: {envelope}"),
            Said::Envelope(_) => {}
            Said::Closed(code) => bail!("closed with {code:?}"),
            Said::Nothing => bail!("no reply to {kind} within {PATIENCE:?}"),
        }
    }
}
