//! Load on a WebSocket server: opens subscribers, publishes to them, and tells what that cost the server. One
//! thread; one line of JSON on stdout. `docs/BENCHMARKS.md` says how to run it and how to read it.

mod connection;
mod crowd;
mod latency;
mod publisher;
mod server;
mod target;
mod websocket;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use serde_json::{Value, json};

use connection::Role;
use crowd::Crowd;
use publisher::{Pace, Publisher};
use server::{Server, Usage};
use target::Target;

/// From the last connection until memory is read: the server's turn to tidy up.
const SETTLE: Duration = Duration::from_millis(500);
/// Files that this process has open beside its connections.
const OTHER_FILES: u64 = 32;

/// Opens subscribers, publishes to them, and tells what that cost the server.
#[derive(Parser)]
#[command(name = "load")]
struct Arguments {
    /// How to speak to the server: a file of `bench/targets`.
    target: PathBuf,
    /// Where the server listens.
    #[arg(long)]
    address: SocketAddr,
    /// The server's process, on this machine.
    #[arg(long)]
    pid: u32,
    /// Put in place of `{token}` in the target.
    #[arg(long, default_value = "")]
    token: String,
    /// How many subscribers.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Connections that open at the same time, at most.
    #[arg(long, default_value_t = 500)]
    ramp: usize,
    /// Messages a second; neither this nor a window: nothing is published.
    #[arg(long, conflicts_with = "window")]
    rate: Option<f64>,
    /// Publish whenever fewer than this many messages are under way.
    #[arg(long)]
    window: Option<u64>,
    /// Seconds to publish.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Seconds to publish before that, uncounted.
    #[arg(long, default_value_t = 1.0)]
    warm_up: f64,
    /// Bytes that fill a message, beside what the protocol adds.
    #[arg(long, default_value_t = 128)]
    fill: usize,
    /// Seconds to keep the connections open at the end, for a look at the server.
    #[arg(long, default_value_t = 0.0)]
    hold: f64,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let target = Target::load(&arguments.target, &arguments.token)?;
    let wanted = arguments.connections as u64 + OTHER_FILES;
    let granted = rlimit::increase_nofile_limit(wanted)?;
    ensure!(
        granted >= wanted,
        "{wanted} files are needed and {granted} allowed: raise the limit (ulimit -Hn)"
    );
    let result = run(&arguments, &target)?;
    println!("{result}");
    Ok(())
}

fn run(arguments: &Arguments, target: &Target) -> Result<Value> {
    let server = Server(arguments.pid);
    let mut crowd = Crowd::new(target, arguments.address)?;
    let empty = server.usage()?;
    let begin = Instant::now();
    crowd.open(Role::Subscriber, arguments.connections, arguments.ramp)?;
    let opening = begin.elapsed();
    let opened = server.usage()?;
    crowd.rest(SETTLE)?;
    let full = server.usage()?;
    let mut result = json!({
        "target": target.name,
        "connections": arguments.connections,
        "opened_in_s": rounded(opening.as_secs_f64(), 2),
        "connect_cpu_us": rounded(per(cpu(empty, opened) * 1e6, arguments.connections as u64), 1),
        "resident_kib": full.resident_kib,
        "kib_per_connection":
            rounded(per(kib(full) - kib(empty), arguments.connections as u64), 2),
    });
    let pace = match (arguments.rate, arguments.window) {
        (Some(rate), _) => Some(Pace::PerSecond(rate)),
        (None, Some(window)) => Some(Pace::Window(window)),
        (None, None) => None,
    };
    if let Some(pace) = pace {
        publish(arguments, target, pace, &mut crowd, &mut result)?;
    }
    crowd.rest(Duration::from_secs_f64(arguments.hold))?;
    result["closed"] = crowd.tally.closed.into();
    Ok(result)
}

fn publish(
    arguments: &Arguments,
    target: &Target,
    pace: Pace,
    crowd: &mut Crowd<'_>,
    result: &mut Value,
) -> Result<()> {
    let server = Server(arguments.pid);
    let subscribers = arguments.connections as u64;
    crowd.open(Role::Publisher, 1, 1)?;
    let mut publisher = Publisher {
        target,
        pace,
        fill: "x".repeat(arguments.fill),
        subscribers,
        number: 0,
    };
    publisher.run(crowd, Duration::from_secs_f64(arguments.warm_up))?;
    let before = server.usage()?;
    let begin = Instant::now();
    let published = publisher.run(crowd, Duration::from_secs_f64(arguments.seconds))?;
    let wall = begin.elapsed().as_secs_f64();
    let cpu = cpu(before, server.usage()?);
    let tally = &crowd.tally;
    result["published"] = published.into();
    result["deliveries"] = tally.deliveries.into();
    result["missing"] = (published * subscribers).saturating_sub(tally.deliveries).into();
    result["deliveries_per_s"] = rounded(float(tally.deliveries) / wall, 0).into();
    result["server_busy"] = rounded(cpu / wall, 2).into();
    result["cpu_ns_per_delivery"] = rounded(per(cpu * 1e9, tally.deliveries), 1).into();
    for (name, part) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)] {
        result[name] = rounded(tally.latencies.quantile_ms(part), 3).into();
    }
    Ok(())
}

fn cpu(from: Usage, to: Usage) -> f64 {
    to.cpu_seconds - from.cpu_seconds
}

fn kib(usage: Usage) -> f64 {
    float(usage.resident_kib)
}

#[allow(clippy::cast_precision_loss)] // Counts of a run are far below 2^53.
fn float(count: u64) -> f64 {
    count as f64
}

fn per(amount: f64, count: u64) -> f64 {
    if count == 0 { 0.0 } else { amount / float(count) }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let scale = 10_f64.powi(digits);
    (value * scale).round() / scale
}
