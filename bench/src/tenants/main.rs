//! Many tenants of one broker, `t0` and on: uses each for the first time and once more, then publishes to subscribers of the
//! first ones. Tells how long uses took, what memory the broker has, and what a delivery costs it. One line of JSON on stdout;
//! `cargo xtask bench tenants` starts it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bench::client::{Client, Said};
use bench::latency::Latencies;
use bench::server::Server;
use clap::Parser;
use serde_json::{Value, json};

/// What is not answered within this is an error.
const PATIENCE: Duration = Duration::from_secs(30);
/// Publishes to each channel before anything is counted, so that everybody is warm.
const WARM_ROUNDS: u32 = 3;

/// Uses many tenants of one broker.
#[derive(Parser)]
#[command(name = "tenants")]
struct Arguments {
    /// Where the broker listens.
    #[arg(long)]
    address: SocketAddr,
    /// The broker's process.
    #[arg(long)]
    pid: u32,
    /// A token that all tenants take.
    #[arg(long)]
    token: String,
    /// Tenants to use, from `t0` on.
    #[arg(long)]
    uses: usize,
    /// Tenants that get publishes; 0 for none.
    #[arg(long, default_value_t = 0)]
    active: usize,
    /// Channels that get publishes, spread evenly over the active tenants.
    #[arg(long, default_value_t = 0)]
    channels: usize,
    /// Subscribers of each of these.
    #[arg(long, default_value_t = 1)]
    subscribers: usize,
    /// Publishes to each of these.
    #[arg(long, default_value_t = 20)]
    rounds: u32,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let server = Server(arguments.pid);
    let at_rest = server.usage()?;
    let (mut first, mut again) = (Latencies::new(), Latencies::new());
    for number in 0..arguments.uses {
        first.record(use_once(&arguments, number)?);
    }
    let used = server.usage()?;
    // On the same shard or another, as the kernel spreads connections.
    for number in 0..arguments.uses {
        again.record(use_once(&arguments, number)?);
    }
    let used_again = server.usage()?;
    let mut result = json!({
        "resident_kib": at_rest.resident_kib,
        "used_kib": used.resident_kib,
        "used_again_kib": used_again.resident_kib,
        "first": shown(&first),
        "again": shown(&again),
    });
    if arguments.active > 0 {
        result["cpu_ns_per_delivery"] = json!(deliver(&arguments, server)?);
    }
    println!("{result}");
    Ok(())
}

fn shown(latencies: &Latencies) -> Value {
    json!({ "p50_ms": latencies.quantile_ms(0.5), "p99_ms": latencies.quantile_ms(0.99), "max_ms": latencies.quantile_ms(1.0) })
}

fn connected(arguments: &Arguments, tenant: usize) -> Result<Client> {
    let mut client = Client::open(arguments.address, &format!("/t/t{tenant}/ws"))?;
    let payload = json!({ "version": 1, "token": arguments.token });
    client.say(&[json!({ "type": "connect", "id": 1, "payload": payload }).to_string()])?;
    acked(&mut client, 1).with_context(|| format!("connect to t{tenant}"))?;
    Ok(client)
}

/// From `connect` to the acknowledgement of a publish, in nanoseconds: every plugin of the tenant is asked.
fn use_once(arguments: &Arguments, tenant: usize) -> Result<u64> {
    let mut client = Client::open(arguments.address, &format!("/t/t{tenant}/ws"))?;
    let channel = "load:first";
    let begin = Instant::now();
    client.say(&[
        json!({ "type": "connect", "id": 1, "payload": { "version": 1, "token": arguments.token } }).to_string(),
        json!({ "type": "subscribe", "id": 2, "payload": { "channel": channel } }).to_string(),
        json!({ "type": "publish", "id": 3, "payload": { "channel": channel, "data": { "n": 1 } } }).to_string(),
    ])?;
    acked(&mut client, 3).with_context(|| format!("the use of t{tenant}"))?;
    let took = begin.elapsed();
    client.reset()?;
    Ok(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX))
}

/// Waits for the acknowledgement of request `id`; any refusal is an error.
fn acked(client: &mut Client, id: u64) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match client.hear(until)? {
            Said::Envelope(envelope) if envelope["type"] == "error" => bail!("refused: {envelope}"),
            Said::Envelope(envelope) if envelope["type"] == "ack" && envelope["id"] == json!(id) => return Ok(()),
            Said::Envelope(_) => {}
            Said::Closed(code) => bail!("closed with {code:?}"),
            Said::Nothing => bail!("no answer within {PATIENCE:?}"),
        }
    }
}

/// The broker's processor time for one delivery, in nanoseconds.
fn deliver(arguments: &Arguments, server: Server) -> Result<f64> {
    let mut channels = Vec::new();
    for number in 0..arguments.channels {
        let tenant = number % arguments.active;
        let name = format!("load:{number}");
        let mut subscribers = Vec::new();
        for _ in 0..arguments.subscribers {
            let mut client = connected(arguments, tenant)?;
            client.say(&[json!({ "type": "subscribe", "id": 2, "payload": { "channel": name } }).to_string()])?;
            acked(&mut client, 2)?;
            subscribers.push(client);
        }
        channels.push((name, subscribers));
    }
    for round in 0..WARM_ROUNDS {
        publish_round(&mut channels, round)?;
    }
    let before = server.usage()?.cpu_seconds;
    for round in 0..arguments.rounds {
        publish_round(&mut channels, round)?;
    }
    let spent = server.usage()?.cpu_seconds - before;
    let receivers = u32::try_from(arguments.channels * arguments.subscribers)?;
    Ok(spent * 1e9 / f64::from(receivers) / f64::from(arguments.rounds))
}

/// The first subscriber of each channel publishes to it, and all get it.
fn publish_round(channels: &mut [(String, Vec<Client>)], round: u32) -> Result<()> {
    for (name, subscribers) in &mut *channels {
        let payload = json!({ "channel": name, "data": { "n": round } });
        let publish = json!({ "type": "publish", "id": 3, "payload": payload }).to_string();
        if let Some(first) = subscribers.first_mut() {
            first.say(&[publish])?;
        }
    }
    for client in channels.iter_mut().flat_map(|(_, subscribers)| subscribers) {
        delivered(client)?;
    }
    Ok(())
}

fn delivered(client: &mut Client) -> Result<()> {
    let until = Instant::now() + PATIENCE;
    loop {
        match client.hear(until)? {
            Said::Envelope(envelope) if envelope["type"] == "message" => return Ok(()),
            Said::Envelope(envelope) if envelope["type"] == "error" => bail!("refused: {envelope}"),
            Said::Envelope(_) => {}
            Said::Closed(code) => bail!("closed with {code:?}"),
            Said::Nothing => bail!("no message within {PATIENCE:?}"),
        }
    }
}
