//! Load on a server by WebSocket, by streams of events or by long polls: opens subscribers, publishes to them, and tells what
//! that cost the server. One thread; one line of JSON on stdout. `docs/BENCHMARKS.md` says how to run it and how to read it.

mod connection;
mod crowd;
mod dialect;
mod format;
mod poller;
mod publisher;
mod stream;
mod target;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use serde_json::{Value, json};

use bench::server::{Server, Usage};
use connection::Role;
use crowd::Crowd;
use dialect::Dialect;
use format::Formats;
use publisher::{Pace, Publishers};
use stream::Trust;
use target::Target;

/// From the last connection until memory is read, so that the server can release memory.
const SETTLE: Duration = Duration::from_millis(500);
/// Before each turn of one of several formats, uncounted: its connections rested. The kernel acknowledges up to 16 segments after a rest at
/// once, which is dearer than later, and caches have what others used.
const TURN_WARM_UP: Duration = Duration::from_millis(250);
/// Connections of one of several formats that are opened one after the other. Even, for a format that is half of each.
const INTERLEAVED: usize = 50;
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
    /// Where publishers connect, if that is another server.
    #[arg(long)]
    publish_address: Option<SocketAddr>,
    /// The processes whose CPU time and memory are reported, on this machine. The first is the server.
    #[arg(long, required = true)]
    pid: Vec<u32>,
    /// Speak TLS, and trust these authorities: a file in PEM. The server is `localhost`.
    #[arg(long)]
    ca: Option<PathBuf>,
    /// The format of envelopes. With several, separated by commas, each has all these subscribers and publishers for itself, in a
    /// channel of its own, and they publish in turns.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "json")]
    format: Vec<Formats>,
    /// How many turns each of several formats has; every second time in turned order.
    #[arg(long, default_value_t = 1)]
    turns: usize,
    /// Put in place of `{token}` in the target.
    #[arg(long, default_value = "")]
    token: String,
    /// How many subscribers.
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// So many more come first, and stay. They are not counted: by then the server has given back what it started with, and has
    /// made what its first clients need.
    #[arg(long, default_value_t = 0, conflicts_with = "pace")]
    before: usize,
    /// Connections that open at the same time, at most.
    #[arg(long, default_value_t = 500)]
    ramp: usize,
    /// Channels that each subscriber has for itself; without, all share the channel `load:0`.
    #[arg(long, default_value_t = 0)]
    channels: usize,
    /// How many publishers; they take turns.
    #[arg(long, default_value_t = 1)]
    publishers: usize,
    /// Messages a second. Without any pace nothing is published.
    #[arg(long, group = "pace")]
    rate: Option<f64>,
    /// Publish whenever fewer than this many messages are in flight.
    #[arg(long, group = "pace")]
    window: Option<u64>,
    /// Publish whenever fewer than this many messages of a publisher are unacknowledged.
    #[arg(long, group = "pace")]
    in_flight: Option<u64>,
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
    /// Print `ready` on stdout once all are subscribed, and keep the connections open until stdin ends.
    #[arg(long)]
    until_eof: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let target = Target::load(&arguments.target, &arguments.token)?;
    let of_all = (arguments.connections + arguments.publishers) * arguments.format.len();
    let wanted = (arguments.before + of_all) as u64 + OTHER_FILES;
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
    let server = Server(arguments.pid[0]);
    let trust = arguments.ca.as_deref().map(Trust::load).transpose()?;
    let formats = arguments.format.iter().copied();
    let groups = formats
        .map(|formats| Dialect::each(target, formats))
        .collect::<Result<Vec<_>>>()?;
    let mut crowd = Crowd::new(arguments.channels, trust)?;
    let (address, ramp) = (arguments.address, arguments.ramp);
    if arguments.before > 0 {
        crowd.open(Role::Subscriber, &groups[0], 0, address, arguments.before, ramp)?;
        crowd.rest(SETTLE)?;
    }
    let empty = server.usage()?;
    let all_empty = in_all(&arguments.pid)?;
    let begin = Instant::now();
    // Of several formats each gets a few connections in turn, so that none has the better places in memory.
    let step = if groups.len() == 1 {
        arguments.connections.max(1)
    } else {
        INTERLEAVED
    };
    for opened in (0..arguments.connections).step_by(step) {
        let count = step.min(arguments.connections - opened);
        for (channel, dialects) in groups.iter().enumerate() {
            crowd.open(Role::Subscriber, dialects, channel, address, count, ramp)?;
        }
    }
    let opening = begin.elapsed();
    let opened = server.usage()?;
    let all_opened = in_all(&arguments.pid)?;
    crowd.rest(SETTLE)?;
    let full = server.usage()?;
    let all_full = in_all(&arguments.pid)?;
    let connections = (arguments.connections * groups.len()) as u64;
    let mut result = json!({
        "target": target.name,
        "connections": connections,
        "opened_in_s": rounded(opening.as_secs_f64(), 2),
        "connect_cpu_us": rounded(per(cpu(empty, opened) * 1e6, connections), 1),
        "connect_cpu_us_in_all": rounded(per(cpu(all_empty, all_opened) * 1e6, connections), 1),
        "resident_kib": full.resident_kib,
        "kib_per_connection":
            rounded(per(kib(full) - kib(empty), connections), 2),
        "kib_per_connection_in_all":
            rounded(per(kib(all_full) - kib(all_empty), connections), 2),
    });
    let rate = arguments.rate.map(Pace::PerSecond);
    let window = arguments.window.map(Pace::Window);
    let in_flight = arguments.in_flight.map(Pace::InFlight);
    if let Some(pace) = rate.or(window).or(in_flight) {
        let address = arguments.publish_address.unwrap_or(address);
        let mut publishers = Vec::new();
        for (channel, dialects) in groups.iter().enumerate() {
            let opened = crowd.open(Role::Publisher, dialects, channel, address, arguments.publishers, ramp)?;
            let subscribers = arguments.connections as u64;
            publishers.push(Publishers::new(
                &dialects[0],
                channel,
                pace,
                arguments.fill,
                subscribers,
                opened,
            ));
        }
        for each in &mut publishers {
            each.run(&mut crowd, Duration::from_secs_f64(arguments.warm_up))?;
        }
        if let [only] = &mut publishers[..] {
            publish(arguments, only, &mut crowd, &mut result)?;
        } else {
            publish_in_turns(arguments, &mut publishers, &mut crowd, &mut result)?;
        }
    }
    crowd.rest(Duration::from_secs_f64(arguments.hold))?;
    if arguments.until_eof {
        println!("ready");
        crowd.rest_until_eof()?;
    }
    result["closed"] = crowd.tally.closed.into();
    Ok(result)
}

fn publish(
    arguments: &Arguments,
    publishers: &mut Publishers<'_>,
    crowd: &mut Crowd<'_>,
    result: &mut Value,
) -> Result<()> {
    let usages = || {
        arguments
            .pid
            .iter()
            .map(|pid| Server(*pid).usage())
            .collect::<Result<Vec<_>>>()
    };
    let subscribers = arguments.connections as u64;
    let before = usages()?;
    let begin = Instant::now();
    let published = publishers.run(crowd, Duration::from_secs_f64(arguments.seconds))?;
    let wall = begin.elapsed().as_secs_f64();
    let spent: Vec<f64> = before
        .into_iter()
        .zip(usages()?)
        .map(|(from, to)| cpu(from, to))
        .collect();
    let tally = &crowd.tally;
    result["published"] = published.into();
    result["published_per_s"] = rounded(float(published) / wall, 0).into();
    result["published_in_all"] = publishers.number().into();
    result["deliveries"] = tally.deliveries.into();
    result["missing"] = (published * subscribers).saturating_sub(tally.deliveries).into();
    if publishers.are_acknowledged() {
        result["unacknowledged"] = published.saturating_sub(tally.acks).into();
    }
    result["deliveries_per_s"] = rounded(float(tally.deliveries) / wall, 0).into();
    result["server_busy"] = rounded(spent[0] / wall, 2).into();
    result["cpu_ns_per_delivery"] = rounded(per(spent[0] * 1e9, tally.deliveries), 1).into();
    let each: Vec<f64> = spent.iter().map(|cpu| rounded(per(cpu * 1e6, published), 3)).collect();
    result["cpu_us_per_publish"] = each.into();
    result["cpu_ns_per_delivery_in_all"] = rounded(per(spent.iter().sum::<f64>() * 1e9, tally.deliveries), 1).into();
    for (name, part) in [("p50_ms", 0.5), ("p99_ms", 0.99), ("p999_ms", 0.999), ("max_ms", 1.0)] {
        result[name] = rounded(tally.latencies.quantile_ms(part), 3).into();
    }
    Ok(())
}

/// What each turn of each format cost the server, which has the connections of all of them.
fn publish_in_turns(
    arguments: &Arguments,
    publishers: &mut [Publishers<'_>],
    crowd: &mut Crowd<'_>,
    result: &mut Value,
) -> Result<()> {
    let server = Server(arguments.pid[0]);
    let mut formats: Vec<_> = arguments.format.iter().zip(publishers).collect();
    let (mut turns, mut missing) = (Vec::new(), 0);
    for _ in 0..arguments.turns {
        for (format, publishers) in &mut formats {
            publishers.run(crowd, TURN_WARM_UP)?;
            let before = server.usage()?;
            let begin = Instant::now();
            let published = publishers.run(crowd, Duration::from_secs_f64(arguments.seconds))?;
            let wall = begin.elapsed().as_secs_f64();
            let spent = cpu(before, server.usage()?);
            let tally = &crowd.tally;
            missing += (published * arguments.connections as u64).saturating_sub(tally.deliveries);
            turns.push(json!({
                "format": format.word(),
                "deliveries": tally.deliveries,
                "server_busy": rounded(spent / wall, 2),
                "cpu_ns_per_delivery": rounded(per(spent * 1e9, tally.deliveries), 1),
                "p50_ms": rounded(tally.latencies.quantile_ms(0.5), 3),
            }));
        }
        formats.reverse();
    }
    result["turns"] = turns.into();
    result["missing"] = missing.into();
    Ok(())
}

/// What all processes have used until now.
fn in_all(pids: &[u32]) -> Result<Usage> {
    let nothing = Usage {
        cpu_seconds: 0.0,
        resident_kib: 0,
    };
    pids.iter().try_fold(nothing, |sum, pid| {
        let usage = Server(*pid).usage()?;
        Ok(Usage {
            cpu_seconds: sum.cpu_seconds + usage.cpu_seconds,
            resident_kib: sum.resident_kib + usage.resident_kib,
        })
    })
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
